//! The SQL of services, in the control database.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::model::{NewService, SILENT_AFTER_SECONDS};
use super::views::Row;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// The columns of [`Row`]: of a service and one of its addresses. There is no service without one.
const COLUMNS: &str =
    "s.id, s.tenant_id, s.name, s.version, s.permission, s.description, s.timeout_ms, s.created_by,
    s.created_at, s.updated_at, i.id as instance_id, i.url, i.registered_at, i.seen_at, i.failing_since,
    coalesce(i.seen_at < now() - make_interval(secs => $1), false) as is_silent";

/// The services of some realms.
pub(super) async fn list(control: &mut PgConnection, realms: &[TenantId]) -> Result<Vec<Row>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from control.services s join control.service_instances i on i.service_id = s.id
         where s.tenant_id = any($2)"
    )))
    .persistent(false)
    .bind(f64::from(SILENT_AFTER_SECONDS))
    .bind(realms)
    .fetch_all(control)
    .await?)
}

/// Those of a name.
pub(super) async fn named(
    control: &mut PgConnection,
    realms: &[TenantId],
    name: &str,
) -> Result<Vec<Row>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from control.services s join control.service_instances i on i.service_id = s.id
         where s.tenant_id = any($2) and s.name = $3"
    )))
    .persistent(false)
    .bind(f64::from(SILENT_AFTER_SECONDS))
    .bind(realms)
    .bind(name)
    .fetch_all(control)
    .await?)
}

/// Keeps others from registering and removing services until this transaction ends: of all realms, so that a name does not
/// become the platform's and a tenant's at once.
pub(super) async fn lock(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('services', 0))").execute(control).await?;
    Ok(())
}

/// How many services a realm has.
pub(super) async fn count(control: &mut PgConnection, tenant: TenantId) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar("select count(*) from control.services where tenant_id = $1")
        .bind(tenant)
        .fetch_one(control)
        .await?)
}

/// Writes a service, or what is said of it anew; gives its id.
pub(super) async fn put(
    control: &mut PgConnection,
    (id, tenant, by): (Uuid, TenantId, &str),
    (new, permission): (&NewService, &str),
) -> Result<Uuid, DbError> {
    Ok(sqlx::query_scalar(
        "insert into control.services
            (id, tenant_id, name, version, permission, description, timeout_ms, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, left($8, 200))
         on conflict (tenant_id, name, version) do update
         set permission = excluded.permission, description = excluded.description,
             timeout_ms = excluded.timeout_ms, updated_at = now()
         returning id",
    )
    .bind(id)
    .bind(tenant)
    .bind(new.name.as_str())
    .bind(new.version.number())
    .bind(permission)
    .bind(new.description.as_str())
    .bind(new.timeout.millis())
    .bind(by)
    .fetch_one(control)
    .await?)
}

/// Writes an address of a service, if it is not there.
pub(super) async fn put_instance(
    control: &mut PgConnection,
    (id, service): (Uuid, Uuid),
    url: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.service_instances (id, service_id, url) values ($1, $2, $3)
         on conflict (service_id, url) do nothing",
    )
    .bind(id)
    .bind(service)
    .bind(url)
    .execute(control)
    .await?;
    Ok(())
}

/// Writes that an instance is there.
pub(super) async fn note_seen(control: &mut PgConnection, instance: Uuid) -> Result<(), DbError> {
    sqlx::query("update control.service_instances set seen_at = now() where id = $1")
        .bind(instance)
        .execute(control)
        .await?;
    Ok(())
}

/// Writes whether calls of an instance fail.
pub(super) async fn note_failing(
    control: &mut PgConnection,
    instance: Uuid,
    is_failing: bool,
) -> Result<(), DbError> {
    sqlx::query(
        "update control.service_instances
         set failing_since = case when $2 then coalesce(failing_since, now()) end
         where id = $1 and (failing_since is not null) <> $2",
    )
    .bind(instance)
    .bind(is_failing)
    .execute(control)
    .await?;
    Ok(())
}

/// Deletes instances, and the services that have none left.
pub(super) async fn delete(control: &mut PgConnection, instances: &[Uuid]) -> Result<(), DbError> {
    let services: Vec<Uuid> =
        sqlx::query_scalar("delete from control.service_instances where id = any($1) returning service_id")
            .persistent(false)
            .bind(instances)
            .fetch_all(&mut *control)
            .await?;
    sqlx::query(
        "delete from control.services s where s.id = any($1)
         and not exists (select from control.service_instances i where i.service_id = s.id)",
    )
    .persistent(false)
    .bind(services)
    .execute(control)
    .await?;
    Ok(())
}

/// Deletes all services of a tenant.
pub(super) async fn forget_tenant(control: &mut PgConnection, tenant: TenantId) -> Result<(), DbError> {
    sqlx::query("delete from control.services where tenant_id = $1")
        .persistent(false)
        .bind(tenant)
        .execute(control)
        .await?;
    Ok(())
}
