//! The queue: for those who write jobs, for those who run them, and for people.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::claims::{self, Front, Full};
use super::error::JobError;
use super::model::{ClaimRequest, ClaimedJob, JobEnd, NewJob, Settlement};
use super::store::{self, Failed};
use super::views::{Backlog, BacklogFilter, JobFilter, JobView};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::infra::db::{DbError, PgConnection, transaction};
use crate::kernel::{Caller, JobId, Page, Pagination, TenantId, Total};

/// Most jobs of one tenant in the queue, without those that wait for a person.
const QUEUE_LIMIT: i64 = 100_000;
/// Where so many jobs are written at once it is looked whether there are too many; where there are fewer, once in so many
/// times, by the random bits of an id: counting a long queue takes longer than writing one job.
const ALWAYS_COUNTED: usize = 16;
const COUNTED_ONCE_IN: u128 = 16;
/// Most jobs that one statement claims.
pub const MOST_CLAIMED: usize = 50;
/// Most jobs that are counted where it is asked how many are not done.
const MOST_COUNTED: i64 = 10_000;
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
    let is_counted = jobs.len() >= ALWAYS_COUNTED || Uuid::now_v7().as_u128().is_multiple_of(COUNTED_ONCE_IN);
    if is_counted && store::has_at_least(control, tenant, QUEUE_LIMIT.saturating_sub(more) + 1).await? {
        return Err(JobError::QueueFull { tenant, limit: QUEUE_LIMIT });
    }
    Ok(store::insert(control, tenant, jobs).await?)
}

/// The same for who works with the platform's credentials.
///
/// # Errors
/// As [`wake`]; [`JobError::QueueFull`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn submit(
    control: &mut PgConnection,
    caller: &Caller,
    (tenant, jobs): (TenantId, &[NewJob]),
) -> Result<Vec<JobId>, JobError> {
    access::authorize_machine(caller, &rights::RUN_JOBS)?;
    enqueue(control, tenant, jobs).await
}

/// Has jobs with these keys run now, with all of their attempts before them; those that wait for a person too. One that
/// is running runs once more when it ends. Gives the keys of those that there are.
pub(in crate::features) async fn run_now(
    control: &mut PgConnection,
    keys: &[String],
) -> Result<Vec<String>, JobError> {
    Ok(store::run_now(control, keys).await?)
}

/// Writes jobs of a tenant that have keys, in the transaction of what they follow from. A job that there is already (it
/// waits for a person, or for a pause to end, or runs) runs again. One that ends at this moment may be found by neither
/// statement: it is written anew then.
pub(in crate::features) async fn ensure(
    control: &mut PgConnection,
    tenant: TenantId,
    jobs: &[NewJob],
) -> Result<(), JobError> {
    let mut missing: Vec<NewJob> = jobs.to_vec();
    while !missing.is_empty() && enqueue(control, tenant, &missing).await?.len() < missing.len() {
        let keys: Vec<String> = missing.iter().filter_map(|job| job.dedup_key.clone()).collect();
        let found = run_now(control, &keys).await?;
        missing.retain(|job| job.dedup_key.as_ref().is_some_and(|key| !found.contains(key)));
    }
    Ok(())
}

/// Which of these keys have a job that goes on: one that waits for a person does not.
pub(in crate::features) async fn alive(
    control: &mut PgConnection,
    keys: &[String],
) -> Result<Vec<String>, JobError> {
    Ok(store::alive(control, keys).await?)
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

/// Takes jobs whose turn it is, for half a minute, as far as there is room for them. The others are left to who has room,
/// or can run them.
///
/// # Errors
/// As [`wake`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn claim(
    control: &mut PgConnection,
    caller: &Caller,
    owner: Uuid,
    wanted: ClaimRequest<'_>,
) -> Result<Vec<ClaimedJob>, JobError> {
    access::authorize_machine(caller, &rights::RUN_JOBS)?;
    let wanted = ClaimRequest { most: wanted.most.min(MOST_CLAIMED), ..wanted };
    let full = full(&wanted);
    if wanted.are_all_kinds && full.tenants.is_empty() && full.pairs.is_empty() {
        return Ok(claims::claim(control, owner, &wanted, (&full, Front::All)).await?);
    }
    let claimed = claims::claim(control, owner, &wanted, (&full, Front::First)).await?;
    if !claimed.is_empty() || !wanted.looks_deep {
        return Ok(claimed);
    }
    Ok(claims::claim(control, owner, &wanted, (&full, Front::Each)).await?)
}

/// Of whom as many are held as may be.
fn full(wanted: &ClaimRequest<'_>) -> Full {
    let mut of_tenants = BTreeMap::<TenantId, usize>::new();
    let mut full = Full::default();
    for (tenant, kind, held) in wanted.held {
        *of_tenants.entry(*tenant).or_default() += held;
        let room = wanted.kinds.iter().find(|(name, _)| name == kind);
        if room.is_some_and(|(_, room)| *held >= room.of_tenant) {
            full.pairs.push((*tenant, kind.clone()));
        }
    }
    full.tenants.extend(of_tenants.into_iter().filter(|(_, held)| *held >= wanted.of_tenant).map(|it| it.0));
    full
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
) -> Result<Vec<(JobId, i64)>, JobError> {
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
    if failed.is_empty() {
        return Ok(store::delete_done(control, &done).await?);
    }
    let mut settled = Vec::new();
    let mut tx = transaction(control).await?;
    if !done.is_empty() {
        settled.extend(store::delete_done(&mut tx, &done).await?);
    }
    settled.extend(store::record_failures(&mut tx, &failed).await?);
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
        JobEnd::RetryAfter { why, pause } => (Some(why), false, true, *pause),
        JobEnd::GiveUp { why } => (Some(why), true, true, it.pause),
        JobEnd::Postpone { why, pause } => (Some(why), false, false, *pause),
    };
    let why = why
        .filter(|why| !why.is_empty())
        .map(|why| why.chars().filter(|c| *c != '\0').take(LONGEST_ERROR).collect());
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

/// How many jobs are not done, counted up to some thousand.
///
/// # Errors
/// As [`list`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn backlog(
    control: &mut PgConnection,
    caller: &Caller,
    filter: &BacklogFilter,
) -> Result<Backlog, JobError> {
    access::authorize(control, caller, &rights::JOB_READ, About::Platform).await?;
    Ok(store::backlog(control, filter, MOST_COUNTED).await?)
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

/// Has the job of a key run now, with all of its attempts before it, because a person asked; `false` where there is
/// none. Whoever calls has asked for a permission.
pub(in crate::features) async fn again(
    control: &mut PgConnection,
    tenant: TenantId,
    key: &str,
) -> Result<bool, JobError> {
    let mut tx = transaction(control).await?;
    let Some(id) = store::by_key(&mut tx, tenant, key).await? else { return Ok(false) };
    idle(&mut tx, id).await?;
    store::schedule_now(&mut tx, id).await?;
    tx.commit().await?;
    Ok(true)
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
