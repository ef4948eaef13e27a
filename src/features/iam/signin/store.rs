//! The SQL of signing in.

use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{NewSession, Session, SessionPosition};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Page, UserId};

/// An account that may be tried.
#[derive(FromRow)]
pub(super) struct Counted {
    pub(super) id: UserId,
    pub(super) password_hash: String,
    pub(super) second_factor: bool,
    pub(super) failed_total: i32,
    /// Whether this guess was the last one for now.
    pub(super) now_locked: bool,
}

/// The commit of this transaction does not wait for the disk.
pub(super) async fn do_not_wait_for_the_disk(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::raw_sql("set local synchronous_commit to off").execute(realm).await?;
    Ok(())
}

/// Counts a guess, and shuts the account for a while with the last one that is allowed; `None` when
/// there is no such account, or it may not be tried. Guesses at the same time wait for each other
/// at the row, and each sees the count of the one before.
pub(super) async fn count_guess(
    realm: &mut PgConnection,
    key: &str,
    (guesses, most): (i32, i32),
    wait_seconds: f64,
) -> Result<Option<Counted>, DbError> {
    Ok(sqlx::query_as(
        "update nexus.users set
             failed_attempts = case when locked_until is null then failed_attempts + 1 else 1 end,
             failed_total = failed_total + 1,
             locked_until = case when (case when locked_until is null then failed_attempts + 1 else 1 end) >= $2
                                 then now() + make_interval(secs => $4) end,
             state = case when failed_total + 1 >= $3 then 'locked' else state end
         where email_key = $1 and state = 'active' and deleted_at is null and password_hash is not null
           and (locked_until is null or locked_until <= now())
         returning id, password_hash, totp_since is not null as second_factor, failed_total,
                   locked_until is not null or state = 'locked' as now_locked",
    )
    .bind(key)
    .bind(guesses)
    .bind(most)
    .bind(wait_seconds)
    .fetch_optional(realm)
    .await?)
}

/// Takes the count back after a success, and keeps a stronger hash of the same password; whether the
/// account may be used still, with that password.
pub(super) async fn succeed(
    realm: &mut PgConnection,
    user: UserId,
    stored_hash: &str,
    fresh: Option<&SecretString>,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update nexus.users set failed_attempts = 0, failed_total = 0, locked_until = null, state = 'active',
                last_sign_in_at = now(), password_hash = coalesce($3, password_hash)
         where id = $1 and password_hash = $2 and state in ('active', 'locked') and deleted_at is null",
    )
    .bind(user)
    .bind(stored_hash)
    .bind(fresh.map(ExposeSecret::expose_secret))
    .execute(realm)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes back the guess that was counted for a right password, and the lock that it brought; whether the account
/// may be used still, with that password. Other guesses stay counted.
pub(super) async fn take_guess_back(
    realm: &mut PgConnection,
    user: UserId,
    stored_hash: &str,
    (guesses, most): (i32, i32),
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update nexus.users set
             failed_attempts = case when failed_attempts > 0 then failed_attempts - 1 else failed_attempts end,
             failed_total = case when failed_total > 0 then failed_total - 1 else failed_total end,
             locked_until = case when failed_attempts > $3 then locked_until end,
             state = case when failed_total > $4 then state else 'active' end
         where id = $1 and password_hash = $2 and state in ('active', 'locked') and deleted_at is null",
    )
    .bind(user)
    .bind(stored_hash)
    .bind(guesses)
    .bind(most)
    .execute(realm)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Uses the code of a time step; whether no code of it or of a later one was used before.
pub(super) async fn use_step(realm: &mut PgConnection, user: UserId, step: i64) -> Result<bool, DbError> {
    let done =
        sqlx::query("update nexus.users set totp_last_step = $2 where id = $1 and totp_last_step < $2")
            .bind(user)
            .bind(step)
            .execute(realm)
            .await?;
    Ok(done.rows_affected() > 0)
}

