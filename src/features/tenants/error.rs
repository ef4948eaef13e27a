//! What can go wrong with a tenant's facts.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::infra::db::DbError;
use crate::kernel::{ErrorKind, Failure, TenantId};

/// A request about tenants that failed.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// Nobody of that slug or id.
    #[error("no tenant {name:?}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// A slug that is one slip away: another tenant, which may not be meant.
        nearest: Option<String>,
    },
    /// Nobody has that slug any more: its tenant was destroyed.
    #[error("tenant {name:?} was {} {} by {by}", if *made { "purged" } else { "never finished; its creation was rolled back" }, at.date())]
    Purged {
        /// What was asked for.
        name: String,
        /// The id that its records keep.
        id: TenantId,
        /// Whether it was ever in use.
        made: bool,
        /// When.
        at: OffsetDateTime,
        /// By whom.
        by: String,
    },
    /// Nobody has that slug any more: its tenant was renamed.
    #[error("no tenant {name:?}: it is called {slug} now")]
    Renamed {
        /// What was asked for.
        name: String,
        /// Its slug now.
        slug: String,
        /// When it was renamed.
        since: OffsetDateTime,
    },
    /// Another tenant has the slug.
    #[error("slug {slug:?} is taken by another tenant")]
    SlugTaken {
        /// Which.
        slug: String,
    },
    /// It is gone, and can no longer be changed.
    #[error("tenant {slug:?} is gone")]
    Gone {
        /// Which.
        slug: String,
    },
    /// It is suspended.
    #[error("tenant {slug:?} is suspended since {}: {reason}", since.date())]
    Suspended {
        /// Which.
        slug: String,
        /// Why.
        reason: String,
        /// Since when.
        since: OffsetDateTime,
    },
    /// It is in the trash.
    #[error("tenant {slug:?} is deleted and kept until {}", purge_after.date())]
    Trashed {
        /// Which.
        slug: String,
        /// Until when it can be had back.
        purge_after: OffsetDateTime,
    },
    /// It is not in a state in which this can be done.
    #[error("tenant {slug:?} is {state}, not active")]
    NotActive {
        /// Which.
        slug: String,
        /// Its state.
        state: &'static str,
    },
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for TenantError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Failure for TenantError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::Purged { .. } | Self::Renamed { .. } => ErrorKind::NotFound,
            Self::SlugTaken { .. }
            | Self::Gone { .. }
            | Self::Suspended { .. }
            | Self::Trashed { .. }
            | Self::NotActive { .. } => ErrorKind::Conflict,
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } | Self::Purged { .. } => "tenant_not_found",
            Self::Renamed { .. } => "tenant_renamed",
            Self::SlugTaken { .. } => "slug_taken",
            Self::Gone { .. } => "tenant_gone",
            Self::Suspended { .. } => "tenant_suspended",
            Self::Trashed { .. } => "tenant_trashed",
            Self::NotActive { .. } => "tenant_not_active",
            Self::Db(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Purged { id, .. } => vec![
                "what was purged cannot be brought back; its slug is free".to_owned(),
                format!("see what was done to it: nexus audit list --tenant {id}"),
            ],
            Self::NotFound { .. } | Self::Gone { .. } => {
                vec!["see which there are: nexus tenant list".to_owned()]
            }
            Self::Renamed { name, slug, since } => {
                vec![format!("{name} is now called {slug} since {}: nexus tenant show {slug}", since.date())]
            }
            Self::SlugTaken { slug } => vec![format!("see who has it: nexus tenant show {slug}")],
            Self::Suspended { slug, .. } => vec![format!("let it be used again: nexus tenant resume {slug}")],
            Self::Trashed { slug, .. } => vec![format!("have it back: nexus tenant undelete {slug}")],
            Self::NotActive { slug, .. } => vec![
                format!("see where it stands: nexus operation list --tenant {slug}"),
                format!("finish or take back what was begun: nexus tenant repair {slug}"),
            ],
            Self::Db(error) => error.hints(),
        }
    }

    fn neighbour(&self) -> Option<&str> {
        match self {
            Self::NotFound { nearest, .. } => nearest.as_deref(),
            _ => None,
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::NotFound { name, .. } => json!({ "name": name, "nearest": null }),
            Self::Purged { name, id, made, at, by } => {
                let at = at.format(&Rfc3339).unwrap_or_default();
                json!({ "name": name, "nearest": null, "id": id, "purged": made, "at": at, "by": by })
            }
            Self::Renamed { name, slug, since } => {
                json!({ "name": name, "slug": slug, "since": since.format(&Rfc3339).unwrap_or_default() })
            }
            Self::SlugTaken { slug } | Self::Gone { slug } => json!({ "slug": slug }),
            Self::Suspended { slug, reason, since } => {
                json!({ "slug": slug, "reason": reason, "since": since.format(&Rfc3339).unwrap_or_default() })
            }
            Self::Trashed { slug, purge_after } => {
                json!({ "slug": slug, "purge_after": purge_after.format(&Rfc3339).unwrap_or_default() })
            }
            Self::NotActive { slug, state } => json!({ "slug": slug, "state": state }),
            Self::Db(error) => error.details(),
        }
    }
}
