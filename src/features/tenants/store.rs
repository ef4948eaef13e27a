//! The SQL of tenants' rows.

use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};

use super::model::{NewTenant, Resources, Tenant, TenantFilter, TenantSort, TenantState};
use crate::infra::db::DbError;
use crate::kernel::{Email, Page, TenantId};

const COLUMNS: &str = "id, slug, name, state, admin_email, labels, cluster, store, database_name, owner_role, \
                       app_role, bucket, access_key_id, schema_version, created_at, updated_at";

/// Writes a tenant's row, in state `provisioning`. `None` when the slug is taken.
///
/// # Errors
/// When the statement fails.
pub async fn insert(
    connection: &mut PgConnection,
    id: TenantId,
    new: &NewTenant,
    resources: &Resources,
    (cluster, store, schema_version): (&str, &str, i64),
) -> Result<Option<Tenant>, DbError> {
    let statement = format!(
        "insert into control.tenants (id, slug, name, state, admin_email, labels, cluster, store, database_name,
                                      owner_role, app_role, bucket, schema_version)
         values ($1, $2, $3, 'provisioning', $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict (slug) where state <> 'deleted' do nothing returning {COLUMNS}"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(id)
        .bind(&new.slug)
        .bind(&new.name)
        .bind(new.admin_email.as_ref().map(Email::as_str))
        .bind(Json(&new.labels))
        .bind(cluster)
        .bind(store)
        .bind(&resources.database_name)
        .bind(&resources.owner_role)
        .bind(&resources.app_role)
        .bind(&resources.bucket)
        .bind(schema_version)
        .fetch_optional(connection)
        .await?)
}

/// A tenant by its slug; those that are gone have none.
pub(super) async fn by_slug(connection: &mut PgConnection, slug: &str) -> Result<Option<Tenant>, DbError> {
    let statement = format!("select {COLUMNS} from control.tenants where slug = $1 and state <> 'deleted'");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(slug).fetch_optional(connection).await?)
}

/// A tenant by its id, gone or not.
///
/// # Errors
/// When the statement fails.
pub async fn by_id(connection: &mut PgConnection, id: TenantId) -> Result<Option<Tenant>, DbError> {
    let statement = format!("select {COLUMNS} from control.tenants where id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_optional(connection).await?)
}

/// Moves a tenant to another state. Does not wait for the disk where the session says so.
///
/// # Errors
/// When the statement fails.
pub async fn set_state(
    connection: &mut PgConnection,
    id: TenantId,
    state: TenantState,
) -> Result<(), DbError> {
    sqlx::query(
        "update control.tenants set state = $2, updated_at = now(),
                deleted_at = case when $2 = 'deleted' then now() end
         where id = $1",
    )
    .bind(id)
    .bind(state)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes the public half of a tenant's key.
///
/// # Errors
/// When the statement fails.
pub async fn set_access_key(
    connection: &mut PgConnection,
    id: TenantId,
    access_key_id: Option<&str>,
) -> Result<(), DbError> {
    sqlx::query("update control.tenants set access_key_id = $2, updated_at = now() where id = $1")
        .bind(id)
        .bind(access_key_id)
        .execute(connection)
        .await?;
    Ok(())
}

const FILTER: &str = "($1::text is null and state <> 'deleted' or state = $1)
    and labels @> $2
    and ($3::text is null or slug like $3 or lower(name) like $3)
    and ($4::text is null or cluster = $4) and ($5::text is null or store = $5)";

fn pattern(filter: &TenantFilter) -> Option<String> {
    let escape =
        |text: &String| text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    filter.search.as_ref().map(|text| format!("%{}%", escape(text)))
}

/// One page of the tenants that a filter lets through.
pub(super) async fn page(
    connection: &mut PgConnection,
    filter: &TenantFilter,
    (sort, descending): (TenantSort, bool),
    page: Page,
) -> Result<Vec<Tenant>, DbError> {
    let column = match sort {
        TenantSort::Slug => "slug",
        TenantSort::Name => "name",
        TenantSort::State => "state",
        TenantSort::CreatedAt => "created_at",
    };
    let direction = if descending { "desc" } else { "asc" };
    let statement = format!(
        "select {COLUMNS} from control.tenants where {FILTER}
         order by {column} {direction}, id {direction} limit $6 offset $7"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(filter.state)
        .bind(Json(&filter.labels))
        .bind(pattern(filter))
        .bind(&filter.cluster)
        .bind(&filter.store)
        .bind(i64::from(page.limit))
        .bind(page.offset())
        .fetch_all(connection)
        .await?)
}

/// How many tenants a filter lets through.
pub(super) async fn count(connection: &mut PgConnection, filter: &TenantFilter) -> Result<i64, DbError> {
    let statement = format!("select count(*) from control.tenants where {FILTER}");
    Ok(sqlx::query_scalar(AssertSqlSafe(statement))
        .bind(filter.state)
        .bind(Json(&filter.labels))
        .bind(pattern(filter))
        .bind(&filter.cluster)
        .bind(&filter.store)
        .fetch_one(connection)
        .await?)
}

/// The slugs that begin with a text, sorted.
pub(super) async fn slugs(
    connection: &mut PgConnection,
    prefix: &str,
    limit: i64,
) -> Result<Vec<String>, DbError> {
    let escaped = prefix.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    Ok(sqlx::query_scalar(
        "select slug from control.tenants where state <> 'deleted' and slug like $1 order by slug limit $2",
    )
    .bind(format!("{escaped}%"))
    .bind(limit)
    .fetch_all(connection)
    .await?)
}
