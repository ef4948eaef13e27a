//! The SQL of runs as they are recorded.

use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{NewTenant, Run, RunFilter, RunKind, RunState, RunTenantView, RunView};
use crate::features::access::Authorized;
use crate::features::fleet::model::Plan;
use crate::features::migrations::{File, Set};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::Page;
use crate::kernel::ids::{RunId, RunnerId};

/// The index that lets one run be under way at a time.
pub(in super::super) const ONE_AT_A_TIME: &str = "runs_one_at_a_time";

const RUN: &str = "id, kind, state, stopping, plan, wave,
    greatest(coalesce(extract(epoch from wave_after - now()) * 1000, 0), 0)::bigint as soak_left";

/// Writes a run. Violates [`ONE_AT_A_TIME`] where another is under way.
pub(in super::super) async fn insert(
    control: &mut PgConnection,
    id: RunId,
    (kind, rolls_back): (RunKind, Option<RunId>),
    caller: &Authorized<'_>,
    plan: &Plan,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.runs (id, kind, takes_back, state, caller, plan) values ($1, $2, $3, 'running', $4, $5)",
    )
    .bind(id)
    .bind(kind)
    .bind(rolls_back)
    .bind(caller.to_string())
    .bind(Json(plan))
    .execute(control)
    .await?;
    Ok(())
}

/// Writes a run's tenants, in the order given; those that are in it already stay as they are.
pub(in super::super) async fn insert_tenants(
    control: &mut PgConnection,
    run: RunId,
    tenants: &[NewTenant<'_>],
) -> Result<u64, DbError> {
    let done = sqlx::query(
        "insert into control.run_tenants (run_id, tenant_id, slug, cluster, wave, position, state, before, message)
         select $1, tenant_id, slug, cluster, wave, row_number() over (), state, before, message
         from jsonb_to_recordset($2) as it (tenant_id uuid, slug text, cluster text, wave integer, state text,
                                            before jsonb, message text)
         on conflict do nothing",
    )
    .bind(run)
    .bind(json!(tenants))
    .execute(control)
    .await?;
    Ok(done.rows_affected())
}

/// Keeps files as they are now, under their checksums.
pub(in super::super) async fn keep_files(control: &mut PgConnection, sets: &[Set]) -> Result<(), DbError> {
    let row = |set: &Set, file: &File| {
        json!({
            "set_name": set.name, "version": file.version, "checksum": hex::encode(&file.checksum),
            "description": file.description, "up": file.up, "down": file.down,
        })
    };
    let rows: Vec<Value> =
        sets.iter().flat_map(|set| set.files.iter().map(move |file| row(set, file))).collect();
    sqlx::query(
        "insert into control.migration_files (set_name, version, checksum, description, up, down)
         select set_name, version, decode(checksum, 'hex'), description, up, down
         from jsonb_to_recordset($1) as it (set_name text, version bigint, checksum text, description text,
                                            up text, down text)
         on conflict (set_name, version, checksum) do update set down = excluded.down
             where migration_files.down is distinct from excluded.down",
    )
    .bind(json!(rows))
    .execute(control)
    .await?;
    Ok(())
}

/// A file as it was kept.
#[derive(Debug, FromRow)]
pub(in super::super) struct KeptFile {
    pub(in super::super) set_name: String,
    pub(in super::super) version: i64,
    pub(in super::super) description: String,
    pub(in super::super) checksum: Vec<u8>,
    pub(in super::super) up: String,
    pub(in super::super) down: Option<String>,
}

/// The files of a plan, as they were kept.
pub(in super::super) async fn kept_files(
    control: &mut PgConnection,
    plan: &Plan,
) -> Result<Vec<KeptFile>, DbError> {
    Ok(sqlx::query_as(
        "select set_name, version, description, checksum, up, down from control.migration_files
         where (set_name, version, encode(checksum, 'hex')) in (
             select set, version, checksum from jsonb_to_recordset($1) as it (set text, version bigint, checksum text))
         order by set_name, version",
    )
    .bind(json!(plan.files))
    .fetch_all(control)
    .await?)
}

/// The run that is under way, if one is.
pub(in super::super) async fn under_way(control: &mut PgConnection) -> Result<Option<Run>, DbError> {
    let statement = format!("select {RUN} from control.runs where state = 'running'");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).fetch_optional(control).await?)
}

