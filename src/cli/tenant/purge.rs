//! `nexus tenant purge --due`.

use clap::Args;

use super::super::{CommandResult, Exit, Invocation, prompt};
use super::Selected;
use super::changes::{self, Crew};
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
    pub crew: Crew,
}

pub(super) async fn run(args: PurgeArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let progress = on.screen.progress();
    let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
    drop(progress);
    let due = provisioning.due(&worker, &caller).await?;
    if !on.global.dry_run && !due.is_empty() {
        let slugs: Vec<&str> = due.iter().map(|(_, slug)| slug.as_str()).take(20).collect();
        let more = if due.len() > slugs.len() { ", …" } else { "" };
        on.screen.note(&format!("context {}: {}{more}", settings.context, slugs.join(", ")));
        prompt::confirm(on, &format!("permanently destroying {}", counted(due.len(), "deleted tenant")))?;
    }
    if due.is_empty() {
        on.screen.note("nothing to purge");
        on.screen.list(Vec::<changes::ChangedView>::new())?;
        return Ok(Exit::Done);
    }
    let chosen = due.into_iter().map(|(tenant, slug)| Selected { tenant, slug }).collect();
    let change = Change::Purge { only_if_due: true };
    changes::of_many(chosen, change, &args.crew, (provisioning, worker), on).await
}
