//! How an inspection ends when not everything is well.

use crate::features::access::AccessError;
use crate::features::placement::PlacementError;
use crate::features::provisioning::ProvisioningError;
use crate::features::secrets::SecretsError;
use crate::features::tenants::TenantError;
use crate::features::tokens::TokenError;
use crate::infra::crypto::{RandomError, SignError};
use crate::infra::db::DbError;
use crate::kernel::{AnyFailure, Failure};

/// An inspection, a mending or a proof that did not end well.
#[derive(Debug, thiserror::Error, Failure)]
pub enum InspectionError {
    /// Faults were found.
    #[error("{errors} fault(s) were found{}", also(*unasked))]
    #[failure(Integrity, "faults_found")]
    #[hint(if *fixable > 0, "{fixable} of them can be mended: nexus fsck --fix")]
    #[details(faults = errors, unasked, fixable)]
    Faults {
        errors: usize,
        unasked: usize,
        /// How many of the faults `--fix` mends.
        fixable: usize,
    },
    /// Nothing was found where it was looked, and not everything could be looked at.
    #[error("{} could not be looked at; nothing was found elsewhere", places(*unasked))]
    #[failure(Unavailable, "places_not_asked")]
    #[hint("nexus cluster check")]
    #[hint("nexus store check")]
    #[details(faults = 0, unasked)]
    Unasked { unasked: usize },
    /// Some findings could not be mended.
    #[error("{failed} of {total} finding(s) could not be mended")]
    #[failure(Partial, "some_not_mended")]
    #[hint("see what is left: nexus fsck")]
    #[details(failed, total)]
    NotMended { failed: usize, total: usize },
    /// A tenant was let in where it has no business.
    #[error("{breaches} attempt(s) were let in: tenants are not kept apart")]
    #[failure(Integrity, "not_isolated")]
    #[hint("find the cause: nexus fsck")]
    NotIsolated { breaches: usize },
    /// Some attempts had no clear answer.
    #[error("{unclear} attempt(s) had no clear answer: nothing is proved of them")]
    #[failure(Unavailable, "not_proved")]
    #[hint("see what is amiss: nexus fsck")]
    #[hint("nexus tenant repair --all")]
    NotProved { unclear: usize },
    /// A file that is no proof.
    #[error("this is no proof: {0}")]
    #[failure(Integrity, "no_proof")]
    NoProof(String),
    /// The control database was restored from an older backup.
    #[error("nothing was changed: {0}")]
    #[failure(Integrity, "record_older_than_world")]
    #[hint(
        "restore a newer backup of the control database, or go on with this one: nexus fsck --accept-record"
    )]
    RecordOlder(String),
    /// There is nothing that could be accepted.
    #[error(
        "the control database is as young as the world and as it was written; there is nothing to accept"
    )]
    #[failure(Conflict, "nothing_to_accept")]
    NothingToAccept,
    /// The inspection was stopped.
    #[error("stopped; not everything was looked at")]
    #[failure(Interrupted, "interrupted")]
    Interrupted,
    /// The control database.
    #[error(transparent)]
    #[failure(transparent)]
    Db(#[from] DbError),
    /// Servers and stores.
    #[error(transparent)]
    #[failure(transparent)]
    Placement(#[from] PlacementError),
    /// Sealed values.
    #[error(transparent)]
    #[failure(transparent)]
    Secrets(#[from] SecretsError),
    /// Tenants' rows.
    #[error(transparent)]
    #[failure(transparent)]
    Tenants(#[from] TenantError),
    /// Signing keys and revocations.
    #[error(transparent)]
    #[failure(transparent)]
    Tokens(#[from] TokenError),
    /// A repair.
    #[error(transparent)]
    #[failure(transparent)]
    Provisioning(#[from] ProvisioningError),
    /// A signature.
    #[error(transparent)]
    #[failure(transparent)]
    Sign(#[from] SignError),
    /// Random numbers.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
    /// The reading of a list.
    #[error("{0}")]
    #[failure(transparent)]
    Reading(AnyFailure),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}

fn also(unasked: usize) -> String {
    if unasked == 0 { String::new() } else { format!(", and {} could not be looked at", places(unasked)) }
}

fn places(unasked: usize) -> String {
    if unasked == 1 { "1 place".to_owned() } else { format!("{unasked} places") }
}
