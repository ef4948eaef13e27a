//! What can go wrong with sealed secrets.

use crate::infra::crypto::master::MasterKeyError;
use crate::infra::db::DbError;
use crate::kernel::{ErrorKind, Failure, TenantId};

/// A request about secrets that failed.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A sealed value does not open.
    #[error("secret {name:?} of tenant {tenant} does not open: it was changed, moved or put back")]
    Damaged {
        /// Whose.
        tenant: TenantId,
        /// Which.
        name: String,
    },
    /// The tenant has no data key.
    #[error("tenant {0} has no data key")]
    NoKey(TenantId),
    /// The database was made with another master key.
    #[error("the control database was made with master key {needed}, this one is {given}")]
    OtherMaster {
        /// The one that is needed.
        needed: String,
        /// The one that was given.
        given: String,
    },
    /// The master key failed.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Failure for SecretsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Damaged { .. } | Self::NoKey(_) | Self::OtherMaster { .. } => ErrorKind::Integrity,
            Self::Master(error) => error.kind(),
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "sealed_value_damaged",
            Self::NoKey(_) => "data_key_missing",
            Self::OtherMaster { .. } => "other_master_key",
            Self::Master(error) => error.code(),
            Self::Db(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Damaged { .. } | Self::NoKey(_) => {
                vec!["put the control database's rows back from a backup".to_owned()]
            }
            Self::OtherMaster { needed, .. } => vec![
                format!("give the key {needed}; it was in use when the database was made"),
                "see where the key comes from: nexus config show".to_owned(),
            ],
            Self::Master(error) => error.hints(),
            Self::Db(error) => error.hints(),
        }
    }
}
