//! What can go wrong with secrets.

use crate::features::access::AccessError;
use crate::infra::crypto::{MasterKeyError, MasterKeyId, RandomError, SealError};
use crate::kernel::hint::{PlaceAction, PlaceKind};
use crate::kernel::{Failure, Hint, TenantId};

/// Why a secret was not sealed, opened or erased. No variant holds a byte of one.
#[derive(Debug, thiserror::Error, Failure)]
pub enum SecretsError {
    /// The master key in use is not the one of this control database.
    #[error("this control database needs master key {needed}, but {given} was given")]
    #[failure(Integrity, "master_key_mismatch")]
    #[hint(PlatformAction::ShowMasterKey)]
    #[hint(PlatformAction::ShowSettings)]
    #[details(needed, given)]
    OtherMaster { needed: MasterKeyId, given: MasterKeyId },
    /// No master key was ever recorded here.
    #[error("this control database has no master key yet")]
    #[failure(NotFound, "master_key_not_recorded")]
    #[hint(PlatformAction::SetUp)]
    NoMaster,
    /// The master key failed.
    #[error(transparent)]
    #[failure(transparent)]
    Master(#[from] MasterKeyError),
    /// The data key was changed or is another tenant's.
    #[error("the data key of {} was changed, or belongs elsewhere", whose(.0))]
    #[failure(Integrity, "data_key_damaged")]
    #[hint(if *_0 == TenantId::PLATFORM, platform_hint(""))]
    #[hint(else, TenantAction::Repair(Some(_0.to_string())))]
    #[details(tenant = _0)]
    DataKeyDamaged(TenantId),
    /// The list of the tenant's secrets was changed or reverted.
    #[error("the list of sealed secrets of {} was changed, or reverted to an older one", whose(.0))]
    #[failure(Integrity, "sealed_list_damaged")]
    #[hint(if *_0 == TenantId::PLATFORM, platform_hint(""))]
    #[hint(else, TenantAction::Repair(Some(_0.to_string())))]
    #[details(tenant = _0)]
    ManifestDamaged(TenantId),
    /// A value was changed, swapped, reverted, added or removed.
    #[error("the secret {name} of {} was changed, removed, or reverted to an older one", whose(.tenant))]
    #[failure(Integrity, "sealed_value_damaged")]
    #[hint(if *tenant == TenantId::PLATFORM, platform_hint(name))]
    #[hint(else, TenantAction::Repair(Some(tenant.to_string())))]
    #[details(tenant, name)]
    Damaged { tenant: TenantId, name: String },
    /// There is no such secret.
    #[error("{} has no secret {name}", whose(.tenant))]
    #[failure(if *tenant == TenantId::PLATFORM, Integrity, "platform_secret_missing")]
    #[failure(NotFound, "secret_not_found")]
    #[hint(if *tenant == TenantId::PLATFORM, platform_hint(name))]
    #[details(tenant, name)]
    NotFound { tenant: TenantId, name: String },
    /// The tenant has no data key: nothing was ever sealed for it, or all was erased.
    #[error("{} has no sealed secrets", whose(.0))]
    #[failure(if *_0 == TenantId::PLATFORM, Integrity, "platform_secrets_missing")]
    #[failure(NotFound, "secrets_not_found")]
    #[hint(if *_0 == TenantId::PLATFORM, platform_hint(""))]
    #[details(tenant = _0)]
    NoDataKey(TenantId),
    /// The tenant has sealed secrets already.
    #[error("{} has sealed secrets already", whose(.0))]
    #[failure(Conflict, "secrets_exist")]
    #[details(tenant = _0)]
    AlreadySealed(TenantId),
    /// Another process changed the secrets at the same moment; only outside a transaction.
    #[error("the secrets of {} were changed by someone else at the same moment", whose(.0))]
    #[failure(Conflict, "secrets_changed")]
    #[details(tenant = _0)]
    Raced(TenantId),
    /// The data key has sealed as often as is safe.
    #[error("the data key of {} has been used up", whose(.0))]
    #[failure(Integrity, "data_key_used_up")]
    #[details(tenant = _0)]
    UsedUp(TenantId),
    /// Not a name for a secret, or one given twice.
    #[error("{0:?} is not a name for a secret, or is given twice")]
    #[failure(Internal, "secret_name")]
    Name(String),
    /// The value of a secret is too long.
    #[error("the secret {name} of {} could not be sealed: {source}", whose(.tenant))]
    #[failure(Internal, "secret_not_sealed")]
    #[details(tenant, name)]
    Seal { tenant: TenantId, name: String, source: SealError },
    /// No random bytes for a key.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
    /// The connection to the control database.
    #[error(transparent)]
    #[failure(transparent, "control_database", from(sqlx::Error))]
    Connection(crate::infra::db::DbError),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}

fn whose(tenant: &TenantId) -> String {
    if *tenant == TenantId::PLATFORM { "the platform".to_owned() } else { format!("tenant {tenant}") }
}

/// What gives the platform another value in place of one that does not open.
fn platform_hint(name: &str) -> Hint {
    let place = |kind: &str, end: &str| name.strip_prefix(kind)?.strip_suffix(end);
    if let Some(name) = place("cluster.", ".password") {
        return PlaceAction::SetCredentials(PlaceKind::Cluster, Some(name.to_owned())).into();
    }
    if let Some(name) = place("store.", ".secret") {
        return PlaceAction::SetCredentials(PlaceKind::Store, Some(name.to_owned())).into();
    }
    "restore the control database's tables of secrets from a backup".into()
}
