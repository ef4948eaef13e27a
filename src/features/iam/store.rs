//! The SQL of a realm as a whole: its lock, its log, its administrators, its first user.

use secrecy::ExposeSecret;
use sqlx::{AssertSqlSafe, FromRow};
use time::OffsetDateTime;
use uuid::Uuid;

use super::first::FirstSignIn;
use super::model::LogEntry;
use super::rules::Rules;
use crate::infra::db::{DbError, PgConnection, bytes, has_table, literal};
use crate::kernel::{Email, UserId};

/// Makes the first administrator, with role Admin. One that is there is left alone.
pub(in crate::features) async fn seed_administrator(
    realm: &mut PgConnection,
    email: &str,
    sign_in: &FirstSignIn,
    rules: &Rules,
) -> Result<(), DbError> {
    let (state, password_hash, token_hash) = match sign_in {
        FirstSignIn::PasswordHash(hash) => ("active", Some(hash.expose_secret()), None),
        FirstSignIn::Invitation(token) => ("invited", None, Some(token.hash())),
    };
    sqlx::query(AssertSqlSafe(seed(["$1", "$2", "$3", "$4", "$5", "$6", "$7"])))
        .bind(Uuid::now_v7())
        .bind(email)
        .bind(state)
        .bind(password_hash)
        .bind(token_hash.as_ref().map(|hash| hash.as_bytes().as_slice()))
        .bind(hours(rules))
        .bind(key_of(email))
        .execute(realm)
        .await?;
    Ok(())
}

/// The same of one who is invited, as a statement's text, which can travel with others. `None` of one
/// who has a password: a statement that fails ends in the server's log, and no hash of a password
/// belongs there.
#[must_use]
pub(in crate::features) fn seed_statement(
    email: &str,
    sign_in: &FirstSignIn,
    rules: &Rules,
) -> Option<String> {
    let FirstSignIn::Invitation(token) = sign_in else { return None };
    Some(seed([
        &format!("'{}'", Uuid::now_v7()),
        &literal(email),
        "'invited'",
        "null",
        &bytes(token.hash().as_bytes()),
        &hours(rules).to_string(),
        &literal(&key_of(email)),
    ]))
}

fn seed([id, email, state, password_hash, token_hash, hours, key]: [&str; 7]) -> String {
    format!(
        "with made as (
             insert into nexus.users (id, email, email_key, name, state, password_hash)
             values ({id}, {email}, {key}, '', {state}, {password_hash})
             on conflict (email_key) do nothing returning id
         ), granted as (
             insert into nexus.user_roles (user_id, role_id)
             select made.id, roles.id from made, nexus.roles where roles.name = 'Admin'
         )
         insert into nexus.invitations (user_id, token_hash, expires_at)
         select id, {token_hash}, now() + make_interval(hours => {hours}::int) from made
         where {token_hash} is not null"
    )
}

/// How long an invitation is good.
fn hours(rules: &Rules) -> i32 {
    i32::try_from(rules.invitation_ttl.as_secs() / 3600).unwrap_or(i32::MAX)
}

fn key_of(email: &str) -> String {
    email.parse::<Email>().map_or_else(|_| email.to_lowercase(), |email| email.key())
}

/// The time by the clock of a database; the control database's is the one that decides.
pub(super) async fn now(control: &mut PgConnection) -> Result<OffsetDateTime, DbError> {
    Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(control).await?)
}

/// Waits for its turn to change who may do what; it lasts until the transaction ends. No login of a
/// tenant may lock this row.
pub(super) async fn lock(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::raw_sql("set local lock_timeout to '30s'; select 1 from nexus.identity_lock for update")
        .execute(realm)
        .await?;
    Ok(())
}

/// How many more users there may be where there may be `most`; those that are deleted are not counted, nor more than
/// matter.
pub(super) async fn room_for_users(realm: &mut PgConnection, most: i64) -> Result<i64, DbError> {
    let statement = "select $1 - count(*) from (
                         select from nexus.users where deleted_at is null limit $1) as counted";
    Ok(sqlx::query_scalar(statement).bind(most).fetch_one(realm).await?)
}

