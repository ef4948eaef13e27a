//! The SQL of a realm's own audit log.

use serde_json::Value;
use uuid::Uuid;

use crate::features::access::Authorized;
use crate::infra::db::{DbError, PgConnection};

/// Notes a change or a disclosure in the realm's own audit log.
pub(in crate::features::tokens) async fn record(
    realm: &mut PgConnection,
    caller: &Authorized<'_>,
    (action, user): (&'static str, Option<Uuid>),
    detail: Value,
) -> Result<(), DbError> {
    sqlx::query("insert into nexus.audit_log (caller, action, user_id, detail) values ($1, $2, $3, $4)")
        .bind(caller.to_string())
        .bind(action)
        .bind(user)
        .bind(detail)
        .execute(realm)
        .await?;
    Ok(())
}
