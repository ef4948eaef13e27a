//! The same change of many tenants, some at a time: a row for each result as it comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use clap::Args;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::super::confirm::Asking;
use super::super::{CommandResult, Exit, Invocation};
pub(in super::super) use super::changed::ChangedView;
use super::changed::is_skip;
use super::{Selected, TenantSelection};
use crate::app::{self, App};
use crate::features::provisioning::{
    Change, Changed, Member, Prospect, Provisioning, ProvisioningError, Worker,
};
use crate::features::tenants::TenantRef;
use crate::infra::saga::Interrupted;
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, BatchId, Caller, ErrorKind, Event, Failure, Progress};

/// How many are changed at once, and when to give up.
#[derive(Debug, Clone, Args)]
pub struct BatchOptions {
    /// Change this many at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Start no more once this many have failed
    #[arg(long, value_name = "N")]
    pub max_failures: Option<u32>,
}

/// Some of many failed.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{failed} of {total} tenants could not be changed")]
#[failure(Partial, "some_not_changed")]
#[hints(ways_on.iter().cloned())]
#[hints(batch.map(way_back))]
#[details(failed, skipped, total)]
struct SomeFailed {
    failed: u32,
    skipped: usize,
    total: usize,
    batch: Option<BatchId>,
    ways_on: Vec<String>,
}

/// Ctrl-C came between two of many.
#[derive(Debug, thiserror::Error, Failure)]
#[error("stopped after {changed} of {}", counted(*total, "tenant"))]
#[failure(Interrupted, "interrupted")]
#[hint("to go on, repeat the command: what is done is left as it is")]
#[hints(batch.map(way_back))]
#[details(changed, total, batch)]
struct Stopped {
    changed: usize,
    total: usize,
    batch: Option<BatchId>,
}

pub(super) fn way_back(batch: BatchId) -> String {
    format!("to undo what it changed: nexus operation rollback --batch {batch}")
}

/// Changes those that were chosen. One that was named fails as the command itself.
pub(super) async fn of_selected(
    selection: &TenantSelection,
    change: Change,
    options: &BatchOptions,
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
    let chosen = selection.fixed(&mut app, &caller).await?;
    if chosen.is_empty() && selection.is_selection() {
        selection.say_that_none_match(&mut app, &caller, ctx).await?;
    }
    if !ctx.global.dry_run {
        let slugs: Vec<&str> = chosen.iter().map(|one| one.slug.as_str()).collect();
        asking.confirm(ctx, &slugs, selection.is_selection())?;
    }
    let ready = app.begin_work().await?;
    of_many(chosen, change, options, ready, ctx).await
}

async fn one(
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
    options: &BatchOptions,
    (provisioning, first): (Provisioning, Worker),
    ctx: &Invocation,
) -> CommandResult {
    let tasks: VecDeque<Task> = chosen.into_iter().map(|one| Task::Change(one, change.clone())).collect();
    let provisioning = match tasks.len() {
        0 => provisioning,
        _ if ctx.global.dry_run => provisioning,
        count => begin(&provisioning, &first, (change.kind(), count), None, ctx).await?,
    };
    carry_out(tasks, Vec::new(), options, (provisioning, first), ctx).await
}

