//! The SQL of mending.

use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// Suspends those of these tenants that are active; the slugs of those that were.
pub(super) async fn suspend_closed(
    control: &mut PgConnection,
    ids: &[TenantId],
    caller: &str,
    reason: &str,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "update control.tenants set state = 'suspended', updated_at = now(),
                suspended_at = now(), suspended_by = $2, suspension_reason = $3
         where id = any($1) and state = 'active' returning slug",
    )
    .bind(ids)
    .bind(caller)
    .bind(reason)
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

/// Whether a process of a fleet's run, by its id, gave a sign of life of late.
pub(super) async fn is_at_work(control: &mut PgConnection, runner: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from control.runners where id::text = $1 and leased_until > now())",
    )
    .bind(runner)
    .fetch_one(control)
    .await?)
}

/// Suspended tenants whose databases are open for a run of migrations.
pub(super) async fn opened_for_migration(control: &mut PgConnection) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar("select tenant_id from control.run_tenants where opened")
        .fetch_all(control)
        .await?)
}

/// Databases on a server that somebody works in for a moment. After an hour nobody does any more.
pub(super) async fn scratch_databases(
    control: &mut PgConnection,
    cluster: &str,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select name from control.scratch_databases
         where cluster = $1 and created_at > now() - interval '1 hour'",
    )
    .bind(cluster)
    .fetch_all(control)
    .await?)
}
