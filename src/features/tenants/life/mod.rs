//! A tenant's life between its making and its end: why it is suspended, how long it stays in the
//! trash.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;

use super::model::{Tenant, TenantState};
use crate::kernel::text;

mod store;

pub(in crate::features) use store::{condemn, due, is_due, suspend, suspend_again, trash};

/// The most characters of a reason; the table has the same limit.
const REASON: usize = 500;

/// Why a tenant is suspended: one line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// A text that is no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason is one line of 1 to {REASON} characters; a token, a key or a login is refused")]
pub struct ReasonError;

impl Reason {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reason {
    type Err = ReasonError;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let reason = text::line(given.trim()).map_err(|_| ReasonError)?;
        if (1..=REASON).contains(&reason.chars().count()) { Ok(Self(reason)) } else { Err(ReasonError) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suspension {
    pub reason: String,
    pub by: String,
    /// Since when (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// A stay in the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(" unpaid bill ".parse::<Reason>().unwrap().as_str(), "unpaid bill");
        assert_eq!("é".repeat(REASON).parse::<Reason>().unwrap().as_str().len(), 2 * REASON);
        for text in ["", "  ", "two\nlines", &"x".repeat(REASON + 1)] {
            assert_eq!(text.parse::<Reason>(), Err(ReasonError), "{text:?}");
        }
    }
}
