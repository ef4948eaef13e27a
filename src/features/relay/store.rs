//! The SQL of the relay, in the control database.

use uuid::Uuid;

use super::Progress;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// Takes a realm, where no other process holds it; gives the fence.
pub(super) async fn take(
    control: &mut PgConnection,
    tenant: TenantId,
    owner: Uuid,
) -> Result<Option<i64>, DbError> {
    Ok(sqlx::query_scalar(
        "insert into control.relays as held (tenant_id, owner, lease_until, fence)
         values ($1, $2, clock_timestamp() + interval '10 seconds', 1)
         on conflict (tenant_id) do update
             set owner = excluded.owner, lease_until = excluded.lease_until, fence = held.fence + 1
             where held.lease_until < clock_timestamp()
         returning fence",
    )
    .bind(tenant)
    .bind(owner)
    .fetch_optional(control)
    .await?)
}

/// Holds a realm until the end of the transaction, and for a while after that; whether it was still held.
pub(super) async fn hold(control: &mut PgConnection, tenant: TenantId, fence: i64) -> Result<bool, DbError> {
    let held = sqlx::query(
        "update control.relays set lease_until = clock_timestamp() + interval '10 seconds'
         where tenant_id = $1 and fence = $2 and lease_until >= clock_timestamp()",
    )
    .bind(tenant)
    .bind(fence)
    .execute(control)
    .await?;
    Ok(held.rows_affected() > 0)
}

/// Gives a realm back, where it is held.
pub(super) async fn release(control: &mut PgConnection, tenant: TenantId, fence: i64) -> Result<(), DbError> {
    sqlx::query("update control.relays set lease_until = '-infinity' where tenant_id = $1 and fence = $2")
        .bind(tenant)
        .bind(fence)
        .execute(control)
        .await?;
    Ok(())
}

/// Notes events whose jobs are about to be written; gives those of which that was not noted before.
pub(super) async fn note(
    control: &mut PgConnection,
    tenant: TenantId,
    events: &[Uuid],
) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "insert into control.relayed_events (event_id, tenant_id) select id, $1 from unnest($2::uuid[]) as given (id)
         on conflict (tenant_id, event_id) do nothing returning event_id",
    )
    .bind(tenant)
    .bind(events)
    .fetch_all(control)
    .await?)
}

/// Forgets events that were relayed more than a week ago, some hundreds at a time: their own rows are gone by then.
pub(super) async fn forget_old(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from control.relayed_events using (
             select tenant_id, event_id from control.relayed_events where relayed_at < now() - interval '8 days'
             order by relayed_at limit 500 for update skip locked) as oldest
         where relayed_events.tenant_id = oldest.tenant_id and relayed_events.event_id = oldest.event_id",
    )
    .persistent(false)
    .execute(control)
    .await?;
    Ok(())
}

/// How far realms are relayed.
pub(super) async fn progress(
    control: &mut PgConnection,
    realms: &[TenantId],
) -> Result<Vec<Progress>, DbError> {
    Ok(sqlx::query_as(
        "select tenant_id, fence, lease_until > clock_timestamp() - interval '2 seconds' as is_held
         from control.relays where tenant_id = any($1)",
    )
    .bind(realms)
    .fetch_all(control)
    .await?)
}

/// The active tenants of databases of a server.
pub(super) async fn tenants_of(
    control: &mut PgConnection,
    cluster: &str,
    databases: &[String],
) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar(
        "select id from control.tenants
         where database_name = any($2) and cluster = $1 and state <> 'deleted' and state = 'active'",
    )
    .bind(cluster)
    .bind(databases)
    .fetch_all(control)
    .await?)
}
