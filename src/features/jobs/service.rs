//! The queue: for those who write jobs, for those who run them, and for people.

use serde_json::json;
use uuid::Uuid;

use super::error::JobError;
use super::model::{ClaimedJob, JobEnd, NewJob, Settlement};
use super::store::{self, Failed};
use super::views::{JobFilter, JobView};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::infra::db::{DbError, PgConnection, transaction};
use crate::kernel::{Caller, JobId, Page, Pagination, TenantId, Total};

/// Most jobs of one tenant in the queue, without those that wait for a person.
const QUEUE_LIMIT: i64 = 100_000;
/// Most jobs that one statement claims.
pub const MOST_CLAIMED: usize = 50;
/// Longest text of why an attempt failed, in characters.
const LONGEST_ERROR: usize = 1_000;

/// Writes jobs of a tenant, in the transaction of what they follow from; gives those that are new. What has a key that
/// another job has is left out.
pub(in crate::features) async fn enqueue(
    control: &mut PgConnection,
    tenant: TenantId,
    jobs: &[NewJob],
) -> Result<Vec<JobId>, JobError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let more = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
    if store::has_at_least(control, tenant, QUEUE_LIMIT.saturating_sub(more) + 1).await? {
        return Err(JobError::QueueFull { tenant, limit: QUEUE_LIMIT });
    }
    Ok(store::insert(control, tenant, jobs).await?)
}

/// Makes jobs ready that became due, and those whose holder is gone. How many there were: where it is many, more may
/// be due.
///
/// # Errors
/// For all but who holds the platform's credentials; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn wake(control: &mut PgConnection, caller: &Caller) -> Result<usize, JobError> {
    access::authorize_machine(caller, &rights::RUN_JOBS)?;
    Ok(store::wake(control).await?)
}

/// Takes up to so many jobs of these kinds whose turn it is, at most [`MOST_CLAIMED`], for half a minute. Those of
/// other kinds are left to who can run them.
///
/// # Errors
/// As [`wake`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn claim(
    control: &mut PgConnection,
    caller: &Caller,
    owner: Uuid,
    (most, kinds): (usize, &[&str]),
) -> Result<Vec<ClaimedJob>, JobError> {
    access::authorize_machine(caller, &rights::RUN_JOBS)?;
    let most = i64::try_from(most.min(MOST_CLAIMED)).unwrap_or_default();
    Ok(store::claim(control, owner, (most, kinds)).await?)
}

/// Holds jobs for half a minute more. Gives those that are still held: the others belong to somebody else.
///
/// # Errors
/// As [`wake`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn renew(
    control: &mut PgConnection,
    caller: &Caller,
    (owner, held): (Uuid, &[(JobId, i64)]),
) -> Result<Vec<JobId>, JobError> {
    access::authorize_machine(caller, &rights::RUN_JOBS)?;
    Ok(store::renew(control, owner, held).await?)
}

/// Records what came of attempts. Gives the jobs of which it is recorded: the others were taken over meanwhile.
///
/// # Errors
/// As [`wake`]; nothing is recorded then.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn settle(
    control: &mut PgConnection,
    caller: &Caller,
    ended: &[Settlement],
) -> Result<Vec<JobId>, JobError> {
    access::authorize_machine(caller, &rights::RUN_JOBS)?;
    let (done, failed): (Vec<_>, Vec<_>) = ended.iter().partition(|it| it.end == JobEnd::Done);
    let done: Vec<(JobId, i64)> = done.into_iter().map(|it| (it.id, it.fence)).collect();
    let failed: Vec<Failed> = failed.into_iter().map(failure).collect();
    let mut settled = Vec::new();
    let mut tx = transaction(control).await?;
    if !done.is_empty() {
        settled.extend(store::delete_done(&mut tx, &done).await?);
    }
    if !failed.is_empty() {
        settled.extend(store::record_failures(&mut tx, &failed).await?);
    }
    if failed.iter().any(|it| it.dead) {
        store::forget_dead(&mut tx).await?;
    }
    tx.commit().await?;
    Ok(settled)
}

