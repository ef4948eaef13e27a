//! What can go wrong with a run, or with a question to the fleet, as a whole. What goes wrong with
//! one tenant is in its row or its finding.

use crate::features::access::AccessError;
use crate::features::migrations::{LINE_ENDS_HINT, MigrationsError};
use crate::features::placement::PlacementError;
use crate::features::secrets::SecretsError;
use crate::features::tenants::TenantError;
use crate::infra::cluster::{ClusterError, CopyError};
use crate::infra::crypto::RandomError;
use crate::infra::crypto::scram::ScramError;
use crate::infra::db::DbError;
use crate::kernel::ids::RunId;
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, Failure};

/// A request about the fleet that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum FleetError {
    /// No such run.
    #[error("no run {id}")]
    #[failure(NotFound, "run_not_found")]
    #[hint("see which there are" => RunAction::List)]
    #[details(run = id)]
    NoRun { id: RunId },
    /// Another run is in progress.
    #[error("run {id} is in progress")]
    #[failure(Busy, "run_under_way")]
    #[hint(if *other, "it has other files or tenants than this command" => RunAction::Show(*id))]
    #[hint(if !*other, "wait for it" => With::LockWait)]
    #[hint(if !*other, "see how far it is" => RunAction::Show(*id))]
    #[details(run = id)]
    Busy {
        id: RunId,
        /// It means something else than this one.
        other: bool,
    },
    /// A version without a set that it is of.
    #[error("a version is that of one set, but not which set")]
    #[failure(Invalid, "set_missing")]
    #[hint("say of which" => With::Set)]
    ToOfWhich,
    /// A set has no such version.
    #[error("set {set} has no version {version}")]
    #[failure(NotFound, "version_not_found")]
    #[hint("see which there are" => SetAction::Show(set.clone()))]
    NoVersion { set: String, version: i64 },
    /// A wave names what cannot be a tenant.
    #[error("{name:?} is not a tenant's name")]
    #[failure(NotFound, "tenant_not_found")]
    #[hint("see which there are" => TenantAction::List)]
    NoSuchName { name: String },
    /// A file ends the transaction that it runs in.
    #[error("file {file} of set {set} begins or ends a transaction on line {line}")]
    #[failure(Invalid, "transaction_control")]
    #[hint("take the statement out: every file runs in a transaction of its own")]
    #[hint("or make '-- no-transaction' its first line")]
    TransactionControl {
        set: String,
        /// The file, as far as its name is known.
        file: String,
        line: usize,
    },
    /// A file holds what no server can be sent.
    #[error("file {file} of set {set}, line {line}: {what}")]
    #[failure(Invalid, "migration_unsendable")]
    #[hint(*instead)]
    Unsendable {
        set: String,
        /// The file, as far as its name is known.
        file: String,
        line: usize,
        what: String,
        instead: &'static str,
    },
    /// A file has a statement that no file may have, whatever its header waives.
    #[error("file {file} of set {set} would act outside the tenant on line {line}: {words}")]
    #[failure(Invalid, "outside_tenant")]
    #[hint(
        "take the statement out: a file acts as the owner of one tenant's database; its app's rights \
                 are nexus_app's: grant … on … to nexus_app"
    )]
    #[hint("see what else there is" => MigrateAction::LintSet)]
    OutsideTenant {
        set: String,
        /// The file, as far as its name is known.
        file: String,
        line: usize,
        words: String,
    },
    /// A file that is to run for the first time does nothing.
    #[error("file {file} of set {set} has no statement")]
    #[failure(Invalid, "migration_empty")]
    #[hint("write into it what it is to do, or remove it: what was applied cannot be changed")]
    #[hint("should it do nothing, let it say so: select 1")]
    NothingIn {
        set: String,
        /// The file, as far as its name is known.
        file: String,
    },
    /// A file is not the text that was applied.
    #[error("{file} of set {set} {}", if *line_ends { "has different line endings than when it was applied" } else { "has changed since it was applied" })]
    #[failure(Integrity, "file_changed")]
    #[hint(if *line_ends, LINE_ENDS_HINT)]
    #[hint(
        else,
        "put the file back as it was, and write what it should do now as a new one" => MigrateAction::NewFile(Some(set.clone()))
    )]
    FileChanged {
        set: String,
        /// The file, as far as its name is known.
        file: String,
        /// Only the ends of its lines differ.
        line_ends: bool,
    },
    /// A file is not a plan.
    #[error("{file} is not a plan: {why}")]
    #[failure(Invalid, "plan_unreadable")]
    #[hint("plan again" => MigrateAction::Plan)]
    NoPlan { file: String, why: String },
    /// Something changed since the plan was made.
    #[error("the plan no longer holds: {what}; nothing was done")]
    #[failure(Conflict, "plan_changed")]
    #[hint("plan again" => MigrateAction::Plan)]
    PlanChanged { what: String },
    /// Some tenants were not migrated.
    #[error("run {id} is {state}: {done} done, {failed} failed, {pending} not started")]
    #[failure(if *unreachable, Unavailable, "run_unreachable")]
    #[failure(Partial, "run_partial")]
    #[hint("see what failed, and why" => RunAction::Show(*id))]
    #[hint("after fixing it, repeat the command: only unfinished tenants are retried")]
    #[details(run = id, state, done, failed, pending)]
    Partial {
        id: RunId,
        state: &'static str,
        done: i64,
        failed: i64,
        pending: i64,
        /// No server answered.
        unreachable: bool,
    },
    /// Tenants are up to date, but the template of new ones cannot be built.
    #[error("tenants are up to date, but new ones will not be: {source}")]
    #[failure(Partial, "template_failed")]
    #[hint("the file builds upon what only old tenants have: put that into a file before it, then repeat")]
    Template { source: PlacementError },
    /// The user stopped it.
    #[error("interrupted: run {id} can be resumed")]
    #[failure(Interrupted, "interrupted")]
    #[hint("go on" => RunAction::Resume(*id))]
    #[details(run = id)]
    Interrupted { id: RunId },
    /// Another process took the run over, because this one did not respond.
    #[error("run {id} continues without this process, which did not respond for too long")]
    #[failure(Busy, "run_taken_over")]
    #[hint("go on" => RunAction::Resume(*id))]
    #[details(run = id)]
    TakenOver { id: RunId },
    /// A run is over, and there is nothing left of it to do.
    #[error("run {id} is {state}, and cannot be {verb}")]
    #[failure(Conflict, "run_over")]
    #[hint("see what it did" => RunAction::Show(*id))]
    #[details(run = id, state)]
    Over { id: RunId, state: &'static str, verb: &'static str },
    /// A file cannot be rolled back: it has no .down.sql.
    #[error("{} of what run {id} applied cannot be rolled back: {}", files.len(), files.join(", "))]
    #[failure(Conflict, "no_way_back")]
    #[hint("write what leads back as a new file that goes up" => MigrateAction::NewFile(None))]
    #[details(run = id, files)]
    NoWayBack { id: RunId, files: Vec<String> },
    /// A set of a run was removed, and its files with it.
    #[error("the run's files of set {set} no longer exist: the set was removed")]
    #[failure(Conflict, "run_files_gone")]
    #[hint("start a new one" => MigrateAction::All)]
    FilesGone { set: String },
    /// Some tenants are behind the files of a set.
    #[error("{} not at the newest version", counted(*tenants, "tenant"))]
    #[failure(Integrity, "tenants_behind")]
    #[hint("bring them up to date" => MigrateAction::All)]
    #[details(behind = tenants)]
    Behind { tenants: i64 },
    /// Some tenants differ from their histories or from the template.
    #[error("schema drift in {drifted} of {}{}", counted(*asked, "tenant"), also(*unchecked))]
    #[failure(Integrity, "schema_drift")]
    #[hint("see what differs in one" => MigrateAction::Verify(None))]
    #[details(drifted, asked, unchecked)]
    Drift { drifted: usize, asked: usize, unchecked: usize },
    /// Some tenants did not answer, and nothing was found in those that did.
    #[error("{unchecked} of {} could not be checked{}", counted(*total, "tenant"), others(*unchecked, *total))]
    #[failure(if unchecked == total, Unavailable, "no_tenant_asked")]
    #[failure(Partial, "tenants_not_asked")]
    #[hint("see what answers" => PlaceAction::CheckAll(PlaceKind::Cluster))]
    #[hint(FsckAction::Inspect)]
    #[details(unchecked, total)]
    Unchecked { unchecked: usize, total: usize },
    /// Some tenants have other files than the template, and nothing was found in the others.
    #[error(
        "the schema of {uncompared} of {} was not compared: other files than the template",
        counted(*total, "tenant")
    )]
    #[failure(Partial, "tenants_not_compared")]
    #[hint("see which files the template lacks, and why" => MigrateAction::Status)]
    #[hint("bring it up to date" => MigrateAction::All)]
    #[details(uncompared, total)]
    NotCompared { uncompared: usize, total: usize },
    /// No statement was given.
    #[error("there is no statement to run")]
    #[failure(Invalid, "no_statement")]
    #[hint("pass one" => MigrateAction::AskExample)]
    NoStatement,
    /// A COPY, which exchanges data with the client.
    #[error("COPY cannot be run over the fleet")]
    #[failure(Invalid, "copy_refused")]
    #[hint("for one tenant use psql's \\copy" => TenantAction::Session(None))]
    Copy,
    /// A statement that holds a command of psql.
    #[error("{command} is a command of psql, and the statement goes to the server")]
    #[failure(Invalid, "psql_command")]
    #[hint("for one tenant use psql" => TenantAction::Session(None))]
    PsqlCommand { command: String },
    /// The statement failed in some tenants.
    #[error("the statement failed in {failed} of {}", counted(*total, "tenant"))]
    #[failure(if *unreachable, Unavailable, "servers_unreachable")]
    #[failure(Partial, "some_failed")]
    #[hint(if *unreachable, "see what answers" => PlaceAction::CheckAll(PlaceKind::Cluster))]
    #[hint(if *unreachable, FsckAction::Inspect)]
    #[details(failed, total, skipped)]
    SomeFailed {
        failed: usize,
        total: usize,
        skipped: usize,
        /// No server answered.
        unreachable: bool,
    },
    /// A migration failed on a clone.
    #[error("{} failed on a clone", counted(*failed, "migration"))]
    #[failure(Integrity, "rehearsal_failed")]
    #[details(failed)]
    Rehearsed { failed: usize },
    /// The user stopped a check.
    #[error("stopped; not every tenant was checked")]
    #[failure(Interrupted, "interrupted")]
    Stopped,
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// A change on a server failed.
    #[error(transparent)]
    #[failure(transparent)]
    Cluster(#[from] ClusterError),
    /// A server or a template.
    #[error(transparent)]
    #[failure(transparent)]
    Placement(#[from] PlacementError),
    /// A tenant.
    #[error(transparent)]
    #[failure(transparent)]
    Tenant(#[from] TenantError),
    /// A set or its files.
    #[error(transparent)]
    #[failure(transparent)]
    Migrations(#[from] MigrationsError),
    /// A sealed value.
    #[error(transparent)]
    #[failure(transparent)]
    Secrets(#[from] SecretsError),
    /// The copy of a database.
    #[error(transparent)]
    #[failure(transparent)]
    Copying(#[from] CopyError),
    /// No password could be made.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
    /// No verifier could be made.
    #[error(transparent)]
    #[failure(transparent)]
    Scram(#[from] ScramError),
    /// The reading of a list, or the writing of what was read.
    #[error("{0}")]
    #[failure(transparent)]
    Reading(AnyFailure),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}

fn others(unchecked: usize, total: usize) -> &'static str {
    if unchecked < total { "; no drift was found in the others" } else { "" }
}

fn also(unchecked: usize) -> String {
    if unchecked == 0 { String::new() } else { format!(", and {unchecked} could not be checked") }
}
