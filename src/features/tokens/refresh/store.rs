//! The SQL of refresh tokens, in a realm.

use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::infra::db::{DbError, PgConnection};

/// A session that is gone on with, locked until the end of the transaction.
#[derive(Debug, Clone, FromRow)]
pub(super) struct LockedSession {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) client: String,
    pub(super) created_at: OffsetDateTime,
    /// Revoked, or over.
    pub(super) ended: bool,
    /// What its access tokens may say; none: nobody asked for less than all.
    pub(super) access: Option<Value>,
    /// When the transaction began.
    pub(super) began_at: OffsetDateTime,
}

/// A token.
#[derive(Debug, FromRow)]
pub(super) struct TokenRow {
    pub(super) created_at: OffsetDateTime,
    pub(super) used_at: Option<OffsetDateTime>,
    pub(super) successor_sealed: Option<Vec<u8>>,
    /// Whether the successor has not been used.
    pub(super) successor_live: bool,
}

pub(super) async fn insert_token(
    realm: &mut PgConnection,
    session: Uuid,
    hash: &[u8; 32],
) -> Result<(), DbError> {
    sqlx::query("insert into nexus.refresh_tokens (token_hash, session_id) values ($1, $2)")
        .bind(hash.as_slice())
        .bind(session)
        .execute(realm)
        .await?;
    Ok(())
}

/// Takes up the session of a token: who does the same waits until the transaction ends.
pub(super) async fn lock_session(
    realm: &mut PgConnection,
    hash: &[u8; 32],
) -> Result<Option<LockedSession>, DbError> {
    Ok(sqlx::query_as(
        "select id, user_id, client, nullif(to_jsonb(sessions) -> 'access', 'null') as access, created_at, now() as began_at,
                revoked_at is not null or expires_at <= now() as ended
         from nexus.sessions
         where id = (select session_id from nexus.refresh_tokens where token_hash = $1) for update",
    )
    .bind(hash.as_slice())
    .fetch_optional(realm)
    .await?)
}

pub(super) async fn token(realm: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<TokenRow>, DbError> {
    Ok(sqlx::query_as(
        "select created_at, used_at, successor_sealed,
                exists (select from nexus.refresh_tokens as successor
                        where successor.token_hash = used.successor_hash and successor.used_at is null)
                    as successor_live
         from nexus.refresh_tokens as used where token_hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(realm)
    .await?)
}

/// Notes that a token was used, and its session with it, and adds its successor, where the token was not used before:
/// what a client needed that did not hear the answer before is not needed any more.
pub(super) async fn exchange(
    realm: &mut PgConnection,
    session: Uuid,
    (hash, successor): (&[u8; 32], &[u8; 32]),
    sealed: &[u8],
) -> Result<(), DbError> {
    sqlx::query(
        "with forgotten as (
             update nexus.refresh_tokens set successor_sealed = null
             where session_id = $1 and successor_sealed is not null and token_hash <> $2
         ), seen as (
             update nexus.sessions set last_used_at = clock_timestamp() where id = $1
         ), used as (
             update nexus.refresh_tokens
             set used_at = clock_timestamp(), successor_hash = $3, successor_sealed = $4
             where token_hash = $2 and used_at is null
             returning session_id
         )
         insert into nexus.refresh_tokens (token_hash, session_id) select $3, session_id from used",
    )
    .bind(session)
    .bind(hash.as_slice())
    .bind(successor.as_slice())
    .bind(sealed)
    .execute(realm)
    .await?;
    Ok(())
}

/// Takes away what a client needed that did not hear an answer: it has used the successor since,
/// or the session is over.
pub(super) async fn forget_sealed(realm: &mut PgConnection, session: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.refresh_tokens set successor_sealed = null
         where session_id = $1 and successor_sealed is not null",
    )
    .bind(session)
    .execute(realm)
    .await?;
    Ok(())
}

/// Forgets seals that nobody can ask for any more.
pub(super) async fn forget_stale(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.refresh_tokens set successor_sealed = null
         where successor_sealed is not null and used_at < now() - interval '1 minute'",
    )
    .execute(realm)
    .await?;
    Ok(())
}
