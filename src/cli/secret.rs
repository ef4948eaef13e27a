//! `nexus secret`: the keys that seal secrets.

use clap::{Args, Subcommand};

use super::output::row;
use super::{CommandResult, Exit, Invocation};
use crate::app::App;
use crate::features::secrets::MasterKeyUse;

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
    /// Shows ids, states and counts of keys; never a key or a secret.
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
pub async fn run(args: SecretArgs, ctx: &Invocation) -> CommandResult {
    let Verb::Status(StatusArgs {}) = args.verb;
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open_to_read(&settings, &caller, &ctx.screen.progress()).await?;
    let status = app.provisioning.secret_status(&mut app.control, &caller).await?;
    ctx.screen.list(status.master_keys)?;
    if !status.matches {
        ctx.screen.warn("the master key in use does not match this installation's");
        return Ok(Exit::Integrity);
    }
    Ok(Exit::Done)
}

row! { it: MasterKeyUse, it.id;
    text "id": it.id,
    text "state": it.state,
    number "data_keys": it.data_keys,
    number "sealed_values": it.sealed_values,
}
