//! `nexus tenant purge --due`.

use clap::Args;

use super::super::{CommandResult, Exit, Invocation, prompt};
use super::changes::{self, BatchArgs};
use crate::app::App;
use crate::features::provisioning::Change;
use crate::kernel::text::counted;

/// Arguments of `nexus tenant purge`.
#[derive(Debug, Args)]
pub(super) struct PurgeArgs {
    /// Tenants past their retention
    #[arg(long, required = true)]
    pub due: bool,
    /// How many
    #[command(flatten)]
    pub options: BatchArgs,
}

pub(super) async fn run(args: PurgeArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
    drop(progress);
    let due = provisioning.due(&worker, &caller).await?;
    if !ctx.global.dry_run && !due.is_empty() {
        let slugs: Vec<&str> = due.iter().map(|one| one.slug.as_str()).take(20).collect();
        let more = if due.len() > slugs.len() { ", …" } else { "" };
        ctx.screen.note(&format!("context {}: {}{more}", settings.context, slugs.join(", ")));
        prompt::confirm(ctx, &format!("permanently destroying {}", counted(due.len(), "deleted tenant")))?;
    }
    if due.is_empty() {
        ctx.screen.note("nothing to purge");
        ctx.screen.list(Vec::<changes::ChangedView>::new())?;
        return Ok(Exit::Done);
    }
    let change = Change::Purge { only_if_due: true };
    changes::of_many(due, change, &args.options, (provisioning, worker), ctx).await
}
