//! The SQL of a realm's own audit log.

use serde_json::Value;
use uuid::Uuid;

use crate::features::access::Authorized;
use crate::features::outbox::{self, EventType, LoggedChange};
use crate::infra::db::{DbError, PgConnection};

/// Notes a change or a disclosure in the realm's own audit log, with its event, where the realm has an outbox.
pub(in crate::features::tokens) async fn record(
    realm: &mut PgConnection,
    caller: &Authorized<'_>,
    (action, user): (&'static str, Option<Uuid>),
    detail: Value,
) -> Result<(), DbError> {
    let event = EventType::of(LoggedChange { action, user, detail: &detail });
    let has_outbox: bool = sqlx::query_scalar(
        "insert into nexus.audit_log (caller, action, user_id, detail) values ($1, $2, $3, $4)
         returning to_regclass('nexus.outbox') is not null",
    )
    .bind(caller.to_string())
    .bind(action)
    .bind(user)
    .bind(detail)
    .fetch_one(&mut *realm)
    .await?;
    match event {
        Some(event) if has_outbox => outbox::append(realm, &caller.to_string(), &[event]).await.map(drop),
        _ => Ok(()),
    }
}
