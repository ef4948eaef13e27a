//! `nexus secret`: the keys that seal secrets.

use clap::{Args, Subcommand};

use super::exit::Unjoined;
use super::{CommandResult, Invocation};

/// Arguments of `nexus secret`.
#[derive(Debug, Args)]
pub struct SecretArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show which key seals how much
    ///
    /// Shows ids, states and counts of keys; no key and no secret is among them.
    #[command(after_help = "\
EXAMPLES
  nexus secret status
  nexus -o json secret status")]
    Status(StatusArgs),
}

/// Arguments of `nexus secret status`.
#[derive(Debug, Args)]
pub struct StatusArgs {}

/// Runs a verb of `nexus secret`.
///
/// # Errors
/// What the services say.
#[expect(clippy::unused_async, reason = "joined to its service, it waits")]
pub async fn run(args: SecretArgs, _on: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Status(_) => Err(Unjoined("secret status").into()),
    }
}
