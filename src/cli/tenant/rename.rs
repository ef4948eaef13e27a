//! `nexus tenant rename`.

use super::super::{CommandResult, Exit, Invocation};
use super::RenameArgs;
use crate::app::App;
use crate::features::tenants::{self, ChangeOutcome};

pub(super) async fn run(args: &RenameArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let dry_run = on.global.dry_run;
    let to = (&args.slug, app.provisioning.secrets.record_key());
    let renamed = tenants::rename(&mut app.control, &caller, &args.tenant, to, dry_run).await?;
    on.screen.thing(&renamed)?;
    if renamed.outcome == ChangeOutcome::Unchanged {
        on.screen.note(&format!("tenant {} already has this slug; nothing was changed", renamed.slug));
    }
    Ok(Exit::Done)
}
