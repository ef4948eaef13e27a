//! Which tenant is at which version of which set, from the control database alone: no tenant is
//! asked.

use serde::Serialize;
use sqlx::types::Json;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::asking::{self, Wanted};
use super::error::FleetError;
use crate::features::access::{self, About, Authorized, rights};
use crate::features::migrations::{self, Set, Sources};
use crate::features::tenants::{self, Selector, TenantState};
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, Hint, TenantId};

mod store;

use store::Known;

/// What is at which version.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = MigrationStatus)]
pub struct StatusReport {
    /// Each set, in order of dependence.
    pub sets: Vec<SetStatus>,
    /// Tenants that no run touches, by their state.
    pub skipped: Vec<Untouched>,
    /// Sets whose folder is not on this machine: of them the newest file is the newest that a run has
    /// kept.
    #[serde(skip)]
    pub kept: Vec<String>,
}

/// One set.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = MigrationSetStatus)]
pub struct SetStatus {
    pub set: String,
    /// The newest version of its files; none where it has no file.
    pub newest: Option<i64>,
    /// How many tenants it is for.
    pub tenants: i64,
    /// How many of them are at an older version, or have nothing of it yet.
    pub behind: i64,
    /// How many of them are at a newer version than the files here.
    pub ahead: i64,
    /// How many are at which version, the oldest first.
    pub versions: Vec<VersionCount>,
    /// Those that are not at the newest version.
    pub stragglers: Vec<Straggler>,
}

/// So many tenants at a version.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = MigrationVersionCount)]
pub struct VersionCount {
    pub set: String,
    /// The version; none: nothing of the set was applied.
    pub version: Option<i64>,
    /// What its file is called; none where there is no such file here.
    pub description: Option<String>,
    /// `current`, `behind`, `ahead` or `not_applied`.
    pub state: &'static str,
    pub tenants: i64,
}

/// A tenant that is not at the newest version.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = MigrationStraggler)]
pub struct Straggler {
    /// Of which set.
    pub set: String,
    pub tenant: String,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Its version; none: nothing of the set was applied.
    pub version: Option<i64>,
    /// `behind`, `ahead` or `not_applied`.
    pub state: &'static str,
    /// Since when it is there (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Why the last run did not bring it further; only where it failed.
    pub error: Option<LastError>,
}

/// What a run met.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = LastMigrationError)]
pub struct LastError {
    pub run: Uuid,
    /// When (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
    /// The server's code (manual, appendix A).
    pub sqlstate: Option<String>,
    pub message: Option<String>,
    #[schema(value_type = Option<String>)]
    pub hint: Option<Hint>,
}

/// Tenants that no run touches.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SkippedTenants)]
pub struct Untouched {
    pub state: String,
    /// Why that leaves them out.
    pub reason: &'static str,
    pub tenants: Vec<String>,
}

impl StatusReport {
    /// How many tenants are behind in some set, each counted once a set.
    #[must_use]
    pub fn behind(&self) -> i64 {
        self.sets.iter().map(|set| set.behind).sum()
    }
}

/// Tells which tenant is at which version.
///
/// # Errors
/// When a statement fails, a named tenant is not there, or a file of a set cannot be used.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn status(
    control: &mut PgConnection,
    caller: &Caller,
    (wanted, sources): (&Wanted, &Sources),
) -> Result<StatusReport, FleetError> {
    let caller = &access::authorize(control, caller, &rights::MIGRATION_READ, About::Platform).await?;
    let (sets, kept) = migrations::sets_or_kept(control, sources).await?;
    let ids = ids(control, caller, wanted).await?;
    let known = Known {
        names: sets.iter().map(|set| set.name.as_str()).collect(),
        newest: sets.iter().map(newest).collect(),
        files: sets.iter().map(|set| i32::try_from(set.files.len()).unwrap_or(i32::MAX)).collect(),
    };
    let counts = store::counts(control, &ids, &known).await?;
    let mut found: Vec<SetStatus> = sets.iter().map(empty).collect();
    for row in counts {
        if let Some(at) = known.names.iter().position(|name| *name == row.set_name) {
            found[at].count(&sets[at], &row);
        }
    }
    if found.iter().any(|set| set.behind + set.ahead > 0) {
        for row in store::stragglers(control, &ids, &known).await? {
            if let Some(set) = found.iter_mut().find(|set| set.set == row.set_name) {
                set.stragglers.push(of(row, set.newest));
            }
        }
    }
    let others = store::others(control, &ids).await?;
    let skipped =
        others.into_iter().map(|(state, tenants)| Untouched { reason: reason(&state), state, tenants });
    Ok(StatusReport { sets: found, skipped: skipped.collect(), kept })
}

