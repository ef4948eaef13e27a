//! `nexus job`: background jobs.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::confirm::{self, NAMED};
use super::output::{row, thing};
use super::pages::{self, Found};
use super::{CommandResult, Exit, Invocation, arguments, complete, exit};
use crate::app::Session;
use crate::features::jobs::schedules::{self, ScheduleView};
use crate::features::jobs::{self, Backlog, BacklogFilter, JobFilter, JobState, JobView};
use crate::features::tenants::{self, TenantRef};
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, Caller, Failure, JobId};

/// Arguments of `nexus job`.
#[derive(Debug, Args)]
pub struct JobArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List jobs that are not done, newest first
    ///
    /// A job that is done is deleted. One whose last attempt failed is dead: it stays until somebody
    /// retries or cancels it.
    #[command(after_help = "\
EXAMPLES
  nexus job list --state dead
  nexus job list --tenant acme --kind message.send")]
    List(ListArgs),
    /// Show a job, and why its last attempt failed
    #[command(after_help = "\
EXAMPLES
  nexus job show 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d")]
    Show(JobIdArgs),
    /// Retry jobs now
    ///
    /// Resets the attempt count of a dead or retrying job. A message that may have arrived is sent
    /// again: check `nexus job show` first.
    #[command(after_help = "\
EXAMPLES
  nexus job retry 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d")]
    Retry(JobIdsArgs),
    /// Cancel jobs
    ///
    /// They will not run. A running job cannot be cancelled. For several jobs their number must be
    /// typed; a script passes --yes --confirm N.
    #[command(after_help = "\
EXAMPLES
  nexus job cancel 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus --dry-run job cancel 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d")]
    Cancel(CancelArgs),
    /// Wait until jobs are done
    ///
    /// Waits until no job of the kinds and tenant is queued, running or about to be retried. Starts
    /// and stops nothing: processes go on running jobs, and others may write new ones. Before
    /// maintenance, stop what writes them first. Dead jobs do not count. With --due, neither do those
    /// whose time is more than a minute away.
    #[command(after_help = "\
EXAMPLES
  nexus job drain
  nexus job drain --tenant acme --timeout 5m
  nexus job drain --kind message.send --due")]
    Drain(DrainArgs),
    /// List schedules
    Schedule(ScheduleArgs),
}

/// Arguments of `nexus job drain`.
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// Only jobs of this kind, e.g. message.send
    #[arg(long, value_name = "KIND", add = complete::job_kinds())]
    pub kind: Option<String>,
    /// Only jobs of this tenant
    #[arg(long, value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
    /// Do not wait for jobs whose time is more than a minute away
    #[arg(long)]
    pub due: bool,
    /// Give up after this time, e.g. 30s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = arguments::duration)]
    pub timeout: Option<Duration>,
}

/// Arguments of `nexus job schedule`.
#[derive(Debug, Args)]
pub struct ScheduleArgs {
    #[command(subcommand)]
    verb: ScheduleVerb,
}

#[derive(Debug, Subcommand)]
enum ScheduleVerb {
    /// List schedules, and when each is due next
    ///
    /// Any process that runs jobs writes the job of a schedule when it is due, once. A schedule is
    /// late when its next run is overdue by more than two minutes: then no process runs jobs.
    #[command(after_help = "\
EXAMPLES
  nexus job schedule list")]
    List,
}

/// Arguments of `nexus job list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = arguments::word(JobState::ALL, JobState::as_str))]
    pub state: Option<JobState>,
    /// Only those of this kind, e.g. message.send
    #[arg(long, value_name = "KIND", add = complete::job_kinds())]
    pub kind: Option<String>,
    /// Only those of this tenant
    #[arg(long, value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
    /// Which rows
    #[command(flatten)]
    pub page: arguments::PageArgs,
}

/// Arguments of `nexus job show`.
#[derive(Debug, Args)]
pub struct JobIdArgs {
    /// The job's id
    #[arg(add = complete::jobs())]
    pub id: JobId,
}

/// Arguments of `nexus job retry`.
#[derive(Debug, Args)]
pub struct JobIdsArgs {
    /// The jobs' ids
    #[arg(value_name = "ID", required = true, add = complete::jobs())]
    pub ids: Vec<JobId>,
}

/// Arguments of `nexus job cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// Which
    #[command(flatten)]
    pub jobs: JobIdsArgs,
    /// Confirm the number of jobs, where there is no terminal to type it on
    #[arg(long, value_name = "N")]
    pub confirm: Option<usize>,
}

/// Some of many jobs were not changed.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{} of {total} jobs could not be changed", failed.len())]
#[failure(Partial, "some_not_changed")]
#[details(failed, total)]
struct SomeNotChanged {
    failed: Vec<FailedJob>,
    total: usize,
}

