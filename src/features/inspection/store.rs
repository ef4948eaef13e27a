//! The SQL of mending.

use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

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
