//! The SQL of roles.

use sqlx::{AssertSqlSafe, Postgres, QueryBuilder};
use uuid::Uuid;

use super::super::model::{NameRef, NamedFilter, Role};
use crate::infra::db::{DbError, PgConnection, push_condition};
use crate::kernel::{Page, UserId};

const COLUMNS: &str = "id, name, description, built_in,
    array(select permission || coalesce(' when ' || condition, '') from nexus.role_permissions
          where role_id = roles.id order by permission collate \"C\") as permissions,
    created_at, updated_at";
/// How many hold a role, which may be many.
const HOLDERS: &str =
    "(select count(*) from nexus.user_roles join nexus.users on users.id = user_roles.user_id
     where role_id = roles.id and users.deleted_at is null) as users,
    (select count(*) from nexus.group_roles where role_id = roles.id) as groups";

/// The roles, or the one of a name or an id, with how many hold each.
pub(in super::super) async fn list(
    realm: &mut PgConnection,
    one: Option<&NameRef>,
) -> Result<Vec<Role>, DbError> {
    select(realm, one, HOLDERS).await
}

/// A role by name or id. Its holders are not counted, which may be many.
pub(in super::super) async fn uncounted(
    realm: &mut PgConnection,
    one: &NameRef,
) -> Result<Option<Role>, DbError> {
    Ok(select(realm, Some(one), "0::bigint as users, 0::bigint as groups").await?.pop())
}

async fn select(realm: &mut PgConnection, one: Option<&NameRef>, counts: &str) -> Result<Vec<Role>, DbError> {
    let (name, id) = one.map(NameRef::either).unwrap_or_default();
    let statement = format!(
        "select {COLUMNS}, {counts}
         from nexus.roles where ($1::text is null or name = $1) and ($2::uuid is null or id = $2)
         order by name"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(name).bind(id).fetch_all(realm).await?)
}

/// One page of roles, and the one after it, where there is one.
pub(super) async fn page(
    realm: &mut PgConnection,
    filter: &NamedFilter,
    page: Page,
) -> Result<Vec<Role>, DbError> {
    let mut query = QueryBuilder::new(format!("select {COLUMNS}, {HOLDERS} from nexus.roles where true"));
    push_filter(&mut query, filter);
    if let Some(after) = &filter.after {
        query.push(" and name > ").push_bind(after.clone());
    }
    query.push(" order by name limit ").push_bind(page.fetched());
    query.push(" offset ").push_bind(page.offset());
    Ok(query.build_query_as().fetch_all(realm).await?)
}

/// How many roles a filter lets through; no more than `most` are looked at.
pub(super) async fn count(
    realm: &mut PgConnection,
    filter: &NamedFilter,
    most: Option<i64>,
) -> Result<u64, DbError> {
    let mut query = QueryBuilder::new("select count(*) from (select from nexus.roles where true ");
    push_filter(&mut query, filter);
    query.push(" limit ").push_bind(most).push(") as counted");
    let counted: i64 = query.build_query_scalar().fetch_one(realm).await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &NamedFilter) {
    for condition in &filter.conditions {
        let column = match condition.field.as_str() {
            "name" => "name",
            "description" => "description",
            "built_in" => "built_in",
            "created_at" => "created_at",
            // None that the list allows.
            _ => "null::text",
        };
        push_condition(query, column, condition);
    }
}

/// The names.
pub(super) async fn names(realm: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar("select name from nexus.roles").fetch_all(realm).await?)
}

/// Makes a role; `None` when there is one of that name.
pub(super) async fn insert(
    realm: &mut PgConnection,
    name: &str,
    description: &str,
) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "insert into nexus.roles (id, name, description) values ($1, $2, $3) on conflict (name) do nothing returning id",
    )
    .bind(Uuid::now_v7())
    .bind(name)
    .bind(description)
    .fetch_optional(realm)
    .await?)
}

/// Renames or describes a role; `None` leaves a field as it is.
pub(in super::super) async fn update(
    realm: &mut PgConnection,
    role: Uuid,
    name: Option<&str>,
    description: Option<&str>,
) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.roles set name = coalesce($2, name), description = coalesce($3, description), updated_at = now()
         where id = $1",
    )
    .bind(role)
    .bind(name)
    .bind(description)
    .execute(realm)
    .await?;
    Ok(())
}

/// Deletes a role and every grant of it.
pub(super) async fn delete(realm: &mut PgConnection, role: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from nexus.roles where id = $1 and not built_in").bind(role).execute(realm).await?;
    Ok(())
}

/// Gives a role a permission; whether anything changed.
pub(super) async fn allow(
    realm: &mut PgConnection,
    role: Uuid,
    permission: &str,
    condition: Option<&str>,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "insert into nexus.role_permissions (role_id, permission, condition) values ($1, $2, $3)
         on conflict (role_id, permission) do update set condition = excluded.condition
         where role_permissions.condition is distinct from excluded.condition",
    )
    .bind(role)
    .bind(permission)
    .bind(condition)
    .execute(realm)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes a permission from a role; whether it held it.
pub(super) async fn deny(realm: &mut PgConnection, role: Uuid, permission: &str) -> Result<bool, DbError> {
    let done = sqlx::query("delete from nexus.role_permissions where role_id = $1 and permission = $2")
        .bind(role)
        .bind(permission)
        .execute(realm)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes a role from a user; whether it was granted.
pub(super) async fn revoke_user(realm: &mut PgConnection, role: Uuid, user: UserId) -> Result<bool, DbError> {
    let done = sqlx::query("delete from nexus.user_roles where role_id = $1 and user_id = $2")
        .bind(role)
        .bind(user)
        .execute(realm)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Lets a group carry a role; whether it did not.
pub(super) async fn grant_group(realm: &mut PgConnection, role: Uuid, group: Uuid) -> Result<bool, DbError> {
    let done = sqlx::query(
        "insert into nexus.group_roles (role_id, group_id) values ($1, $2) on conflict do nothing",
    )
    .bind(role)
    .bind(group)
    .execute(realm)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes a role from a group; whether it carried it.
pub(super) async fn revoke_group(realm: &mut PgConnection, role: Uuid, group: Uuid) -> Result<bool, DbError> {
    let done = sqlx::query("delete from nexus.group_roles where role_id = $1 and group_id = $2")
        .bind(role)
        .bind(group)
        .execute(realm)
        .await?;
    Ok(done.rows_affected() > 0)
}