/// A run.
pub(in super::super) async fn run(control: &mut PgConnection, id: RunId) -> Result<Option<Run>, DbError> {
    let statement = format!("select {RUN} from control.runs where id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_optional(control).await?)
}

/// The processes that are at work on a run, each with whether its lease is over.
pub(in super::super) async fn runners(
    control: &mut PgConnection,
    run: RunId,
) -> Result<Vec<(RunnerId, bool)>, DbError> {
    Ok(sqlx::query_as("select id, leased_until < now() from control.runners where run_id = $1")
        .bind(run)
        .fetch_all(control)
        .await?)
}

/// Says that no more tenants are to be begun; what was said first stays.
pub(in super::super) async fn stop(
    control: &mut PgConnection,
    run: RunId,
    why: &str,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update control.runs set stopping = $2 where id = $1 and state = 'running' and stopping is null",
    )
    .bind(run)
    .bind(why)
    .execute(control)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a run, where nobody is at work on it any more and it was not ended before.
pub(in super::super) async fn finish(
    control: &mut PgConnection,
    run: RunId,
    state: RunState,
    message: Option<&str>,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update control.runs set state = $2, message = $3, stopping = null, finished_at = now()
         where id = $1 and state = 'running'
           and not exists (select from control.run_tenants where run_id = $1 and state = 'running')",
    )
    .bind(run)
    .bind(state)
    .bind(message)
    .execute(control)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives up a run that was stopped.
pub(in super::super) async fn give_up(control: &mut PgConnection, run: RunId) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update control.runs set state = 'cancelled', message = 'a person cancelled it' where id = $1 and state = 'stopped'",
    )
    .bind(run)
    .execute(control)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Begins a run again that ended: who failed and who was never begun is pending once more. Violates
/// [`ONE_AT_A_TIME`] where another is under way.
pub(in super::super) async fn reopen(control: &mut PgConnection, run: RunId) -> Result<(), DbError> {
    sqlx::query(
        "with again as (
             update control.run_tenants
             set state = 'pending', runner = null, code = null, sqlstate = null, message = null, hint = null
             where run_id = $1 and state in ('failed', 'pending') returning wave
         )
         update control.runs set state = 'running', stopping = null, message = null, finished_at = null,
                wave_after = null, wave = coalesce((select min(wave) from again), wave)
         where id = $1 and state <> 'running'",
    )
    .bind(run)
    .execute(control)
    .await?;
    Ok(())
}

/// Runs as a person sees them, the newest first.
pub(super) async fn views(
    control: &mut PgConnection,
    id: Option<RunId>,
    filter: &RunFilter,
    page: Page,
) -> Result<Vec<RunView>, DbError> {
    Ok(sqlx::query_as(
        "select runs.id, runs.kind, runs.state, runs.caller, plan ->> 'selection' as selection,
                coalesce((select jsonb_object_agg(it ->> 'name', it -> 'version')
                          from jsonb_array_elements(plan -> 'sets') as it), '{}') as versions,
                counts.*, wave + 1 as wave, jsonb_array_length(plan -> 'waves') as waves,
                takes_back as rolls_back, message, created_at, finished_at
         from control.runs, lateral (
             select count(*) filter (where state <> 'left_out') as tenants,
                    count(*) filter (where state = 'done') as done,
                    count(*) filter (where state = 'failed') as failed,
                    count(*) filter (where state = 'running') as running,
                    count(*) filter (where state = 'pending') as pending,
                    count(*) filter (where state = 'left_out') as skipped
             from control.run_tenants where run_id = runs.id) as counts
         where ($1::uuid is null or runs.id = $1) and ($2::text is null or runs.state = $2)
           and ($5::timestamptz is null or (runs.created_at, runs.id) < ($5, $6))
         order by created_at desc, runs.id desc limit $3 offset $4",
    )
    .bind(id.map(RunId::uuid))
    .bind(filter.state.map(RunState::as_str))
    .bind(i64::from(page.limit))
    .bind(page.offset())
    .bind(filter.before.map(|(at, _)| at))
    .bind(filter.before.map(|(_, id)| id))
    .fetch_all(control)
    .await?)
}

/// The tenants of a run as a person sees them.
pub(super) async fn tenant_views(
    control: &mut PgConnection,
    run: RunId,
) -> Result<Vec<RunTenantView>, DbError> {
    Ok(sqlx::query_as(
        "select tenant_id as id, slug, cluster, wave + 1 as wave, state, attempts, before, after, applied,
                notices, notices_count, milliseconds, code, sqlstate, message, hint, finished_at
         from control.run_tenants where run_id = $1 order by run_tenants.wave, slug",
    )
    .bind(run)
    .fetch_all(control)
    .await?)
}

/// Whether a run went forward, and changed a tenant, after this one began.
pub(in super::super) async fn went_forward_after(
    control: &mut PgConnection,
    run: Uuid,
) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from control.runs as later join control.run_tenants as it on it.run_id = later.id
                        where later.kind = 'forward' and it.applied <> '[]'
                          and later.created_at > (select created_at from control.runs where id = $1))",
    )
    .bind(run)
    .fetch_one(control)
    .await?)
}

/// The last run that takes this one back, and how it stands.
pub(in super::super) async fn rolled_back_by(
    control: &mut PgConnection,
    run: RunId,
) -> Result<Option<(Uuid, RunState)>, DbError> {
    Ok(sqlx::query_as(
        "select id, state from control.runs where takes_back = $1 order by created_at desc limit 1",
    )
    .bind(run)
    .fetch_optional(control)
    .await?)
}