/// A job that was not changed.
#[derive(Debug, Serialize)]
struct FailedJob {
    id: JobId,
    code: &'static str,
}

/// Runs a verb of `nexus job`.
///
/// # Errors
/// What the services say.
pub async fn run(args: JobArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut app = ctx.open(&ctx.screen.progress()).await?;
    match args.verb {
        Verb::List(args) => list(&args, &mut app, &caller, ctx).await,
        Verb::Show(args) => {
            ctx.screen.thing(&jobs::show(&mut app.control, &caller, args.id).await?)?;
            Ok(Exit::Done)
        }
        Verb::Retry(args) => change(&distinct(args.ids), Change::Retry, &mut app, &caller, ctx).await,
        Verb::Cancel(args) => {
            let ids = distinct(args.jobs.ids);
            if !ctx.global.dry_run {
                confirm_cancel(&ids, args.confirm, &mut app, &caller, ctx).await?;
            }
            change(&ids, Change::Cancel, &mut app, &caller, ctx).await
        }
        Verb::Drain(args) => drain(&args, &mut app, &caller, ctx).await,
        Verb::Schedule(ScheduleArgs { verb: ScheduleVerb::List }) => {
            ctx.screen.list(schedules::list_schedules(&mut app.control, &caller).await?)?;
            Ok(Exit::Done)
        }
    }
}

/// How often it is looked again whether all is done, and how often that is said.
const DRAIN_INTERVAL: Duration = Duration::from_millis(500);
const DRAIN_NOTE: Duration = Duration::from_secs(10);

/// Jobs were not done in time.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{} not done after {} s", jobs_left(backlog), after.as_secs())]
#[failure(Busy, "jobs_not_done")]
#[hint("see which they are" => PlatformAction::ListJobs)]
#[details(backlog)]
struct NotDone {
    backlog: Backlog,
    after: Duration,
}

fn jobs_left(backlog: &Backlog) -> String {
    let total = backlog.waiting + backlog.running;
    let jobs = counted(usize::try_from(total).unwrap_or(usize::MAX), "job");
    let verb = if total == 1 { "is" } else { "are" };
    if backlog.are_more { format!("more than {jobs} are") } else { format!("{jobs} {verb}") }
}

async fn drain(args: &DrainArgs, app: &mut Session, caller: &Caller, ctx: &Invocation) -> CommandResult {
    let tenant = match &args.tenant {
        Some(name) => Some(tenants::get(&mut app.control, caller, name).await?.id),
        None => None,
    };
    let filter = BacklogFilter { kind: args.kind.clone(), tenant, only_due: args.due };
    let (began, mut noted) = (Instant::now(), None::<Instant>);
    loop {
        let backlog = jobs::backlog(&mut app.control, caller, &filter).await?;
        if backlog.waiting + backlog.running == 0 {
            ctx.screen.note("no jobs are left");
            return Ok(Exit::Done);
        }
        let after = began.elapsed();
        if ctx.global.dry_run || args.timeout.is_some_and(|timeout| after >= timeout) {
            return Err(NotDone { backlog, after }.into());
        }
        if noted.is_none_or(|at| at.elapsed() >= DRAIN_NOTE) {
            let running = backlog.running;
            ctx.screen.note(&format!("{} not done, {running} of them running", jobs_left(&backlog)));
            noted = Some(Instant::now());
        }
        tokio::select! {
            () = tokio::time::sleep(DRAIN_INTERVAL) => {}
            () = ctx.interrupt.cancelled() => return Ok(Exit::Interrupted),
        }
    }
}

async fn list(args: &ListArgs, app: &mut Session, caller: &Caller, ctx: &Invocation) -> CommandResult {
    let tenant = match &args.tenant {
        Some(name) => Some(tenants::get(&mut app.control, caller, name).await?.id),
        None => None,
    };
    let filter = JobFilter { state: args.state, kind: args.kind.clone(), tenant, before: None };
    let written = pages::write(
        ctx,
        args.page.page(&ctx.screen),
        ("jobs", pages::before(ctx)),
        async |page, after: Option<&JobView>| {
            let filter = JobFilter { before: after.map(|row| row.id), ..filter.clone() };
            let rows = jobs::list(&mut app.control, caller, &filter, page).await?;
            Ok(Found { rows, place: None })
        },
    )
    .await?;
    let narrowed = args.state.is_some() || args.kind.is_some() || tenant.is_some();
    pages::say_if_empty(ctx, written, if narrowed { "jobs match" } else { "jobs" });
    Ok(Exit::Done)
}

#[derive(Clone, Copy)]
enum Change {
    Retry,
    Cancel,
}

impl Change {
    fn done(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Cancel => "cancelled",
        }
    }
}

