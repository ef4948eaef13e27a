//! The SQL of operations, and of a proof inside a tenant's database.

use serde_json::Value;
use sqlx::FromRow;

use super::operations::{OperationFilter, OperationView};
use super::plan::Neighbour;
use crate::features::tenants::Tenant;
use crate::infra::db::{DbError, LockKey, PgConnection};
use crate::kernel::{Caller, OperationId, Page, TenantId};

/// An operation that is not over, as it is taken up.
#[derive(Debug, Clone, FromRow)]
pub(super) struct OperationRow {
    pub(super) id: OperationId,
    pub(super) tenant_id: TenantId,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) fence: i64,
}

/// From here on this session's commits do not wait for the disk, unless they say so.
pub(super) async fn relaxed(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::raw_sql("set synchronous_commit to off").execute(control).await?;
    Ok(())
}

/// Writes an operation's intent; its fence. `None` when another one is not over.
pub(super) async fn insert(
    control: &mut PgConnection,
    (id, tenant, kind): (OperationId, TenantId, &'static str),
    caller: &Caller,
    request: &Value,
) -> Result<Option<i64>, DbError> {
    Ok(sqlx::query_scalar(
        "insert into control.operations (id, tenant_id, kind, state, caller, request)
         values ($1, $2, $3, 'running', $4, $5)
         on conflict (tenant_id) where state in ('running', 'stopped', 'rolling_back') do nothing
         returning fence",
    )
    .bind(id)
    .bind(tenant)
    .bind(kind)
    .bind(caller.to_string())
    .bind(request)
    .fetch_optional(control)
    .await?)
}

/// Notes that an operation waits for another process.
pub(super) async fn leave_to_another(control: &mut PgConnection, id: OperationId) -> Result<(), DbError> {
    sqlx::query("update control.operations set planned = true where id = $1")
        .bind(id)
        .execute(control)
        .await?;
    Ok(())
}

/// An operation.
pub(super) async fn operation(
    control: &mut PgConnection,
    id: OperationId,
) -> Result<Option<OperationRow>, DbError> {
    Ok(sqlx::query_as("select id, tenant_id, kind, state, fence from control.operations where id = $1")
        .bind(id)
        .fetch_optional(control)
        .await?)
}

/// The tenant's operation that is not over, if there is one.
pub(super) async fn unfinished(
    control: &mut PgConnection,
    tenant: TenantId,
) -> Result<Option<OperationRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, tenant_id, kind, state, fence from control.operations
         where tenant_id = $1 and state in ('running', 'stopped', 'rolling_back')",
    )
    .bind(tenant)
    .fetch_optional(control)
    .await?)
}

/// All operations that are not over, the oldest first.
pub(super) async fn all_unfinished(control: &mut PgConnection) -> Result<Vec<OperationRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, tenant_id, kind, state, fence from control.operations
         where state in ('running', 'stopped', 'rolling_back') order by created_at",
    )
    .fetch_all(control)
    .await?)
}

/// Takes an operation up again, forward or back, with a new fence. `None` when it is over.
pub(super) async fn take_up(
    control: &mut PgConnection,
    id: OperationId,
    backward: bool,
) -> Result<Option<OperationRow>, DbError> {
    Ok(sqlx::query_as(
        "update control.operations
         set state = case when $2 or state = 'rolling_back' then 'rolling_back' else 'running' end,
             fence = nextval('control.fences'), error = null, planned = false, updated_at = now()
         where id = $1 and state in ('running', 'stopped', 'rolling_back')
         returning id, tenant_id, kind, state, fence",
    )
    .bind(id)
    .bind(backward)
    .fetch_optional(control)
    .await?)
}

/// The operation that made a tenant.
pub(super) async fn creation(
    control: &mut PgConnection,
    tenant: TenantId,
) -> Result<Option<OperationId>, DbError> {
    Ok(sqlx::query_scalar(
        "select id from control.operations where tenant_id = $1 and kind in ('create', 'claim') order by created_at desc limit 1",
    )
    .bind(tenant)
    .fetch_optional(control)
    .await?)
}

/// Whether a living session holds the lock of a tenant.
pub(super) async fn is_locked(control: &mut PgConnection, key: &LockKey) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "with key as (select hashtextextended($1, 0) as h)
         select exists (select from pg_locks, key where locktype = 'advisory' and objsubid = 1
             and database = (select oid from pg_database where datname = current_database())
             and classid = ((h >> 32) & 4294967295)::oid and objid = (h & 4294967295)::oid)",
    )
    .bind(key.as_str())
    .fetch_one(control)
    .await?)
}

/// Another active tenant on the same server and in the same store, for a proof of isolation. Who may
/// connect to one that was there before Nexus is its owner's business.
pub(super) async fn neighbour(
    control: &mut PgConnection,
    tenant: &Tenant,
) -> Result<Option<Neighbour>, DbError> {
    Ok(sqlx::query_as(
        "select database_name, bucket from control.tenants
         where state = 'active' and not adopted and cluster = $2 and store = $3 and id <> $1 order by id desc limit 1",
    )
    .bind(tenant.id)
    .bind(&tenant.cluster)
    .bind(&tenant.store)
    .fetch_optional(control)
    .await?)
}

/// The ids of the tenants that are made and not gone, open or closed.
pub(super) async fn settled_tenants(control: &mut PgConnection) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar(
        "select id from control.tenants where state in ('pooled', 'active', 'suspended', 'trashed') order by slug",
    )
    .fetch_all(control)
    .await?)
}

/// Operations, the newest first; a running one without a living process is `interrupted`, or
/// `planned` where no process took it up yet.
pub(super) async fn list(
    control: &mut PgConnection,
    filter: &OperationFilter,
    page: Page,
) -> Result<Vec<OperationView>, DbError> {
    Ok(sqlx::query_as(
        "with operation as (
             select operations.*, tenants.slug,
                    hashtextextended('nexus:tenant:' || tenant_id::text, 0) as h
             from control.operations join control.tenants on tenants.id = tenant_id
             where ($1::uuid is null or tenant_id = $1) and ($2::uuid is null or operations.id = $2)
         ), seen as (
             select operation.*, case
                 when state in ('running', 'rolling_back') and not exists (
                     select from pg_locks where locktype = 'advisory' and objsubid = 1
                         and database = (select oid from pg_database where datname = current_database())
                         and classid = ((h >> 32) & 4294967295)::oid and objid = (h & 4294967295)::oid)
                 then case when planned then 'planned' else 'interrupted' end else state end as seen_state
             from operation
         )
         select id, tenant_id, slug, kind, seen_state as state, caller, error, created_at, updated_at, finished_at
         from seen where ($3::text is null or seen_state = $3)
           and (not $6 or state in ('running', 'stopped', 'rolling_back'))
         order by created_at desc, id desc limit $4 offset $5",
    )
    .bind(filter.tenant)
    .bind(filter.id)
    .bind(filter.state.map(super::operations::OperationState::as_str))
    .bind(i64::from(page.limit))
    .bind(page.offset())
    .bind(filter.open)
    .fetch_all(control)
    .await?)
}

/// Writes a row as the tenant, and reads it back. The caller rolls it back.
pub(super) async fn write_and_read(tenant: &mut PgConnection) -> Result<bool, DbError> {
    sqlx::query("insert into nexus.settings (key, value) values ('nexus.proof', '\"written\"')")
        .execute(&mut *tenant)
        .await?;
    Ok(sqlx::query_scalar("select value = '\"written\"' from nexus.settings where key = 'nexus.proof'")
        .fetch_one(tenant)
        .await?)
}
