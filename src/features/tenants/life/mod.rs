//! A tenant's life between its making and its end: why it is suspended, how long it stays in the
//! trash.

use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::model::{Tenant, TenantState};

mod store;

pub(in crate::features) use store::{condemn, due, is_due, suspend, suspend_again, trash};

/// What a tenant's row tells of its last suspension and its last deletion, over or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
pub struct Life {
    pub(super) suspended_at: Option<OffsetDateTime>,
    pub(super) suspended_by: Option<String>,
    pub(super) suspension_reason: Option<String>,
    pub(super) trashed_at: Option<OffsetDateTime>,
    pub(super) trashed_by: Option<String>,
    pub(super) trashed_from: Option<TenantState>,
    pub(super) purge_after: Option<OffsetDateTime>,
}

/// A suspension that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Suspension {
    pub reason: String,
    pub by: String,
    /// Since when (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// A stay in the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Trash {
    pub by: String,
    /// Since when (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// When it may be purged (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub purge_after: OffsetDateTime,
}

impl Tenant {
    /// Whether nobody is let in: its logins are closed and its key is off.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, TenantState::Suspended | TenantState::Trashed)
    }

    /// Why it is suspended, or was when it was put into the trash.
    #[must_use]
    pub fn suspension(&self) -> Option<Suspension> {
        let suspended = self.state == TenantState::Suspended
            || (self.state == TenantState::Trashed && self.undeleted_state() == TenantState::Suspended);
        let life = Some(&self.life).filter(|_| suspended)?;
        Some(Suspension {
            reason: life.suspension_reason.clone()?,
            by: life.suspended_by.clone()?,
            at: life.suspended_at?,
        })
    }

    /// Why it was suspended the last time, over or not.
    #[must_use]
    pub fn last_suspension_reason(&self) -> Option<&str> {
        self.life.suspension_reason.as_deref()
    }

    /// Until when it is in the trash.
    #[must_use]
    pub fn trash(&self) -> Option<Trash> {
        let life = Some(&self.life).filter(|_| self.state == TenantState::Trashed)?;
        Some(Trash { by: life.trashed_by.clone()?, at: life.trashed_at?, purge_after: life.purge_after? })
    }

    /// The state that its last deletion found it in, and to which an undeletion leads.
    #[must_use]
    pub fn undeleted_state(&self) -> TenantState {
        self.life.trashed_from.unwrap_or(TenantState::Active)
    }
}
