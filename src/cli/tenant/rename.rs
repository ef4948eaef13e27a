//! `nexus tenant rename`.

use super::super::{CommandResult, Exit, Invocation};
use super::RenameArgs;
use crate::app::App;
use crate::features::tenants::ChangeOutcome;

pub(super) async fn run(args: &RenameArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let dry_run = on.global.dry_run;
    let to = (&args.tenant, &args.slug);
    let renamed = app.provisioning.rename(&mut app.control, &caller, to, dry_run).await?;
    on.screen.thing(&renamed)?;
    if renamed.outcome == ChangeOutcome::Unchanged {
        on.screen.note(&format!("tenant {} already has this slug; nothing was changed", renamed.slug));
    }
    Ok(Exit::Done)
}
