//! The SQL of idempotency keys.

use std::time::Duration;

use sqlx::FromRow;
use uuid::Uuid;

use super::Attempt;
use crate::infra::db::{DbError, PgConnection, bytes};

/// A key that is taken.
#[derive(FromRow)]
pub(super) struct Row {
    pub(super) fingerprint: Vec<u8>,
    /// Carried out, and nobody is left who would give the answer.
    pub(super) lost: bool,
    pub(super) attempt: Uuid,
    pub(super) status: Option<i16>,
    pub(super) answer: Option<Vec<u8>>,
}

/// Takes a key that is new, over, or left by a try that changed nothing. Whether it was to be had.
pub(super) async fn take(
    realm: &mut PgConnection,
    fresh: &Attempt,
    fingerprint: &[u8],
    lease: Duration,
) -> Result<bool, DbError> {
    let taken = sqlx::query(
        "insert into nexus.idempotency_keys as kept (caller, key_hash, fingerprint, attempt, lease_until)
         values ($1, $2, $3, $4, now() + make_interval(secs => $5))
         on conflict (caller, key_hash) do update
         set fingerprint = excluded.fingerprint, attempt = excluded.attempt, lease_until = excluded.lease_until,
             carried_out = false, status = null, answer = null, created_at = now()
         where kept.created_at < now() - interval '24 hours'
            or not kept.carried_out and kept.status is null and kept.lease_until < now()
               and kept.fingerprint = excluded.fingerprint",
    )
    .bind(fresh.caller)
    .bind(fresh.key.as_slice())
    .bind(fingerprint)
    .bind(fresh.id)
    .bind(lease.as_secs_f64())
    .execute(realm)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// The row of a key.
pub(super) async fn row(realm: &mut PgConnection, key: &Attempt) -> Result<Option<Row>, DbError> {
    Ok(sqlx::query_as(
        "select fingerprint, carried_out and lease_until < now() as lost, attempt, status, answer from nexus.idempotency_keys
         where caller = $1 and key_hash = $2",
    )
    .bind(key.caller)
    .bind(key.key.as_slice())
    .fetch_optional(realm)
    .await?)
}

/// Marks a key's request as carried out. Whether this try still holds it.
pub(super) async fn mark(realm: &mut PgConnection, attempt: &Attempt) -> Result<bool, DbError> {
    let marked = sqlx::query(
        "update nexus.idempotency_keys set carried_out = true
         where caller = $1 and key_hash = $2 and attempt = $3",
    )
    .bind(attempt.caller)
    .bind(attempt.key.as_slice())
    .bind(attempt.id)
    .execute(realm)
    .await?;
    Ok(marked.rows_affected() == 1)
}

/// The same as a statement's text, where a condition holds.
pub(super) fn mark_statement(attempt: &Attempt, condition: &str) -> String {
    format!(
        "update nexus.idempotency_keys set carried_out = true
         where caller = '{}' and key_hash = {} and attempt = '{}' and {condition} returning attempt",
        attempt.caller,
        bytes(&attempt.key),
        attempt.id,
    )
}

/// Keeps an answer, and forgets some of the keys that are over.
pub(super) async fn keep(
    realm: &mut PgConnection,
    attempt: &Attempt,
    status: u16,
    sealed: &[u8],
) -> Result<(), DbError> {
    sqlx::query(
        "with over as (
             select caller, key_hash from nexus.idempotency_keys
             where created_at < now() - interval '24 hours' and attempt <> $3
             order by created_at limit 100 for update skip locked
         ), forgotten as (
             delete from nexus.idempotency_keys using over
             where idempotency_keys.caller = over.caller and idempotency_keys.key_hash = over.key_hash
         )
         update nexus.idempotency_keys set status = $4, answer = $5
         where caller = $1 and key_hash = $2 and attempt = $3",
    )
    .bind(attempt.caller)
    .bind(attempt.key.as_slice())
    .bind(attempt.id)
    .bind(i16::try_from(status).unwrap_or(i16::MAX))
    .bind(sealed)
    .execute(realm)
    .await?;
    Ok(())
}

/// Ends an attempt whose answer is not kept: the key is free where nothing was changed.
pub(super) async fn free(realm: &mut PgConnection, attempt: &Attempt) -> Result<(), DbError> {
    sqlx::query(
        "with ended as (
             update nexus.idempotency_keys set lease_until = '-infinity'
             where caller = $1 and key_hash = $2 and attempt = $3 and carried_out
         )
         delete from nexus.idempotency_keys
         where caller = $1 and key_hash = $2 and attempt = $3 and not carried_out",
    )
    .bind(attempt.caller)
    .bind(attempt.key.as_slice())
    .bind(attempt.id)
    .execute(realm)
    .await?;
    Ok(())
}
