//! The SQL of sets, their stored files, and what of them is in which tenant.

use std::collections::HashMap;

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{BUILT_IN, File};
use crate::infra::db::DbError;
use crate::kernel::TenantId;

/// A set's row.
#[derive(Debug, Clone, FromRow)]
pub(super) struct SetRow {
    pub(super) name: String,
    pub(super) source: Option<String>,
    pub(super) history: String,
    pub(super) depends_on: Vec<String>,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
}

/// Nobody else changes sets before this transaction ends; they can be read.
pub(super) async fn lock_sets(tx: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("lock table control.migration_sets in share row exclusive mode").execute(tx).await?;
    Ok(())
}

/// Nobody refers to a set in a new row before this transaction ends.
pub(super) async fn lock_set(tx: &mut PgConnection, name: &str) -> Result<(), DbError> {
    sqlx::query("select name from control.migration_sets where name = $1 for update")
        .bind(name)
        .execute(tx)
        .await?;
    Ok(())
}

/// The newest run that is under way.
pub(super) async fn running(control: &mut PgConnection) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "select id from control.runs where state = 'running' order by created_at desc limit 1",
    )
    .fetch_optional(control)
    .await?)
}

/// All sets, by name.
pub(super) async fn set_rows(control: &mut PgConnection) -> Result<Vec<SetRow>, DbError> {
    Ok(sqlx::query_as(
        "select name, source, history, depends_on, created_at, updated_at from control.migration_sets order by name",
    )
    .fetch_all(control)
    .await?)
}

/// Writes a set down.
pub(super) async fn insert_set(
    tx: &mut PgConnection,
    name: &str,
    (source, history): (&str, &str),
    depends_on: &[String],
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.migration_sets (name, source, history, depends_on) values ($1, $2, $3, $4)",
    )
    .bind(name)
    .bind(source)
    .bind(history)
    .bind(depends_on)
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives a set another folder and other sets that come before it.
pub(super) async fn update_set(
    tx: &mut PgConnection,
    name: &str,
    source: Option<&str>,
    depends_on: &[String],
) -> Result<(), DbError> {
    sqlx::query(
        "update control.migration_sets set source = $2, depends_on = $3, updated_at = now() where name = $1",
    )
    .bind(name)
    .bind(source)
    .bind(depends_on)
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes a set's row; its stored files and recorded versions go with it.
pub(super) async fn delete_set(tx: &mut PgConnection, name: &str) -> Result<(), DbError> {
    sqlx::query("delete from control.migration_sets where name = $1").bind(name).execute(tx).await?;
    Ok(())
}

/// A version of a set, and how many tenants are at it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Standing {
    pub(super) set_name: String,
    pub(super) version: i64,
    pub(super) tenants: i64,
}

/// How many tenants are at which version of each set. Those that are gone do not count.
pub(super) async fn standings(control: &mut PgConnection) -> Result<Vec<Standing>, DbError> {
    Ok(sqlx::query_as(
        "select set_name, version, count(*) as tenants
         from control.tenant_versions join control.tenants on tenants.id = tenant_id
         where state <> 'deleted' group by set_name, version
         union all
         select $1, schema_version, count(*) from control.tenants where state <> 'deleted' group by schema_version
         order by set_name, version",
    )
    .bind(BUILT_IN)
    .fetch_all(control)
    .await?)
}

/// The newest version of an operator's set in each tenant.
pub(super) async fn versions(
    control: &mut PgConnection,
    set: &str,
) -> Result<HashMap<TenantId, i64>, DbError> {
    let rows: Vec<(TenantId, i64)> =
        sqlx::query_as("select tenant_id, version from control.tenant_versions where set_name = $1")
            .bind(set)
            .fetch_all(control)
            .await?;
    Ok(rows.into_iter().collect())
}

/// The newest version of Nexus's own set in each tenant that is not gone.
pub(super) async fn built_in_versions(control: &mut PgConnection) -> Result<HashMap<TenantId, i64>, DbError> {
    let rows: Vec<(TenantId, i64)> =
        sqlx::query_as("select id, schema_version from control.tenants where state <> 'deleted'")
            .fetch_all(control)
            .await?;
    Ok(rows.into_iter().collect())
}

