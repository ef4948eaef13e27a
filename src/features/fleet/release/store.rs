//! The SQL of what new tenants are born with.

use serde_json::Value;

use crate::infra::db::{DbError, PgConnection};

/// How many files of sets that nobody lacks are not released; `sets` and `files` as a plan has them.
pub(super) async fn unreleased(
    control: &mut PgConnection,
    sets: &Value,
    files: &Value,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "select count(*) from jsonb_to_recordset($2) as it (set text, version bigint)
         where it.set in (
             select due.name from jsonb_to_recordset($1) as due (name text, version bigint, files integer)
             where not exists (
                 select from control.tenants where state in ('active', 'suspended', 'pooled') and not exists (
                     select from control.tenant_versions as has
                     where has.tenant_id = tenants.id and has.set_name = due.name
                       and has.version >= due.version and has.files >= due.files)))
           and not exists (select from control.migration_files as file
                           where file.released and file.set_name = it.set and file.version = it.version)",
    )
    .bind(sets)
    .bind(files)
    .fetch_one(control)
    .await?)
}

/// Releases the files of sets that nobody lacks; those that were not released before, as `{"set",
/// "version"}`. A version of which another text was released stays as it is.
pub(super) async fn release(
    control: &mut PgConnection,
    sets: &Value,
    files: &Value,
) -> Result<Vec<Value>, DbError> {
    Ok(sqlx::query_scalar(
        "update control.migration_files as file set released = true
         from jsonb_to_recordset($2) as it (set text, version bigint, checksum text)
         where file.set_name = it.set and file.version = it.version and file.checksum = decode(it.checksum, 'hex')
           and not exists (select from control.migration_files as other
                           where other.released and other.set_name = it.set and other.version = it.version)
           and it.set in (
             select due.name from jsonb_to_recordset($1) as due (name text, version bigint, files integer)
             where not exists (
                 select from control.tenants where state in ('active', 'suspended', 'pooled') and not exists (
                     select from control.tenant_versions as has
                     where has.tenant_id = tenants.id and has.set_name = due.name
                       and has.version >= due.version and has.files >= due.files)))
         returning jsonb_build_object('set', file.set_name, 'version', file.version)",
    )
    .bind(sets)
    .bind(files)
    .fetch_all(control)
    .await?)
}

/// Takes the release of files back; how many were released. A template that may hold one of them is
/// no good as it is.
pub(super) async fn withdraw(control: &mut PgConnection, files: &Value) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "with taken as (
             update control.migration_files as file set released = false
             from jsonb_to_recordset($1) as it (set text, version bigint)
             where file.released and file.set_name = it.set and file.version = it.version
             returning file.set_name, file.version),
         doubted as (
             update control.templates set state = 'building'
             where exists (select from taken where (sets ->> set_name)::bigint >= taken.version))
         select count(*) from taken",
    )
    .bind(files)
    .fetch_one(control)
    .await?)
}
