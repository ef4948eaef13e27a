//! The SQL of jobs.
//!
//! States are written out: a plan for any state would not use the indexes of one (manual, chapter 11.8). What joins
//! is planned each time: a plan that was made while the queue was short reads the whole of a long one.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{JobState, NewJob};
use super::views::{Backlog, BacklogFilter, JobFilter, JobView};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{JobId, Page, TenantId};

/// How long a job is held after a claim, and after each renewal.
pub(super) const LEASE: &str = "clock_timestamp() + interval '30 seconds'";

/// The columns of [`JobView`], of `jobs` and `tenants`.
const COLUMNS: &str = "jobs.id, kind, tenant_id, slug as tenant,
    case when jobs.state in ('running', 'dead') then jobs.state
         when attempts > 0 then 'retrying' else 'queued' end as state,
    priority, attempts, max_attempts, due_at, last_error, payload, jobs.created_at, jobs.updated_at";

/// The first turn of jobs that become ready: after the last one of the same tenant and priority, or, where it has none
/// that is ready, with the first ones of all. Of a row `wanted` with `tenant_id` and `priority`.
const FIRST_TURN: &str = "coalesce(
    (select (fair_seq >> 24) + 1 from control.jobs
     where state = 'ready' and jobs.tenant_id = wanted.tenant_id and jobs.priority = wanted.priority
     order by fair_seq desc limit 1),
    (select fair_seq >> 24 from control.jobs
     where state = 'ready' and jobs.priority = wanted.priority order by fair_seq limit 1),
    0)";

/// Whether a tenant has at least so many jobs in the queue, without those that wait for a person.
pub(super) async fn has_at_least(
    control: &mut PgConnection,
    tenant: TenantId,
    count: i64,
) -> Result<bool, DbError> {
    let found: Option<bool> = sqlx::query_scalar(
        "select true from control.jobs where tenant_id = $1 and state <> 'dead' offset $2 - 1 limit 1",
    )
    .bind(tenant)
    .bind(count.max(1))
    .persistent(false)
    .fetch_optional(control)
    .await?;
    Ok(found.is_some())
}

/// Forgets jobs that nobody has cared for in a month, some hundreds at a time.
pub(super) async fn forget_dead(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from control.jobs where id in (
             select id from control.jobs where state = 'dead' and updated_at < now() - interval '30 days'
             order by updated_at limit 500 for update skip locked)",
    )
    .persistent(false)
    .execute(control)
    .await?;
    Ok(())
}

/// Writes one job of a tenant; nothing where it is not new.
async fn insert_one(
    control: &mut PgConnection,
    tenant: TenantId,
    job: &NewJob,
) -> Result<Vec<JobId>, DbError> {
    Ok(sqlx::query_scalar(AssertSqlSafe(format!(
        "insert into control.jobs
             (id, kind, tenant_id, priority, payload, dedup_key, state, due_at, fair_seq, max_attempts)
         select $2, $3, tenant_id, priority, $5, $6, case when later then 'scheduled' else 'ready' end,
                case when later then $7 end,
                case when not later then ({FIRST_TURN} << 24) | (hashtext(tenant_id::text) & 16777215) end, $8
         from (select $1::uuid as tenant_id, $4::smallint as priority,
                      $7::timestamptz is not null and $7 > now() as later) as wanted
         on conflict (dedup_key) where dedup_key is not null do nothing returning id"
    )))
    .bind(tenant)
    .bind(Uuid::now_v7())
    .bind(job.kind.name)
    .bind(job.kind.priority as i16)
    .bind(&job.payload)
    .bind(job.dedup_key.as_deref())
    .bind(job.run_at)
    .bind(job.kind.max_attempts)
    .fetch_all(control)
    .await?)
}