/// Uses a recovery code up; whether it was one.
pub(super) async fn use_recovery_code(
    realm: &mut PgConnection,
    user: UserId,
    hash: &[u8; 32],
) -> Result<bool, DbError> {
    let done = sqlx::query("delete from nexus.recovery_codes where user_id = $1 and code_hash = $2")
        .bind(user)
        .bind(hash.as_slice())
        .execute(realm)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// From here on the second factor counts, with these recovery codes.
pub(super) async fn begin_factor(
    realm: &mut PgConnection,
    user: UserId,
    codes: &[[u8; 32]],
) -> Result<(), DbError> {
    let codes: Vec<&[u8]> = codes.iter().map(<[u8; 32]>::as_slice).collect();
    sqlx::query("delete from nexus.recovery_codes where user_id = $1")
        .bind(user)
        .execute(&mut *realm)
        .await?;
    sqlx::query(
        "with begun as (update nexus.users set totp_since = now(), updated_at = now() where id = $1 returning id)
         insert into nexus.recovery_codes (user_id, code_hash) select id, code from begun, unnest($2::bytea[]) as code",
    )
    .bind(user)
    .bind(codes)
    .execute(realm)
    .await?;
    Ok(())
}

/// From here on there is no second factor.
pub(super) async fn end_factor(realm: &mut PgConnection, user: UserId) -> Result<(), DbError> {
    sqlx::query("delete from nexus.recovery_codes where user_id = $1")
        .bind(user)
        .execute(&mut *realm)
        .await?;
    sqlx::query("update nexus.users set totp_since = null, updated_at = now() where id = $1")
        .bind(user)
        .execute(realm)
        .await?;
    Ok(())
}

/// Keeps a new password, and a new name where one is given; an invited or locked user becomes active.
pub(super) async fn set_password(
    realm: &mut PgConnection,
    user: UserId,
    hash: &SecretString,
    name: Option<&str>,
) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.users set password_hash = $2, name = coalesce($3, name), password_changed_at = now(), failed_attempts = 0,
                failed_total = 0, locked_until = null, updated_at = now(),
                state = case when state in ('invited', 'locked') then 'active' else state end
         where id = $1",
    )
    .bind(user)
    .bind(hash.expose_secret())
    .bind(name)
    .execute(realm)
    .await?;
    Ok(())
}

/// Whose token it is.
#[derive(FromRow)]
pub(in super::super) struct Owner {
    pub(in super::super) id: UserId,
    pub(in super::super) email: String,
    pub(in super::super) second_factor: bool,
    /// Whether they have a password so far.
    pub(in super::super) has_password: bool,
    pub(in super::super) expired: bool,
}

/// The owner of a token for one of some purposes, unless the owner is shut out.
pub(super) async fn token_owner(
    realm: &mut PgConnection,
    hash: &[u8; 32],
    purposes: &[&str],
) -> Result<Option<Owner>, DbError> {
    Ok(sqlx::query_as(
        "select users.id, users.email, users.totp_since is not null as second_factor,
                users.password_hash is not null as has_password, invitations.expires_at <= now() as expired
         from nexus.invitations join nexus.users on users.id = invitations.user_id
         where invitations.token_hash = $1 and invitations.purpose = any ($2)
           and users.deleted_at is null and users.state <> 'disabled'",
    )
    .bind(hash.as_slice())
    .bind(purposes)
    .fetch_optional(realm)
    .await?)
}

/// Takes a token; whether it was good until now, and its owner not shut out.
pub(super) async fn take_token(
    realm: &mut PgConnection,
    user: UserId,
    hash: &[u8; 32],
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "delete from nexus.invitations using nexus.users
         where invitations.user_id = $1 and invitations.token_hash = $2 and invitations.expires_at > now()
           and invitations.purpose in ('invite', 'reset') and users.id = invitations.user_id and users.deleted_at is null and users.state <> 'disabled'",
    )
    .bind(user)
    .bind(hash.as_slice())
    .execute(realm)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Keeps the hash of a challenge, and forgets those that are over.
pub(super) async fn put_challenge(
    realm: &mut PgConnection,
    hash: &[u8; 32],
    (user, client): (UserId, &str),
    seconds: i32,
) -> Result<(), DbError> {
    sqlx::query("delete from nexus.sign_in_challenges where expires_at <= now()")
        .execute(&mut *realm)
        .await?;
    sqlx::query(
        "insert into nexus.sign_in_challenges (challenge_hash, user_id, client, expires_at)
         values ($1, $2, left($3, 200), now() + make_interval(secs => $4))",
    )
    .bind(hash.as_slice())
    .bind(user)
    .bind(client)
    .bind(seconds)
    .execute(realm)
    .await?;
    Ok(())
}

/// A challenge that is good.
#[derive(FromRow)]
pub(super) struct Challenge {
    /// What the user's address is compared by.
    pub(super) email_key: String,
    pub(super) client: String,
}

/// A challenge that is good: its user's password is still the one that was right.
pub(super) async fn challenge(
    realm: &mut PgConnection,
    hash: &[u8; 32],
) -> Result<Option<Challenge>, DbError> {
    Ok(sqlx::query_as(
        "select users.email_key, challenge.client
         from nexus.sign_in_challenges as challenge join nexus.users on users.id = challenge.user_id
         where challenge.challenge_hash = $1 and challenge.expires_at > now()
           and coalesce(users.password_changed_at <= challenge.created_at, true)",
    )
    .bind(hash.as_slice())
    .fetch_optional(realm)
    .await?)
}

/// Uses a challenge up; whether it was good until now.
pub(super) async fn take_challenge(realm: &mut PgConnection, hash: &[u8; 32]) -> Result<bool, DbError> {
    let done =
        sqlx::query("delete from nexus.sign_in_challenges where challenge_hash = $1 and expires_at > now()")
            .bind(hash.as_slice())
            .execute(realm)
            .await?;
    Ok(done.rows_affected() > 0)
}