/// Rolls back a batch's changes, as a batch of its own. Those that nothing is to be done for only have
/// their row.
pub(in super::super) async fn back(
    members: Vec<Member>,
    (batch, verb): (BatchId, &'static str),
    options: &BatchOptions,
    (provisioning, first): (Provisioning, Worker),
    ctx: &Invocation,
) -> CommandResult {
    let (tasks, others): (Vec<Member>, Vec<Member>) =
        members.into_iter().partition(|it| it.prospect == Prospect::Planned && !ctx.global.dry_run);
    let others: Vec<ChangedView> = others.iter().map(ChangedView::planned).collect();
    let provisioning = match tasks.len() {
        0 => provisioning,
        count => begin(&provisioning, &first, (verb, count), Some(batch), ctx).await?,
    };
    let tasks = tasks.into_iter().map(|member| Task::Back(Box::new(member))).collect();
    carry_out(tasks, others, options, (provisioning, first), ctx).await
}

/// Records the batch, and says its id before anything is changed: whoever is killed has it by then.
async fn begin(
    provisioning: &Provisioning,
    worker: &Worker,
    meant: (&'static str, usize),
    reverses: Option<BatchId>,
    ctx: &Invocation,
) -> Result<Provisioning, AnyFailure> {
    let provisioning = provisioning.begin_batch(worker, &ctx.caller(), meant, reverses).await?;
    if let Some(batch) = provisioning.batch {
        ctx.screen.note(&format!("batch {}", batch.id));
    }
    Ok(provisioning)
}

async fn carry_out(
    tasks: VecDeque<Task>,
    others: Vec<ChangedView>,
    options: &BatchOptions,
    (provisioning, first): (Provisioning, Worker),
    ctx: &Invocation,
) -> CommandResult {
    let refused = others.iter().filter(|row| row.is_failed()).count();
    let planned = others.iter().filter(|row| row.outcome == "planned").count();
    let total = tasks.len() + planned + refused;
    let batch = provisioning.batch.map(|batch| batch.id);
    let progress = Arc::new(ctx.screen.progress());
    progress.event(Event::Total(tasks.len() as u64));
    let jobs = usize::from(options.jobs).min(tasks.len());
    let shared = Arc::new(Shared {
        left: Mutex::new(tasks),
        failed: AtomicU32::new(u32::try_from(refused).unwrap_or(u32::MAX)),
        max_failures: options.max_failures.unwrap_or(u32::MAX),
        caller: ctx.caller(),
        dry_run: ctx.global.dry_run,
    });
    let mut first = Some(first);
    let (results, incoming) = mpsc::channel(jobs.max(1) * 2);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..jobs {
        let (shared, provisioning, results) = (Arc::clone(&shared), provisioning.clone(), results.clone());
        let (progress, stop) = (Arc::clone(&progress), ctx.interrupt.clone());
        let given = first.take();
        workers.spawn(async move {
            let worker = match given {
                Some(worker) => worker,
                None => app::another_worker(&provisioning).await?,
            };
            shared.work(&provisioning, &worker, &*progress, &stop, &results).await;
            Ok::<(), ProvisioningError>(())
        });
    }
    drop(results);
    let told = tell(incoming, others, &shared, batch, ctx).await?;
    let connected = workers.join_all().await.into_iter().collect::<Result<Vec<()>, _>>();
    drop(progress);
    let batch = batch.filter(|_| told.recorded > 0);
    if ctx.interrupt.is_cancelled() {
        let changed = told.changed;
        return Err(if total > 1 { Stopped { changed, total, batch }.into() } else { interrupted() });
    }
    connected?;
    match shared.failed.load(Ordering::Relaxed) {
        0 => {
            if let Some(batch) = batch.filter(|_| told.undoable) {
                ctx.screen.note(&format!("batch {batch}; {}", way_back(batch)));
            }
            Ok(Exit::Done)
        }
        failed => {
            let (skipped, ways_on) = (told.skipped, told.ways_on(failed));
            let batch = batch.filter(|_| told.undoable);
            Err(SomeFailed { failed, skipped, total, batch, ways_on }.into())
        }
    }
}

fn interrupted() -> AnyFailure {
    ProvisioningError::from(Interrupted).into()
}

/// What was written of many.
struct Told {
    /// How many were changed.
    changed: usize,
    /// How many of them are parts of the batch.
    recorded: usize,
    /// Whether that can be undone.
    undoable: bool,
    /// How many nobody began.
    skipped: usize,
    /// How many failed for what may pass, so that repeating the command helps.
    passing: u32,
    /// What leads on from the first failure that repeating does not help.
    hint: Option<String>,
}

impl Told {
    fn note_failure(&mut self, row: &ChangedView, passing: bool) {
        if !row.is_failed() {
            return;
        }
        self.passing += u32::from(passing);
        if let Some(hint) = row.hint.as_ref().filter(|_| !passing && self.hint.is_none()) {
            self.hint = Some(format!("{}: {hint}", row.slug));
        }
    }

    fn ways_on(&self, failed: u32) -> Vec<String> {
        let again = "repeat the command: what is done is left as it is, what was half done is finished";
        let rows = "each row that failed says how to go on (in -o json, its hint)";
        let again = (self.passing > 0 || self.skipped > 0).then(|| again.to_owned());
        let stuck = (failed > self.passing).then(|| rows.to_owned());
        again.into_iter().chain(self.hint.clone()).chain(stuck).collect()
    }
}

/// Writes a row for each result as it comes, and then for each that nobody began.
async fn tell(
    mut incoming: mpsc::Receiver<BatchOutcome>,
    others: Vec<ChangedView>,
    shared: &Shared,
    batch: Option<BatchId>,
    ctx: &Invocation,
) -> Result<Told, AnyFailure> {
    let mut told = Told { changed: 0, recorded: 0, undoable: true, skipped: 0, passing: 0, hint: None };
    let mut list = ctx.screen.list_writer();
    for row in others {
        told.note_failure(&row, false);
        list.row(&row)?;
    }
    while let Some(BatchOutcome { row, changed, recorded, passing }) = incoming.recv().await {
        told.changed += usize::from(changed);
        told.recorded += usize::from(recorded);
        told.undoable &= row.outcome != "purged";
        told.note_failure(&row, passing);
        list.row(&row.part_of(batch.filter(|_| recorded)))?;
    }
    let left: Vec<Task> = shared.left.lock().await.drain(..).collect();
    told.skipped = left.len();
    for one in left {
        list.row(&ChangedView::without(one.slug().to_owned(), "skipped"))?;
    }
    list.finish()?;
    Ok(told)
}

/// What is to be done for one tenant.
enum Task {
    Change(Selected, Change),
    Back(Box<Member>),
}

impl Task {
    fn slug(&self) -> &str {
        match self {
            Self::Change(one, _) => &one.slug,
            Self::Back(member) => &member.slug,
        }
    }
}

/// What came of one.
struct BatchOutcome {
    row: ChangedView,
    changed: bool,
    /// It is a part of the batch now: what was rolled back stays with the batch that began it.
    recorded: bool,
    /// It failed for what may be over in a moment.
    passing: bool,
}

impl BatchOutcome {
    fn of(slug: &str, result: Result<Changed, ProvisioningError>) -> Self {
        use crate::features::provisioning::ChangeOutcome::{Planned, RolledBack, Unchanged};
        match result {
            Ok(changed) => {
                let written = !matches!(changed.outcome, Planned | Unchanged);
                let recorded = written && changed.outcome != RolledBack;
                Self { row: changed.into(), changed: written, recorded, passing: false }
            }
            Err(error) => Self {
                row: ChangedView::failed(slug.to_owned(), &error),
                changed: false,
                recorded: false,
                passing: matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Busy),
            },
        }
    }
}

/// What the workers share.
struct Shared {
    left: Mutex<VecDeque<Task>>,
    failed: AtomicU32,
    max_failures: u32,
    caller: Caller,
    dry_run: bool,
}

impl Shared {
    async fn work(
        &self,
        provisioning: &Provisioning,
        worker: &Worker,
        progress: &dyn Progress,
        stop: &CancellationToken,
        results: &mpsc::Sender<BatchOutcome>,
    ) {
        while !stop.is_cancelled() && self.failed.load(Ordering::Relaxed) < self.max_failures {
            let Some(task) = self.left.lock().await.pop_front() else { return };
            let result = self.perform(provisioning, worker, &task, progress, stop).await;
            let failed = result.as_ref().is_err_and(|error| !is_skip(error));
            progress.event(Event::Done { subject: task.slug().to_owned(), ok: !failed });
            if failed {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            if results.send(BatchOutcome::of(task.slug(), result)).await.is_err() {
                return;
            }
        }
    }

    async fn perform(
        &self,
        provisioning: &Provisioning,
        worker: &Worker,
        task: &Task,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Changed, ProvisioningError> {
        match task {
            Task::Change(one, change) if self.dry_run => {
                provisioning.look_at_change(worker, &self.caller, &one.tenant, change).await
            }
            Task::Change(one, change) => {
                let change = provisioning.change(worker, &self.caller, &one.tenant, change, progress, stop);
                Box::pin(change).await
            }
            Task::Back(member) => {
                Box::pin(provisioning.reverse(worker, &self.caller, member, progress, stop)).await
            }
        }
    }
}