/// Writes jobs of a tenant; gives those that are new.
pub(super) async fn insert(
    control: &mut PgConnection,
    tenant: TenantId,
    jobs: &[NewJob],
) -> Result<Vec<JobId>, DbError> {
    if let [job] = jobs {
        return insert_one(control, tenant, job).await;
    }
    let ids: Vec<Uuid> = jobs.iter().map(|_| Uuid::now_v7()).collect();
    let kinds: Vec<&str> = jobs.iter().map(|job| job.kind.name).collect();
    let priorities: Vec<i16> = jobs.iter().map(|job| job.priority as i16).collect();
    let payloads: Vec<&Value> = jobs.iter().map(|job| &job.payload).collect();
    let keys: Vec<Option<&str>> = jobs.iter().map(|job| job.dedup_key.as_deref()).collect();
    let times: Vec<Option<OffsetDateTime>> = jobs.iter().map(|job| job.run_at).collect();
    let attempts: Vec<i32> = jobs.iter().map(|job| job.kind.max_attempts).collect();
    Ok(sqlx::query_scalar(AssertSqlSafe(format!(
        "with given as (
             select id, kind, $1::uuid as tenant_id, priority, payload, dedup_key, max_attempts, place,
                    case when run_at > now() then run_at end as later
             from unnest($2::uuid[], $3::text[], $4::smallint[], $5::jsonb[], $6::text[], $7::timestamptz[], $8::int[])
                 with ordinality as given (id, kind, priority, payload, dedup_key, run_at, max_attempts, place)
         ), turns as (
             select tenant_id, priority, {FIRST_TURN} as first
             from (select distinct tenant_id, priority from given) as wanted
         )
         insert into control.jobs
             (id, kind, tenant_id, priority, payload, dedup_key, state, due_at, fair_seq, max_attempts)
         select id, kind, tenant_id, priority, payload, dedup_key,
                case when later is null then 'ready' else 'scheduled' end, later,
                case when later is null then
                    ((first + row_number() over (partition by priority order by place) - 1) << 24)
                    | (hashtext(tenant_id::text) & 16777215) end,
                max_attempts
         from given join turns using (tenant_id, priority)
         on conflict (dedup_key) where dedup_key is not null do nothing returning id"
    )))
    .bind(tenant)
    .bind(ids)
    .bind(kinds)
    .bind(priorities)
    .bind(payloads)
    .bind(keys)
    .bind(times)
    .bind(attempts)
    .fetch_all(control)
    .await?)
}

/// Gives a turn to jobs that became due and to those whose lease ended, some hundreds at a time; who began it for the
/// last time is dead. How many there were.
pub(super) async fn wake(control: &mut PgConnection) -> Result<usize, DbError> {
    let woken: Vec<JobId> = sqlx::query_scalar(AssertSqlSafe(format!(
        "with scheduled as (
             select id, tenant_id, priority, false as was_held, false as is_last from control.jobs
             where state = 'scheduled' and due_at <= now()
             order by due_at limit 500 for update skip locked
         ), abandoned as (
             select id, tenant_id, priority, true as was_held, attempts >= max_attempts and not asked_again as is_last from control.jobs
             where state = 'running' and due_at <= now()
             order by due_at limit 500 for update skip locked
         ), due as (
             select * from scheduled union all select * from abandoned
         ), turns as (
             select tenant_id, priority, {FIRST_TURN} as first
             from (select distinct tenant_id, priority from due where not is_last) as wanted
         ), numbered as (
             select due.id, was_held, is_last,
                    first + row_number() over (partition by tenant_id, priority order by due.id) - 1 as turn
             from due left join turns using (tenant_id, priority)
         )
         update control.jobs
         set state = case when is_last then 'dead' else 'ready' end, due_at = null, lease_owner = null,
             fair_seq = case when not is_last then (turn << 24) | (hashtext(tenant_id::text) & 16777215) end,
             last_error = case when was_held then 'the process that ran it stopped' else last_error end,
             updated_at = now()
         from numbered where jobs.id = numbered.id returning jobs.id"
    )))
    .persistent(false)
    .fetch_all(control)
    .await?;
    Ok(woken.len())
}

/// Holds jobs for longer; gives those that are held.
pub(super) async fn renew(
    control: &mut PgConnection,
    owner: Uuid,
    held: &[(JobId, i64)],
) -> Result<Vec<(JobId, i64)>, DbError> {
    let (ids, fences) = columns(held);
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "update control.jobs set due_at = {LEASE} from unnest($2::uuid[], $3::bigint[]) as held (id, fence)
         where jobs.id = held.id and jobs.fence = held.fence and lease_owner = $1 and state = 'running'
         returning jobs.id, jobs.fence"
    )))
    .persistent(false)
    .bind(owner)
    .bind(ids)
    .bind(fences)
    .fetch_all(control)
    .await?)
}

/// Deletes jobs that are done, where their holder has not lost them. One that was asked for again while it ran runs once
/// more: what it did may be from before that.
pub(super) async fn delete_done(
    control: &mut PgConnection,
    done: &[(JobId, i64)],
) -> Result<Vec<JobId>, DbError> {
    let (ids, fences) = columns(done);
    let mut settled: Vec<JobId> = sqlx::query_scalar(
        "delete from control.jobs using unnest($1::uuid[], $2::bigint[]) as held (id, fence)
         where jobs.id = held.id and jobs.fence = held.fence and state = 'running' and not asked_again
         returning jobs.id",
    )
    .persistent(false)
    .bind(&ids)
    .bind(&fences)
    .fetch_all(&mut *control)
    .await?;
    if settled.len() < done.len() {
        // A statement of its own: it sees who asked while the first one waited for them.
        let again: Vec<JobId> = sqlx::query_scalar(
            "update control.jobs
             set state = 'scheduled', due_at = clock_timestamp(), lease_owner = null, attempts = 0, updated_at = now()
             from unnest($1::uuid[], $2::bigint[]) as held (id, fence)
             where jobs.id = held.id and jobs.fence = held.fence and state = 'running' and asked_again
             returning jobs.id",
        )
        .persistent(false)
        .bind(&ids)
        .bind(&fences)
        .fetch_all(control)
        .await?;
        settled.extend(again);
    }
    Ok(settled)
}