/// Begins a session, if its user is active; whoever shuts the user out at this moment comes first.
pub(super) async fn insert_session(
    realm: &mut PgConnection,
    id: Uuid,
    new: &NewSession<'_>,
    days: i32,
) -> Result<bool, DbError> {
    // A realm that is not at the newest version has no such column, and nobody there asked for less.
    let access = if new.access.is_some() { ("access, ", "$7::jsonb, ") } else { ("", "") };
    let statement = format!(
        "insert into nexus.sessions
             (id, user_id, client, second_factor, {}created_at, last_used_at, expires_at)
         select $1, users.id, left($3, 200), $4, {}$5, $5, $5 + make_interval(days => $6)
         from nexus.users
         where users.id = $2 and users.state = 'active' and users.deleted_at is null
           and (users.locked_until is null or users.locked_until <= now())
         for share",
        access.0, access.1
    );
    let query = sqlx::query(AssertSqlSafe(statement))
        .bind(id)
        .bind(new.user)
        .bind(new.client)
        .bind(new.second_factor)
        .bind(new.at)
        .bind(days);
    let query = if new.access.is_some() { query.bind(&new.access) } else { query };
    Ok(query.execute(realm).await?.rows_affected() > 0)
}

/// Whether no other session of a user, of those that are not forgotten, has the client of this one, but for the digits
/// in it: a new version is no new client. A user's first session is none to tell of.
pub(super) async fn is_new_client(
    realm: &mut PgConnection,
    user: UserId,
    session: Uuid,
) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "with seen as (
             select client from nexus.sessions
             where user_id = $1 and id <> $2 order by created_at desc limit 1000
         )
         select exists (select from seen)
            and not exists (
                select from seen, nexus.sessions as this
                where this.id = $2
                  and regexp_replace(seen.client, '[0-9]+', '', 'g') = regexp_replace(this.client, '[0-9]+', '', 'g'))",
    )
    .bind(user)
    .bind(session)
    .fetch_one(realm)
    .await?)
}

/// A session, for whoever goes on with it; others who do wait until this transaction ends.
/// Forgets sessions that ended a month ago, some at a time: in the order of their index, which is then used whatever
/// the statistics say.
pub(super) async fn forget_sessions(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from nexus.sessions where id = any (array(
             select id from nexus.sessions where coalesce(revoked_at, expires_at) < now() - interval '30 days'
             order by coalesce(revoked_at, expires_at) limit 100))",
    )
    .execute(realm)
    .await?;
    Ok(())
}

const SESSIONS: &str = "select id, user_id, client, second_factor,
    case when revoked_at is not null then 'revoked' when expires_at <= now() then 'over' else 'open' end as state,
    created_at, last_used_at, expires_at
    from nexus.sessions where user_id = $1";

/// A user's sessions, the newest first.
pub(super) async fn sessions(realm: &mut PgConnection, user: UserId) -> Result<Vec<Session>, DbError> {
    let statement = format!("{SESSIONS} order by created_at desc, id desc");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(user).fetch_all(realm).await?)
}

/// One page of them, and the one after it, where there is one.
pub(super) async fn page_of_sessions(
    realm: &mut PgConnection,
    user: UserId,
    after: Option<SessionPosition>,
    page: Page,
) -> Result<Vec<Session>, DbError> {
    let statement = format!(
        "{SESSIONS} and ($2::timestamptz is null or (created_at, id) < ($2, $3))
         order by created_at desc, id desc limit $4 offset $5"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(user)
        .bind(after.map(|(at, _)| at))
        .bind(after.map(|(_, id)| id))
        .bind(page.fetched())
        .bind(page.offset())
        .fetch_all(realm)
        .await?)
}

/// How many sessions a user has; no more than `most` are looked at.
pub(super) async fn count_sessions(
    realm: &mut PgConnection,
    user: UserId,
    most: Option<i64>,
) -> Result<u64, DbError> {
    let counted: i64 = sqlx::query_scalar(
        "select count(*) from (select from nexus.sessions where user_id = $1 limit $2) as counted",
    )
    .bind(user)
    .bind(most)
    .fetch_one(realm)
    .await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

/// Whose session it is.
pub(super) async fn session_owner(realm: &mut PgConnection, id: Uuid) -> Result<Option<UserId>, DbError> {
    Ok(sqlx::query_scalar("select user_id from nexus.sessions where id = $1")
        .bind(id)
        .fetch_optional(realm)
        .await?)
}

/// Ends a session; whether it was open.
pub(super) async fn end_session(
    realm: &mut PgConnection,
    id: Uuid,
    why: Option<&str>,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update nexus.sessions set revoked_at = now(), revoked_because = $2
         where id = $1 and revoked_at is null and expires_at > now()",
    )
    .bind(id)
    .bind(why)
    .execute(realm)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends the sessions of a user that are open, but for one that is kept.
pub(super) async fn end_sessions_but(
    realm: &mut PgConnection,
    user: Uuid,
    kept: Option<Uuid>,
    why: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.sessions set revoked_at = now(), revoked_because = $3
         where user_id = $1 and id is distinct from $2 and revoked_at is null and expires_at > now()",
    )
    .bind(user)
    .bind(kept)
    .bind(why)
    .execute(realm)
    .await?;
    Ok(())
}
