//! The SQL of suspensions and of the trash.

use super::Reason;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Caller, TenantId};

/// Moves a tenant to state `suspended`, and notes why, by whom and when.
///
/// # Errors
/// When the statement fails.
pub async fn suspend(
    connection: &mut PgConnection,
    id: TenantId,
    caller: &Caller,
    reason: &Reason,
) -> Result<(), DbError> {
    sqlx::query(
        "update control.tenants set state = 'suspended', updated_at = now(),
                suspended_at = now(), suspended_by = $2, suspension_reason = $3
         where id = $1",
    )
    .bind(id)
    .bind(caller.to_string())
    .bind(reason.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves a tenant to state `trashed` for so many days, and notes the state that it comes from.
///
/// # Errors
/// When the statement fails.
pub async fn trash(
    connection: &mut PgConnection,
    id: TenantId,
    caller: &Caller,
    days: u32,
) -> Result<(), DbError> {
    sqlx::query(
        "update control.tenants set state = 'trashed', updated_at = now(), trashed_from = state,
                trashed_at = now(), trashed_by = $2, purge_after = now() + interval '1 day' * $3::bigint
         where id = $1",
    )
    .bind(id)
    .bind(caller.to_string())
    .bind(i64::from(days))
    .execute(connection)
    .await?;
    Ok(())
}

/// The ids and slugs of the tenants whose time in the trash is over, the longest over first.
///
/// # Errors
/// When the statement fails.
pub async fn due(connection: &mut PgConnection) -> Result<Vec<(TenantId, String)>, DbError> {
    Ok(sqlx::query_as(
        "select id, slug from control.tenants where state = 'trashed' and purge_after <= now()
         order by purge_after, id",
    )
    .fetch_all(connection)
    .await?)
}

/// Whether a tenant's time in the trash is over.
///
/// # Errors
/// When the statement fails.
pub async fn is_due(connection: &mut PgConnection, id: TenantId) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from control.tenants
                        where id = $1 and state = 'trashed' and purge_after <= now())",
    )
    .bind(id)
    .fetch_one(connection)
    .await?)
}
