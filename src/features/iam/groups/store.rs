//! The SQL of groups.

use sqlx::{AssertSqlSafe, Postgres, QueryBuilder};
use uuid::Uuid;

use super::super::custom_fields;
use super::super::model::{Group, NameRef, NamedFilter};
use super::Membership;
use crate::infra::db::{DbError, PgConnection, push_condition};
use crate::kernel::filter::Condition;
use crate::kernel::{Page, UserId};

const COLUMNS: &str = "groups.id, groups.name, groups.description, parent.name as parent,
    array(select roles.name from nexus.group_roles join nexus.roles on roles.id = group_roles.role_id
          where group_roles.group_id = groups.id order by roles.name) as roles,
    -- In a realm of an older version there is no such column: then the name is that of the empty values around.
    (select (select fields from (select groups.*) as own)
     from (select jsonb_build_object() as fields) as none) as fields,
    groups.created_at, groups.updated_at";
/// How many are in a group, which may be many.
const MEMBERS: &str =
    "(select count(*) from nexus.group_members join nexus.users on users.id = group_members.user_id
     where group_members.group_id = groups.id and users.deleted_at is null) as members";
const TABLES: &str = "nexus.groups left join nexus.groups as parent on parent.id = groups.parent_id";

/// The groups, or the one of a name or an id, with how many are in each.
pub(in super::super) async fn list(
    realm: &mut PgConnection,
    one: Option<&NameRef>,
) -> Result<Vec<Group>, DbError> {
    select(realm, one, MEMBERS).await
}

/// A group by name or id. Its members are not counted, which may be many.
pub(in super::super) async fn uncounted(
    realm: &mut PgConnection,
    one: &NameRef,
) -> Result<Option<Group>, DbError> {
    Ok(select(realm, Some(one), "0::bigint as members").await?.pop())
}

async fn select(
    realm: &mut PgConnection,
    one: Option<&NameRef>,
    members: &str,
) -> Result<Vec<Group>, DbError> {
    let (name, id) = one.map(NameRef::either).unwrap_or_default();
    let statement = format!(
        "select {COLUMNS}, {members} from {TABLES}
         where ($1::text is null or groups.name = $1) and ($2::uuid is null or groups.id = $2)
         order by groups.name"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(name).bind(id).fetch_all(realm).await?)
}

/// One page of groups, and the one after it, where there is one.
pub(super) async fn page(
    realm: &mut PgConnection,
    (filter, fields): (&NamedFilter, &[Condition]),
    page: Page,
) -> Result<Vec<Group>, DbError> {
    let mut query = QueryBuilder::new(format!("select {COLUMNS}, {MEMBERS} from {TABLES} where true"));
    push_filter(&mut query, filter, fields);
    if let Some(after) = &filter.after {
        query.push(" and groups.name > ").push_bind(after.clone());
    }
    query.push(" order by groups.name limit ").push_bind(page.fetched());
    query.push(" offset ").push_bind(page.offset());
    Ok(query.build_query_as().fetch_all(realm).await?)
}

/// How many groups a filter lets through; no more than `most` are looked at.
pub(super) async fn count(
    realm: &mut PgConnection,
    (filter, fields): (&NamedFilter, &[Condition]),
    most: Option<i64>,
) -> Result<u64, DbError> {
    let mut query = QueryBuilder::new(format!("select count(*) from (select from {TABLES} where true "));
    push_filter(&mut query, filter, fields);
    query.push(" limit ").push_bind(most).push(") as counted");
    let counted: i64 = query.build_query_scalar().fetch_one(realm).await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &NamedFilter, fields: &[Condition]) {
    for condition in fields {
        custom_fields::push(query, "groups.fields", condition);
    }
    for condition in &filter.conditions {
        let column = match condition.field.as_str() {
            "name" => "groups.name",
            "description" => "groups.description",
            "parent" => "parent.name",
            "created_at" => "groups.created_at",
            // None that the list allows.
            _ => "null::text",
        };
        push_condition(query, column, condition);
    }
}

/// The names.
pub(super) async fn names(realm: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar("select name from nexus.groups").fetch_all(realm).await?)
}

