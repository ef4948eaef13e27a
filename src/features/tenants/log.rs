//! What the platform's log says, of all tenants or of one.

use super::service::{TenantRef, look_up, missing};
use crate::features::access::{self, About, rights};
use crate::features::audit::{self, AuditFilter, AuditView, OfTenant};
use crate::infra::db::PgConnection;
use crate::kernel::{AnyFailure, Caller, Page};

/// One page of the platform's log, the newest first, and whether older rows follow; of a tenant, also of one that was
/// purged.
///
/// # Errors
/// Without `audit:read`; [`super::TenantError::NotFound`] where there never was such a tenant.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn log(
    control: &mut PgConnection,
    caller: &Caller,
    tenant: Option<&TenantRef>,
    filter: &AuditFilter,
    page: Page,
) -> Result<(Vec<AuditView>, bool), AnyFailure> {
    access::authorize(control, caller, &rights::AUDIT_READ, About::Platform).await?;
    let of = tenant.map(|name| match name {
        TenantRef::Id(id) => OfTenant::Id(*id),
        TenantRef::Slug(slug) => OfTenant::Slug(slug.to_string()),
    });
    let found = audit::read_page(control, &AuditFilter { tenant: of, ..filter.clone() }, page).await?;
    let is_first = page.page == 1 && filter.before.is_none();
    if let Some(name) = tenant.filter(|_| found.0.is_empty() && is_first)
        && look_up(control, name).await?.is_none()
    {
        return Err(missing(control, name).await?.into());
    }
    Ok(found)
}
