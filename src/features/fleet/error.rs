//! What can go wrong with a run, or with a question to the fleet, as a whole. What goes wrong with
//! one tenant is in its row or its finding.

use serde_json::{Value, json};

use crate::features::migrations::{LINE_ENDS_HINT, MigrationsError};
use crate::features::placement::PlacementError;
use crate::features::secrets::SecretsError;
use crate::features::tenants::TenantError;
use crate::infra::cluster::{ClusterError, CopyError};
use crate::infra::crypto::RandomError;
use crate::infra::crypto::scram::ScramError;
use crate::infra::db::DbError;
use crate::kernel::ids::RunId;
use crate::kernel::{AnyFailure, ErrorKind, Failure};

/// A request about the fleet that failed.
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
    /// A file holds what no server can be sent.
    #[error("file {file} of set {set}, line {line}: {what}")]
    Unsendable {
        /// Its set.
        set: String,
        /// The file, as far as its name is known.
        file: String,
        /// Where.
        line: usize,
        /// What.
        what: String,
        /// What to write instead.
        instead: &'static str,
    },
    /// A file has a statement that no file may have, whatever its header waives.
    #[error("file {file} of set {set} would act outside the tenant on line {line}: {words}")]
    OutsideTenant {
        /// Its set.
        set: String,
        /// The file, as far as its name is known.
        file: String,
        /// Where.
        line: usize,
        /// The statement's first words.
        words: String,
    },
    /// A file that is to run for the first time does nothing.
    #[error("file {file} of set {set} has no statement")]
    NothingIn {
        /// Its set.
        set: String,
        /// The file, as far as its name is known.
        file: String,
    },
    /// A file is not the text that was applied.
    #[error("{file} of set {set} {}", if *line_ends { "has other ends of lines than when it was applied" } else { "is not the text that was applied" })]
    FileChanged {
        /// Its set.
        set: String,
        /// The file, as far as its name is known.
        file: String,
        /// Only the ends of its lines differ.
        line_ends: bool,
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
    /// A set of a run was removed, and its files with it.
    #[error("the files that the run had of set {set} are gone: the set was removed")]
    FilesGone {
        /// Which set.
        set: String,
    },
    /// Some tenants are behind the files of a set.
    #[error("{tenants} tenant(s) are behind")]
    Behind {
        /// How many.
        tenants: i64,
    },
    /// Some tenants are not as their histories or the template say.
    #[error("{drifted} of {asked} tenant(s) differ from what they should be{}", also(*unasked))]
    Drift {
        /// How many.
        drifted: usize,
        /// Of how many that answered.
        asked: usize,
        /// How many did not answer.
        unasked: usize,
    },
    /// Some tenants did not answer, and nothing was found in those that did.
    #[error("{unasked} of {total} tenant(s) could not be asked{}", others(*unasked, *total))]
    Unasked {
        /// How many.
        unasked: usize,
        /// Of how many.
        total: usize,
    },
    /// Some tenants have other files than the template, and nothing was found in the others.
    #[error(
        "the schema of {uncompared} of {total} tenant(s) was not compared: they have other files than the template"
    )]
    NotCompared {
        /// How many.
        uncompared: usize,
        /// Of how many.
        total: usize,
    },
    /// No statement was given.
    #[error("there is no statement to run")]
    NoStatement,
    /// A statement that talks to the client in a way of its own.
    #[error("COPY cannot be run over the fleet")]
    Copy,
    /// A statement that holds a command of psql.
    #[error("{command} is a command of psql, and the statement goes to the server")]
    PsqlCommand {
        /// Which, with its backslash.
        command: String,
    },
    /// The statement failed in some tenants.
    #[error("the statement failed in {failed} of {total} tenant(s)")]
    SomeFailed {
        /// In how many.
        failed: usize,
        /// Of how many.
        total: usize,
        /// How many were not begun, because too many had failed.
        skipped: usize,
        /// No server answered.
        unreachable: bool,
    },
    /// A migration failed on a clone.
    #[error("{failed} migration(s) failed on a clone")]
    Rehearsed {
        /// How many.
        failed: usize,
    },
    /// The user stopped a question.
    #[error("stopped; not everybody was asked")]
    Stopped,
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
    /// A sealed value.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The copy of a database.
    #[error(transparent)]
    Copying(#[from] CopyError),
    /// No password could be made.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// No verifier could be made.
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// The reading of a list, or the writing of what was read.
    #[error("{0}")]
    Reading(AnyFailure),
}

fn others(unasked: usize, total: usize) -> &'static str {
    if unasked < total { "; nothing was found in the others" } else { "" }
}

