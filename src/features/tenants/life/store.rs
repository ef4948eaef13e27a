//! The SQL of suspensions and of the trash.

use super::super::store::COLUMNS;
use crate::features::access::Authorized;
use crate::infra::db::{DbError, PgConnection, literal};
use crate::kernel::{Reason, TenantId};

/// The statement that moves a tenant to state `suspended`, notes why, by whom and when, and gives
/// its row.
#[must_use]
pub(in crate::features) fn suspend(id: TenantId, caller: &Authorized<'_>, reason: &Reason) -> String {
    format!(
        "update control.tenants set state = 'suspended', updated_at = now(),
                suspended_at = now(), suspended_by = {}, suspension_reason = {}
         where id = '{id}' returning {COLUMNS}",
        literal(&caller.to_string()),
        literal(reason.as_str()),
    )
}

/// The statement that suspends a tenant as it was before it was resumed, and gives its row.
#[must_use]
pub(in crate::features) fn suspend_again(id: TenantId) -> String {
    format!(
        "update control.tenants set state = 'suspended', updated_at = now()
         where id = '{id}' returning {COLUMNS}"
    )
}

/// The statement that moves a tenant to state `trashed` for so many days, notes the state that it
/// comes from, and gives its row.
#[must_use]
pub(in crate::features) fn trash(id: TenantId, caller: &Authorized<'_>, days: u32) -> String {
    format!(
        "update control.tenants set state = 'trashed', updated_at = now(), trashed_from = state,
                trashed_at = now(), trashed_by = {}, purge_after = now() + interval '1 day' * {days}::bigint
         where id = '{id}' returning {COLUMNS}",
        literal(&caller.to_string()),
    )
}

/// The statement that moves a tenant to state `deleting`, and gives its row.
#[must_use]
pub(in crate::features) fn condemn(id: TenantId) -> String {
    format!(
        "update control.tenants set state = 'deleting', updated_at = now(), deleted_at = null
         where id = '{id}' returning {COLUMNS}"
    )
}

/// The ids and slugs of the tenants whose time in the trash is over, the longest over first.
pub(in crate::features) async fn due(
    connection: &mut PgConnection,
) -> Result<Vec<(TenantId, String)>, DbError> {
    Ok(sqlx::query_as(
        "select id, slug from control.tenants where state = 'trashed' and purge_after <= now()
         order by purge_after, id",
    )
    .fetch_all(connection)
    .await?)
}

/// Whether a tenant's time in the trash is over.
pub(in crate::features) async fn is_due(
    connection: &mut PgConnection,
    id: TenantId,
) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from control.tenants
                        where id = $1 and state = 'trashed' and purge_after <= now())",
    )
    .bind(id)
    .fetch_one(connection)
    .await?)
}
