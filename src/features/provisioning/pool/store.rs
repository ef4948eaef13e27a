//! The SQL of pools.

use super::PoolView;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// All pools, by place.
pub(super) async fn pools(control: &mut PgConnection, version: i64) -> Result<Vec<PoolView>, DbError> {
    Ok(sqlx::query_as(
        "select cluster, store, size,
                (select count(*) from control.tenants
                 where state = 'pooled' and schema_version = $1 and not control.lacks_released(tenants.id)
                   and tenants.cluster = pools.cluster and tenants.store = pools.store) as ready,
                (select count(*) from control.tenants
                 where state = 'pooled'
                   and (schema_version is distinct from $1 or control.lacks_released(tenants.id))
                   and tenants.cluster = pools.cluster and tenants.store = pools.store) as outdated
         from control.pools order by cluster, store",
    )
    .bind(version)
    .fetch_all(control)
    .await?)
}

/// Sets how many are kept ready at a place.
pub(super) async fn set(
    control: &mut PgConnection,
    (cluster, store): (&str, &str),
    size: i32,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.pools (cluster, store, size) values ($1, $2, $3)
         on conflict (cluster, store) do update set size = excluded.size, updated_at = now()",
    )
    .bind(cluster)
    .bind(store)
    .bind(size)
    .execute(control)
    .await?;
    Ok(())
}

/// Pooled tenants of a place that are too many or too old, the oldest first.
pub(super) async fn surplus(
    control: &mut PgConnection,
    (cluster, store): (&str, &str),
    (version, size): (i64, i32),
) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar(
        "select id from (
             select id, current, row_number() over (partition by current order by id desc) as place
             from control.tenants,
                  lateral (select schema_version = $3 and not control.lacks_released(id) as current) as it
             where state = 'pooled' and cluster = $1 and store = $2
         ) as pooled
         where current is distinct from true or place > $4 order by id",
    )
    .bind(cluster)
    .bind(store)
    .bind(version)
    .bind(i64::from(size))
    .fetch_all(control)
    .await?)
}

/// Tenants whose making for a pool, or claiming from it, was left unfinished at a place.
pub(super) async fn unfinished(
    control: &mut PgConnection,
    (cluster, store): (&str, &str),
) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar(
        "select tenants.id from control.tenants join control.operations on tenant_id = tenants.id
         where cluster = $1 and store = $2 and operations.kind = 'pool'
           and operations.state in ('running', 'stopped', 'rolling_back') order by tenants.id",
    )
    .bind(cluster)
    .bind(store)
    .fetch_all(control)
    .await?)
}