fn failure(it: &Settlement) -> Failed {
    let (why, dead, counted, pause) = match &it.end {
        JobEnd::Done => (None, false, true, it.pause),
        JobEnd::Retry { why } => (Some(why), false, true, it.pause),
        JobEnd::GiveUp { why } => (Some(why), true, true, it.pause),
        JobEnd::Postpone { why, pause } => (Some(why), false, false, *pause),
    };
    let why = why.map(|why| why.chars().filter(|c| *c != '\0').take(LONGEST_ERROR).collect());
    Failed { id: it.id, fence: it.fence, why, dead, counted, seconds: pause.as_secs_f64() }
}

/// One page of jobs, the newest first.
///
/// # Errors
/// Without `job:read`; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(
    control: &mut PgConnection,
    caller: &Caller,
    filter: &JobFilter,
    page: Page,
) -> Result<Vec<JobView>, JobError> {
    access::authorize(control, caller, &rights::JOB_READ, About::Platform).await?;
    Ok(store::list(control, filter, page).await?)
}

/// The same, with where the page stands among all.
///
/// # Errors
/// As [`list`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn page(
    control: &mut PgConnection,
    caller: &Caller,
    filter: &JobFilter,
    (page, total): (Page, Total),
) -> Result<(Vec<JobView>, Pagination), JobError> {
    access::authorize(control, caller, &rights::JOB_READ, About::Platform).await?;
    let mut rows = store::page(control, filter, page).await?;
    let counting = store::count(control, filter, total.limit());
    let place = Pagination::of((page, total), &mut rows, filter.before.is_none(), counting).await?;
    Ok((rows, place))
}

/// One job.
///
/// # Errors
/// Without `job:read`; [`JobError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn show(control: &mut PgConnection, caller: &Caller, id: JobId) -> Result<JobView, JobError> {
    access::authorize(control, caller, &rights::JOB_READ, About::Platform).await?;
    store::by_id(control, id).await?.ok_or(JobError::NotFound { id })
}

/// Has a job that failed run now, with all of its attempts before it. One that waits for its turn is left as it is.
///
/// # Errors
/// Without `job:retry`; [`JobError::NotFound`], [`JobError::Running`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn retry(control: &mut PgConnection, caller: &Caller, id: JobId) -> Result<JobView, JobError> {
    let allowed = access::authorize(control, caller, &rights::JOB_RETRY, About::Platform).await?;
    let mut tx = transaction(control).await?;
    let job = idle(&mut tx, id).await?;
    store::schedule_now(&mut tx, id).await?;
    let after = store::by_id(&mut tx, id).await?.ok_or(JobError::NotFound { id })?;
    record(&mut tx, &allowed, "job.retry", &job).await?;
    tx.commit().await?;
    Ok(after)
}

/// Takes a job out of the queue for good; gives it as it was.
///
/// # Errors
/// Without `job:cancel`; [`JobError::NotFound`], [`JobError::Running`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn cancel(control: &mut PgConnection, caller: &Caller, id: JobId) -> Result<JobView, JobError> {
    let allowed = access::authorize(control, caller, &rights::JOB_CANCEL, About::Platform).await?;
    let mut tx = transaction(control).await?;
    let job = idle(&mut tx, id).await?;
    store::delete(&mut tx, id).await?;
    record(&mut tx, &allowed, "job.cancel", &job).await?;
    tx.commit().await?;
    Ok(job)
}

/// A job that nobody is at work on, and nobody takes up before the end of the transaction.
async fn idle(control: &mut PgConnection, id: JobId) -> Result<JobView, JobError> {
    store::lock(control, id).await?;
    let job = store::by_id(control, id).await?.ok_or(JobError::NotFound { id })?;
    if job.state == "running" { Err(JobError::Running { id }) } else { Ok(job) }
}

async fn record(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    action: &'static str,
    job: &JobView,
) -> Result<(), DbError> {
    let tenant = Some(TenantId::from(job.tenant_id)).filter(|id| *id != TenantId::PLATFORM);
    let detail = json!({ "job": job.id, "kind": job.kind, "state": job.state });
    audit::record(control, audit::Entry { caller, action, tenant, operation: None, detail }).await
}
