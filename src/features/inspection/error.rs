//! How an inspection ends when not everything is well.

use crate::features::access::AccessError;
use crate::features::placement::PlacementError;
use crate::features::provisioning::ProvisioningError;
use crate::features::secrets::SecretsError;
use crate::features::tenants::TenantError;
use crate::features::tokens::TokenError;
use crate::infra::crypto::{RandomError, SignError};
use crate::infra::db::DbError;
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, Failure};

/// An inspection, a fix or a proof that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum InspectionError {
    /// Faults were found.
    #[error("{} found{}", counted(*faults, "fault"), also(*unchecked))]
    #[failure(Integrity, "faults_found")]
    #[hint(if *fixable > 0, "{fixable} of them can be fixed" => FsckAction::Fix)]
    #[details(faults, unchecked, fixable)]
    Faults {
        faults: usize,
        unchecked: usize,
        /// How many of the faults can be fixed.
        fixable: usize,
    },
    /// No faults were found, but not everything could be checked.
    #[error("{} could not be checked; no faults were found elsewhere", counted(*unchecked, "place"))]
    #[failure(Unavailable, "places_not_asked")]
    #[hint(PlaceAction::CheckAll(PlaceKind::Cluster))]
    #[hint(PlaceAction::CheckAll(PlaceKind::Store))]
    #[details(faults = 0, unchecked)]
    Unchecked { unchecked: usize },
    /// A tenant got access to what belongs to another.
    #[error("{} succeeded: tenants are not isolated", counted(*breaches, "attempt"))]
    #[failure(Integrity, "not_isolated")]
    #[hint("find the cause" => FsckAction::Inspect)]
    NotIsolated { breaches: usize },
    /// Some attempts had no clear answer.
    #[error("{} had no clear answer: they prove nothing", counted(*unclear, "attempt"))]
    #[failure(Unavailable, "not_proved")]
    #[hint("see what is wrong" => FsckAction::Inspect)]
    #[hint(TenantAction::RepairAll)]
    NotProved { unclear: usize },
    /// A file that is not a proof.
    #[error("this is not a proof: {0}")]
    #[failure(Integrity, "no_proof")]
    NoProof(String),
    /// The control database was restored from an older backup.
    #[error("nothing was changed: {0}")]
    #[failure(Integrity, "record_older_than_world")]
    #[hint(
        "restore a newer backup of the control database, or go on with this one" => FsckAction::AcceptRecord
    )]
    RecordOlder(String),
    /// There is nothing to accept.
    #[error("the control database is up to date and unchanged; there is nothing to accept")]
    #[failure(Conflict, "nothing_to_accept")]
    NothingToAccept,
    /// The inspection was stopped.
    #[error("stopped; not everything was checked")]
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

fn also(unchecked: usize) -> String {
    if unchecked == 0 {
        String::new()
    } else {
        format!(", and {} could not be checked", counted(unchecked, "place"))
    }
}
