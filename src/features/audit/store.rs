//! The SQL of the audit log.

use sqlx::PgConnection;

use crate::infra::db::DbError;
use crate::kernel::{Caller, OperationId, TenantId};

/// One change, or one disclosure of a secret.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Who.
    pub caller: &'a Caller,
    /// What, e.g. `tenant.create`.
    pub action: &'static str,
    /// Of which tenant.
    pub tenant: Option<TenantId>,
    /// By which operation.
    pub operation: Option<OperationId>,
    /// Facts, never a secret.
    pub detail: serde_json::Value,
}

/// Writes one row.
///
/// # Errors
/// When the statement fails; the caller's transaction must then not commit.
pub async fn record(connection: &mut PgConnection, entry: Entry<'_>) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.audit_log (caller, action, tenant_id, operation_id, detail) values ($1, $2, $3, $4, $5)",
    )
    .bind(entry.caller.to_string())
    .bind(entry.action)
    .bind(entry.tenant)
    .bind(entry.operation)
    .bind(entry.detail)
    .execute(connection)
    .await?;
    Ok(())
}
