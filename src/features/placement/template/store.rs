//! The statements about templates.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow};

use crate::infra::cluster::Carried;
use crate::infra::db::{DbError, PgConnection, literal};
use crate::kernel::TenantId;

/// How this program builds templates; one that was built otherwise is not cloned.
const RECIPE: i32 = 2;

/// A template's row.
#[derive(Debug, FromRow)]
pub(super) struct TemplateRow {
    pub(super) database_name: String,
    pub(super) owner_role: String,
    pub(super) ready: bool,
    /// The operator's sets in it, with their versions.
    pub(super) sets: Json<BTreeMap<String, i64>>,
    pub(super) files: Json<BTreeMap<String, i64>>,
    /// What its clones are to be given.
    pub(super) carried: Json<Carried>,
}

const TEMPLATE: &str = "database_name, owner_role, templates.state = 'ready' as ready, sets, files, carried";

/// The template of a version, with what is released, on a server.
pub(super) async fn template(
    control: &mut PgConnection,
    cluster: &str,
    version: i64,
) -> Result<Option<TemplateRow>, DbError> {
    // As text it needs one round trip, bound two.
    let statement = format!(
        "select {TEMPLATE} from control.templates
         where cluster = {} and version = {version}
           and sets = control.released_sets() and files = control.released_files()
           and recipe = {RECIPE} and state in ('building', 'ready')",
        literal(cluster)
    );
    let row = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_optional(control).await?;
    Ok(row.as_ref().map(TemplateRow::from_row).transpose()?)
}

/// The servers that have templates.
pub(super) async fn template_clusters(control: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar("select distinct cluster from control.templates order by cluster")
        .fetch_all(control)
        .await?)
}

/// Whether every server that has a template has the one that new tenants should be born with, and
/// none is half built.
pub(super) async fn templates_are_current(control: &mut PgConnection, version: i64) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select not exists (select from control.templates where state <> 'ready')
            and not exists (select from control.templates as any_one where not exists
                (select from control.templates as it
                 where it.cluster = any_one.cluster and it.version = $1 and it.sets = control.released_sets()
                   and it.files = control.released_files() and it.recipe = $2))",
    )
    .bind(version)
    .bind(RECIPE)
    .fetch_one(control)
    .await?)
}

/// The templates of a server but for one of them and the newest of the others that are ready.
pub(super) async fn superseded_templates(
    control: &mut PgConnection,
    cluster: &str,
    database: &str,
) -> Result<Vec<TemplateRow>, DbError> {
    let statement = format!(
        "select {TEMPLATE} from control.templates where cluster = $1 and database_name <> $2
           and database_name is distinct from
               (select database_name from control.templates
                where cluster = $1 and database_name <> $2 and state = 'ready'
                order by created_at desc, database_name limit 1)"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(cluster).bind(database).fetch_all(control).await?)
}

/// A migration file for the template of new tenants.
#[derive(Debug, FromRow)]
pub(super) struct ReleasedRow {
    pub(super) set_name: String,
    pub(super) history: String,
    pub(super) depends_on: Vec<String>,
    pub(super) version: i64,
    pub(super) description: String,
    pub(super) checksum: Vec<u8>,
    pub(super) up: String,
}

/// The released files up to the versions that a template has, by set and version.
pub(super) async fn released(
    control: &mut PgConnection,
    database: &str,
) -> Result<Vec<ReleasedRow>, DbError> {
    Ok(sqlx::query_as(
        "select set_name, history, depends_on, file.version, description, checksum, up
         from control.migration_files as file join control.migration_sets on name = set_name
         join control.templates on database_name = $1
         where released and sets ? set_name and file.version <= (sets ->> set_name)::bigint
         order by set_name, file.version",
    )
    .bind(database)
    .fetch_all(control)
    .await?)
}

/// The statement that records what of the operator's sets a tenant has that is cloned from a template,
/// where there is such a tenant.
pub(super) fn record_template_sets(tenant: TenantId, sets: &BTreeMap<String, (i64, i64)>) -> String {
    format!(
        "insert into control.tenant_versions (tenant_id, set_name, version, files)
         select tenants.id, key, (value ->> 0)::bigint, (value ->> 1)::integer
         from control.tenants, jsonb_each({}::jsonb)
         where tenants.id = '{tenant}' and exists (select from control.migration_sets where name = key)",
        literal(&json!(sets).to_string())
    )
}

/// All templates of a server.
pub(super) async fn templates(
    control: &mut PgConnection,
    cluster: &str,
) -> Result<Vec<TemplateRow>, DbError> {
    let statement = format!("select {TEMPLATE} from control.templates where cluster = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(cluster).fetch_all(control).await?)
}

/// Forgets a template that was dropped.
pub(super) async fn delete_template(control: &mut PgConnection, database: &str) -> Result<(), DbError> {
    sqlx::query("delete from control.templates where database_name = $1")
        .bind(database)
        .execute(control)
        .await?;
    Ok(())
}

/// Writes the intent to build a template with what is released.
pub(super) async fn plan_template(
    control: &mut PgConnection,
    (cluster, version): (&str, i64),
    database: &str,
    owner: &str,
) -> Result<TemplateRow, DbError> {
    let statement = format!(
        "insert into control.templates (cluster, version, database_name, owner_role, state, sets, files, recipe)
         values ($1, $2, $3, $4, 'building', control.released_sets(), control.released_files(), $5)
         returning {TEMPLATE}"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(cluster)
        .bind(version)
        .bind(database)
        .bind(owner)
        .bind(RECIPE)
        .fetch_one(control)
        .await?)
}

/// Writes the intent to bring a template up to date that nobody is to clone any more: the newest
/// but one, or older, that holds no set that is gone.
pub(super) async fn take_superseded_template(
    control: &mut PgConnection,
    cluster: &str,
    version: i64,
) -> Result<Option<TemplateRow>, DbError> {
    let statement = format!(
        "with superseded as (
             select database_name as name, sets, recipe from control.templates
             where cluster = $1 and state = 'ready' and version <= $2
             order by created_at desc, database_name offset 1),
         taken as (
             select name from superseded
             where recipe = $3 and not exists (select from jsonb_object_keys(sets) as key
                                               where not control.released_sets() ? key)
             limit 1),
         forgotten as (delete from control.fingerprints where template in (select name from taken))
         update control.templates
         set version = $2, sets = control.released_sets(), files = control.released_files(), state = 'building',
             created_at = now()
         where database_name in (select name from taken) returning {TEMPLATE}"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(cluster)
        .bind(version)
        .bind(RECIPE)
        .fetch_optional(control)
        .await?)
}

/// Notes that a template can be cloned, and what its clones are to be given.
pub(super) async fn template_ready(
    control: &mut PgConnection,
    database: &str,
    carried: &Carried,
) -> Result<(), DbError> {
    sqlx::query("update control.templates set state = 'ready', carried = $2 where database_name = $1")
        .bind(database)
        .bind(Json(carried))
        .execute(control)
        .await?;
    Ok(())
}
