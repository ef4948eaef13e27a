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

impl MigrateArgs {
    /// Whether nothing is changed, so that it may be dropped at any moment.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(self.verb, Verb::Status(_) | Verb::Runs(runs::RunsVerb::List(_) | runs::RunsVerb::Show(_)))
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say which folders of migrations belong in every tenant
    #[command(subcommand)]
    Set(set::SetVerb),
    /// Make the file of a new migration, to be filled in
    ///
    /// Its version is the time in UTC, as sqlx writes it, and always the newest of its set.
    #[command(after_help = new::AFTER_HELP)]
    New(new::NewArgs),
    /// Find what will lock, rewrite or break, with the safer way
    ///
    /// Looks at the files that some tenant has yet to get, and runs nothing. The exit code is 9 when
    /// a rule is broken and the file does not waive it, with a reason, in its header.
    #[command(after_help = lint::AFTER_HELP)]
    Lint(lint::LintArgs),
    /// Show what would run where, and in which waves
    ///
    /// Decided by the registry and the files alone; no tenant is asked. Changes nothing.
    #[command(after_help = plan::AFTER_HELP)]
    Plan(plan::PlanArgs),
    /// Do what a saved plan says, if it still holds
    ///
    /// Nothing is done where the files, or the tenants that lack something, are not what they were
    /// when the plan was made: the exit code is 5 then.
    #[command(after_help = apply::AFTER_HELP)]
    Apply(apply::ApplyArgs),
    /// Bring tenants to the newest version of every set
    ///
    /// Plans and applies in one. Costs next to nothing where nobody lacks anything. A tenant that
    /// fails is left as it was, reported, and does not stop the others of its wave; the exit code
    /// is 6 then, and the same command again tries those alone. A run whose process was killed is
    /// taken up where it stood.
    #[command(after_help = tenants::AFTER_HELP)]
    Tenants(Box<tenants::TenantsArgs>),
    /// Look at runs, go on with them, stop them, take them back
    #[command(subcommand)]
    Runs(runs::RunsVerb),
    /// Show which tenant is at which version, without asking one
    ///
    /// Of each set how many tenants are at which version, and who is not at the newest, since when,
    /// and what the last run met there. It comes from the control database alone.
    #[command(after_help = status::AFTER_HELP)]
    Status(status::StatusArgs),
    /// Ask every tenant whether its schema is what it should be
    ///
    /// Compares the histories with the files and with the control database, finds indexes that a
    /// failed build left, and compares the schema itself with the template's. What differs is asked
    /// twice, so that a change under way is no drift. Changes nothing.
    #[command(after_help = verify::AFTER_HELP)]
    Verify(verify::VerifyArgs),
    /// Run what is to come on copies of the tenants that are most unlike the rest
    ///
    /// Copies the largest, the one with the most rows and those whose schema differs; runs the files
    /// there; tells how long each takes, what it locks and what it writes anew; drops the copies;
    /// and says what to expect of the fleet. No tenant is changed.
    #[command(after_help = rehearse::AFTER_HELP)]
    Rehearse(rehearse::RehearseArgs),
}

/// Runs a verb of `nexus migrate`.
///
/// # Errors
/// What the services say.
pub async fn run(args: MigrateArgs, on: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Set(verb) => set::run(verb, on).await,
        Verb::New(args) => new::run(args, on).await,
        Verb::Lint(args) => lint::run(&args, on).await,
        Verb::Plan(args) => plan::run(args, on).await,
        Verb::Apply(args) => apply::run(args, on).await,
        Verb::Tenants(args) => tenants::run(*args, on).await,
        Verb::Runs(verb) => runs::run(verb, on).await,
        Verb::Status(args) => status::run(args, on).await,
        Verb::Verify(args) => verify::run(args, on).await,
        Verb::Rehearse(args) => Box::pin(rehearse::run(args, on)).await,
    }
}