fn columns(held: &[(JobId, i64)]) -> (Vec<Uuid>, Vec<i64>) {
    held.iter().map(|(id, fence)| (id.uuid(), *fence)).unzip()
}

/// An attempt that failed.
pub(super) struct Failed {
    pub(super) id: JobId,
    pub(super) fence: i64,
    pub(super) why: Option<String>,
    /// Whether no other attempt follows.
    pub(super) dead: bool,
    /// Whether it counts as an attempt.
    pub(super) counted: bool,
    /// Until the next one.
    pub(super) seconds: f64,
}

/// Records attempts that failed, where their holder has not lost the jobs.
pub(super) async fn record_failures(
    control: &mut PgConnection,
    failed: &[Failed],
) -> Result<Vec<JobId>, DbError> {
    let ids: Vec<Uuid> = failed.iter().map(|it| it.id.uuid()).collect();
    let fences: Vec<i64> = failed.iter().map(|it| it.fence).collect();
    let whys: Vec<Option<&str>> = failed.iter().map(|it| it.why.as_deref()).collect();
    let dead: Vec<bool> = failed.iter().map(|it| it.dead).collect();
    let counted: Vec<bool> = failed.iter().map(|it| it.counted).collect();
    let seconds: Vec<f64> = failed.iter().map(|it| it.seconds).collect();
    Ok(sqlx::query_scalar(
        "with given as (
             select jobs.id, why, case when asked_again then 0 else seconds end as seconds,
                    case when asked_again then 0 when counted then attempts else attempts - 1 end as attempts,
                    (dead or (counted and attempts >= max_attempts)) and not asked_again as dead
             from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bool[], $5::bool[], $6::float8[])
                 as ended (id, fence, why, dead, counted, seconds)
             join control.jobs on jobs.id = ended.id and jobs.fence = ended.fence and state = 'running'
             for update of jobs
         )
         update control.jobs
         set state = case when dead then 'dead' else 'scheduled' end,
             due_at = case when not dead then clock_timestamp() + make_interval(secs => seconds) end,
             lease_owner = null, attempts = given.attempts, last_error = coalesce(why, last_error), updated_at = now()
         from given where jobs.id = given.id returning jobs.id",
    )
    .persistent(false)
    .bind(ids)
    .bind(fences)
    .bind(whys)
    .bind(dead)
    .bind(counted)
    .bind(seconds)
    .fetch_all(control)
    .await?)
}

/// How many jobs are not done, of those that are waited for; counted up to a limit.
pub(super) async fn backlog(
    control: &mut PgConnection,
    filter: &BacklogFilter,
    most: i64,
) -> Result<Backlog, DbError> {
    Ok(sqlx::query_as(
        "select count(*) filter (where state <> 'running') as waiting,
                count(*) filter (where state = 'running') as running, count(*) >= $1 as are_more,
                coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as oldest_seconds
         from (select state, created_at from control.jobs
               where state <> 'dead' and ($2::text is null or kind = $2) and ($3::uuid is null or tenant_id = $3)
                     and (not $4 or state <> 'scheduled' or due_at <= now() + interval '1 minute')
               limit $1) as found",
    )
    .persistent(false)
    .bind(most)
    .bind(filter.kind.as_deref())
    .bind(filter.tenant)
    .bind(filter.only_due)
    .fetch_one(control)
    .await?)
}

/// Appends the jobs that a filter lets through.
fn push_found(query: &mut QueryBuilder<Postgres>, filter: &JobFilter) {
    query.push(" from control.jobs left join control.tenants on tenants.id = tenant_id where true ");
    query.push(match filter.state {
        None => "",
        Some(JobState::Queued) => " and jobs.state in ('ready', 'scheduled') and attempts = 0 ",
        Some(JobState::Retrying) => " and jobs.state in ('ready', 'scheduled') and attempts > 0 ",
        Some(JobState::Running) => " and jobs.state = 'running' ",
        Some(JobState::Dead) => " and jobs.state = 'dead' ",
    });
    if let Some(kind) = &filter.kind {
        query.push(" and kind = ").push_bind(kind.clone());
    }
    if let Some(tenant) = filter.tenant {
        query.push(" and tenant_id = ").push_bind(tenant);
    }
}

