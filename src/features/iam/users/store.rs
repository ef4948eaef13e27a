//! The SQL of users.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::custom_fields;
use super::super::model::{User, UserFilter, UserRef, UserSort, UserState};
use super::super::store as iam_store;
use crate::infra::db::{DbError, PgConnection, pattern_of_part, push_condition};
use crate::kernel::filter::Condition;
use crate::kernel::{Email, Page, UserId};

const COLUMNS: &str = "users.id, users.email, users.name,
    case when users.deleted_at is not null then 'deleted'
         when users.state = 'active' and users.locked_until > now() then 'locked'
         else users.state end as state,
    users.password_hash is not null as has_password, users.totp_since is not null as second_factor,
    users.profile,
    -- In a realm of an older version there is no such column: then the name is that of the empty values around.
    (select (select fields from (select users.*) as own)
     from (select jsonb_build_object() as fields) as none) as fields,
    array(select roles.name from nexus.user_roles join nexus.roles on roles.id = user_roles.role_id
          where user_roles.user_id = users.id order by roles.name) as roles,
    array(select groups.name from nexus.group_members join nexus.groups on groups.id = group_members.group_id
          where group_members.user_id = users.id order by groups.name) as groups,
    users.created_at, users.updated_at, users.last_sign_in_at, users.locked_until, users.deleted_at";

/// A user by address, deleted or not, but not an erased one; or by id.
pub(in super::super) async fn by_ref(
    realm: &mut PgConnection,
    who: &UserRef,
) -> Result<Option<User>, DbError> {
    let column = match who {
        UserRef::Email(_) => "email_key = $1 and users.erased_at is null",
        UserRef::Id(_) => "id = $1::uuid",
    };
    let statement = format!("select {COLUMNS} from nexus.users where users.{column}");
    let value = match who {
        UserRef::Email(email) => email.key(),
        UserRef::Id(id) => id.to_string(),
    };
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(value).fetch_optional(realm).await?)
}

/// Addresses among which the one may be that was meant by a text: those that begin like it, and
/// those of the same domain that are about as long. None where the text is no address.
pub(in super::super) async fn emails_like(
    realm: &mut PgConnection,
    text: &str,
) -> Result<Vec<String>, DbError> {
    let Ok(email) = text.parse::<Email>() else { return Ok(Vec::new()) };
    let key = email.key();
    Ok(sqlx::query_scalar(
        "select email from nexus.users
         where deleted_at is null
           and (starts_with(email_key, left($1, 1))
                or split_part(email_key, '@', 2) = split_part($1, '@', 2)
                   and length(email_key) between length($1) - 2 and length($1) + 2)
         order by starts_with(email_key, left($1, 1)) desc, email_key limit 5000",
    )
    .bind(key)
    .fetch_all(realm)
    .await?)
}

/// The groups that carry a role, and those that are part of one.
pub(super) async fn groups_with(realm: &mut PgConnection, role: Uuid) -> Result<Vec<Uuid>, DbError> {
    parts(realm, "select group_id as id from nexus.group_roles where role_id = $1", role).await
}

/// A group, and those that are part of it.
pub(super) async fn groups_in(realm: &mut PgConnection, group: Uuid) -> Result<Vec<Uuid>, DbError> {
    parts(realm, "select id from nexus.groups where id = $1", group).await
}

async fn parts(realm: &mut PgConnection, first: &str, id: Uuid) -> Result<Vec<Uuid>, DbError> {
    let statement = format!(
        "with recursive parts as (
             {first} union select part.id from nexus.groups as part join parts on part.parent_id = parts.id
         ) select id from parts"
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).bind(id).fetch_all(realm).await?)
}