async fn ids(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    wanted: &Wanted,
) -> Result<Vec<TenantId>, FleetError> {
    let selector = match wanted {
        Wanted::Named(_) => {
            let rows = wanted.tenants(control, caller).await?;
            return Ok(rows.into_iter().map(|tenant| tenant.id).collect());
        }
        Wanted::Matching(selector) => selector.clone(),
    };
    let there: Vec<_> = TenantState::ALL.into_iter().filter(|it| *it != TenantState::Deleted).collect();
    let selector = Selector::all_of([selector, Selector::states(&there)]);
    let found = tenants::read_selected(control, caller, &selector).await?;
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

fn newest(set: &Set) -> Option<i64> {
    set.files.iter().map(|file| file.version).max()
}

fn empty(set: &Set) -> SetStatus {
    SetStatus {
        set: set.name.clone(),
        newest: newest(set),
        tenants: 0,
        behind: 0,
        ahead: 0,
        versions: Vec::new(),
        stragglers: Vec::new(),
    }
}

impl SetStatus {
    fn count(&mut self, set: &Set, row: &store::CountRow) {
        let (version, tenants) = (row.version, row.tenants);
        let state = compared(version, self.newest, row.lacks);
        self.tenants += tenants;
        match state {
            "current" => {}
            "ahead" => self.ahead += tenants,
            _ => self.behind += tenants,
        }
        let file = set.files.iter().find(|file| Some(file.version) == version);
        let description = file.map(|file| file.description.clone());
        self.versions.push(VersionCount { set: set.name.clone(), version, description, state, tenants });
    }
}

fn compared(version: Option<i64>, newest: Option<i64>, lacks: bool) -> &'static str {
    match (version, newest) {
        (version, newest) if version == newest && lacks => "behind",
        (version, newest) if version == newest => "current",
        (None, _) => "not_applied",
        (version, newest) if version > newest => "ahead",
        _ => "behind",
    }
}

fn of(row: store::StragglerRow, newest: Option<i64>) -> Straggler {
    let error = row.run_id.map(|run| LastError {
        run,
        at: row.failed_at,
        sqlstate: row.sqlstate,
        message: row.message,
        hint: row.hint.map(|Json(hint)| hint),
    });
    Straggler {
        state: compared(row.version, newest, row.lacks),
        set: row.set_name,
        tenant: row.slug,
        suspended: row.tenant_state == "suspended",
        version: row.version,
        since: row.since,
        error,
    }
}

fn reason(state: &str) -> &'static str {
    let state = TenantState::ALL.into_iter().find(|it| it.as_str() == state);
    state.and_then(asking::skip_reason).unwrap_or("runs do not migrate it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_with_the_newest_file() {
        for (version, newest, expected) in [
            (Some(3), Some(3), "current"),
            (None, None, "current"),
            (Some(2), Some(3), "behind"),
            (Some(4), Some(3), "ahead"),
            (Some(4), None, "ahead"),
            (None, Some(3), "not_applied"),
        ] {
            assert_eq!(compared(version, newest, false), expected, "{version:?} of {newest:?}");
        }
        assert_eq!(compared(Some(3), Some(3), true), "behind", "a file came late");
    }
}
