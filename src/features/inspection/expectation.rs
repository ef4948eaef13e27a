//! What should be there of a tenant, by the state of its row. The one place that knows.

use crate::features::tenants::TenantState;

/// What should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expectation {
    /// Everything; whether its logins are let in.
    Whole { open: bool },
    /// Whatever an operation has made or left: there must be one that is not over.
    UnderWay,
    /// Nothing.
    Gone,
}

impl Expectation {
    pub(super) fn of(state: TenantState) -> Self {
        match state {
            TenantState::Active | TenantState::Pooled => Self::Whole { open: true },
            TenantState::Suspended | TenantState::Trashed => Self::Whole { open: false },
            TenantState::Provisioning | TenantState::Deleting => Self::UnderWay,
            TenantState::Deleted => Self::Gone,
        }
    }
}
