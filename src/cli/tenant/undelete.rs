//! `nexus tenant undelete`.

use clap::Args;

use super::super::{CommandResult, Exit, Invocation, complete};
use super::changes;
use crate::app::App;
use crate::features::provisioning::{Change, ChangeOutcome};
use crate::features::tenants::TenantRef;

/// Arguments of `nexus tenant undelete`.
#[derive(Debug, Args)]
pub(super) struct UndeleteArgs {
    /// The tenant, by slug or id
    #[arg(value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: TenantRef,
}

pub(super) async fn run(args: &UndeleteArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
    let what = (&args.tenant, &Change::Undelete);
    let changed = changes::one(&provisioning, &worker, &caller, what, &progress, ctx).await;
    drop(progress);
    let changed = changed?;
    if changed.outcome == ChangeOutcome::Unchanged {
        ctx.screen.note(&format!("tenant {} is not deleted; nothing was changed", changed.tenant.slug));
    }
    ctx.screen.thing(&changed)?;
    Ok(Exit::Done)
}
