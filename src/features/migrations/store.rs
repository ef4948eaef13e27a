//! The SQL of sets, their stored files, and what of them is in which tenant.

use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::BUILT_IN;
use crate::infra::db::{DbError, PgConnection};

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

/// The newest run that was stopped and has files of a set.
pub(super) async fn stopped_with(control: &mut PgConnection, set: &str) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "select id from control.runs
         where state = 'stopped' and plan -> 'sets' @> jsonb_build_array(jsonb_build_object('name', $1::text))
         order by created_at desc limit 1",
    )
    .bind(set)
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

/// The names of all sets with those of their histories, but for Nexus's own.
pub(in crate::features) async fn histories(
    control: &mut PgConnection,
) -> Result<Vec<(String, String)>, DbError> {
    Ok(sqlx::query_as("select name, history from control.migration_sets where name <> $1 order by name")
        .bind(BUILT_IN)
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

/// The versions of a set of which any text is stored.
pub(super) async fn stored_versions(control: &mut PgConnection, set: &str) -> Result<Vec<i64>, DbError> {
    Ok(sqlx::query_scalar(
        "select distinct version from control.migration_files where set_name = $1 order by version",
    )
    .bind(set)
    .fetch_all(control)
    .await?)
}

/// A text that a run has kept.
#[derive(Debug, Clone, FromRow)]
pub(super) struct KeptText {
    pub(super) version: i64,
    pub(super) description: String,
    pub(super) up: String,
    pub(super) down: Option<String>,
}

/// The texts of a set that runs have kept, one for each version: what new tenants are born with
/// goes first.
pub(super) async fn kept_texts(control: &mut PgConnection, set: &str) -> Result<Vec<KeptText>, DbError> {
    Ok(sqlx::query_as(
        "select distinct on (version) version, description, up, down from control.migration_files
         where set_name = $1 order by version, released desc",
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
