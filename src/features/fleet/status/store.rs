//! The SQL of what is at which version, by the control database alone.

use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Hint, TenantId};

/// The sets: their names, the newest version of each, how many files each has.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) names: Vec<&'a str>,
    pub(super) newest: Vec<Option<i64>>,
    pub(super) files: Vec<i32>,
}

/// So many tenants at a version.
#[derive(Debug, FromRow)]
pub(super) struct CountRow {
    pub(super) set_name: String,
    pub(super) version: Option<i64>,
    /// A file came late, with an older version, and is not there yet.
    pub(super) lacks: bool,
    pub(super) tenants: i64,
}

/// A tenant that is not at the newest version, and what became of it in the last run.
#[derive(Debug, FromRow)]
pub(super) struct StragglerRow {
    pub(super) set_name: String,
    pub(super) slug: String,
    pub(super) tenant_state: String,
    pub(super) version: Option<i64>,
    pub(super) lacks: bool,
    pub(super) since: OffsetDateTime,
    pub(super) run_id: Option<Uuid>,
    pub(super) failed_at: Option<OffsetDateTime>,
    pub(super) sqlstate: Option<String>,
    pub(super) message: Option<String>,
    pub(super) hint: Option<Json<Hint>>,
}

/// Those that runs migrate; the version of the set that is part of Nexus is in the tenant's row.
const AT: &str = "chosen as (
        select id, slug, state, schema_version, created_at from control.tenants
        where id = any($1) and state in ('active', 'suspended')
    ), known (name, newest, files) as (
        select * from unnest($2::text[], $3::bigint[], $4::integer[])
    ), place as (
        select known.name as set_name, known.newest, chosen.id, chosen.slug, chosen.state, chosen.created_at,
               case known.name when 'nexus' then chosen.schema_version else seen.version end as version,
               seen.updated_at, coalesce(seen.files > 0 and seen.files < known.files, false) as lacks
        from chosen cross join known
        left join control.tenant_versions as seen
            on seen.tenant_id = chosen.id and seen.set_name = known.name and known.name <> 'nexus'
    )";

pub(super) async fn counts(
    control: &mut PgConnection,
    tenants: &[TenantId],
    known: &Known<'_>,
) -> Result<Vec<CountRow>, DbError> {
    let statement = format!(
        "with {AT} select set_name, version, lacks, count(*) as tenants from place group by set_name, version, lacks
         order by set_name, version nulls first, lacks desc"
    );
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(tenants)
        .bind(&known.names)
        .bind(&known.newest)
        .bind(&known.files)
        .fetch_all(control)
        .await?)
}

pub(super) async fn stragglers(
    control: &mut PgConnection,
    tenants: &[TenantId],
    known: &Known<'_>,
) -> Result<Vec<StragglerRow>, DbError> {
    let statement = format!(
        "with {AT} select set_name, slug, place.state as tenant_state, version, lacks,
                coalesce(updated_at,
                         (select finished_at from control.run_tenants as earlier
                          where earlier.tenant_id = place.id and earlier.state = 'done' and earlier.after ? set_name
                          order by earlier.run_id desc limit 1),
                         created_at) as since,
                last.run_id, last.finished_at as failed_at, last.sqlstate, last.message, last.hint
         from place
         left join lateral (
             select run_id, state, finished_at, sqlstate, message, hint from control.run_tenants as it
             where it.tenant_id = place.id and it.state in ('done', 'failed') order by run_id desc limit 1
         ) as last on last.state = 'failed'
         where version is distinct from newest or lacks order by set_name, version nulls first, slug"
    );
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(tenants)
        .bind(&known.names)
        .bind(&known.newest)
        .bind(&known.files)
        .fetch_all(control)
        .await?)
}

/// States in which no run touches a tenant, with who is in them.
pub(super) async fn others(
    control: &mut PgConnection,
    tenants: &[TenantId],
) -> Result<Vec<(String, Vec<String>)>, DbError> {
    Ok(sqlx::query_as(
        "select state, array_agg(slug::text order by slug) from control.tenants
         where id = any($1) and state not in ('active', 'suspended') group by state order by state",
    )
    .bind(tenants)
    .fetch_all(control)
    .await?)
}
