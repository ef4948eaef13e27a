//! `nexus tenant repair`.

use std::collections::HashSet;

use super::super::{CommandResult, Exit, Invocation, hint};
use super::{RepairArgs, Selected, TenantSelection};
use crate::app::App;
use crate::features::provisioning::{ProvisioningError, RepairOutcome, Repaired};
use crate::features::tenants::TenantRef;
use crate::kernel::hint::OperationAction;
use crate::kernel::text::counted;
use crate::kernel::{ErrorKind, Event, Failure, Hint, Progress};

/// Some tenants could not be repaired.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{failed} of {total} tenants could not be repaired")]
#[failure(kind = alike.unwrap_or(ErrorKind::Partial), "some_not_repaired")]
#[hints(hints.iter().cloned())]
struct NotRepaired {
    failed: usize,
    total: usize,
    /// Of which kind they all were, where nothing was done and all failed alike.
    alike: Option<ErrorKind>,
    hints: Vec<Hint>,
}

pub(super) async fn run(args: RepairArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    if let Some(tenant) = args.tenants.one() {
        let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
        let repaired = if ctx.global.dry_run {
            provisioning.look(&worker, &caller, tenant).await
        } else {
            provisioning.repair(&worker, &caller, tenant, &progress, &ctx.interrupt).await
        };
        drop(progress);
        ctx.screen.list([repaired?])?;
        return Ok(Exit::Done);
    }
    let mut app = App::open(&settings, &caller, &progress).await?;
    let chosen = args.tenants.tenants(&mut app, &caller).await?;
    let (provisioning, worker) = app.begin_work().await?;
    let all = in_order(&args.tenants, chosen, provisioning.to_repair(&worker, &caller).await?);
    progress.event(Event::Total(all.len() as u64));
    let mut list = ctx.screen.list_writer();
    let (total, mut failures) = (all.len(), Failures::default());
    for tenant in all {
        if ctx.interrupt.is_cancelled() {
            break;
        }
        let result = if ctx.global.dry_run {
            provisioning.look(&worker, &caller, &tenant).await
        } else {
            provisioning.repair(&worker, &caller, &tenant, &progress, &ctx.interrupt).await
        };
        progress.event(Event::Done { subject: tenant.to_string(), ok: result.is_ok() });
        let row = result.unwrap_or_else(|error| {
            failures.add(&error);
            Repaired {
                tenant: tenant.to_string(),
                outcome: RepairOutcome::Failed,
                operation: error.operation(),
                steps: Vec::new(),
                error: Some(with_a_way_on(&error)),
            }
        });
        if row.outcome != RepairOutcome::Unchanged {
            list.row(&row)?;
        }
    }
    list.finish()?;
    drop(progress);
    ctx.screen.note(&format!("checked {}", counted(total, "tenant")));
    if ctx.interrupt.is_cancelled() {
        return Ok(Exit::Interrupted);
    }
    if failures.count > 0 { Err(failures.of(total).into()) } else { Ok(Exit::Done) }
}

/// What those that failed have in common.
#[derive(Default)]
struct Failures {
    count: usize,
    kinds: Vec<ErrorKind>,
    hints: Vec<Hint>,
    stopped: bool,
}

impl Failures {
    fn add(&mut self, error: &ProvisioningError) {
        self.count += 1;
        self.stopped |= error.operation().is_some();
        if !self.kinds.contains(&error.kind()) {
            self.kinds.push(error.kind());
        }
        let new: Vec<Hint> = error.hints().into_iter().filter(|it| !self.hints.contains(it)).collect();
        self.hints.extend(new);
    }

    fn of(self, total: usize) -> NotRepaired {
        const MOST_HINTS: usize = 3;
        let all_failed = self.count == total && !self.stopped;
        let mut hints = self.hints;
        hints.truncate(MOST_HINTS);
        if self.stopped {
            hints.insert(0, Hint::new("see why", OperationAction::ListOpen));
        }
        let alike = self.kinds.first().copied().filter(|_| all_failed && self.kinds.len() == 1);
        NotRepaired { failed: self.count, total, alike, hints }
    }
}

/// Those that were chosen. Not by name: what is unfinished comes first.
fn in_order(asked: &TenantSelection, chosen: Vec<Selected>, to_repair: Vec<TenantRef>) -> Vec<TenantRef> {
    if asked.all {
        return to_repair;
    }
    let chosen = chosen.into_iter().map(|one| one.tenant);
    if !asked.names.is_empty() {
        return chosen.collect();
    }
    let chosen: HashSet<TenantRef> = chosen.collect();
    to_repair.into_iter().filter(|tenant| chosen.contains(tenant)).collect()
}

/// Why it failed, and the first thing to do.
fn with_a_way_on(error: &ProvisioningError) -> String {
    match error.hints().first() {
        Some(hint) => format!("{error} ({})", hint::sentence(hint)),
        None => error.to_string(),
    }
}