/// Jobs, the newest first.
pub(super) async fn list(
    control: &mut PgConnection,
    filter: &JobFilter,
    page: Page,
) -> Result<Vec<JobView>, DbError> {
    some(control, filter, (i64::from(page.limit), page.offset())).await
}

/// One page of jobs, the newest first, and the one after it, where there is one.
pub(super) async fn page(
    control: &mut PgConnection,
    filter: &JobFilter,
    page: Page,
) -> Result<Vec<JobView>, DbError> {
    some(control, filter, (page.fetched(), page.offset())).await
}

async fn some(
    control: &mut PgConnection,
    filter: &JobFilter,
    (limit, offset): (i64, i64),
) -> Result<Vec<JobView>, DbError> {
    let mut query = QueryBuilder::<Postgres>::new("select ");
    query.push(COLUMNS);
    push_found(&mut query, filter);
    if let Some(before) = filter.before {
        query.push(" and jobs.id < ").push_bind(before);
    }
    query.push(" order by jobs.id desc limit ").push_bind(limit).push(" offset ").push_bind(offset);
    Ok(query.build_query_as().fetch_all(control).await?)
}

/// How many jobs a filter lets through, wherever a page of them begins; counted up to a limit.
pub(super) async fn count(
    control: &mut PgConnection,
    filter: &JobFilter,
    limit: Option<i64>,
) -> Result<u64, DbError> {
    let mut query = QueryBuilder::<Postgres>::new("select count(*) from (select ");
    push_found(&mut query, filter);
    query.push(" limit ").push_bind(limit).push(") as found ");
    let rows: i64 = query.build_query_scalar().fetch_one(control).await?;
    Ok(u64::try_from(rows).unwrap_or_default())
}

pub(super) async fn by_id(control: &mut PgConnection, id: JobId) -> Result<Option<JobView>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from control.jobs left join control.tenants on tenants.id = tenant_id where jobs.id = $1"
    )))
    .bind(id)
    .fetch_optional(control)
    .await?)
}

/// The job of a tenant that has a key.
pub(super) async fn by_key(
    control: &mut PgConnection,
    tenant: TenantId,
    key: &str,
) -> Result<Option<JobId>, DbError> {
    Ok(sqlx::query_scalar("select id from control.jobs where dedup_key = $1 and tenant_id = $2")
        .bind(key)
        .bind(tenant)
        .fetch_optional(control)
        .await?)
}

/// Keeps a job as it is until the end of the transaction.
pub(super) async fn lock(control: &mut PgConnection, id: JobId) -> Result<(), DbError> {
    sqlx::query("select from control.jobs where id = $1 for update").bind(id).execute(control).await?;
    Ok(())
}

/// Has a job that is dead, or waits for its moment, run now, as if it had never been begun.
pub(super) async fn schedule_now(control: &mut PgConnection, id: JobId) -> Result<(), DbError> {
    sqlx::query(
        "update control.jobs
         set state = 'scheduled', due_at = clock_timestamp(), attempts = 0, asked_again = true, updated_at = now()
         where id = $1 and state in ('dead', 'scheduled')",
    )
    .bind(id)
    .execute(control)
    .await?;
    Ok(())
}

/// The same of those with these keys; gives the keys of those that there are. One that runs is noted: it runs once more
/// when it ends. One that is ready is locked, too, so that it begins only after this transaction.
pub(super) async fn run_now(control: &mut PgConnection, keys: &[String]) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "update control.jobs
         set state = case when state = 'dead' then 'scheduled' else state end,
             due_at = case when state in ('dead', 'scheduled') then clock_timestamp() else due_at end,
             attempts = case when state = 'running' then attempts else 0 end, asked_again = true, updated_at = now()
         where dedup_key = any($1) and dedup_key is not null
         returning dedup_key",
    )
    .persistent(false)
    .bind(keys)
    .fetch_all(control)
    .await?)
}

/// Which of these keys have a job that goes on.
pub(super) async fn alive(control: &mut PgConnection, keys: &[String]) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select dedup_key from control.jobs
         where dedup_key = any($1) and dedup_key is not null and state <> 'dead'",
    )
    .persistent(false)
    .bind(keys)
    .fetch_all(control)
    .await?)
}

pub(super) async fn delete(control: &mut PgConnection, id: JobId) -> Result<(), DbError> {
    sqlx::query("delete from control.jobs where id = $1").bind(id).execute(control).await?;
    Ok(())
}
