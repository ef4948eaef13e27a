//! Reading and adding up what tenants use.

use super::error::UsageError;
use super::meter::Counted;
use super::month::Month;
use super::store;
use super::views::UsageView;
use crate::features::access::{self, About, rights};
use crate::features::tenants::{self, TenantError, TenantRef};
use crate::infra::db::PgConnection;
use crate::kernel::Caller;

/// What a tenant uses in a month.
///
/// # Errors
/// Without `tenant:read`; [`UsageError::Tenant`] where there is no such tenant.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn of(
    control: &mut PgConnection,
    caller: &Caller,
    name: &TenantRef,
    month: Month,
) -> Result<UsageView, UsageError> {
    let tenant = tenants::get(control, caller, name).await?;
    let requests = store::requests(control, tenant.id, month).await?;
    Ok(UsageView::of(&tenant, month, requests))
}

/// Adds what a server has counted; how much it is now, with what other servers have added.
///
/// # Errors
/// Without `tenant:update`; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn add(
    control: &mut PgConnection,
    caller: &Caller,
    counts: &[Counted],
) -> Result<Vec<Counted>, UsageError> {
    let allowed = access::authorize(control, caller, &rights::TENANT_UPDATE, About::Platform).await;
    allowed.map_err(TenantError::from)?;
    Ok(store::add(control, counts).await?)
}