/// The users that a filter lets through. Only what is asked for is in the statement: a condition that may be
/// switched off keeps the planner from the index that serves it.
fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &UserFilter, within: &Within) {
    match &filter.states {
        None => query.push("users.deleted_at is null"),
        Some(states) => {
            let any: Vec<_> = states.iter().map(|state| in_state(*state)).collect();
            // None at all where conditions contradict each other.
            query.push(if any.is_empty() { "false".to_owned() } else { format!("({})", any.join(" or ")) })
        }
    };
    for condition in &filter.conditions {
        push_condition(query, column(&condition.field), condition);
    }
    for condition in &within.fields {
        custom_fields::push(query, "users.fields", condition);
    }
    let members = |query: &mut QueryBuilder<Postgres>, groups: &Vec<Uuid>| {
        query.push("select user_id from nexus.group_members where group_id = any ( ");
        query.push_bind(groups.clone()).push(")");
    };
    if let Some((role, groups)) = &within.role {
        query
            .push(" and users.id in (select user_id from nexus.user_roles where role_id = ")
            .push_bind(*role);
        if !groups.is_empty() {
            query.push(" union ");
            members(query, groups);
        }
        query.push(")");
    }
    if let Some(groups) = &within.group {
        query.push(" and users.id in (");
        members(query, groups);
        query.push(")");
    }
    if let Some((keys, name)) = patterns(filter) {
        query.push(" and (users.email_key like any (").push_bind(keys);
        query.push(") or lower(users.name) like lower(").push_bind(name).push("))");
    }
}

/// What is true of whoever is in a state.
fn in_state(state: UserState) -> &'static str {
    match state {
        UserState::Deleted => "users.deleted_at is not null and users.erased_at is null",
        UserState::Locked => {
            "users.deleted_at is null
             and (users.state = 'locked' or users.state = 'active' and users.locked_until > now())"
        }
        UserState::Active => {
            "users.deleted_at is null and users.state = 'active' and coalesce(users.locked_until <= now(), true)"
        }
        UserState::Invited => "users.deleted_at is null and users.state = 'invited'",
        UserState::Disabled => "users.deleted_at is null and users.state = 'disabled'",
    }
}

/// What a field of [`super::FIELDS`] is compared by, as the indexes have it.
fn column(field: &str) -> &'static str {
    match field {
        "email" => "users.email_key",
        "name" => "users.name",
        "second_factor" => "(users.totp_since is not null)",
        "created_at" => "users.created_at",
        // Who never signed in comes before all others.
        "last_sign_in_at" => "coalesce(users.last_sign_in_at, '-infinity'::timestamptz)",
        // None that the list allows.
        _ => "null::text",
    }
}

/// What keys of addresses, which Nexus has folded, and names, which PostgreSQL folds, are searched by.
fn patterns(filter: &UserFilter) -> Option<(Vec<String>, String)> {
    let text = filter.search.as_ref()?;
    Some((Email::keys_of_part(text).iter().map(|key| pattern_of_part(key)).collect(), pattern_of_part(text)))
}

/// The role, the group and the custom fields of a filter, which exist.
#[derive(Debug, Default)]
pub(in super::super) struct Within {
    /// A role, and the groups whose members have it.
    pub(super) role: Option<(Uuid, Vec<Uuid>)>,
    /// A group, with those that are part of it.
    pub(super) group: Option<Vec<Uuid>>,
    pub(super) fields: Vec<Condition>,
}

/// One page of users, and the row after it, where there is one.
pub(in super::super) async fn page(
    realm: &mut PgConnection,
    filter: &UserFilter,
    within: &Within,
    (sort, descending): (UserSort, bool),
    page: Page,
) -> Result<Vec<User>, DbError> {
    let (column, kind) = match sort {
        UserSort::Email => ("users.email_key", "text"),
        UserSort::Name => ("users.name", "text"),
        UserSort::CreatedAt => ("users.created_at", "timestamptz"),
        UserSort::LastSignIn => ("coalesce(users.last_sign_in_at, '-infinity')", "timestamptz"),
    };
    let (direction, beyond) = if descending { ("desc", "<") } else { ("asc", ">") };
    let mut query = QueryBuilder::new(format!("select {COLUMNS} from nexus.users where "));
    push_filter(&mut query, filter, within);
    if let Some(after) = &filter.after {
        query.push(format_args!(" and ({column}, users.id) {beyond} ("));
        query.push_bind(after.value.clone()).push(format_args!("::{kind}, "));
        query.push_bind(after.id.uuid()).push(")");
    }
    query.push(format_args!(" order by {column} {direction}, users.id {direction} limit "));
    query.push_bind(page.fetched()).push(" offset ").push_bind(page.offset());
    Ok(query.build_query_as().fetch_all(realm).await?)
}

