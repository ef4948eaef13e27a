//! What can go wrong with secrets.

use crate::features::access::AccessError;
use crate::infra::crypto::{MasterKeyError, MasterKeyId, RandomError, SealError};
use crate::kernel::{Failure, TenantId};

/// Why a secret was not sealed, opened or erased. No variant holds a byte of one.
#[derive(Debug, thiserror::Error, Failure)]
pub enum SecretsError {
    /// The master key at hand is not the one that this control database was made with.
    #[error("this control database needs master key {needed}, but {given} was given")]
    #[failure(Integrity, "master_key_mismatch")]
    #[hint("nexus secret status")]
    #[hint("nexus config show")]
    #[details(needed, given)]
    OtherMaster { needed: MasterKeyId, given: MasterKeyId },
    /// No master key was ever recorded here.
    #[error("this control database has no master key yet")]
    #[failure(NotFound, "master_key_not_recorded")]
    #[hint("nexus init")]
    NoMaster,
    /// The master key failed.
    #[error(transparent)]
    #[failure(transparent)]
    Master(#[from] MasterKeyError),
    /// The data key was changed or is another tenant's.
    #[error("the data key of {} was changed, or belongs elsewhere", whose(.0))]
    #[failure(Integrity, "data_key_damaged")]
    #[hint(if *_0 == TenantId::PLATFORM, platform_hint(""))]
    #[hint(else, "nexus tenant repair {_0}")]
    #[details(tenant = _0)]
    DataKeyDamaged(TenantId),
    /// The list of the tenant's secrets was changed or put back.
    #[error("the list of sealed secrets of {} was changed, or is an older one put back", whose(.0))]
    #[failure(Integrity, "sealed_list_damaged")]
    #[hint(if *_0 == TenantId::PLATFORM, platform_hint(""))]
    #[hint(else, "nexus tenant repair {_0}")]
    #[details(tenant = _0)]
    ManifestDamaged(TenantId),
    /// A value was changed, swapped, put back, added or taken away.
    #[error("the secret {name} of {} was changed, taken away, or is an older one put back", whose(.tenant))]
    #[failure(Integrity, "sealed_value_damaged")]
    #[hint(if *tenant == TenantId::PLATFORM, platform_hint(name))]
    #[hint(else, "nexus tenant repair {tenant}")]
    #[details(tenant, name)]
    Damaged { tenant: TenantId, name: String },
    /// There is no such secret.
    #[error("{} has no secret {name}", whose(.tenant))]
    #[failure(if *tenant == TenantId::PLATFORM, Integrity, "secret_not_found")]
    #[failure(NotFound, "secret_not_found")]
    #[hint(if *tenant == TenantId::PLATFORM, platform_hint(name))]
    #[details(tenant, name)]
    NotFound { tenant: TenantId, name: String },
    /// The tenant has no data key: nothing was ever sealed for it, or all was erased.
    #[error("{} has no sealed secrets", whose(.0))]
    #[failure(if *_0 == TenantId::PLATFORM, Integrity, "secrets_not_found")]
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
    #[error("{0:?} is no name for a secret, or is given twice")]
    #[failure(Internal, "secret_name")]
    Name(String),
    /// The value of a secret is too long.
    #[error("the secret {name} of {} could not be sealed: {source}", whose(.tenant))]
    #[failure(Internal, "secret_not_sealed")]
    #[details(tenant, name)]
    Seal { tenant: TenantId, name: String, source: SealError },
    /// No random bytes for a key.
    #[error(transparent)]
    #[failure(Internal, "no_random_bytes")]
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
