//! `nexus migrate`: sets of migrations, their files, and bringing every tenant to the same version.

use clap::{Args, Subcommand};

use super::{CommandResult, Invocation};

mod apply;
mod how;
mod lint;
mod new;
mod plan;
mod rehearse;
mod report;
mod runs;
mod selection;
mod set;
mod sources;
mod status;
mod tenants;
mod verify;
mod views;

pub use selection::WideSelection;

/// Arguments of `nexus migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Manage the folders of migrations that every tenant gets
    #[command(subcommand)]
    Set(set::SetVerb),
    /// Create the file of a new migration
    ///
    /// Its version is the time in UTC, as sqlx writes it, and always the newest of its set.
    #[command(after_help = new::AFTER_HELP)]
    New(new::NewArgs),
    /// Find what would lock, rewrite or break something, and the safer way
    ///
    /// Checks the files that some tenant has not run yet, and runs nothing. The exit code is 9 when
    /// a rule is broken and the file's header does not waive it with a reason.
    #[command(after_help = lint::AFTER_HELP)]
    Lint(lint::LintArgs),
    /// Show what would run where, and in which waves
    ///
    /// Computed from the control database and the files alone; no tenant is contacted. Changes nothing.
    #[command(after_help = plan::AFTER_HELP)]
    Plan(plan::PlanArgs),
    /// Apply a saved plan, unless something changed since
    ///
    /// If the files, or the tenants with pending migrations, have changed since the plan was made,
    /// nothing is done and the exit code is 5.
    #[command(after_help = apply::AFTER_HELP)]
    Apply(apply::ApplyArgs),
    /// Migrate tenants to the newest version of every set
    ///
    /// Plans and applies in one. Takes next to no time when nothing is pending. A tenant that fails
    /// is left as it was, is reported, and does not stop the others of its wave; the exit code is
    /// then 6, and running the command again retries only those. A run whose process was killed is
    /// resumed where it stopped.
    #[command(after_help = tenants::AFTER_HELP)]
    Tenants(Box<tenants::TenantsArgs>),
    /// List, resume, cancel and roll back runs
    #[command(subcommand)]
    Runs(runs::RunsVerb),
    /// Show which tenants are at which version, without contacting them
    ///
    /// For each set: how many tenants are at which version, which are not at the newest, since
    /// when, and the last run's error there. Reads only the control database.
    #[command(after_help = status::AFTER_HELP)]
    Status(status::StatusArgs),
    /// Check every tenant's schema for drift
    ///
    /// Compares the histories with the files and with the control database, finds indexes that a
    /// failed build left, and compares the schema with the template's. Differences are checked
    /// twice, so that a change in progress is not reported as drift. Changes nothing.
    #[command(after_help = verify::AFTER_HELP)]
    Verify(verify::VerifyArgs),
    /// Try pending migrations on copies of the most unusual tenants
    ///
    /// Copies the largest tenant, the one with the most rows and those whose schema differs; runs
    /// the files there; reports how long each takes, what it locks and what it rewrites; drops the
    /// copies; and forecasts a run over the fleet. No tenant is changed.
    #[command(after_help = rehearse::AFTER_HELP)]
    Rehearse(rehearse::RehearseArgs),
}

/// Runs a verb of `nexus migrate`.
///
/// # Errors
/// What the services say.
pub async fn run(args: MigrateArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Set(verb) => set::run(verb, ctx).await,
        Verb::New(args) => new::run(args, ctx).await,
        Verb::Lint(args) => lint::run(&args, ctx).await,
        Verb::Plan(args) => plan::run(args, ctx).await,
        Verb::Apply(args) => apply::run(args, ctx).await,
        Verb::Tenants(args) => tenants::run(*args, ctx).await,
        Verb::Runs(verb) => runs::run(verb, ctx).await,
        Verb::Status(args) => status::run(args, ctx).await,
        Verb::Verify(args) => verify::run(args, ctx).await,
        Verb::Rehearse(args) => Box::pin(rehearse::run(args, ctx)).await,
    }
}
