//! The SQL of refresh tokens, in a realm.

use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::infra::db::{DbError, PgConnection};

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

pub(super) async fn session_of(realm: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar("select session_id from nexus.refresh_tokens where token_hash = $1")
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

/// Notes that a token was used, and its session with it: what a client needed that did not hear the answer
/// before is not needed any more.
pub(super) async fn use_token(
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
         )
         update nexus.refresh_tokens
         set used_at = clock_timestamp(), successor_hash = $3, successor_sealed = $4
         where token_hash = $2 and used_at is null",
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