/// Notes a tenant's newest version of an operator's set.
pub(super) async fn record_version(
    tx: &mut PgConnection,
    tenant: TenantId,
    set: &str,
    version: i64,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.tenant_versions (tenant_id, set_name, version) values ($1, $2, $3)
         on conflict (tenant_id, set_name) do update set version = excluded.version, updated_at = now()",
    )
    .bind(tenant)
    .bind(set)
    .bind(version)
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes that a tenant has no migration of an operator's set any more.
pub(super) async fn delete_version(
    tx: &mut PgConnection,
    tenant: TenantId,
    set: &str,
) -> Result<(), DbError> {
    sqlx::query("delete from control.tenant_versions where tenant_id = $1 and set_name = $2")
        .bind(tenant)
        .bind(set)
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes a tenant's newest version of Nexus's own set.
pub(super) async fn record_built_in_version(
    tx: &mut PgConnection,
    tenant: TenantId,
    version: i64,
) -> Result<(), DbError> {
    sqlx::query("update control.tenants set schema_version = $2, updated_at = now() where id = $1")
        .bind(tenant)
        .bind(version)
        .execute(tx)
        .await?;
    Ok(())
}

/// Stores files as they are now; one that is stored with its checksum stays as it is.
pub(super) async fn insert_files(tx: &mut PgConnection, set: &str, files: &[&File]) -> Result<(), DbError> {
    let (mut versions, mut checksums, mut descriptions) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    for file in files {
        versions.push(file.version);
        checksums.push(file.checksum.as_slice());
        descriptions.push(file.description.as_str());
        ups.push(file.up.as_str());
        downs.push(file.down.as_deref());
    }
    // The way back is no part of the checksum: the last one that was approved is the one that counts.
    sqlx::query(
        "insert into control.migration_files (set_name, version, checksum, description, up, down)
         select $1, file.* from unnest($2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::text[]) as file
         on conflict (set_name, version, checksum) do update set down = excluded.down
         where migration_files.down is distinct from excluded.down",
    )
    .bind(set)
    .bind(versions)
    .bind(checksums)
    .bind(descriptions)
    .bind(ups)
    .bind(downs)
    .execute(tx)
    .await?;
    Ok(())
}

/// A stored file: its description, the way there, the way back.
pub(super) async fn stored_file(
    control: &mut PgConnection,
    set: &str,
    version: i64,
    checksum: &[u8],
) -> Result<Option<(String, String, Option<String>)>, DbError> {
    Ok(sqlx::query_as(
        "select description, up, down from control.migration_files
         where set_name = $1 and version = $2 and checksum = $3",
    )
    .bind(set)
    .bind(version)
    .bind(checksum)
    .fetch_optional(control)
    .await?)
}

/// The versions of a set of which any text is stored.
pub(super) async fn stored_versions(control: &mut PgConnection, set: &str) -> Result<Vec<i64>, DbError> {
    Ok(sqlx::query_scalar(
        "select distinct version from control.migration_files where set_name = $1 order by version",
    )
    .bind(set)
    .fetch_all(control)
    .await?)
}

/// What new tenants are born with, by set and version.
pub(super) async fn released(control: &mut PgConnection) -> Result<Vec<(String, i64, Vec<u8>)>, DbError> {
    Ok(sqlx::query_as(
        "select set_name, version, checksum from control.migration_files where released order by set_name, version",
    )
    .fetch_all(control)
    .await?)
}

/// Has new tenants not be born with a version any more, whatever its text.
pub(super) async fn withdraw(tx: &mut PgConnection, set: &str, version: i64) -> Result<(), DbError> {
    sqlx::query(
        "update control.migration_files set released = false
         where set_name = $1 and version = $2 and released",
    )
    .bind(set)
    .bind(version)
    .execute(tx)
    .await?;
    Ok(())
}

/// Has new tenants be born with a stored file. `false` when it is not stored.
pub(super) async fn release(
    tx: &mut PgConnection,
    set: &str,
    version: i64,
    checksum: &[u8],
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update control.migration_files set released = true
         where set_name = $1 and version = $2 and checksum = $3",
    )
    .bind(set)
    .bind(version)
    .bind(checksum)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
