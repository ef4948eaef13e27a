//! The same change of many tenants: a row for each result as it comes.

use clap::Args;

use super::super::confirm::Asking;
use super::super::{CommandResult, Exit, Invocation, hint};
use super::TenantSelection;
pub(in super::super) use super::changed::ChangedView;
use crate::app::App;
use crate::features::provisioning::{
    BatchOptions, BatchReport, Change, Changed, Provisioning, ProvisioningError, Selected, WayBack, Worker,
    way_back,
};
use crate::features::tenants::TenantRef;
use crate::kernel::{AnyFailure, Caller, Progress};

/// How many are changed at once, and when to give up.
#[derive(Debug, Clone, Args)]
pub struct BatchArgs {
    /// Change this many at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Start no more once this many have failed
    #[arg(long, value_name = "N")]
    pub max_failures: Option<u32>,
}

impl BatchArgs {
    fn options(&self, ctx: &Invocation) -> BatchOptions {
        BatchOptions::new(self.jobs, self.max_failures, ctx.global.dry_run)
    }
}

/// Changes those that were chosen. One that was named fails as the command itself.
pub(super) async fn of_selected(
    selection: &TenantSelection,
    change: Change,
    options: &BatchArgs,
    asking: Asking<'_>,
    ctx: &Invocation,
) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    if let Some(name) = selection.one() {
        asking.confirm(ctx, &[&name.to_string()], false)?;
        let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
        let changed = one(&provisioning, &worker, &caller, (name, &change), &progress, ctx).await;
        drop(progress);
        ctx.screen.list([ChangedView::from(changed?)])?;
        return Ok(Exit::Done);
    }
    let mut app = App::open(&settings, &caller, &progress).await?;
    drop(progress);
    let chosen = selection.confirmed(&mut app, &caller, &asking, ctx).await?;
    let ready = app.begin_work().await?;
    of_many(chosen, change, options, ready, ctx).await
}

/// Changes one, or says what would be done.
pub(super) async fn one(
    provisioning: &Provisioning,
    worker: &Worker,
    caller: &Caller,
    (name, change): (&TenantRef, &Change),
    progress: &dyn Progress,
    ctx: &Invocation,
) -> Result<Changed, ProvisioningError> {
    if ctx.global.dry_run {
        return provisioning.look_at_change(worker, caller, name, change).await;
    }
    Box::pin(provisioning.change(worker, caller, name, change, progress, &ctx.interrupt)).await
}

/// Changes these, each by itself, as one batch.
pub(super) async fn of_many(
    chosen: Vec<Selected>,
    change: Change,
    options: &BatchArgs,
    (provisioning, worker): (Provisioning, Worker),
    ctx: &Invocation,
) -> CommandResult {
    let (caller, watch) = (ctx.caller(), ctx.watch(ctx.screen.progress()));
    let mut list = ctx.screen.list_writer();
    let mut take = |row| list.row(&ChangedView::of(row)).map_err(AnyFailure::from);
    let what = (chosen, change);
    let report =
        provisioning.change_many(&worker, &caller, what, options.options(ctx), watch, &mut take).await?;
    list.finish()?;
    conclude(report, ctx)
}

/// Rolls back a batch's changes, as a batch of its own.
pub(in super::super) async fn back(
    back: WayBack,
    options: &BatchArgs,
    (provisioning, worker): (Provisioning, Worker),
    ctx: &Invocation,
) -> CommandResult {
    let (caller, watch) = (ctx.caller(), ctx.watch(ctx.screen.progress()));
    let mut list = ctx.screen.list_writer();
    let mut take = |reversal| list.row(&ChangedView::of_reversal(reversal)).map_err(AnyFailure::from);
    let report =
        provisioning.reverse_many(&worker, &caller, back, options.options(ctx), watch, &mut take).await?;
    list.finish()?;
    conclude(report, ctx)
}

/// Ends as the batch did, and says how to undo it.
pub(super) fn conclude(report: BatchReport, ctx: &Invocation) -> CommandResult {
    let undoable = report.undoable();
    report.verdict()?;
    if let Some(batch) = undoable {
        ctx.screen.note(&format!("batch {batch}; {}", hint::sentence(&way_back(batch))));
    }
    Ok(Exit::Done)
}