/// How many users a filter lets through; no more than `most` are looked at.
pub(super) async fn count(
    realm: &mut PgConnection,
    filter: &UserFilter,
    within: &Within,
    most: Option<i64>,
) -> Result<u64, DbError> {
    let mut query = QueryBuilder::new("select count(*) from (select from nexus.users where ");
    push_filter(&mut query, filter, within);
    query.push(" limit ").push_bind(most).push(") as counted");
    let counted: i64 = query.build_query_scalar().fetch_one(realm).await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

/// Rows of users that are about to be made, column by column.
#[derive(Debug, Default)]
pub(super) struct NewRows {
    pub(super) ids: Vec<Uuid>,
    pub(super) emails: Vec<String>,
    pub(super) keys: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) profiles: Vec<Value>,
    pub(super) states: Vec<&'static str>,
    pub(super) hashes: Vec<Option<SecretString>>,
}

/// Makes users; gives the ids of those whose address was free.
pub(super) async fn insert(realm: &mut PgConnection, rows: &NewRows) -> Result<Vec<UserId>, DbError> {
    let hashes: Vec<Option<&str>> =
        rows.hashes.iter().map(|hash| hash.as_ref().map(ExposeSecret::expose_secret)).collect();
    Ok(sqlx::query_scalar(
        "insert into nexus.users (id, email, email_key, name, profile, state, password_hash, password_changed_at)
         select id, email, email_key, name, profile, state, hash, case when hash is not null then now() end
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::text[])
             as given (id, email, email_key, name, profile, state, hash)
         on conflict (email_key) do nothing returning id",
    )
    .bind(&rows.ids)
    .bind(&rows.emails)
    .bind(&rows.keys)
    .bind(&rows.names)
    .bind(&rows.profiles)
    .bind(&rows.states)
    .bind(hashes)
    .fetch_all(realm)
    .await?)
}

/// Takes users back that were made in this transaction.
pub(super) async fn remove_new(realm: &mut PgConnection, users: &[Uuid]) -> Result<(), DbError> {
    sqlx::query("delete from nexus.users where id = any ($1)").bind(users).execute(realm).await?;
    Ok(())
}

/// Grants roles to users, pair by pair; gives how many they had not.
pub(in super::super) async fn insert_roles(
    realm: &mut PgConnection,
    users: &[Uuid],
    roles: &[Uuid],
) -> Result<u64, DbError> {
    let done = sqlx::query(
        "insert into nexus.user_roles (user_id, role_id)
         select user_id, role_id from unnest($1::uuid[], $2::uuid[]) as given (user_id, role_id)
         on conflict do nothing",
    )
    .bind(users)
    .bind(roles)
    .execute(realm)
    .await?;
    Ok(done.rows_affected())
}

/// Adds users to groups, pair by pair; gives how many were not in them.
pub(in super::super) async fn insert_members(
    realm: &mut PgConnection,
    users: &[Uuid],
    groups: &[Uuid],
) -> Result<u64, DbError> {
    let done = sqlx::query(
        "insert into nexus.group_members (user_id, group_id)
         select user_id, group_id from unnest($1::uuid[], $2::uuid[]) as given (user_id, group_id)
         on conflict do nothing",
    )
    .bind(users)
    .bind(groups)
    .execute(realm)
    .await?;
    Ok(done.rows_affected())
}

/// Keeps the hashes of single-use tokens, each in the place of an older one; gives when they end.
pub(in super::super) async fn put_tokens(
    realm: &mut PgConnection,
    users: &[Uuid],
    hashes: &[&[u8]],
    purpose: &'static str,
    seconds: f64,
) -> Result<Option<OffsetDateTime>, DbError> {
    let ends: Vec<OffsetDateTime> = sqlx::query_scalar(
        "insert into nexus.invitations (user_id, token_hash, expires_at, purpose)
         select user_id, token_hash, now() + make_interval(secs => $3), $4
         from unnest($1::uuid[], $2::bytea[]) as given (user_id, token_hash)
         on conflict (user_id) do update set token_hash = excluded.token_hash, expires_at = excluded.expires_at,
             purpose = excluded.purpose, created_at = now()
         returning expires_at",
    )
    .bind(users)
    .bind(hashes)
    .bind(seconds)
    .bind(purpose)
    .fetch_all(realm)
    .await?;
    Ok(ends.first().copied())
}

/// Changes what is known of a user; `None` leaves a field as it is.
pub(super) async fn update(
    realm: &mut PgConnection,
    user: UserId,
    email: Option<&Email>,
    name: Option<&str>,
    profile: Option<&Map<String, Value>>,
) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.users set email = coalesce($2, email), email_key = coalesce($3, email_key),
                name = coalesce($4, name), profile = coalesce($5, profile), updated_at = now()
         where id = $1",
    )
    .bind(user)
    .bind(email.map(Email::as_str))
    .bind(email.map(Email::key))
    .bind(name)
    .bind(profile.map(Json))
    .execute(realm)
    .await?;
    Ok(())
}

