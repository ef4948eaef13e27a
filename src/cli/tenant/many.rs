//! `nexus tenant create --from FILE`: many tenants, some at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Mutex, mpsc};

use super::super::{CommandResult, Exit, Invocation};
use super::CreateArgs;
use super::input::{self, Line};
use super::place::PlaceArgs;
use super::views::{LineView, outcome_text};
use crate::app::{self, App, CompletionSession};
use crate::features::provisioning::{
    CreateOutcome, CreateRequest, Provisioning, ProvisioningError, Worker, plan_create,
};
use crate::infra::saga::Interrupted;
use crate::kernel::{AnyFailure, Caller, Event, Failure, OperationId, Progress};

/// How many are made at once unless the caller says.
const JOBS: u16 = 4;
/// How many a process in the background is given; their ids fit on a command line (execve(2)).
const IN_BACKGROUND: usize = 10_000;

/// Some of many failed.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{failed} of {total} tenants failed")]
#[failure(Partial, "some_failed")]
#[hint("repeat the command: what is done is left as it is, what was half done is finished")]
#[details(failed, skipped, total)]
struct SomeFailed {
    failed: u32,
    total: usize,
    skipped: usize,
}

pub(super) async fn run(args: CreateArgs, ctx: &Invocation) -> CommandResult {
    let Some(source) = &args.from else { return Ok(Exit::Done) };
    let lines = input::read(source)?;
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    if ctx.global.dry_run {
        return dry_run(&lines, &args.place, App::open_for_completion(&settings).await, ctx).await;
    }
    let total = lines.len();
    let progress = Arc::new(ctx.screen.progress());
    progress.event(Event::Total(total as u64));
    let (provisioning, first) = App::open_to_work(&settings, &caller, &*progress).await?;
    let jobs = usize::from(args.jobs.unwrap_or(JOBS)).min(total);
    let options = Arc::new(BatchOptions {
        lines: Mutex::new(lines.into()),
        failed: AtomicU32::new(0),
        max_failures: args.max_failures.unwrap_or(u32::MAX),
        detach: args.detach,
        place: args.place,
        caller,
    });
    let mut first = Some(first);
    let (results, incoming) = mpsc::channel(jobs * 2);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..jobs {
        let (options, on_what, results) = (Arc::clone(&options), provisioning.clone(), results.clone());
        let (progress, stop) = (Arc::clone(&progress), ctx.interrupt.clone());
        let given = first.take();
        workers.spawn(async move {
            let worker = match given {
                Some(worker) => worker,
                None => app::another_worker(&on_what).await?,
            };
            options.work(&on_what, &worker, &*progress, &stop, &results).await;
            Ok::<(), ProvisioningError>(())
        });
    }
    drop(results);
    let (planned, skipped) = tell(incoming, &options, ctx).await?;
    in_background(&planned, ctx)?;
    let connected = workers.join_all().await.into_iter().collect::<Result<Vec<()>, _>>();
    drop(progress);
    if ctx.interrupt.is_cancelled() {
        return Err(ProvisioningError::from(Interrupted).into());
    }
    connected?;
    match options.failed.load(Ordering::Relaxed) {
        0 => Ok(Exit::Done),
        failed => Err(SomeFailed { failed, total, skipped }.into()),
    }
}

/// Writes a row for each result as it comes, and then for each line that nobody began; the
/// operations that are only planned, and how many lines were left.
async fn tell(
    mut incoming: mpsc::Receiver<LineView>,
    options: &BatchOptions,
    ctx: &Invocation,
) -> Result<(Vec<OperationId>, usize), AnyFailure> {
    let mut list = ctx.screen.list_writer();
    let mut planned = Vec::new();
    while let Some(row) = incoming.recv().await {
        planned.extend(row.operation.filter(|_| row.outcome == outcome_text(CreateOutcome::Planned)));
        list.row(&row)?;
    }
    let left: Vec<Line> = options.lines.lock().await.drain(..).collect();
    let skipped = left.len();
    for line in left {
        list.row(&skipped_row(&line))?;
    }
    list.finish()?;
    Ok((planned, skipped))
}

/// Starts what does the recorded work.
fn in_background(planned: &[OperationId], ctx: &Invocation) -> Result<(), AnyFailure> {
    planned.chunks(IN_BACKGROUND).try_for_each(|some| super::super::operation::start_in_background(ctx, some))
}

async fn dry_run(
    lines: &[Line],
    place: &PlaceArgs,
    mut control: Option<CompletionSession>,
    ctx: &Invocation,
) -> CommandResult {
    let mut list = ctx.screen.list_writer();
    for line in lines {
        let planned =
            plan_create(control.as_mut(), &ctx.caller(), (&line.tenant, None), &place.or(&line.wish)).await;
        let (outcome, error) = match &planned {
            Ok(_) => ("planned", None),
            Err(error) => ("conflict", Some(error)),
        };
        list.row(&LineView {
            line: line.number,
            slug: line.tenant.slug.to_string(),
            outcome,
            id: None,
            operation: None,
            code: error.map(Failure::code),
            error: error.map(ToString::to_string),
        })?;
    }
    list.finish()?;
    Ok(Exit::Done)
}

fn skipped_row(line: &Line) -> LineView {
    LineView {
        line: line.number,
        slug: line.tenant.slug.to_string(),
        outcome: "skipped",
        id: None,
        operation: None,
        code: None,
        error: None,
    }
}

/// What the workers share.
struct BatchOptions {
    lines: Mutex<VecDeque<Line>>,
    failed: AtomicU32,
    max_failures: u32,
    detach: bool,
    place: PlaceArgs,
    caller: Caller,
}

impl BatchOptions {
    async fn work(
        &self,
        on_what: &Provisioning,
        worker: &Worker,
        progress: &dyn Progress,
        stop: &tokio_util::sync::CancellationToken,
        results: &mpsc::Sender<LineView>,
    ) {
        while !stop.is_cancelled() && self.failed.load(Ordering::Relaxed) < self.max_failures {
            let Some(line) = self.lines.lock().await.pop_front() else { return };
            let slug = line.tenant.slug.to_string();
            let request = CreateRequest {
                tenant: line.tenant,
                admin_password: None,
                detach: self.detach,
                wait: false,
                wish: self.place.or(&line.wish),
            };
            let made = on_what.create(worker, &self.caller, &request, progress, stop).await;
            progress.event(Event::Done { subject: slug.clone(), ok: made.is_ok() });
            let row = match made {
                Ok(created) => LineView {
                    line: line.number,
                    slug,
                    outcome: outcome_text(created.outcome),
                    id: Some(created.tenant.id.to_string()),
                    operation: Some(created.operation),
                    code: None,
                    error: None,
                },
                Err(error) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    LineView {
                        line: line.number,
                        slug,
                        outcome: "failed",
                        id: None,
                        operation: error.operation(),
                        code: Some(error.code()),
                        error: Some(error.to_string()),
                    }
                }
            };
            if results.send(row).await.is_err() {
                return;
            }
        }
    }
}