/// Makes a group; `None` when there is one of that name.
pub(super) async fn insert(
    realm: &mut PgConnection,
    name: &str,
    description: &str,
    parent: Option<Uuid>,
) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "insert into nexus.groups (id, name, description, parent_id) values ($1, $2, $3, $4)
         on conflict (name) do nothing returning id",
    )
    .bind(Uuid::now_v7())
    .bind(name)
    .bind(description)
    .bind(parent)
    .fetch_optional(realm)
    .await?)
}

/// Renames or describes a group; `None` leaves a field as it is.
pub(in super::super) async fn update(
    realm: &mut PgConnection,
    group: Uuid,
    name: Option<&str>,
    description: Option<&str>,
) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.groups set name = coalesce($2, name), description = coalesce($3, description), updated_at = now()
         where id = $1",
    )
    .bind(group)
    .bind(name)
    .bind(description)
    .execute(realm)
    .await?;
    Ok(())
}

/// Makes a group part of another, or of none.
pub(super) async fn set_parent(
    realm: &mut PgConnection,
    group: Uuid,
    parent: Option<Uuid>,
) -> Result<(), DbError> {
    sqlx::query("update nexus.groups set parent_id = $2, updated_at = now() where id = $1")
        .bind(group)
        .bind(parent)
        .execute(realm)
        .await?;
    Ok(())
}

/// Whether a group is another one, or part of it at any depth.
pub(super) async fn is_within(realm: &mut PgConnection, group: Uuid, other: Uuid) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "with recursive chain (id, parent_id) as (
             select id, parent_id from nexus.groups where id = $1
             union
             select groups.id, groups.parent_id from chain join nexus.groups on groups.id = chain.parent_id
         )
         select exists (select from chain where id = $2)",
    )
    .bind(group)
    .bind(other)
    .fetch_one(realm)
    .await?)
}

/// How deep the tree is at a group: those that it is part of, itself, and the longest way down.
/// Stops counting at `limit` either way.
pub(super) async fn depth(realm: &mut PgConnection, group: Uuid, limit: i32) -> Result<i32, DbError> {
    Ok(sqlx::query_scalar(
        "with recursive up (id, parent_id, steps) as (
             select id, parent_id, 1 from nexus.groups where id = $1
             union all
             select groups.id, groups.parent_id, up.steps + 1
             from up join nexus.groups on groups.id = up.parent_id where up.steps < $2
         ), down (id, steps) as (
             select $1::uuid, 0
             union all
             select groups.id, down.steps + 1
             from down join nexus.groups on groups.parent_id = down.id where down.steps < $2
         )
         select (select max(steps) from up) + (select max(steps) from down)",
    )
    .bind(group)
    .bind(limit)
    .fetch_one(realm)
    .await?)
}

/// Deletes a group with its memberships and grants.
pub(super) async fn delete(realm: &mut PgConnection, group: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from nexus.groups where id = $1").bind(group).execute(realm).await?;
    Ok(())
}

/// Takes a user out of a group; whether it was in it.
pub(super) async fn remove_member(
    realm: &mut PgConnection,
    group: Uuid,
    user: UserId,
) -> Result<bool, DbError> {
    let done = sqlx::query("delete from nexus.group_members where group_id = $1 and user_id = $2")
        .bind(group)
        .bind(user)
        .execute(realm)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// The groups that a user is in, each with the way there.
pub(super) async fn of_user(realm: &mut PgConnection, user: UserId) -> Result<Vec<Membership>, DbError> {
    Ok(sqlx::query_as(
        "with recursive chain (name, parent_id, via) as (
             select groups.name, groups.parent_id, '{}'::text[]
             from nexus.group_members join nexus.groups on groups.id = group_members.group_id
             where group_members.user_id = $1
             union all
             select groups.name, groups.parent_id, chain.via || chain.name
             from chain join nexus.groups on groups.id = chain.parent_id
         )
         select name as \"group\", via from chain order by cardinality(via), name",
    )
    .bind(user)
    .fetch_all(realm)
    .await?)
}

/// Who was added to a group: id, address, and what it is compared by.
pub(in super::super) async fn direct_members(
    realm: &mut PgConnection,
    group: Uuid,
) -> Result<Vec<(UserId, String, String)>, DbError> {
    Ok(sqlx::query_as(
        "select users.id, users.email, users.email_key::text
         from nexus.group_members join nexus.users on users.id = group_members.user_id
         where group_members.group_id = $1 and users.deleted_at is null order by users.email_key",
    )
    .bind(group)
    .fetch_all(realm)
    .await?)
}
