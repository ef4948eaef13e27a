//! The SQL of registered permissions.

use crate::infra::db::{DbError, PgConnection};

/// Every permission, with what it allows.
pub(super) async fn list(realm: &mut PgConnection) -> Result<Vec<(String, String)>, DbError> {
    Ok(sqlx::query_as("select name, description from nexus.permissions order by name collate \"C\"")
        .fetch_all(realm)
        .await?)
}

/// What is held, each with its role.
pub(super) async fn held(realm: &mut PgConnection) -> Result<Vec<(String, String)>, DbError> {
    Ok(sqlx::query_as(
        "select distinct held.permission, roles.name from nexus.role_permissions as held
         join nexus.roles on roles.id = held.role_id order by roles.name",
    )
    .fetch_all(realm)
    .await?)
}

/// The names.
pub(super) async fn names(realm: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar("select name from nexus.permissions").fetch_all(realm).await?)
}

/// Registers a permission or describes it anew; whether anything changed.
pub(super) async fn register(
    realm: &mut PgConnection,
    name: &str,
    description: &str,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "insert into nexus.permissions (name, description) values ($1, $2)
         on conflict (name) do update set description = excluded.description
         where permissions.description <> excluded.description",
    )
    .bind(name)
    .bind(description)
    .execute(realm)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Registers a pattern, unless it is.
pub(super) async fn register_pattern(
    realm: &mut PgConnection,
    name: &str,
    description: &str,
) -> Result<(), DbError> {
    sqlx::query("insert into nexus.permissions (name, description) values ($1, $2) on conflict do nothing")
        .bind(name)
        .bind(description)
        .execute(realm)
        .await?;
    Ok(())
}
