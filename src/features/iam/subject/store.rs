//! The SQL of a user as tokens name it.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::Subject;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::Email;

/// A user's columns, with what it holds by itself and through its groups. What is granted on a
/// condition is not in a token: nobody could decide it by the token alone.
const SELECT: &str = "select users.id, users.email,
        case when users.deleted_at is not null then 'deleted'
             when users.state = 'active' and users.locked_until > now() then 'locked'
             else users.state end as state,
        held.roles, held.permissions
 from nexus.users cross join lateral (
     with recursive chain (group_id, parent_id) as (
         select groups.id, groups.parent_id
         from nexus.group_members join nexus.groups on groups.id = group_members.group_id
         where group_members.user_id = users.id
         union
         select groups.id, groups.parent_id from chain join nexus.groups on groups.id = chain.parent_id
     ), role (id) as (
         select role_id from nexus.user_roles where user_id = users.id
         union
         select group_roles.role_id from chain join nexus.group_roles using (group_id)
     )
     select array(select roles.name from role join nexus.roles on roles.id = role.id order by 1) as roles,
            array(select distinct granted.permission
                  from role join nexus.role_permissions as granted on granted.role_id = role.id
                  where granted.condition is null order by 1) as permissions
 ) as held";

pub(super) async fn by_email(realm: &mut PgConnection, email: &str) -> Result<Option<Subject>, DbError> {
    let Ok(email) = email.parse::<Email>() else { return Ok(None) };
    let statement = format!("{SELECT} where users.email_key = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(email.key()).fetch_optional(realm).await?)
}

pub(super) async fn by_id(realm: &mut PgConnection, id: Uuid) -> Result<Option<Subject>, DbError> {
    let statement = format!("{SELECT} where users.id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_optional(realm).await?)
}

pub(super) async fn active(realm: &mut PgConnection, limit: i64) -> Result<Vec<Subject>, DbError> {
    let statement = format!(
        "{SELECT} where users.state = 'active' and users.deleted_at is null order by users.email limit $1"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(limit).fetch_all(realm).await?)
}
