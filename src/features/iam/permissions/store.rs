//! The SQL of registered permissions.

use super::super::model::PermissionView;
use crate::infra::db::{DbError, PgConnection};

/// Every permission, with the roles that hold it or a pattern that covers it.
pub(super) async fn list(realm: &mut PgConnection) -> Result<Vec<PermissionView>, DbError> {
    Ok(sqlx::query_as(
        "select permissions.name, permissions.description,
                array(select distinct roles.name from nexus.role_permissions as held
                      join nexus.roles on roles.id = held.role_id
                      where split_part(held.permission, ':', 1) in ('*', split_part(permissions.name, ':', 1))
                        and split_part(held.permission, ':', 2) in ('*', split_part(permissions.name, ':', 2))
                      order by roles.name) as roles
         from nexus.permissions order by permissions.name collate \"C\"",
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
