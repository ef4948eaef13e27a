//! The SQL of a user as tokens name it.

use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::Subject;
use crate::infra::db::DbError;

/// A user's columns, with what its roles allow.
const SELECT: &str = "select users.id, users.email, users.state,
        array(select roles.name from nexus.user_roles join nexus.roles on roles.id = user_roles.role_id
              where user_roles.user_id = users.id order by roles.name) as roles,
        array(select distinct granted.permission
              from nexus.user_roles join nexus.role_permissions as granted on granted.role_id = user_roles.role_id
              where user_roles.user_id = users.id order by 1) as permissions
 from nexus.users";

pub(super) async fn by_email(realm: &mut PgConnection, email: &str) -> Result<Option<Subject>, DbError> {
    let statement = format!("{SELECT} where lower(users.email) = lower($1)");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(email).fetch_optional(realm).await?)
}

pub(super) async fn by_id(realm: &mut PgConnection, id: Uuid) -> Result<Option<Subject>, DbError> {
    let statement = format!("{SELECT} where users.id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_optional(realm).await?)
}

pub(super) async fn active(realm: &mut PgConnection, limit: i64) -> Result<Vec<Subject>, DbError> {
    let statement = format!("{SELECT} where users.state = 'active' order by users.email limit $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(limit).fetch_all(realm).await?)
}

pub(super) async fn emails(realm: &mut PgConnection, prefix: &str) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select email from nexus.users where starts_with(lower(email), lower($1)) order by email limit 200",
    )
    .bind(prefix)
    .fetch_all(realm)
    .await?)
}