/// How many users the realm has, those left out that are deleted.
pub(super) async fn count_users(realm: &mut PgConnection) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar("select count(*) from nexus.users where deleted_at is null")
        .fetch_one(realm)
        .await?)
}

/// Whether there may be what [`foreign_code`] names: asked each time a realm is opened, in one round trip
/// and by scalar subqueries, because a join makes a new session read statistics and all functions.
/// A rule that was dropped leaves `relhasrules` for a while.
pub(super) async fn may_have_foreign_code(realm: &mut PgConnection) -> Result<bool, DbError> {
    let found = sqlx::raw_sql(
        "select from pg_class
         where relnamespace = (select oid from pg_namespace where nspname = 'nexus')
           and (relhasrules
                or relowner <> (select nspowner from pg_namespace where nspname = 'nexus')
                or relhastriggers and exists (
                    select from pg_trigger where tgrelid = pg_class.oid and not tgisinternal
                    and (select pronamespace <> relnamespace or proowner <> relowner
                         from pg_proc where oid = tgfoid))
                or exists (select from pg_policy where polrelid = pg_class.oid))
         limit 1",
    );
    Ok(found.fetch_optional(realm).await?.is_some())
}

/// A trigger, rule or policy on the realm's tables that does not belong to the realm's owner, or a
/// view in the place of a table. Looks at the catalogue only, which no tenant can write.
pub(super) async fn foreign_code(realm: &mut PgConnection) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar(
        "with realm as (select oid, nspowner from pg_namespace where nspname = 'nexus')
         select what from (
             select 'trigger ' || t.tgname || ' on ' || c.relname as what
             from realm join pg_class as c on c.relnamespace = realm.oid join pg_trigger as t on t.tgrelid = c.oid
             join pg_proc as p on p.oid = t.tgfoid
             where not t.tgisinternal and (p.pronamespace <> realm.oid or p.proowner <> realm.nspowner)
             union all
             select 'rule ' || r.rulename || ' on ' || c.relname
             from realm join pg_class as c on c.relnamespace = realm.oid join pg_rewrite as r on r.ev_class = c.oid
             union all
             select 'policy ' || p.polname || ' on ' || c.relname
             from realm join pg_class as c on c.relnamespace = realm.oid join pg_policy as p on p.polrelid = c.oid
             union all
             select 'table ' || c.relname || ' of another owner'
             from realm join pg_class as c on c.relnamespace = realm.oid
             where c.relkind in ('r', 'p', 'f') and c.relowner <> realm.nspowner
         ) as found limit 1",
    )
    .fetch_optional(realm)
    .await?)
}

/// How many may do everything, whatever the circumstances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub(super) struct Administrators {
    /// Those who can sign in, now or once a lock is over.
    pub(super) present: i64,
    /// Those who are invited.
    pub(super) invited: i64,
}

impl Administrators {
    /// Whether there was one, and there is none any more.
    pub(super) fn is_lost_in(self, after: Self) -> bool {
        if self.present > 0 {
            after.present == 0
        } else {
            self.invited > 0 && after.present + after.invited == 0
        }
    }
}

/// Counts the users who hold `*:*` without a condition, directly or through groups.
pub(super) async fn administrators(realm: &mut PgConnection) -> Result<Administrators, DbError> {
    Ok(sqlx::query_as(
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
         select count(*) filter (where users.state in ('active', 'locked')) as present,
                count(*) filter (where users.state = 'invited') as invited
         from holders join nexus.users on users.id = holders.user_id where users.deleted_at is null",
    )
    .fetch_one(realm)
    .await?)
}

