//! What can go wrong with secrets.

use serde_json::{Value, json};

use crate::infra::crypto::{MasterKeyError, MasterKeyId, RandomError, SealError};
use crate::kernel::{ErrorKind, Failure, TenantId};

/// Why a secret was not sealed, opened or erased. No variant holds a byte of one.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The master key at hand is not the one that this control database was made with.
    #[error("this control database needs master key {needed}, but {given} was given")]
    OtherMaster {
        /// The key that wrapped what is there.
        needed: MasterKeyId,
        /// The key at hand.
        given: MasterKeyId,
    },
    /// No master key was ever recorded here.
    #[error("this control database has no master key yet")]
    NoMaster,
    /// The master key failed.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// The data key was changed or is another tenant's.
    #[error("the data key of {} was changed, or belongs elsewhere", whose(.0))]
    DataKeyDamaged(TenantId),
    /// The list of the tenant's secrets was changed or put back.
    #[error("the list of sealed secrets of {} was changed, or is an older one put back", whose(.0))]
    ManifestDamaged(TenantId),
    /// A value was changed, swapped, put back, added or taken away.
    #[error("the secret {name} of {} was changed, taken away, or is an older one put back", whose(.tenant))]
    Damaged {
        /// Whose.
        tenant: TenantId,
        /// Which secret.
        name: String,
    },
    /// There is no such secret.
    #[error("{} has no secret {name}", whose(.tenant))]
    NotFound {
        /// Whose.
        tenant: TenantId,
        /// Which secret.
        name: String,
    },
    /// The tenant has no data key: nothing was ever sealed for it, or all was erased.
    #[error("{} has no sealed secrets", whose(.0))]
    NoDataKey(TenantId),
    /// The tenant's data key was made before.
    #[error("{} has sealed secrets already", whose(.0))]
    AlreadySealed(TenantId),
    /// Another writer was faster; only outside a transaction.
    #[error("the secrets of {} were changed by someone else at the same moment", whose(.0))]
    Raced(TenantId),
    /// The data key has sealed as often as is safe.
    #[error("the data key of {} has been used up", whose(.0))]
    UsedUp(TenantId),
    /// Not a name for a secret, or one given twice.
    #[error("{0:?} is no name for a secret, or is given twice")]
    Name(String),
    /// The value is too long.
    #[error("the secret {name} of {} could not be sealed: {source}", whose(.tenant))]
    Seal {
        /// Whose.
        tenant: TenantId,
        /// Which secret.
        name: String,
        /// Why.
        source: SealError,
    },
    /// No random bytes for a key.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The connection to the control database.
    #[error(transparent)]
    Connection(crate::infra::db::DbError),
}

fn whose(tenant: &TenantId) -> String {
    if *tenant == TenantId::PLATFORM { "the platform".to_owned() } else { format!("tenant {tenant}") }
}

/// What gives the platform another value in place of one that does not open.
fn platform_hint(name: &str) -> String {
    let place = |kind: &str, end: &str| name.strip_prefix(kind)?.strip_suffix(end);
    if let Some(name) = place("cluster.", ".password") {
        return format!("nexus cluster update {name} --password-stdin");
    }
    if let Some(name) = place("store.", ".secret") {
        return format!("nexus store update {name} --secret-stdin");
    }
    "restore the control database's tables of secrets from a backup".to_owned()
}

impl From<sqlx::Error> for SecretsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Connection(error.into())
    }
}

impl Failure for SecretsError {
    fn kind(&self) -> ErrorKind {
        match self {
            // What is the platform's is never erased.
            Self::NotFound { tenant: TenantId::PLATFORM, .. } | Self::NoDataKey(TenantId::PLATFORM) => {
                ErrorKind::Integrity
            }
            Self::OtherMaster { .. }
            | Self::DataKeyDamaged(_)
            | Self::ManifestDamaged(_)
            | Self::Damaged { .. }
            | Self::UsedUp(_) => ErrorKind::Integrity,
            Self::Master(error) => error.kind(),
            Self::NoMaster | Self::NotFound { .. } | Self::NoDataKey(_) => ErrorKind::NotFound,
            Self::AlreadySealed(_) | Self::Raced(_) => ErrorKind::Conflict,
            Self::Name(_) | Self::Seal { .. } | Self::Random(_) => ErrorKind::Internal,
            Self::Connection(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::OtherMaster { .. } => "master_key_mismatch",
            Self::NoMaster => "master_key_not_recorded",
            Self::Master(error) => error.code(),
            Self::DataKeyDamaged(_) => "data_key_damaged",
            Self::ManifestDamaged(_) => "sealed_list_damaged",
            Self::Damaged { .. } => "sealed_value_damaged",
            Self::NotFound { .. } => "secret_not_found",
            Self::NoDataKey(_) => "secrets_not_found",
            Self::AlreadySealed(_) => "secrets_exist",
            Self::Raced(_) => "secrets_changed",
            Self::UsedUp(_) => "data_key_used_up",
            Self::Name(_) => "secret_name",
            Self::Seal { .. } => "secret_not_sealed",
            Self::Random(_) => "no_random_bytes",
            Self::Connection(_) => "control_database",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::OtherMaster { .. } => vec!["nexus secret status".into(), "nexus config show".into()],
            Self::NoMaster => vec!["nexus init".into()],
            Self::Master(error) => error.hints(),
            Self::Connection(error) => error.hints(),
            Self::Damaged { tenant: TenantId::PLATFORM, name }
            | Self::NotFound { tenant: TenantId::PLATFORM, name } => vec![platform_hint(name)],
            Self::DataKeyDamaged(TenantId::PLATFORM)
            | Self::NoDataKey(TenantId::PLATFORM)
            | Self::ManifestDamaged(TenantId::PLATFORM) => {
                vec![platform_hint("")]
            }
            Self::Damaged { tenant, .. } | Self::DataKeyDamaged(tenant) | Self::ManifestDamaged(tenant) => {
                vec![format!("nexus tenant repair {tenant}")]
            }
            _ => Vec::new(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::OtherMaster { needed, given }
            | Self::Master(MasterKeyError::OtherKey { needed, given }) => {
                json!({ "needed": needed, "given": given })
            }
            Self::Damaged { tenant, name }
            | Self::NotFound { tenant, name }
            | Self::Seal { tenant, name, .. } => {
                json!({ "tenant": tenant, "name": name })
            }
            Self::Connection(error) => error.details(),
            Self::DataKeyDamaged(tenant)
            | Self::ManifestDamaged(tenant)
            | Self::NoDataKey(tenant)
            | Self::AlreadySealed(tenant)
            | Self::Raced(tenant)
            | Self::UsedUp(tenant) => json!({ "tenant": tenant }),
            _ => Value::Null,
        }
    }
}
