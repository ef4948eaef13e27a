//! What can go wrong with a tenant's facts.

use serde_json::{Value, json};

use crate::infra::db::DbError;
use crate::kernel::{ErrorKind, Failure};

/// A request about tenants that failed.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// Nobody of that slug or id.
    #[error("no tenant {name:?}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// The nearest slug that there is.
        nearest: Option<String>,
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
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::NotActive { .. } => ErrorKind::Conflict,
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "tenant_not_found",
            Self::NotActive { .. } => "tenant_not_active",
            Self::Db(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotFound { nearest: Some(nearest), .. } => vec![format!("did you mean {nearest}?")],
            Self::NotFound { .. } => vec!["see which there are: nexus tenant list".to_owned()],
            Self::NotActive { slug, .. } => vec![
                format!("see where it stands: nexus operation list --tenant {slug}"),
                format!("finish or take back what was begun: nexus tenant repair {slug}"),
            ],
            Self::Db(error) => error.hints(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::NotFound { name, nearest } => json!({ "name": name, "nearest": nearest }),
            Self::NotActive { slug, state } => json!({ "slug": slug, "state": state }),
            Self::Db(error) => error.details(),
        }
    }
}