/// Each id once, in the order in which they were given.
fn distinct(ids: Vec<JobId>) -> Vec<JobId> {
    let mut all = Vec::with_capacity(ids.len());
    let mut seen = std::collections::HashSet::new();
    all.extend(ids.into_iter().filter(|id| seen.insert(*id)));
    all
}

/// One job that was named needs no confirmation. Of several the first are shown, and their number is typed.
async fn confirm_cancel(
    ids: &[JobId],
    given: Option<usize>,
    app: &mut Session,
    caller: &Caller,
    ctx: &Invocation,
) -> Result<(), AnyFailure> {
    let mut shown = vec![format!("context {}:", ctx.loaded.context)];
    if ids.len() > 1 && ctx.screen.can_ask() {
        for id in &ids[..ids.len().min(NAMED)] {
            shown.push(match jobs::show(&mut app.control, caller, *id).await {
                Ok(job) => in_words(&job),
                Err(error) => error.to_string(),
            });
        }
        if let more @ 1.. = ids.len().saturating_sub(NAMED) {
            shown.push(format!("and {more} more"));
        }
    }
    confirm::number_of(ctx, ("cancelling", "job"), ids.len(), &shown, given)
}

fn in_words(job: &JobView) -> String {
    let of = job.tenant.as_ref().map(|tenant| format!(" of {tenant}")).unwrap_or_default();
    format!("{} {}{of}, {}", job.id, job.kind, job.state)
}

/// Changes one after the other. A failure of one does not keep the others from it.
async fn change(
    ids: &[JobId],
    change: Change,
    app: &mut Session,
    caller: &Caller,
    ctx: &Invocation,
) -> CommandResult {
    let mut list = ctx.screen.list_writer();
    let mut failures: Vec<(JobId, AnyFailure)> = Vec::new();
    let (mut taken, mut changeable) = (0, 0);
    for id in ids {
        if ctx.interrupt.is_cancelled() {
            break;
        }
        taken += 1;
        let control = &mut app.control;
        let changed = match change {
            _ if ctx.global.dry_run => jobs::show(control, caller, *id).await,
            Change::Retry => jobs::retry(control, caller, *id).await,
            Change::Cancel => jobs::cancel(control, caller, *id).await,
        };
        match changed {
            Ok(job) => {
                let is_running = job.state == JobState::Running.as_str();
                changeable += usize::from(!is_running);
                if ctx.global.dry_run && is_running {
                    ctx.screen.note(&format!("job {id} is running and cannot be {}", change.done()));
                }
                list.row(&job)?;
            }
            Err(error) => failures.push((*id, error.into())),
        }
    }
    list.finish()?;
    ctx.screen.flush()?;
    if ctx.global.dry_run {
        let jobs = counted(changeable, "job");
        ctx.screen.note(&format!("{jobs} would be {}; nothing was done", change.done()));
    }
    if taken < ids.len() {
        let all = counted(ids.len(), "job");
        ctx.screen.note(&format!("stopped after {taken} of {all}"));
        return Ok(Exit::Interrupted);
    }
    verdict(failures, ids.len(), ctx)
}

/// The failure of one job is the command's own. Of several each is reported, and their number at the end.
fn verdict(mut failures: Vec<(JobId, AnyFailure)>, total: usize, ctx: &Invocation) -> CommandResult {
    if total == 1 {
        return failures.pop().map_or(Ok(Exit::Done), |(_, failure)| Err(failure));
    }
    if failures.is_empty() {
        return Ok(Exit::Done);
    }
    if !ctx.screen.json() {
        for (_, failure) in &failures {
            exit::report(&ctx.screen, failure.get());
        }
    }
    let failed = failures.iter().map(|(id, failure)| FailedJob { id: *id, code: failure.code() }).collect();
    Err(SomeNotChanged { failed, total }.into())
}

row! { it: JobView, it.id;
    text "id": it.id,
    text "kind": it.kind,
    text "tenant": it.tenant,
    text "state": it.state,
    text "attempts": format!("{}/{}", it.attempts, it.max_attempts),
    text "created_at": it.created_at,
    text "due_at": it.due_at,
    sentences "last_error": it.last_error,
}

row! { it: ScheduleView, it.name;
    text "name": it.name,
    text "expression": it.expression,
    text "time_zone": it.time_zone,
    text "missed_runs": it.missed_runs,
    text "next_at": it.next_at,
    text "last_at": it.last_at,
    text "is_late": it.is_late,
}

thing! { it: JobView, it.id;
    "id": it.id,
    "kind": it.kind,
    "tenant": it.tenant,
    "tenant_id": it.tenant_id,
    "state": it.state,
    "priority": it.priority.to_string(),
    "attempts": it.attempts,
    "max_attempts": it.max_attempts,
    "due_at": it.due_at,
    "last_error": it.last_error,
    "payload": it.payload.to_string(),
    "created_at": it.created_at,
    "updated_at": it.updated_at,
}