/// Writes rows to the realm's audit log, in one statement; whether the realm has an outbox.
pub(super) async fn insert_notes(
    realm: &mut PgConnection,
    caller: &str,
    notes: &[LogEntry],
) -> Result<bool, DbError> {
    let actions: Vec<&str> = notes.iter().map(|note| note.action).collect();
    let users: Vec<Option<Uuid>> = notes.iter().map(|note| note.user.map(UserId::uuid)).collect();
    let details: Vec<&serde_json::Value> = notes.iter().map(|note| &note.detail).collect();
    let has_outbox: Vec<bool> = sqlx::query_scalar(
        "insert into nexus.audit_log (caller, action, user_id, detail)
         select $1, action, user_id, detail from unnest($2::text[], $3::uuid[], $4::jsonb[])
             as note (action, user_id, detail)
         returning to_regclass('nexus.outbox') is not null",
    )
    .bind(caller)
    .bind(actions)
    .bind(users)
    .bind(details)
    .fetch_all(realm)
    .await?;
    Ok(has_outbox.contains(&true))
}

/// What users may do has changed: what others keep of it in memory is old.
pub(super) async fn raise_version(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("update nexus.rights_version set version = version + 1").execute(realm).await?;
    Ok(())
}

/// Up to so many users that have a role, by themselves or by a group.
pub(super) async fn holders(
    realm: &mut PgConnection,
    role: Uuid,
    limit: i64,
) -> Result<Vec<UserId>, DbError> {
    Ok(sqlx::query_scalar(
        "with recursive within (group_id) as (
             select group_id from nexus.group_roles where role_id = $1
             union select groups.id from nexus.groups join within on groups.parent_id = within.group_id
         )
         select user_id from nexus.user_roles where role_id = $1
         union select user_id from nexus.group_members join within using (group_id)
         union select operator_id from nexus.operator_grants
               where role_id = $1 and revoked_at is null and expires_at > now() limit $2",
    )
    .bind(role)
    .bind(limit)
    .fetch_all(realm)
    .await?)
}

/// Up to so many users in a group, or in one within it.
pub(super) async fn members_within(
    realm: &mut PgConnection,
    group: Uuid,
    limit: i64,
) -> Result<Vec<UserId>, DbError> {
    Ok(sqlx::query_scalar(
        "with recursive within (group_id) as (
             select $1::uuid
             union select groups.id from nexus.groups join within on groups.parent_id = within.group_id
         )
         select distinct user_id from nexus.group_members join within using (group_id) limit $2",
    )
    .bind(group)
    .bind(limit)
    .fetch_all(realm)
    .await?)
}

/// Forgets that the addresses of users get no mail.
async fn forget_suppressions(realm: &mut PgConnection, users: &[Uuid]) -> Result<(), DbError> {
    if !has_table(realm, "nexus.suppressions").await? {
        return Ok(());
    }
    sqlx::query(
        "delete from nexus.suppressions using nexus.users
         where users.id = any($1) and suppressions.address_key = users.email_key",
    )
    .persistent(false)
    .bind(users)
    .execute(realm)
    .await?;
    Ok(())
}

/// Forgets what was sent to users, what they want, and their inboxes. What was sent to them and to nobody else is
/// forgotten with what it said.
pub(super) async fn forget_notifications(realm: &mut PgConnection, users: &[Uuid]) -> Result<(), DbError> {
    if !has_table(realm, "nexus.notifications").await? {
        return Ok(());
    }
    forget_suppressions(realm, users).await?;
    for statement in [
        "delete from nexus.notification_requests where id in (
             select request_id from nexus.notifications where user_id = any($1))
             and not exists (select from nexus.notifications as other
                             where other.request_id = notification_requests.id
                               and (other.user_id is null or other.user_id <> all($1)))",
        "delete from nexus.notifications where user_id = any($1)",
        "delete from nexus.notification_preferences where user_id = any($1)",
        "delete from nexus.quiet_hours where user_id = any($1)",
        "delete from nexus.inbox where user_id = any($1)",
        "delete from nexus.inbox_counters where user_id = any($1)",
    ] {
        sqlx::query(statement).persistent(false).bind(users).execute(&mut *realm).await?;
    }
    Ok(())
}
