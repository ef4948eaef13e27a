//! The SQL of fixing.

use sqlx::AssertSqlSafe;

use crate::features::tenants::TenantState;
use crate::infra::db::{DbError, LockKey, PgConnection, is_held};
use crate::kernel::TenantId;

/// Suspends those of these tenants that are in a state, and takes them out of the trash; their slugs.
pub(super) async fn suspend(
    control: &mut PgConnection,
    (ids, state): (&[TenantId], TenantState),
    caller: &str,
    reason: &str,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "update control.tenants set state = 'suspended', updated_at = now(),
                suspended_at = now(), suspended_by = $2, suspension_reason = $3,
                trashed_at = null, trashed_by = null, trashed_from = null, purge_after = null
         where id = any($1) and state = $4 returning slug",
    )
    .bind(ids)
    .bind(caller)
    .bind(reason)
    .bind(state.as_str())
    .fetch_all(control)
    .await?)
}

/// The slugs of those of these tenants that are suspended.
pub(super) async fn suspended_of(
    control: &mut PgConnection,
    ids: &[TenantId],
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select slug from control.tenants where id = any($1) and state = 'suspended' order by slug",
    )
    .bind(ids)
    .fetch_all(control)
    .await?)
}

/// Takes every tenant out of its pool; their slugs.
pub(super) async fn unpool(control: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "update control.tenants set state = 'active', updated_at = now() where state = 'pooled' returning slug",
    )
    .fetch_all(control)
    .await?)
}

/// Notes things, as (place, name, object), that are to be left alone.
pub(super) async fn leave_alone(
    control: &mut PgConnection,
    things: &[(String, String, String)],
) -> Result<(), DbError> {
    for (place, name, object) in things {
        sqlx::query(
            "insert into control.unmanaged (place, name, object) values ($1, $2, $3) on conflict do nothing",
        )
        .bind(place)
        .bind(name)
        .bind(object)
        .execute(&mut *control)
        .await?;
    }
    Ok(())
}

/// The names of things at a place that are left alone.
pub(super) async fn left_alone(control: &mut PgConnection, place: &str) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar("select name from control.unmanaged where place = $1")
        .bind(place)
        .fetch_all(control)
        .await?)
}

/// The highest fence so far, here or in the world.
pub(super) async fn highest_fence(control: &mut PgConnection, world: i64) -> Result<i64, DbError> {
    let statement = "select greatest($1, last_value) from control.fences";
    Ok(sqlx::query_scalar(statement).bind(world).fetch_one(control).await?)
}

/// Gives out no fence up to this one any more.
pub(super) async fn raise_fences(control: &mut PgConnection, fence: i64) -> Result<(), DbError> {
    sqlx::query("select setval('control.fences', $1)").bind(fence).execute(control).await?;
    Ok(())
}

/// A fence above all that were given out.
pub(super) async fn next_fence(control: &mut PgConnection) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar("select nextval('control.fences')").fetch_one(control).await?)
}

/// Writes down which version a tenant's database says that it has.
pub(super) async fn set_version(
    control: &mut PgConnection,
    id: TenantId,
    version: i64,
) -> Result<(), DbError> {
    sqlx::query("update control.tenants set schema_version = $2, updated_at = now() where id = $1")
        .bind(id)
        .bind(version)
        .execute(control)
        .await?;
    Ok(())
}

/// Whether a tenant that is not gone, or a template, has something of this name.
pub(super) async fn is_claimed(control: &mut PgConnection, name: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from control.tenants where state <> 'deleted'
                            and $1 in (database_name, owner_role, app_role, bucket, access_key_id))
             or exists (select from control.templates where $1 in (database_name, owner_role))",
    )
    .bind(name)
    .fetch_one(control)
    .await?)
}

/// Whether a tenant is there that is not gone.
pub(super) async fn is_there(control: &mut PgConnection, id: TenantId) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from control.tenants where id = $1 and state <> 'deleted')")
        .bind(id)
        .fetch_one(control)
        .await?)
}

/// The ids of all tenants, those that are gone, too.
pub(super) async fn tenant_ids(control: &mut PgConnection) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar("select id from control.tenants").fetch_all(control).await?)
}

/// That a runner's process lives: it holds its lock, and its lease is not over. `runner` is an expression.
fn lives(runner: &str) -> String {
    format!(
        "exists (select from control.runners as living where living.id::text = {runner}
                 and living.leased_until > now() and {})",
        is_held("'nexus:runner:' || living.id::text")
    )
}

/// Whether a process of a fleet's run, by its id, is at work.
pub(super) async fn is_at_work(control: &mut PgConnection, runner: &str) -> Result<bool, DbError> {
    let statement = format!("select {}", lives("$1"));
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).bind(runner).fetch_one(control).await?)
}

/// Whether a process of a fleet's run is dead, and nobody cleaned up behind it. One that is not known
/// may be another installation's.
pub(super) async fn has_died(control: &mut PgConnection, runner: &str) -> Result<bool, DbError> {
    let statement =
        format!("select exists (select from control.runners where id::text = $1) and not {}", lives("$1"));
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).bind(runner).fetch_one(control).await?)
}

/// Suspended tenants whose databases a living process opened for its run of migrations.
pub(super) async fn opened_for_migration(control: &mut PgConnection) -> Result<Vec<TenantId>, DbError> {
    let statement =
        format!("select tenant_id from control.run_tenants where opened and {}", lives("runner::text"));
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(control).await?)
}

/// Databases on a server that a living process works in for a moment.
pub(super) async fn scratch_databases(
    control: &mut PgConnection,
    cluster: &str,
) -> Result<Vec<String>, DbError> {
    let statement = format!(
        "select name from control.scratch_databases where cluster = $1 and {}",
        is_held("'nexus:' || purpose || ':' || cluster")
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).bind(cluster).fetch_all(control).await?)
}

/// Whether a living process builds a template, by the name of its database.
pub(super) async fn is_building(control: &mut PgConnection, template: &str) -> Result<bool, DbError> {
    let statement = format!(
        "select exists (select from control.templates where database_name = $1 and state = 'building' and {})",
        is_held("'nexus:template:' || cluster || ':' || version")
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).bind(template).fetch_one(control).await?)
}

/// Whether a living process has the lock of this key.
pub(super) async fn is_locked(control: &mut PgConnection, key: &LockKey) -> Result<bool, DbError> {
    let statement = format!("select {}", is_held("$1::text"));
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).bind(key.as_str()).fetch_one(control).await?)
}
