//! The SQL of what is granted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::condition::Condition;
use super::grants::{Grant, Grants, Held};
use super::model::UserState;
use super::permission::Permission;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{TenantId, UserId};

#[derive(FromRow)]
struct Row {
    role: String,
    groups: Vec<String>,
    permission: Option<String>,
    condition: Option<String>,
}

#[derive(FromRow)]
struct Facts {
    email: String,
    state: UserState,
    profile: Json<Map<String, Value>>,
}

/// A stored permission. What cannot be read allows nothing; a condition that cannot be read is
/// never met.
fn grant(permission: &str, condition: Option<&str>) -> Option<Grant> {
    let condition = condition.map(Condition::parse).transpose().ok()?;
    Some(Grant { permission: permission.parse::<Permission>().ok()?, condition })
}

fn held(rows: Vec<Row>) -> Vec<Held> {
    let mut roles: BTreeMap<(String, Vec<String>), Vec<Grant>> = BTreeMap::new();
    for row in rows {
        let grants = roles.entry((row.role, row.groups)).or_default();
        grants.extend(row.permission.and_then(|text| grant(&text, row.condition.as_deref())));
    }
    let mut held: Vec<Held> = roles
        .into_iter()
        .map(|((role, groups), grants)| Held { role, groups, grants: Arc::from(grants) })
        .collect();
    // The shortest way comes first: it is the one that is told.
    held.sort_by_key(|held| held.groups.len());
    held
}

/// Groups that a user is in, each with the way there, and what they and the user carry.
const OF_USER: &str = "
    with recursive chain (group_id, parent_id, way) as (
        select groups.id, groups.parent_id, array[groups.name]
        from nexus.group_members join nexus.groups on groups.id = group_members.group_id
        where group_members.user_id = $1
        union all
        select groups.id, groups.parent_id, chain.way || groups.name
        from chain join nexus.groups on groups.id = chain.parent_id
        where cardinality(chain.way) < 100
    ), held (role_id, way) as (
        select role_id, '{}'::text[] from nexus.user_roles where user_id = $1
        union all
        select group_roles.role_id, chain.way from chain join nexus.group_roles using (group_id)
    )
    select roles.name as role, held.way as groups, role_permissions.permission, role_permissions.condition
    from held join nexus.roles on roles.id = held.role_id
    left join nexus.role_permissions on role_permissions.role_id = roles.id";

/// Everything that a user may do; `None` where there is no such user.
pub(in crate::features) async fn grants_of_user(
    realm: &mut PgConnection,
    user: UserId,
) -> Result<Option<Grants>, DbError> {
    let facts: Option<Facts> = sqlx::query_as(
        "select email, case when deleted_at is not null then 'deleted' else state end as state, profile
         from nexus.users where id = $1",
    )
    .bind(user)
    .fetch_optional(&mut *realm)
    .await?;
    let Some(facts) = facts else { return Ok(None) };
    let rows: Vec<Row> = sqlx::query_as(OF_USER).bind(user).fetch_all(realm).await?;
    let mut fields = facts.profile.0;
    fields.insert("id".to_owned(), user.to_string().into());
    fields.insert("email".to_owned(), facts.email.into());
    Ok(Some(Grants { user, state: facts.state, facts: fields, held: held(rows), limits: Vec::new() }))
}

/// What an operator may do in a tenant's realm at this moment.
pub(in crate::features) async fn grants_of_operator(
    realm: &mut PgConnection,
    operator: UserId,
    tenant: TenantId,
) -> Result<Grants, DbError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select roles.name as role, '{}'::text[] as groups, role_permissions.permission, role_permissions.condition
         from nexus.operator_grants join nexus.roles on roles.id = operator_grants.role_id
         left join nexus.role_permissions on role_permissions.role_id = roles.id
         where operator_grants.operator_id = $1 and operator_grants.tenant_id = $2
           and operator_grants.revoked_at is null and operator_grants.expires_at > now()",
    )
    .bind(operator)
    .bind(tenant)
    .fetch_all(realm)
    .await?;
    Ok(Grants {
        user: operator,
        state: UserState::Active,
        facts: Map::new(),
        held: held(rows),
        limits: Vec::new(),
    })
}

