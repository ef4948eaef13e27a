//! `nexus permission`: what roles can allow.

use clap::{Args, Subcommand};

use super::iam::RealmArgs;
use super::pages;
use super::{CommandResult, Exit, Invocation};
use crate::features::iam::{Permission, permissions};
use crate::kernel::Description;

/// Arguments of `nexus permission`.
#[derive(Debug, Args)]
pub struct PermissionArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the permissions, with the roles that hold each
    #[command(after_help = "\
EXAMPLES
  nexus permission list --tenant acme
  nexus -o json permission list --tenant acme | jq -r '.[].name'")]
    List(ListArgs),
    /// Register a permission, or change its description
    ///
    /// Features and apps register theirs. A role can hold no others, so that a typo is an error.
    #[command(after_help = "\
EXAMPLES
  nexus permission register invoice:create --tenant acme --description 'create invoices'")]
    Register(RegisterArgs),
}

/// Arguments of `nexus permission list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus permission register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// resource:action, each of lower-case letters, digits, '-' and '_', or '*' for any of one part
    pub permission: Permission,
    /// What it allows
    #[arg(long, value_name = "TEXT")]
    pub description: Description,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Runs a verb of `nexus permission`.
///
/// # Errors
/// What the services say.
pub async fn run(args: PermissionArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    match args.verb {
        Verb::List(args) => {
            let mut realm = args.realm.open(ctx).await?;
            pages::list(ctx, permissions::list(&mut realm, &caller).await?, "permissions")?;
        }
        Verb::Register(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let done =
                permissions::register(&mut realm, &caller, &args.permission, &args.description).await?;
            ctx.screen.thing(&done)?;
        }
    }
    Ok(Exit::Done)
}
