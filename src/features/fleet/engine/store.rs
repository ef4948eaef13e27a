//! The SQL of work on a run: who is at it, what it holds, what came of it.

use serde::Serialize;
use sqlx::FromRow;
use sqlx::types::Json;

use crate::features::fleet::model::Versions;
use crate::features::fleet::runs::{AppliedView, NoticeView};
use crate::features::tenants::TenantState;
use crate::infra::cluster::Database;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::Hint;
use crate::kernel::TenantId;
use crate::kernel::hint::Kept;
use crate::kernel::ids::{RunId, RunnerId};
use serde::Serializer;

/// For how long a runner's tenants are its own without a sign of life.
const LEASE: &str = "15 seconds";

/// Writes a runner down.
pub(super) async fn insert_runner(
    control: &mut PgConnection,
    runner: RunnerId,
    run: RunId,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.runners (id, run_id, leased_until) values ($1, $2, now() + $3::interval)",
    )
    .bind(runner)
    .bind(run)
    .bind(LEASE)
    .execute(control)
    .await?;
    Ok(())
}

/// A sign of life; whether no more tenants are to be begun, or `None` where others took the runner
/// for dead.
pub(super) async fn renew(control: &mut PgConnection, runner: RunnerId) -> Result<Option<bool>, DbError> {
    Ok(sqlx::query_scalar(
        "update control.runners set leased_until = now() + $2::interval where id = $1
         returning exists (select from control.runs where runs.id = run_id and stopping is not null)",
    )
    .bind(runner)
    .bind(LEASE)
    .fetch_optional(control)
    .await?)
}

/// Forgets a runner; what it held is pending again.
pub(super) async fn delete_runner(control: &mut PgConnection, runner: RunnerId) -> Result<(), DbError> {
    sqlx::query(
        "with gone as (delete from control.runners where id = $1 returning id)
         update control.run_tenants set state = 'pending', runner = null
         where runner in (select id from gone) and state = 'running'",
    )
    .bind(runner)
    .execute(control)
    .await?;
    Ok(())
}

/// Forgets the runners of runs that are over: they died between their last deed and their leave.
pub(super) async fn forget_runners_of_the_past(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from control.runners
         where leased_until < now() and run_id not in (select id from control.runs where state = 'running')",
    )
    .execute(control)
    .await?;
    Ok(())
}

/// The servers on which tenants of a wave are pending.
pub(super) async fn servers(
    control: &mut PgConnection,
    run: RunId,
    wave: i32,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select distinct cluster from control.run_tenants
         where run_id = $1 and wave = $2 and state = 'pending' order by cluster",
    )
    .bind(run)
    .bind(wave)
    .fetch_all(control)
    .await?)
}

/// The servers on which a runner holds tenants.
pub(super) async fn servers_of_runner(
    control: &mut PgConnection,
    runner: RunnerId,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select distinct run_tenants.cluster from control.run_tenants
         join control.runners on runners.run_id = run_tenants.run_id where runners.id = $1",
    )
    .bind(runner)
    .fetch_all(control)
    .await?)
}

/// A tenant that a runner holds.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Claimed {
    pub(super) id: TenantId,
    pub(super) slug: String,
    pub(super) state: TenantState,
    pub(super) database_name: String,
    pub(super) owner_role: String,
    pub(super) app_role: String,
    /// Its database was there before Nexus.
    pub(super) adopted: bool,
    pub(super) attempts: i32,
    /// What it has by the registry.
    pub(super) before: Option<Json<Versions>>,
    /// What the run applied to it so far.
    pub(super) applied: Json<Vec<AppliedView>>,
    /// Of a run that goes back: what the other run applied, in order.
    pub(super) to_revert: Option<Json<Vec<AppliedView>>>,
}

impl Claimed {
    /// Its database. What it is marked with is not looked at here.
    pub(super) fn database(&self) -> Database<'_> {
        Database { name: &self.database_name, owner: &self.owner_role, app: &self.app_role, mark: "".into() }
    }
}

