//! `nexus migrate`: sets of migrations, their files, and bringing every tenant to the same version.

use clap::{Args, Subcommand};

use super::{CommandResult, Invocation};

mod lint;
mod new;
mod set;

/// Arguments of `nexus migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    verb: Verb,
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
    }
}