/// Moves a user to another stored state, and takes away what stood of wrong passwords.
pub(super) async fn set_state(
    realm: &mut PgConnection,
    user: UserId,
    state: UserState,
) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.users set state = $2, failed_attempts = 0, failed_total = 0, locked_until = null,
                updated_at = now()
         where id = $1",
    )
    .bind(user)
    .bind(state)
    .execute(realm)
    .await?;
    Ok(())
}

/// The stored state, and whether there is a password.
pub(super) async fn stored_state(
    realm: &mut PgConnection,
    user: UserId,
) -> Result<(UserState, bool), DbError> {
    Ok(sqlx::query_as("select state, password_hash is not null from nexus.users where id = $1")
        .bind(user)
        .fetch_one(realm)
        .await?)
}

/// Marks a user as deleted, or takes the mark away.
pub(super) async fn set_deleted(
    realm: &mut PgConnection,
    user: UserId,
    deleted: bool,
) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.users set deleted_at = case when $2 then now() end, updated_at = now() where id = $1",
    )
    .bind(user)
    .bind(deleted)
    .execute(realm)
    .await?;
    Ok(())
}

/// Ends a user's sessions; gives how many.
pub(in super::super) async fn end_sessions(realm: &mut PgConnection, user: UserId) -> Result<u64, DbError> {
    let ended = sqlx::query(
        "update nexus.sessions set revoked_at = now() where user_id = $1 and revoked_at is null and expires_at > now()",
    )
    .bind(user)
    .execute(realm)
    .await?;
    Ok(ended.rows_affected())
}

/// Takes up users for a change: whoever changes them or their tokens meanwhile waits. A user's row is locked before
/// that of their token, everywhere.
pub(in super::super) async fn lock(realm: &mut PgConnection, users: &[Uuid]) -> Result<(), DbError> {
    sqlx::query("select from nexus.users where id = any($1) order by id for update")
        .bind(users)
        .execute(realm)
        .await?;
    Ok(())
}

/// Takes a user's single-use token away.
pub(in super::super) async fn drop_token(realm: &mut PgConnection, user: UserId) -> Result<(), DbError> {
    sqlx::query("delete from nexus.invitations where user_id = $1").bind(user).execute(realm).await?;
    Ok(())
}

/// Takes away what a user registered and did not confirm.
pub(in super::super) async fn drop_registration(
    realm: &mut PgConnection,
    user: UserId,
) -> Result<(), DbError> {
    sqlx::query("delete from nexus.invitations where user_id = $1 and purpose = 'verify'")
        .bind(user)
        .execute(realm)
        .await?;
    Ok(())
}

/// Users whose retention is over.
pub(super) async fn due(
    realm: &mut PgConnection,
    retention_seconds: f64,
    limit: i64,
) -> Result<Vec<User>, DbError> {
    let statement = format!(
        "select {COLUMNS} from nexus.users
         where users.deleted_at <= now() - make_interval(secs => $1) and users.erased_at is null
         order by users.deleted_at, users.id limit $2"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(retention_seconds).bind(limit).fetch_all(realm).await?)
}

/// Takes everything personal from users. The rows stay: others and the log name their ids.
pub(super) async fn erase(realm: &mut PgConnection, users: &[Uuid]) -> Result<(), DbError> {
    lock(realm, users).await?;
    custom_fields::erase(realm, users).await?;
    iam_store::forget_notifications(realm, users).await?;
    for statement in [
        "delete from nexus.user_roles where user_id = any($1)",
        "delete from nexus.group_members where user_id = any($1)",
        "delete from nexus.invitations where user_id = any($1)",
        "delete from nexus.recovery_codes where user_id = any($1)",
        "delete from nexus.sessions where user_id = any($1)",
        "delete from nexus.api_keys where user_id = any($1)",
        "update nexus.users set email = id || '@erased.invalid', email_key = id || '@erased.invalid', name = '',
                profile = '{}', password_hash = null, state = 'disabled', totp_since = null,
                last_sign_in_at = null, password_changed_at = null, locked_until = null,
                erased_at = now(), updated_at = now()
         where id = any($1)",
    ] {
        sqlx::query(statement).bind(users).execute(&mut *realm).await?;
    }
    Ok(())
}