/// Takes up to `most` tenants of a wave on a server, while the run goes on and nobody took the
/// runner for dead.
pub(super) async fn claim(
    control: &mut PgConnection,
    (run, runner): (RunId, RunnerId),
    (cluster, wave): (&str, i32),
    most: usize,
) -> Result<Vec<Claimed>, DbError> {
    Ok(sqlx::query_as(
        "with chosen as (
             select tenant_id from control.run_tenants
             where run_id = $1 and cluster = $3 and wave = $4 and state = 'pending'
               and exists (select from control.runs where id = $1 and state = 'running' and stopping is null
                           and wave = $4 and coalesce(wave_after <= now(), true))
               and exists (select from control.runners where id = $2 and run_id = $1)
             order by position limit $5 for update skip locked
         )
         update control.run_tenants as it
         set state = 'running', runner = $2, attempts = attempts + 1, started_at = now()
         from chosen join control.tenants as tenant on tenant.id = chosen.tenant_id
         where it.run_id = $1 and it.tenant_id = chosen.tenant_id
         returning tenant.id, it.slug, tenant.state, tenant.database_name, tenant.owner_role, tenant.app_role,
                   tenant.adopted, it.attempts, it.before, it.applied,
                   (select other.applied from control.runs
                    join control.run_tenants as other on other.run_id = runs.takes_back
                    where runs.id = $1 and other.tenant_id = tenant.id) as to_revert",
    )
    .bind(run)
    .bind(runner)
    .bind(cluster)
    .bind(wave)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(control)
    .await?)
}

/// Notes that the database of a suspended tenant is about to be opened.
pub(super) async fn note_opened(
    control: &mut PgConnection,
    run: RunId,
    tenant: TenantId,
    opened: bool,
) -> Result<(), DbError> {
    sqlx::query("update control.run_tenants set opened = $3 where run_id = $1 and tenant_id = $2")
        .bind(run)
        .bind(tenant)
        .bind(opened)
        .execute(control)
        .await?;
    Ok(())
}

/// A database that a runner opened: of which tenant, where, its name, its app's login, and whether
/// the tenant is suspended still.
pub(super) type OpenedRow = (TenantId, RunId, String, String, String, bool);

/// The databases that a runner opened and did not close.
pub(super) async fn opened_by(
    control: &mut PgConnection,
    runner: RunnerId,
) -> Result<Vec<OpenedRow>, DbError> {
    Ok(sqlx::query_as(
        "select tenants.id, run_id, tenants.cluster, database_name, app_role, tenants.state = 'suspended'
         from control.run_tenants join control.tenants on tenants.id = tenant_id
         where runner = $1 and opened",
    )
    .bind(runner)
    .fetch_all(control)
    .await?)
}

/// What came of a tenant.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TenantResult {
    pub(super) tenant_id: TenantId,
    #[serde(skip)]
    pub(super) slug: String,
    pub(super) state: &'static str,
    pub(super) before: Option<Versions>,
    pub(super) after: Option<Versions>,
    /// How many files each history holds.
    pub(super) files: Option<Versions>,
    pub(super) applied: Vec<AppliedView>,
    pub(super) notices: Vec<NoticeView>,
    pub(super) notices_count: usize,
    pub(super) attempts: i32,
    pub(super) milliseconds: i64,
    pub(super) code: Option<&'static str>,
    pub(super) sqlstate: Option<String>,
    pub(super) message: Option<String>,
    #[serde(serialize_with = "kept")]
    pub(super) hint: Option<Hint>,
}

/// With its action.
#[expect(clippy::ref_option, reason = "the shape that serde calls")]
fn kept<S: Serializer>(hint: &Option<Hint>, serializer: S) -> Result<S::Ok, S::Error> {
    hint.as_ref().map(Kept::from).serialize(serializer)
}

