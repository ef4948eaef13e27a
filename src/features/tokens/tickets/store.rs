//! The SQL of tickets.

use serde_json::Value;
use time::OffsetDateTime;

use crate::infra::db::{DbError, PgConnection};

/// Keeps a ticket for so many seconds.
pub(super) async fn put(
    control: &mut PgConnection,
    hash: &[u8; 32],
    claims: &Value,
    seconds: i32,
) -> Result<OffsetDateTime, DbError> {
    Ok(sqlx::query_scalar(
        "insert into control.event_tickets (ticket_hash, claims, expires_at)
         values ($1, $2, clock_timestamp() + make_interval(secs => $3)) returning expires_at",
    )
    .bind(hash.as_slice())
    .bind(claims)
    .bind(f64::from(seconds))
    .fetch_one(control)
    .await?)
}

/// Takes a ticket that is good, once.
pub(super) async fn take(control: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<Value>, DbError> {
    Ok(sqlx::query_scalar(
        "delete from control.event_tickets where ticket_hash = $1 and expires_at > clock_timestamp() returning claims",
    )
    .bind(hash.as_slice())
    .fetch_optional(control)
    .await?)
}

/// Forgets tickets that nobody used, some at a time.
pub(super) async fn forget_old(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from control.event_tickets using (
             select ticket_hash from control.event_tickets where expires_at < clock_timestamp()
             order by expires_at limit 100 for update skip locked) as oldest
         where event_tickets.ticket_hash = oldest.ticket_hash",
    )
    .persistent(false)
    .execute(control)
    .await?;
    Ok(())
}