/// A user's state; `None` where there is no such user.
pub(in crate::features) async fn state(
    realm: &mut PgConnection,
    user: UserId,
) -> Result<Option<UserState>, DbError> {
    Ok(sqlx::query_scalar(
        "select case when deleted_at is not null then 'deleted' else state end from nexus.users where id = $1",
    )
    .bind(user)
    .fetch_optional(realm)
    .await?)
}

/// What a role allows.
pub(in crate::features) async fn grants_of_role(
    realm: &mut PgConnection,
    role: Uuid,
) -> Result<Vec<Grant>, DbError> {
    let rows: Vec<(String, Option<String>)> =
        sqlx::query_as("select permission, condition from nexus.role_permissions where role_id = $1")
            .bind(role)
            .fetch_all(realm)
            .await?;
    Ok(rows.iter().filter_map(|(permission, condition)| grant(permission, condition.as_deref())).collect())
}

/// What any role of the realm allows on a condition.
pub(in crate::features) async fn conditional_grants(realm: &mut PgConnection) -> Result<Vec<Grant>, DbError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select distinct permission, condition from nexus.role_permissions where condition is not null",
    )
    .fetch_all(realm)
    .await?;
    Ok(rows.iter().filter_map(|(permission, condition)| grant(permission, Some(condition))).collect())
}

/// What the members of a group get from it and from what it is part of.
pub(in crate::features) async fn grants_of_group(
    realm: &mut PgConnection,
    group: Uuid,
) -> Result<Vec<Grant>, DbError> {
    let rows: Vec<(String, Option<String>)> = sqlx::query_as(
        "with recursive chain (id, parent_id) as (
             select id, parent_id from nexus.groups where id = $1
             union
             select groups.id, groups.parent_id from chain join nexus.groups on groups.id = chain.parent_id
         )
         select distinct role_permissions.permission, role_permissions.condition
         from chain join nexus.group_roles on group_roles.group_id = chain.id
         join nexus.role_permissions using (role_id)",
    )
    .bind(group)
    .fetch_all(realm)
    .await?;
    Ok(rows.iter().filter_map(|(permission, condition)| grant(permission, condition.as_deref())).collect())
}

/// The roles that hold a permission or a pattern that covers it, without a condition first.
pub(in crate::features) async fn roles_with(
    realm: &mut PgConnection,
    permission: &Permission,
) -> Result<Vec<String>, DbError> {
    let patterns = permission.covered_by();
    Ok(sqlx::query_scalar(
        "select roles.name from nexus.role_permissions join nexus.roles on roles.id = role_permissions.role_id
         where role_permissions.permission = any($1)
         group by roles.name order by min(array_position($1, role_permissions.permission)), roles.name",
    )
    .bind(patterns)
    .fetch_all(realm)
    .await?)
}

/// What conditions may look at of a tenant; `None` where there is none.
pub(super) async fn tenant(
    control: &mut PgConnection,
    id: Option<TenantId>,
    slug: Option<&str>,
) -> Result<Option<(TenantId, Map<String, Value>)>, DbError> {
    let row: Option<(TenantId, String, Json<Value>)> = sqlx::query_as(
        "select id, slug, labels from control.tenants
         where id = $1 or slug = $2 and state <> 'deleted'",
    )
    .bind(id)
    .bind(slug)
    .fetch_optional(control)
    .await?;
    Ok(row.map(|(id, slug, labels)| {
        let id_text = Value::from(id.to_string());
        let facts = [("id", id_text), ("slug", slug.into()), ("labels", labels.0)];
        (id, facts.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
    }))
}
