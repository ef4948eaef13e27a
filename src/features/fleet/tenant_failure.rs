//! Why a tenant was not migrated, and what to do about it.

use crate::infra::cluster::ClusterError;
use crate::infra::db::{DbError, ScriptError, refusal};
use crate::kernel::hint::{Action, MigrateAction, PlaceAction, TenantAction, With};
use crate::kernel::{Failure, Hint};

/// Why a tenant was not migrated.
#[derive(Debug, Clone)]
pub(super) struct TenantFailure {
    /// A stable word.
    pub(super) code: &'static str,
    /// The server's five characters (manual, appendix A).
    pub(super) sqlstate: Option<String>,
    /// For a person.
    pub(super) message: String,
    pub(super) hint: Option<Hint>,
    /// What would come of trying again.
    pub(super) retry: Retry,
}

/// What would come of trying again at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// The same.
    No,
    /// Whoever stood in the way may be gone.
    Transient,
    /// The session broke: the server may be back, or the tenant may be closed or gone.
    ConnectionLost,
}

impl TenantFailure {
    /// Of something that is as it is until a person changes it.
    pub(super) fn fixed(code: &'static str, message: impl Into<String>, hint: impl Into<Hint>) -> Self {
        Self { code, sqlstate: None, message: message.into(), hint: Some(hint.into()), retry: Retry::No }
    }

    /// Of a statement of a file.
    pub(super) fn of_script(error: ScriptError, file: &str, text: &str) -> Self {
        let at = error.position.map_or_else(String::new, |position| {
            let line = text.chars().take(position.saturating_sub(1)).filter(|c| *c == '\n').count() + 1;
            format!(":{line}")
        });
        let mut failure = Self::of_db(error.error.into());
        if let Some(reason) = refusal(&failure.message) {
            let hint =
                Hint::new("write the file without that, and try it on a copy", MigrateAction::Rehearse);
            return Self::fixed("outside_tenant", format!("{file}: {reason}"), hint);
        }
        failure.message = format!("{file}{at}: {}", failure.message);
        failure
    }

    /// Of a statement of our own, or of a login.
    pub(super) fn of_db(error: DbError) -> Self {
        match error {
            DbError::Refused { state, message, .. } => Self::of_state(state, message),
            DbError::LoginRefused { source, .. } => {
                let state =
                    source.as_database_error().and_then(|it| it.code().map(std::borrow::Cow::into_owned));
                Self {
                    code: "login_refused",
                    sqlstate: state,
                    message: format!("the migration's login was refused: {source}"),
                    hint: Some(
                        "let roles whose names begin with nexus_m_ log in from here: see pg_hba.conf; a \
                         connection pooler, which knows no such role, must not stand before the server"
                            .into(),
                    ),
                    retry: Retry::No,
                }
            }
            error if is_poolers(&error) => Self::pooler(&error.to_string()),
            error => Self {
                code: error.code(),
                sqlstate: None,
                message: error.to_string(),
                hint: error.hints().into_iter().next(),
                retry: Retry::ConnectionLost,
            },
        }
    }

    /// Of a change on the server.
    pub(super) fn of_cluster(error: ClusterError) -> Self {
        match error {
            ClusterError::Db(error) => Self::of_db(error),
            error => Self {
                code: error.code(),
                sqlstate: None,
                message: error.to_string(),
                hint: error.hints().into_iter().next(),
                retry: Retry::No,
            },
        }
    }

    /// What stands between us and the server is no server.
    pub(super) fn pooler(how: &str) -> Self {
        Self::fixed(
            "pooler",
            format!("a connection pooler stands before this server: {how}"),
            Hint::new(
                "through a pooler a session's role and settings are not its own; register the server itself",
                PlaceAction::AddCluster,
            ),
        )
    }

    fn of_state(state: String, message: String) -> Self {
        let retry = match &*state {
            "55P03" | "40001" | "40P01" | "53300" => Retry::Transient,
            state if ["08", "57P", "53"].iter().any(|class| state.starts_with(class)) => {
                Retry::ConnectionLost
            }
            // 3D000: no such database; 55000: it takes no sessions.
            "3D000" | "55000" => Retry::ConnectionLost,
            _ => Retry::No,
        };
        let code = match &*state {
            "55P03" => "lock_timeout",
            "57014" => "statement_timeout",
            "40001" => "serialization_failure",
            "40P01" => "deadlock",
            _ => "statement_failed",
        };
        Self { code, hint: Some(hint(&state)), message, sqlstate: Some(state), retry }
    }
}

/// A pooler refuses what a server takes (PgBouncer's manual, `ignore_startup_parameters`).
fn is_poolers(error: &DbError) -> bool {
    error.to_string().contains("unsupported startup parameter")
}

fn hint(state: &str) -> Hint {
    let text = match state {
        "55P03" => {
            return Hint::new(
                "somebody holds the table: find long transactions in pg_stat_activity, then repeat, \
                 or wait longer",
                With::TableLockTimeout,
            );
        }
        "57014" => {
            return Hint::new(
                "give the file more time: '-- nexus: statement_timeout=10min' in its header, or",
                With::StatementTimeout,
            );
        }
        "40001" | "40P01" => {
            return Hint::new("repeat when there is less going on, or try more often", With::Retries);
        }
        "23505" => {
            "existing rows are duplicates: find them with 'group by … having count(*) > 1', fix them, repeat"
        }
        "23502" => "existing rows have no value: fill them in before the column becomes NOT NULL",
        "23503" | "23514" => {
            "existing rows violate the constraint: fix them, or add it NOT VALID and validate it later"
        }
        "42P07" | "42701" | "42710" | "42P06" | "42723" => {
            "it already exists, made by hand or by another tool: compare it with the file, then drop or rename it"
        }
        "42P01" | "42703" | "42883" | "42704" | "3F000" => {
            return Hint::new(
                "the tenant lacks what the file builds upon: compare it with another",
                MigrateAction::Verify(None),
            );
        }
        "42501" => {
            return Hint::new(
                "the owner of the tenant's database may not do this: check who owns the object",
                TenantAction::Repair(None),
            );
        }
        "42601" => return Hint::new("the file is no SQL that this server knows", MigrateAction::Lint),
        "2BP01" => {
            "something that the file does not know depends on it: drop that first, in a file of its own"
        }
        "22P02" | "22003" | "22001" | "22007" | "22008" | "42804" => {
            "an existing value does not fit the new type: find such rows, fix them, repeat"
        }
        "53100" => "the server's disk is full: free some space, then repeat",
        "53300" => {
            return Hint::new(
                "the server has no session left: migrate fewer tenants at a time, or allow it more",
                PlaceAction::LimitConnections(None),
            );
        }
        "25006" => "the server is read-only: is it a standby?",
        "55000" | "3D000" => {
            return Hint::new("check the tenant, and repair it", TenantAction::Repair(None));
        }
        _ => "look the code up in PostgreSQL's manual, appendix A, fix the cause, repeat",
    };
    text.into()
}

/// The hint, of the tenant that it was given for.
pub(super) fn of_tenant(hint: Hint, slug: &str) -> Hint {
    let slug = Some(slug.to_owned());
    let action: Action = match hint.action.as_deref() {
        Some(Action::Tenant(TenantAction::Repair(None))) => TenantAction::Repair(slug).into(),
        Some(Action::Migrate(MigrateAction::Verify(None))) => MigrateAction::Verify(slug).into(),
        _ => return hint,
    };
    Hint::new(hint.text, action)
}