/// Records what came of tenants, and what they have now, all in one statement. What others took
/// away from the runner in the meantime stays as it is.
pub(super) async fn record_results(
    control: &mut PgConnection,
    (run, runner): (RunId, RunnerId),
    result: &[TenantResult],
) -> Result<(), DbError> {
    sqlx::query(
        "with told as (
             select * from jsonb_to_recordset($3) as it (tenant_id uuid, state text, before jsonb, after jsonb,
                 files jsonb, applied jsonb, notices jsonb, notices_count integer, attempts integer,
                 milliseconds bigint, code text, sqlstate text, message text, hint jsonb)
         ), written as (
             update control.run_tenants as it
             set state = told.state, runner = null, opened = false, attempts = told.attempts,
                 before = case when it.finished_at is null then coalesce(told.before, it.before) else it.before end,
                 after = told.after,
                 applied = it.applied || told.applied,
                 notices = case when jsonb_array_length(it.notices) < 20 then it.notices || told.notices
                                else it.notices end,
                 notices_count = it.notices_count + told.notices_count, milliseconds = told.milliseconds, code = told.code,
                 sqlstate = told.sqlstate, message = told.message, hint = told.hint,
                 finished_at = case when told.state <> 'pending' then now() end
             from told
             where it.run_id = $1 and it.runner = $2 and it.tenant_id = told.tenant_id and it.state = 'running'
             returning it.tenant_id, told.after, told.files
         ), own as (
             update control.tenants as tenant
             set schema_version = (after ->> 'nexus')::bigint, updated_at = now()
             from written where tenant.id = tenant_id and after ? 'nexus'
               and schema_version is distinct from (after ->> 'nexus')::bigint
         ), none as (
             delete from control.tenant_versions as has using written
             where has.tenant_id = written.tenant_id and written.after ->> has.set_name = '0'
         )
         insert into control.tenant_versions (tenant_id, set_name, version, files)
         select tenant_id, key, value::bigint, (files ->> key)::integer
         from written cross join jsonb_each_text(after - 'nexus')
         where value <> '0' and exists (select from control.migration_sets where name = key)
         on conflict (tenant_id, set_name) do update
             set version = excluded.version, files = excluded.files, updated_at = now()
             where (tenant_versions.version, tenant_versions.files) is distinct from (excluded.version, excluded.files)",
    )
    .bind(run)
    .bind(runner)
    .bind(Json(result))
    .execute(control)
    .await?;
    Ok(())
}

/// How a wave stands.
#[derive(Debug, Clone, Copy, FromRow)]
pub(super) struct Standing {
    /// Of the wave.
    pub(super) pending: i64,
    /// Of the wave.
    pub(super) wave_failed: i64,
    /// Of the wave.
    pub(super) wave_done: i64,
    /// Of the whole run.
    pub(super) failed: i64,
    /// Of the whole run.
    pub(super) all_running: i64,
    /// Of the whole run.
    pub(super) all_pending: i64,
    /// Of the whole run, those that are left out apart.
    pub(super) all: i64,
}

/// How a wave of a run stands.
pub(super) async fn standing(control: &mut PgConnection, run: RunId, wave: i32) -> Result<Standing, DbError> {
    Ok(sqlx::query_as(
        "select count(*) filter (where wave = $2 and state = 'pending') as pending,
                count(*) filter (where wave = $2 and state = 'failed') as wave_failed,
                count(*) filter (where wave = $2 and state = 'done') as wave_done,
                count(*) filter (where state = 'failed') as failed,
                count(*) filter (where state = 'running') as all_running,
                count(*) filter (where state = 'pending') as all_pending,
                count(*) filter (where state <> 'left_out') as \"all\"
         from control.run_tenants where run_id = $1",
    )
    .bind(run)
    .bind(wave)
    .fetch_one(control)
    .await?)
}

/// Begins the next wave, in so many milliseconds; `false` where another process did.
pub(super) async fn next_wave(
    control: &mut PgConnection,
    run: RunId,
    wave: i32,
    soak_ms: u64,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update control.runs set wave = $2 + 1, wave_after = now() + interval '1 millisecond' * $3
         where id = $1 and wave = $2 and state = 'running'",
    )
    .bind(run)
    .bind(wave)
    .bind(i64::try_from(soak_ms).unwrap_or(i64::MAX))
    .execute(control)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts tenants that were claimed back as they were.
pub(super) async fn put_back(
    control: &mut PgConnection,
    (run, runner): (RunId, RunnerId),
    tenants: &[TenantId],
) -> Result<(), DbError> {
    sqlx::query(
        "update control.run_tenants set state = 'pending', runner = null, attempts = greatest(attempts - 1, 0)
         where run_id = $1 and runner = $2 and tenant_id = any($3) and state = 'running'",
    )
    .bind(run)
    .bind(runner)
    .bind(tenants)
    .execute(control)
    .await?;
    Ok(())
}