fn also(unasked: usize) -> String {
    if unasked == 0 { String::new() } else { format!(", and {unasked} could not be asked") }
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
            Self::Secrets(error) => error,
            Self::Copying(CopyError::File(error)) => error,
            Self::Reading(error) => error.get(),
            _ => return None,
        })
    }

    fn hints_of_asking(&self) -> Vec<String> {
        match self {
            Self::NothingIn { .. } => vec![
                "write into it what it is to do, or remove it: what was applied cannot be changed".to_owned(),
                "should it do nothing, let it say so: select 1".to_owned(),
            ],
            Self::OutsideTenant { .. } => vec![
                "take the statement out: a file acts as the owner of one tenant's database; its app's rights \
                 are nexus_app's: grant … on … to nexus_app"
                    .to_owned(),
                "see what else there is: nexus migrate lint SET".to_owned(),
            ],
            Self::FileChanged { line_ends: true, .. } => vec![LINE_ENDS_HINT.to_owned()],
            Self::FileChanged { set, .. } => vec![format!(
                "put the file back as it was, and write what it should do now as a new one: nexus migrate new {set} NAME"
            )],
            Self::FilesGone { .. } => vec!["begin a new one: nexus migrate tenants --all".to_owned()],
            Self::Behind { .. } => vec!["bring them up to date: nexus migrate tenants --all".to_owned()],
            Self::Drift { .. } => vec!["see what differs in one: nexus migrate verify SLUG".to_owned()],
            Self::SomeFailed { unreachable: true, .. } | Self::Unasked { .. } => {
                vec!["see what answers: nexus cluster check".to_owned(), "nexus fsck".to_owned()]
            }
            Self::NotCompared { .. } => vec![
                "see which files the template lacks, and why: nexus migrate status".to_owned(),
                "bring it up to date: nexus migrate tenants --all".to_owned(),
            ],
            Self::Unsendable { instead, .. } => vec![(*instead).to_owned()],
            Self::NoStatement => {
                vec!["pass one: nexus exec --all -- 'select count(*) from invoices'".to_owned()]
            }
            Self::Copy => vec!["for one tenant use psql's \\copy: nexus tenant psql SLUG".to_owned()],
            Self::PsqlCommand { .. } => vec!["for one tenant use psql: nexus tenant psql SLUG".to_owned()],
            Self::Copying(CopyError::Program { .. }) => {
                vec!["pg_dump and pg_restore must be in the PATH, and no older than the server".to_owned()]
            }
            other => other.part().map(Failure::hints).unwrap_or_default(),
        }
    }
}

impl Failure for FleetError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoRun { .. } | Self::NoVersion { .. } | Self::NoSuchName { .. } => ErrorKind::NotFound,
            Self::Busy { .. } | Self::TakenOver { .. } => ErrorKind::Busy,
            Self::ToOfWhich
            | Self::TransactionControl { .. }
            | Self::Unsendable { .. }
            | Self::PsqlCommand { .. }
            | Self::OutsideTenant { .. }
            | Self::NothingIn { .. }
            | Self::NoPlan { .. }
            | Self::NoStatement
            | Self::Copy => ErrorKind::Invalid,
            Self::PlanChanged { .. }
            | Self::Over { .. }
            | Self::NoWayBack { .. }
            | Self::FilesGone { .. } => ErrorKind::Conflict,
            Self::Partial { unreachable: true, .. }
            | Self::SomeFailed { unreachable: true, .. }
            | Self::Copying(CopyError::Program { .. }) => ErrorKind::Unavailable,
            Self::Unasked { unasked, total } if unasked == total => ErrorKind::Unavailable,
            Self::Partial { .. }
            | Self::Template { .. }
            | Self::SomeFailed { .. }
            | Self::Unasked { .. }
            | Self::NotCompared { .. } => ErrorKind::Partial,
            Self::FileChanged { .. } | Self::Behind { .. } | Self::Drift { .. } | Self::Rehearsed { .. } => {
                ErrorKind::Integrity
            }
            Self::Interrupted { .. } | Self::Stopped => ErrorKind::Interrupted,
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
            Self::Unsendable { .. } => "migration_unsendable",
            Self::OutsideTenant { .. } => "outside_tenant",
            Self::NothingIn { .. } => "migration_empty",
            Self::FileChanged { .. } => "file_changed",
            Self::NoPlan { .. } => "plan_unreadable",
            Self::PlanChanged { .. } => "plan_changed",
            Self::Partial { .. } => "run_partial",
            Self::Template { .. } => "template_failed",
            Self::Interrupted { .. } | Self::Stopped => "interrupted",
            Self::TakenOver { .. } => "run_taken_over",
            Self::Over { .. } => "run_over",
            Self::NoWayBack { .. } => "no_way_back",
            Self::FilesGone { .. } => "run_files_gone",
            Self::Behind { .. } => "tenants_behind",
            Self::Drift { .. } => "schema_drift",
            Self::Unasked { .. } => "tenants_not_asked",
            Self::NotCompared { .. } => "tenants_not_compared",
            Self::NoStatement => "no_statement",
            Self::Copy => "copy_refused",
            Self::PsqlCommand { .. } => "psql_command",
            Self::SomeFailed { .. } => "some_failed",
            Self::Rehearsed { .. } => "rehearsal_failed",
            Self::Copying(CopyError::Program { .. }) => "copy_failed",
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
            Self::Over { id, .. } => vec![format!("see what it did: nexus migrate runs show {id}")],
            Self::NoWayBack { .. } => {
                vec![
                    "write what leads back as a new file that goes up: nexus migrate new SET NAME".to_owned(),
                ]
            }
            other => other.hints_of_asking(),
        }
    }

    fn neighbour(&self) -> Option<&str> {
        self.part().and_then(Failure::neighbour)
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
            Self::Behind { tenants } => json!({ "behind": tenants }),
            Self::Drift { drifted, asked, unasked } => {
                json!({ "drifted": drifted, "asked": asked, "unasked": unasked })
            }
            Self::Unasked { unasked, total } => json!({ "unasked": unasked, "total": total }),
            Self::NotCompared { uncompared, total } => json!({ "uncompared": uncompared, "total": total }),
            Self::SomeFailed { failed, total, skipped, .. } => {
                json!({ "failed": failed, "total": total, "skipped": skipped })
            }
            Self::Rehearsed { failed } => json!({ "failed": failed }),
            other => other.part().map_or(Value::Null, Failure::details),
        }
    }
}
