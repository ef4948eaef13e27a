//! `nexus tenant rename`.

use super::super::{CommandResult, Exit, Invocation};
use super::RenameArgs;
use crate::app::App;
use crate::features::tenants::ChangeOutcome;
use crate::kernel::Expected;

pub(super) async fn run(args: &RenameArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open(&settings, &caller, &ctx.screen.progress()).await?;
    let to = (&args.tenant, &args.slug);
    let how = (&Expected::Any, ctx.global.dry_run);
    let renamed = app.provisioning.rename(&mut app.control, &caller, to, how).await?;
    ctx.screen.thing(&renamed)?;
    if renamed.outcome == ChangeOutcome::Unchanged {
        ctx.screen.note(&format!("tenant {} already has this slug; nothing was changed", renamed.slug));
    }
    Ok(Exit::Done)
}
