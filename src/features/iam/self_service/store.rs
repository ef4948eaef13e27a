//! The SQL of what people do for themselves.

use secrecy::{ExposeSecret, SecretString};
use sqlx::FromRow;
use uuid::Uuid;

use crate::infra::db::{DbError, PgConnection, stored_as_text};
use crate::kernel::{Email, UserId};

/// How somebody stands who has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Encode, sqlx::Decode)]
#[sqlx(rename_all = "snake_case")]
pub(super) enum Standing {
    /// They registered, and have not confirmed their address.
    Unconfirmed,
    /// Somebody created them, and they have no password yet.
    Invited,
    /// They have a password; perhaps they are locked.
    Active,
    /// They were disabled or deleted.
    ShutOut,
}
stored_as_text!(Standing);

/// Who has an address.
#[derive(Debug, FromRow)]
pub(super) struct Account {
    pub(super) id: UserId,
    pub(super) standing: Standing,
}

/// Who has an address; others who change them wait.
pub(super) async fn account(realm: &mut PgConnection, key: &str) -> Result<Option<Account>, DbError> {
    Ok(sqlx::query_as(
        "select users.id,
                case when users.deleted_at is not null or users.state = 'disabled' then 'shut_out'
                     when users.password_hash is not null then 'active'
                     when invitations.purpose = 'verify' then 'unconfirmed'
                     when invitations.purpose is not null or exists (
                         select from nexus.outbox where published_at is null and type = 'mail.invitation'
                           and payload ->> 'user' = users.id::text) then 'invited'
                     -- Nobody has invited them yet, and a stranger does not.
                     else 'shut_out' end as standing
         from nexus.users left join nexus.invitations on invitations.user_id = users.id
         where users.email_key = $1 for update of users",
    )
    .bind(key)
    .fetch_optional(realm)
    .await?)
}

/// Counts a message that somebody asked for; whether it may be sent: one a minute, five an hour, twenty a day
/// for one address. Requests at the same time wait for each other at the row.
pub(super) async fn count_message(realm: &mut PgConnection, key: &str) -> Result<bool, DbError> {
    // Who counts several at the same time is not waited for.
    sqlx::query(
        "delete from nexus.message_limits where address_hash in (
             select address_hash from nexus.message_limits where last_at < now() - interval '1 day'
             for update skip locked)",
    )
    .execute(&mut *realm)
    .await?;
    let counted: Option<bool> = sqlx::query_scalar(
        "insert into nexus.message_limits as had (address_hash, times, last_at)
         values (sha256(convert_to($1, 'UTF8')), array[now()], now())
         on conflict (address_hash) do update set last_at = now(), times = now() || array(
             select time from unnest(had.times) as time where time > now() - interval '1 day')
         where (select count(*) filter (where time > now() - interval '1 minute') < 1
                   and count(*) filter (where time > now() - interval '1 hour') < 5
                   and count(*) filter (where time > now() - interval '1 day') < 20
                from unnest(had.times) as time)
         returning true",
    )
    .bind(key)
    .fetch_optional(realm)
    .await?;
    Ok(counted.is_some())
}

/// Makes somebody who has registered; whether the address was free. Without an id nobody is made, by the same
/// statement.
pub(super) async fn insert_user(
    realm: &mut PgConnection,
    id: Option<UserId>,
    email: &Email,
    name: Option<&str>,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "insert into nexus.users (id, email, email_key, name, state)
         select $1::uuid, $2, $3, coalesce($4, ''), 'invited' where $1::uuid is not null
         on conflict (email_key) do nothing",
    )
    .bind(id)
    .bind(email.as_str())
    .bind(email.key())
    .bind(name)
    .execute(realm)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Gives somebody the name that they say; `None` leaves it. Without a user nobody is renamed, by the same
/// statement.
pub(super) async fn rename(
    realm: &mut PgConnection,
    user: Option<UserId>,
    name: Option<&str>,
) -> Result<(), DbError> {
    sqlx::query("update nexus.users set name = coalesce($2, name), updated_at = now() where id = $1")
        .bind(user)
        .bind(name)
        .execute(realm)
        .await?;
    Ok(())
}

/// Keeps what somebody registered, in the place of what they registered before. Without a user nothing is kept,
/// by the same statement.
pub(super) async fn put_registration(
    realm: &mut PgConnection,
    user: Option<UserId>,
    registration: Uuid,
    token_hash: &[u8; 32],
    password_hash: &SecretString,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into nexus.invitations (user_id, token_hash, expires_at, purpose, registration, password_hash)
         select $1::uuid, $2, now() + interval '1 day', 'verify', $3, $4 where $1::uuid is not null
         on conflict (user_id) do update set token_hash = excluded.token_hash, expires_at = excluded.expires_at,
             purpose = excluded.purpose, registration = excluded.registration,
             password_hash = excluded.password_hash, created_at = now()",
    )
    .bind(user)
    .bind(token_hash.as_slice())
    .bind(registration)
    .bind(password_hash.expose_secret())
    .execute(realm)
    .await?;
    Ok(())
}

/// What somebody registered last, and has not confirmed; nothing where there is nobody.
pub(super) async fn registration(
    realm: &mut PgConnection,
    user: Option<UserId>,
) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "select registration from nexus.invitations
         where user_id = $1 and purpose = 'verify' and registration is not null",
    )
    .bind(user)
    .fetch_optional(realm)
    .await?)
}

/// The hash of the password that waits to be confirmed by a token.
pub(super) async fn registered_password(
    realm: &mut PgConnection,
    user: UserId,
    token_hash: &[u8; 32],
) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select password_hash from nexus.invitations
         where user_id = $1 and token_hash = $2 and purpose = 'verify' and password_hash is not null",
    )
    .bind(user)
    .bind(token_hash.as_slice())
    .fetch_optional(realm)
    .await?)
}

/// Makes the registered password that of its user; whether the token was good until now.
pub(super) async fn confirm(
    realm: &mut PgConnection,
    user: UserId,
    token_hash: &[u8; 32],
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "with taken as (
             delete from nexus.invitations
             where user_id = $1 and token_hash = $2 and purpose = 'verify' and expires_at > now()
             returning user_id, password_hash
         )
         update nexus.users set password_hash = taken.password_hash, password_changed_at = now(), state = 'active',
                failed_attempts = 0, failed_total = 0, locked_until = null, updated_at = now()
         from taken where users.id = taken.user_id and users.state = 'invited' and users.deleted_at is null",
    )
    .bind(user)
    .bind(token_hash.as_slice())
    .execute(realm)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets who registered a week ago and did not confirm it, some at a time; who was given something meanwhile
/// stays.
pub(super) async fn forget_unconfirmed(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from nexus.users where id in (
             select users.id from nexus.invitations join nexus.users on users.id = invitations.user_id
             where invitations.purpose = 'verify' and invitations.expires_at < now() - interval '7 days'
             order by invitations.expires_at limit 100 for update of users, invitations skip locked)
           and state = 'invited' and password_hash is null
           and not exists (select from nexus.user_roles where user_id = users.id)
           and not exists (select from nexus.group_members where user_id = users.id)",
    )
    .execute(realm)
    .await?;
    Ok(())
}
