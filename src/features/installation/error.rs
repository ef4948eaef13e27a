//! What can go wrong with the installation as a whole.

use crate::features::placement::PlacementError;
use crate::features::record::RecordOlder;
use crate::features::secrets::SecretsError;
use crate::infra::cluster::ClusterError;
use crate::infra::db::DbError;
use crate::kernel::{ErrorKind, Failure};

/// A request about the installation that failed.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// There is no control database, or it is empty.
    #[error("{server} is not a control database of Nexus")]
    NotInitialised {
        /// Where it was looked for.
        server: String,
    },
    /// There is one already, whole.
    #[error("this installation is initialised already (id {id}); nothing was changed")]
    Initialised {
        /// Its id.
        id: String,
    },
    /// The control database is behind this program.
    #[error("the control database is at version {is}, this program needs {needs}")]
    Behind {
        /// Its version.
        is: i64,
        /// Ours.
        needs: i64,
    },
    /// The control database is ahead of this program.
    #[error(
        "the control database is at version {is}, this program knows {knows}: a newer nexus has been at work"
    )]
    Ahead {
        /// Its version.
        is: i64,
        /// Ours.
        knows: i64,
    },
    /// Someone else is initialising or building the template.
    #[error("another process is setting this installation up")]
    Busy,
    /// The control database was restored from a backup.
    #[error(transparent)]
    RecordOlder(#[from] RecordOlder),
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A change on the server failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The server for tenants' databases.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// A key failed.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

impl From<sqlx::Error> for InstallationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Failure for InstallationError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotInitialised { .. } | Self::Behind { .. } => ErrorKind::Unavailable,
            Self::Initialised { .. } | Self::Ahead { .. } => ErrorKind::Conflict,
            Self::Busy => ErrorKind::Busy,
            Self::RecordOlder(error) => error.kind(),
            Self::Db(error) => error.kind(),
            Self::Cluster(error) => error.kind(),
            Self::Placement(error) => error.kind(),
            Self::Secrets(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotInitialised { .. } => "not_initialised",
            Self::Initialised { .. } => "already_initialised",
            Self::Behind { .. } => "control_behind",
            Self::Ahead { .. } => "control_ahead",
            Self::Busy => "setup_busy",
            Self::RecordOlder(error) => error.code(),
            Self::Db(error) => error.code(),
            Self::Cluster(error) => error.code(),
            Self::Placement(error) => error.code(),
            Self::Secrets(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotInitialised { .. } | Self::Behind { .. } => vec!["set it up: nexus init".to_owned()],
            Self::Ahead { .. } => vec!["use the newer nexus".to_owned()],
            Self::Busy => vec!["repeat the command in a moment".to_owned()],
            Self::RecordOlder(error) => error.hints(),
            Self::Db(error) => error.hints(),
            Self::Cluster(error) => error.hints(),
            Self::Secrets(error) => error.hints(),
            Self::Placement(error) => error.hints(),
            Self::Initialised { .. } => Vec::new(),
        }
    }
}
