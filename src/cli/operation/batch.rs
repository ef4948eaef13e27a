//! `nexus operation rollback --batch`: undoes what one command changed.

use super::super::tenant::changes;
use super::super::{CommandResult, Exit, Invocation};
use super::RollbackArgs;
use crate::features::provisioning::{Prospect, Provisioning, Worker};
use crate::kernel::BatchId;

pub(super) async fn roll_back(
    id: BatchId,
    args: &RollbackArgs,
    (provisioning, worker): (Provisioning, Worker),
    ctx: &Invocation,
) -> CommandResult {
    let back = provisioning.way_back(&worker, &ctx.caller(), id).await?;
    if back.members.is_empty() {
        ctx.screen.note("the batch changed no tenant; there is nothing to roll back");
        ctx.screen.list(Vec::<changes::ChangedView>::new())?;
        return Ok(Exit::Done);
    }
    if !ctx.global.dry_run {
        let planned = back.members.iter().filter(|member| member.prospect == Prospect::Planned);
        let slugs: Vec<&str> = planned.map(|member| member.slug.as_str()).collect();
        let doing = format!("rolling back batch {id} ({}) in", back.verb);
        args.confirm.of_a_repeat(slugs.len(), back.earlier).asking(&doing).confirm(ctx, &slugs, true)?;
    }
    changes::back(back, &args.options, (provisioning, worker), ctx).await
}
