//! What can go wrong with a run as a whole. What goes wrong with one tenant is in its row.

use serde_json::{Value, json};

use crate::features::migrations::MigrationsError;
use crate::features::placement::PlacementError;
use crate::features::tenants::TenantError;
use crate::infra::cluster::ClusterError;
use crate::infra::crypto::RandomError;
use crate::infra::crypto::scram::ScramError;
use crate::infra::db::DbError;
use crate::kernel::ids::RunId;
use crate::kernel::{ErrorKind, Failure};

/// A request about a run that failed.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// No such run.
    #[error("no run {id}")]
    NoRun {
        /// What was asked for.
        id: RunId,
    },
    /// Another run is under way.
    #[error("run {id} is under way")]
    Busy {
        /// Which.
        id: RunId,
        /// It means something else than this one.
        other: bool,
    },
    /// A version without a set that it is of.
    #[error("--to names a version of one set, and it is not said of which")]
    ToOfWhich,
    /// A set has no such version.
    #[error("set {set} has no version {version}")]
    NoVersion {
        /// Which set.
        set: String,
        /// What was asked for.
        version: i64,
    },
    /// A wave names what cannot be a tenant.
    #[error("{name:?} names no tenant")]
    NoSuchName {
        /// What was asked for.
        name: String,
    },
    /// A file ends the transaction that it runs in.
    #[error("file {file} of set {set} begins or ends a transaction on line {line}")]
    TransactionControl {
        /// Its set.
        set: String,
        /// The file, as far as its name is known.
        file: String,
        /// Where.
        line: usize,
    },
    /// A file is no plan.
    #[error("{file} is no plan: {why}")]
    NoPlan {
        /// Which file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// What a plan was made for is no more.
    #[error("the plan no longer holds: {what}; nothing was done")]
    PlanChanged {
        /// What changed.
        what: String,
    },
    /// Some tenants were not migrated.
    #[error("run {id} is {state}: {done} done, {failed} failed, {pending} not begun")]
    Partial {
        /// Which run.
        id: RunId,
        /// How it stands.
        state: &'static str,
        /// Tenants that have everything.
        done: i64,
        /// Tenants that have not.
        failed: i64,
        /// Tenants that were not begun.
        pending: i64,
        /// No server answered.
        unreachable: bool,
    },
    /// Tenants are where they should be, and new ones cannot be made so.
    #[error("tenants have everything, but new ones will not: {source}")]
    Template {
        /// What stands in the way.
        source: PlacementError,
    },
    /// The user stopped it.
    #[error("interrupted: run {id} stands where it stood")]
    Interrupted {
        /// Which run.
        id: RunId,
    },
    /// Others took this process for dead.
    #[error("run {id} goes on without this process, which was not heard of for too long")]
    TakenOver {
        /// Which run.
        id: RunId,
    },
    /// A run is over, and there is nothing left of it to do.
    #[error("run {id} is {state}, and cannot be {verb}")]
    Over {
        /// Which run.
        id: RunId,
        /// How it stands.
        state: &'static str,
        /// What was asked for.
        verb: &'static str,
    },
    /// A file has no way back.
    #[error("{} of what run {id} applied cannot be taken back: {}", files.len(), files.join(", "))]
    NoWayBack {
        /// Which run.
        id: RunId,
        /// The files without a text that goes down.
        files: Vec<String>,
    },
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A change on a server failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A server or a template.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// A tenant.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// A set or its files.
    #[error(transparent)]
    Migrations(#[from] MigrationsError),
    /// No password could be made.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// No verifier could be made.
    #[error(transparent)]
    Scram(#[from] ScramError),
}

impl From<sqlx::Error> for FleetError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl FleetError {
    /// A failure of a part, which answers for itself.
    fn part(&self) -> Option<&dyn Failure> {
        Some(match self {
            Self::Db(error) => error,
            Self::Cluster(error) => error,
            Self::Placement(error) => error,
            Self::Tenant(error) => error,
            Self::Migrations(error) => error,
            Self::Random(error) => error,
            Self::Scram(error) => error,
            _ => return None,
        })
    }
}

impl Failure for FleetError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoRun { .. } | Self::NoVersion { .. } | Self::NoSuchName { .. } => ErrorKind::NotFound,
            Self::Busy { .. } | Self::TakenOver { .. } => ErrorKind::Busy,
            Self::ToOfWhich | Self::TransactionControl { .. } | Self::NoPlan { .. } => ErrorKind::Invalid,
            Self::PlanChanged { .. } | Self::Over { .. } | Self::NoWayBack { .. } => ErrorKind::Conflict,
            Self::Partial { unreachable: true, .. } => ErrorKind::Unavailable,
            Self::Partial { .. } | Self::Template { .. } => ErrorKind::Partial,
            Self::Interrupted { .. } => ErrorKind::Interrupted,
            other => other.part().map_or(ErrorKind::Internal, Failure::kind),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoRun { .. } => "run_not_found",
            Self::Busy { .. } => "run_under_way",
            Self::ToOfWhich => "set_missing",
            Self::NoVersion { .. } => "version_not_found",
            Self::NoSuchName { .. } => "tenant_not_found",
            Self::TransactionControl { .. } => "transaction_control",
            Self::NoPlan { .. } => "plan_unreadable",
            Self::PlanChanged { .. } => "plan_changed",
            Self::Partial { .. } => "run_partial",
            Self::Template { .. } => "template_failed",
            Self::Interrupted { .. } => "interrupted",
            Self::TakenOver { .. } => "run_taken_over",
            Self::Over { .. } => "run_over",
            Self::NoWayBack { .. } => "no_way_back",
            other => other.part().map_or("fleet", Failure::code),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoRun { .. } => vec!["see which there are: nexus migrate runs list".to_owned()],
            Self::Busy { id, other: false } => vec![
                "wait for it: --lock-wait 10m".to_owned(),
                format!("see how far it is: nexus migrate runs show {id}"),
            ],
            Self::Busy { id, other: true } => {
                vec![format!("it has other files or tenants than this command: nexus migrate runs show {id}")]
            }
            Self::ToOfWhich => vec!["say of which: --set NAME".to_owned()],
            Self::NoVersion { set, .. } => {
                vec![format!("see which there are: nexus migrate set show {set}")]
            }
            Self::NoSuchName { .. } => vec!["see which there are: nexus tenant list".to_owned()],
            Self::TransactionControl { .. } => vec![
                "take the statement out: every file runs in a transaction of its own".to_owned(),
                "or make '-- no-transaction' its first line".to_owned(),
            ],
            Self::NoPlan { .. } | Self::PlanChanged { .. } => {
                vec!["plan again: nexus migrate plan --all --out FILE".to_owned()]
            }
            Self::Partial { id, .. } => vec![
                format!("see what failed, and why: nexus migrate runs show {id}"),
                "once it is mended, repeat the command: only those that lack something are tried".to_owned(),
            ],
            Self::Template { .. } => vec![
                "the file builds upon what only old tenants have: put that into a file before it, then repeat".to_owned(),
            ],
            Self::Interrupted { id } | Self::TakenOver { id } => {
                vec![format!("go on: nexus migrate runs resume {id}")]
            }
            Self::Over { id, .. } => vec![format!("look at it: nexus migrate runs show {id}")],
            Self::NoWayBack { .. } => {
                vec![
                    "write what leads back as a new file that goes up: nexus migrate new SET NAME".to_owned(),
                ]
            }
            other => other.part().map(Failure::hints).unwrap_or_default(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::NoRun { id }
            | Self::Busy { id, .. }
            | Self::Interrupted { id }
            | Self::TakenOver { id } => {
                json!({ "run": id })
            }
            Self::Partial { id, state, done, failed, pending, .. } => {
                json!({ "run": id, "state": state, "done": done, "failed": failed, "pending": pending })
            }
            Self::Over { id, state, .. } => json!({ "run": id, "state": state }),
            Self::NoWayBack { id, files } => json!({ "run": id, "files": files }),
            other => other.part().map_or(Value::Null, Failure::details),
        }
    }
}
