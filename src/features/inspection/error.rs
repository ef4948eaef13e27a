//! How an inspection ends when not everything is well.

use serde_json::{Value, json};

use crate::features::placement::PlacementError;
use crate::features::provisioning::ProvisioningError;
use crate::features::secrets::SecretsError;
use crate::features::tenants::TenantError;
use crate::features::tokens::TokenError;
use crate::infra::crypto::{RandomError, SignError};
use crate::infra::db::DbError;
use crate::kernel::{AnyFailure, ErrorKind, Failure};

/// An inspection, a mending or a proof that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum InspectionError {
    /// Faults were found.
    #[error("{errors} fault(s) were found{}", also(*unasked))]
    Faults {
        /// How many.
        errors: usize,
        /// How many places could not be looked at.
        unasked: usize,
        /// How many of the faults `--fix` mends.
        fixable: usize,
    },
    /// Nothing was found where it was looked, and not everything could be looked at.
    #[error("{} could not be looked at; nothing was found elsewhere", places(*unasked))]
    Unasked {
        /// How many.
        unasked: usize,
    },
    /// Some findings could not be mended.
    #[error("{failed} of {total} finding(s) could not be mended")]
    NotMended {
        /// How many.
        failed: usize,
        /// Of how many.
        total: usize,
    },
    /// A tenant was let in where it has no business.
    #[error("{breaches} attempt(s) were let in: tenants are not kept apart")]
    NotIsolated {
        /// How many.
        breaches: usize,
    },
    /// Some attempts had no clear answer.
    #[error("{unclear} attempt(s) had no clear answer: nothing is proved of them")]
    NotProved {
        /// How many.
        unclear: usize,
    },
    /// A file that is no proof.
    #[error("this is no proof: {0}")]
    NoProof(String),
    /// The control database was restored from an older backup.
    #[error("nothing was changed: {0}")]
    RecordOlder(String),
    /// There is nothing that could be accepted.
    #[error(
        "the control database is as young as the world and as it was written; there is nothing to accept"
    )]
    NothingToAccept,
    /// It was stopped.
    #[error("stopped; not everything was looked at")]
    Interrupted,
    /// The control database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Servers and stores.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// Sealed values.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Tenants' rows.
    #[error(transparent)]
    Tenants(#[from] TenantError),
    /// Signing keys and revocations.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// A repair.
    #[error(transparent)]
    Provisioning(#[from] ProvisioningError),
    /// A signature.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The reading of a list.
    #[error("{0}")]
    Reading(AnyFailure),
}

fn also(unasked: usize) -> String {
    if unasked == 0 { String::new() } else { format!(", and {} could not be looked at", places(unasked)) }
}

fn places(unasked: usize) -> String {
    if unasked == 1 { "1 place".to_owned() } else { format!("{unasked} places") }
}

impl InspectionError {
    fn inner(&self) -> Option<&dyn Failure> {
        match self {
            Self::Db(error) => Some(error),
            Self::Placement(error) => Some(error),
            Self::Secrets(error) => Some(error),
            Self::Tenants(error) => Some(error),
            Self::Tokens(error) => Some(error),
            Self::Provisioning(error) => Some(error),
            Self::Sign(error) => Some(error),
            Self::Random(error) => Some(error),
            Self::Reading(error) => Some(error.get()),
            _ => None,
        }
    }
}

impl Failure for InspectionError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Faults { .. } | Self::NotIsolated { .. } | Self::NoProof(_) | Self::RecordOlder(_) => {
                ErrorKind::Integrity
            }
            Self::NothingToAccept => ErrorKind::Conflict,
            Self::Unasked { .. } | Self::NotProved { .. } => ErrorKind::Unavailable,
            Self::NotMended { .. } => ErrorKind::Partial,
            Self::Interrupted => ErrorKind::Interrupted,
            other => other.inner().map_or(ErrorKind::Internal, Failure::kind),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Faults { .. } => "faults_found",
            Self::Unasked { .. } => "places_not_asked",
            Self::NotMended { .. } => "some_not_mended",
            Self::NotIsolated { .. } => "not_isolated",
            Self::NotProved { .. } => "not_proved",
            Self::NoProof(_) => "no_proof",
            Self::RecordOlder(_) => "record_older_than_world",
            Self::NothingToAccept => "nothing_to_accept",
            Self::Interrupted => "interrupted",
            other => other.inner().map_or("inspection", Failure::code),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Faults { fixable, .. } if *fixable > 0 => {
                vec![format!("{fixable} of them can be mended: nexus fsck --fix")]
            }
            Self::Unasked { .. } => {
                vec!["nexus cluster check".to_owned(), "nexus store check".to_owned()]
            }
            Self::RecordOlder(_) => vec![
                "restore a newer backup of the control database, or go on with this one: nexus fsck --accept-record"
                    .to_owned(),
            ],
            Self::NotIsolated { .. } => vec!["find the cause: nexus fsck".to_owned()],
            Self::NotProved { .. } => {
                vec!["see what is amiss: nexus fsck".to_owned(), "nexus tenant repair --all".to_owned()]
            }
            Self::NotMended { .. } => vec!["see what is left: nexus fsck".to_owned()],
            other => other.inner().map_or_else(Vec::new, Failure::hints),
        }
    }

    fn neighbour(&self) -> Option<&str> {
        self.inner().and_then(Failure::neighbour)
    }

    fn details(&self) -> Value {
        match self {
            Self::Faults { errors, unasked, fixable } => {
                json!({ "faults": errors, "unasked": unasked, "fixable": fixable })
            }
            Self::Unasked { unasked } => json!({ "faults": 0, "unasked": unasked }),
            Self::NotMended { failed, total } => json!({ "failed": failed, "total": total }),
            other => other.inner().map_or(Value::Null, Failure::details),
        }
    }
}
