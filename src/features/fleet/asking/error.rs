//! What can go wrong when the fleet is asked.

use serde_json::{Value, json};

use crate::features::migrations::MigrationsError;
use crate::features::placement::PlacementError;
use crate::features::secrets::SecretsError;
use crate::features::tenants::TenantError;
use crate::infra::cluster::{ClusterError, CopyError};
use crate::infra::crypto::RandomError;
use crate::infra::crypto::scram::ScramError;
use crate::infra::db::DbError;
use crate::kernel::{AnyFailure, ErrorKind, Failure};

/// A question to the fleet that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Some tenants are behind the files of a set.
    #[error("{tenants} tenant(s) are behind")]
    Behind {
        /// How many.
        tenants: i64,
    },
    /// Some tenants are not as their histories or the template say.
    #[error("{drifted} of {asked} tenant(s) differ from what they should be{}", also(*unasked))]
    Drift {
        /// How many.
        drifted: usize,
        /// Of how many that answered.
        asked: usize,
        /// How many did not answer.
        unasked: usize,
    },
    /// Some tenants did not answer, and nothing was found in those that did.
    #[error("{unasked} of {total} tenant(s) could not be asked; nothing was found in the others")]
    Unasked {
        /// How many.
        unasked: usize,
        /// Of how many.
        total: usize,
    },
    /// No statement was given.
    #[error("there is no statement to run")]
    NoStatement,
    /// A statement that talks to the client in a way of its own.
    #[error("COPY cannot be run over the fleet")]
    Copy,
    /// The statement failed in some tenants.
    #[error("the statement failed in {failed} of {total} tenant(s)")]
    SomeFailed {
        /// In how many.
        failed: usize,
        /// Of how many.
        total: usize,
        /// How many were not begun, because too many had failed.
        skipped: usize,
    },
    /// A migration failed on a clone.
    #[error("{failed} migration(s) failed on a clone")]
    Rehearsed {
        /// How many.
        failed: usize,
    },
    /// There is no such set.
    #[error("no set {0:?}")]
    NoSet(String),
    /// It was stopped.
    #[error("stopped; not everybody was asked")]
    Interrupted,
    /// A statement.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Servers.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// Sealed values.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Tenants' rows.
    #[error(transparent)]
    Tenants(#[from] TenantError),
    /// Sets and their files.
    #[error(transparent)]
    Migrations(#[from] MigrationsError),
    /// A server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The copy of a database.
    #[error(transparent)]
    Copying(#[from] CopyError),
    /// A password's verifier.
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// Random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The reading of a list, or the writing of what was read.
    #[error("{0}")]
    Reading(AnyFailure),
}

fn also(unasked: usize) -> String {
    if unasked == 0 { String::new() } else { format!(", and {unasked} could not be asked") }
}

impl From<sqlx::Error> for AskError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl AskError {
    fn inner(&self) -> Option<&dyn Failure> {
        match self {
            Self::Db(error) => Some(error),
            Self::Placement(error) => Some(error),
            Self::Secrets(error) => Some(error),
            Self::Tenants(error) => Some(error),
            Self::Migrations(error) => Some(error),
            Self::Cluster(error) => Some(error),
            Self::Random(error) => Some(error),
            Self::Scram(error) => Some(error),
            Self::Copying(CopyError::File(error)) => Some(error),
            Self::Reading(error) => Some(error.get()),
            _ => None,
        }
    }
}

impl Failure for AskError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Behind { .. } | Self::Drift { .. } | Self::Rehearsed { .. } => ErrorKind::Integrity,
            Self::Unasked { unasked, total } if unasked < total => ErrorKind::Partial,
            Self::Unasked { .. } | Self::Copying(CopyError::Program { .. }) => ErrorKind::Unavailable,
            Self::NoSet(_) => ErrorKind::NotFound,
            Self::SomeFailed { .. } => ErrorKind::Partial,
            Self::NoStatement | Self::Copy => ErrorKind::Invalid,
            Self::Interrupted => ErrorKind::Interrupted,
            other => other.inner().map_or(ErrorKind::Internal, Failure::kind),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Behind { .. } => "tenants_behind",
            Self::Drift { .. } => "schema_drift",
            Self::Unasked { .. } => "tenants_not_asked",
            Self::NoStatement => "no_statement",
            Self::Copy => "copy_refused",
            Self::SomeFailed { .. } => "some_failed",
            Self::Rehearsed { .. } => "rehearsal_failed",
            Self::NoSet(_) => "set_not_found",
            Self::Copying(CopyError::Program { .. }) => "copy_failed",
            Self::Interrupted => "interrupted",
            other => other.inner().map_or("fleet", Failure::code),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Behind { .. } => vec!["bring them up to date: nexus migrate tenants --all".to_owned()],
            Self::Drift { .. } => vec!["see what differs in one: nexus migrate verify SLUG".to_owned()],
            Self::Unasked { .. } => {
                vec!["see what answers: nexus cluster check".to_owned(), "nexus fsck".to_owned()]
            }
            Self::NoStatement => {
                vec!["pass one: nexus exec --all -- 'select count(*) from invoices'".to_owned()]
            }
            Self::Copy => vec!["for one tenant use psql's \\copy: nexus tenant psql SLUG".to_owned()],
            Self::NoSet(_) => vec!["see which there are: nexus migrate set list".to_owned()],
            Self::Copying(CopyError::Program { .. }) => {
                vec!["pg_dump and pg_restore must be in the PATH, and no older than the server".to_owned()]
            }
            other => other.inner().map_or_else(Vec::new, Failure::hints),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Behind { tenants } => json!({ "behind": tenants }),
            Self::Drift { drifted, asked, unasked } => {
                json!({ "drifted": drifted, "asked": asked, "unasked": unasked })
            }
            Self::Unasked { unasked, total } => json!({ "unasked": unasked, "total": total }),
            Self::SomeFailed { failed, total, skipped } => {
                json!({ "failed": failed, "total": total, "skipped": skipped })
            }
            Self::Rehearsed { failed } => json!({ "failed": failed }),
            other => other.inner().map_or(Value::Null, Failure::details),
        }
    }
}
