//! What a tenant uses, as doors show it.

use serde::Serialize;
use utoipa::ToSchema;

use super::month::Month;
use crate::features::tenants::{Tenant, UsageLimits};
use crate::kernel::TenantId;

/// What a tenant uses, and what it may use.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TenantUsage)]
pub struct UsageView {
    #[schema(value_type = uuid::Uuid)]
    pub tenant_id: TenantId,
    /// The calendar month (UTC) that requests are counted in.
    #[schema(example = "2026-11")]
    pub month: String,
    /// Requests of its users to the API in this month; what a server counted in the last two seconds may be missing.
    #[schema(minimum = 0)]
    pub requests: i64,
    pub limits: UsageLimits,
}

impl UsageView {
    pub(super) fn of(tenant: &Tenant, month: Month, requests: i64) -> Self {
        let limits = tenant.profile.limits;
        Self { tenant_id: tenant.id, month: month.to_string(), requests, limits }
    }
}
