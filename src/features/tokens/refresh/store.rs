//! The SQL of refresh tokens, in a realm.

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::FamilyView;
use crate::infra::db::DbError;

/// A family, locked.
#[derive(Debug, FromRow)]
pub(super) struct FamilyRow {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) client_id: String,
    pub(super) created_at: OffsetDateTime,
    /// Revoked, or over.
    pub(super) ended: bool,
    /// When this transaction began.
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

pub(super) async fn insert_family(
    realm: &mut PgConnection,
    (id, user): (Uuid, Uuid),
    client: &str,
    (created_at, expires_at): (OffsetDateTime, OffsetDateTime),
) -> Result<(), DbError> {
    sqlx::query(
        "insert into nexus.refresh_families (id, user_id, client_id, created_at, expires_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(user)
    .bind(client)
    .bind(created_at)
    .bind(expires_at)
    .execute(realm)
    .await?;
    Ok(())
}

pub(super) async fn insert_token(
    realm: &mut PgConnection,
    family: Uuid,
    hash: &[u8; 32],
) -> Result<(), DbError> {
    sqlx::query("insert into nexus.refresh_tokens (token_hash, family_id) values ($1, $2)")
        .bind(hash.as_slice())
        .bind(family)
        .execute(realm)
        .await?;
    Ok(())
}

pub(super) async fn family_of(realm: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar("select family_id from nexus.refresh_tokens where token_hash = $1")
        .bind(hash.as_slice())
        .fetch_optional(realm)
        .await?)
}

pub(super) async fn lock_family(realm: &mut PgConnection, id: Uuid) -> Result<Option<FamilyRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, user_id, client_id, created_at, now() as began_at,
                revoked_at is not null or expires_at <= now() as ended
         from nexus.refresh_families where id = $1 for update",
    )
    .bind(id)
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

pub(super) async fn use_token(
    realm: &mut PgConnection,
    hash: &[u8; 32],
    successor: &[u8; 32],
    sealed: &[u8],
) -> Result<(), DbError> {
    sqlx::query(
        "with used as (
             update nexus.refresh_tokens
             set used_at = clock_timestamp(), successor_hash = $2, successor_sealed = $3
             where token_hash = $1 and used_at is null returning family_id
         )
         update nexus.refresh_families set last_used_at = clock_timestamp()
         from used where refresh_families.id = used.family_id",
    )
    .bind(hash.as_slice())
    .bind(successor.as_slice())
    .bind(sealed)
    .execute(realm)
    .await?;
    Ok(())
}

/// Takes away what a client needed that did not hear an answer: it has used the successor since.
pub(super) async fn forget_sealed(realm: &mut PgConnection, family: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.refresh_tokens set successor_sealed = null
         where family_id = $1 and successor_sealed is not null",
    )
    .bind(family)
    .execute(realm)
    .await?;
    Ok(())
}

pub(super) async fn end_family(realm: &mut PgConnection, id: Uuid, why: &str) -> Result<(), DbError> {
    sqlx::query(
        "with ended as (
             update nexus.refresh_tokens set successor_sealed = null
             where family_id = $1 and successor_sealed is not null
         )
         update nexus.refresh_families set revoked_at = now(), revoked_because = $2
         where id = $1 and revoked_at is null",
    )
    .bind(id)
    .bind(why)
    .execute(realm)
    .await?;
    Ok(())
}

pub(super) async fn end_families(
    realm: &mut PgConnection,
    user: Uuid,
    family: Option<Uuid>,
) -> Result<u64, DbError> {
    let ended = sqlx::query(
        "update nexus.refresh_families set revoked_at = now(), revoked_because = 'revoked'
         where user_id = $1 and ($2::uuid is null or id = $2) and revoked_at is null and expires_at > now()",
    )
    .bind(user)
    .bind(family)
    .execute(realm)
    .await?;
    Ok(ended.rows_affected())
}

pub(super) async fn families(realm: &mut PgConnection, user: Uuid) -> Result<Vec<FamilyView>, DbError> {
    Ok(sqlx::query_as(
        "select id, client_id, created_at, last_used_at, expires_at from nexus.refresh_families
         where user_id = $1 and revoked_at is null and expires_at > now() order by created_at desc",
    )
    .bind(user)
    .fetch_all(realm)
    .await?)
}

/// Forgets families that ended a month ago, and seals that nobody can ask for any more.
pub(super) async fn forget_ended(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "with stale as (
             update nexus.refresh_tokens set successor_sealed = null
             where successor_sealed is not null and used_at < now() - interval '1 minute'
         )
         delete from nexus.refresh_families
         where coalesce(revoked_at, expires_at) < now() - interval '30 days'",
    )
    .execute(realm)
    .await?;
    Ok(())
}
