//! `nexus tenant repair`.

use super::super::{CommandResult, Exit, Invocation, hint};
use super::RepairArgs;
use super::changes::conclude;
use crate::app::App;
use crate::features::provisioning::{
    Attempt, BatchOptions, BatchRow, ProvisioningError, RepairOutcome, RepairSelection, Repaired,
};
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, Failure};

pub(super) async fn run(args: RepairArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    if let Some(tenant) = args.tenants.one() {
        let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
        let repaired = if ctx.global.dry_run {
            provisioning.look(&worker, &caller, tenant).await
        } else {
            Box::pin(provisioning.repair(&worker, &caller, tenant, &progress, &ctx.interrupt)).await
        };
        drop(progress);
        ctx.screen.list([repaired?])?;
        return Ok(Exit::Done);
    }
    let mut app = App::open(&settings, &caller, &progress).await?;
    let chosen = args.tenants.tenants(&mut app, &caller).await?.into_iter().map(|one| one.tenant).collect();
    let which = match &args.tenants {
        all if all.all => RepairSelection::All,
        named if !named.names.is_empty() => RepairSelection::Named(chosen),
        _ => RepairSelection::Matching(chosen),
    };
    let (provisioning, worker) = app.begin_work().await?;
    let (options, watch) = (BatchOptions::new(1, None, ctx.global.dry_run), ctx.watch(progress));
    let mut list = ctx.screen.list_writer();
    let mut take = |row| shown(row).map_or(Ok(()), |row| list.row(&row)).map_err(AnyFailure::from);
    let report = provisioning.repair_many(&worker, &caller, which, options, watch, &mut take).await?;
    list.finish()?;
    ctx.screen.note(&format!("checked {}", counted(report.total, "tenant")));
    conclude(report, ctx)
}

/// The row of a tenant at which something was wrong.
fn shown(row: BatchRow<Repaired>) -> Option<Repaired> {
    match row.attempt {
        Attempt::Done(repaired) => Some(repaired).filter(|it| it.outcome != RepairOutcome::Unchanged),
        Attempt::Failed(error) | Attempt::Skipped(error) => Some(Repaired {
            tenant: row.slug,
            outcome: RepairOutcome::Failed,
            operation: error.operation(),
            steps: Vec::new(),
            error: Some(with_a_way_on(&error)),
        }),
        Attempt::NotTried => None,
    }
}

/// Why it failed, and the first thing to do.
fn with_a_way_on(error: &ProvisioningError) -> String {
    match error.hints().first() {
        Some(hint) => format!("{error} ({})", hint::sentence(hint)),
        None => error.to_string(),
    }
}
