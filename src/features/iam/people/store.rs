//! The SQL of people as others write to them.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::Person;
use crate::infra::db::{DbError, PgConnection};

const COLUMNS: &str = "id, email, left(name, 200) as name, state = 'disabled' as is_disabled,
    left(profile ->> 'language', 35) as language";

/// Those of these ids who are not deleted.
pub(super) async fn by_ids(realm: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Person>, DbError> {
    let statement = format!("select {COLUMNS} from nexus.users where id = any($1) and deleted_at is null");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(ids).fetch_all(realm).await?)
}

/// Those of these addresses, as they are compared, who are not deleted.
pub(super) async fn by_keys(realm: &mut PgConnection, keys: &[String]) -> Result<Vec<Person>, DbError> {
    let statement =
        format!("select {COLUMNS} from nexus.users where email_key = any($1) and deleted_at is null");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(keys).fetch_all(realm).await?)
}

/// The users who hold `*:*` without a condition, directly or through groups, and can sign in now or once a lock is over.
pub(super) async fn administrators(realm: &mut PgConnection) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "with recursive full_roles as (
             select role_id from nexus.role_permissions where permission = '*:*' and condition is null
         ), full_groups as (
             select group_id as id from nexus.group_roles where role_id in (select role_id from full_roles)
             union
             select part.id from nexus.groups as part join full_groups on part.parent_id = full_groups.id
         ), holders as (
             select user_id from nexus.user_roles where role_id in (select role_id from full_roles)
             union
             select user_id from nexus.group_members where group_id in (select id from full_groups)
         )
         select users.id from holders join nexus.users on users.id = holders.user_id
         where users.deleted_at is null and users.state in ('active', 'locked') order by users.id limit 200",
    )
    .persistent(false)
    .fetch_all(realm)
    .await?)
}

/// The language of the realm. Apps may write it.
pub(super) async fn language(realm: &mut PgConnection) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select left(value #>> array[]::text[], 35) from nexus.settings
         where key = 'language' and jsonb_typeof(value) = 'string'",
    )
    .fetch_optional(realm)
    .await?)
}
