//! What can go wrong with the installation as a whole.

use crate::features::access::AccessError;
use crate::features::iam::IamError;
use crate::features::placement::PlacementError;
use crate::features::record::RecordOlder;
use crate::features::secrets::SecretsError;
use crate::infra::cluster::ClusterError;
use crate::infra::db::DbError;
use crate::kernel::Failure;

/// A request about the installation that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum InstallationError {
    /// There is no control database, or it is empty.
    #[error("{server} is not a control database of Nexus")]
    #[failure(Unavailable, "not_initialised")]
    #[hint("set it up" => PlatformAction::SetUp)]
    NotInitialised { server: String },
    /// The installation is already initialised.
    #[error("this installation is already initialised (id {id}); nothing was changed")]
    #[failure(Conflict, "already_initialised")]
    Initialised { id: String },
    /// The control database is behind this program.
    #[error("the control database is at version {is}, this program needs {needs}")]
    #[failure(Unavailable, "control_behind")]
    #[hint("set it up" => PlatformAction::SetUp)]
    Behind { is: i64, needs: i64 },
    /// The control database is ahead of this program.
    #[error(
        "the control database is at version {is}, this program knows {knows}: a newer nexus has upgraded it"
    )]
    #[failure(Conflict, "control_ahead")]
    #[hint("use the newer nexus")]
    Ahead { is: i64, knows: i64 },
    /// Someone else is initialising or building the template.
    #[error("another process is setting this installation up")]
    #[failure(Busy, "setup_busy")]
    #[hint("repeat the command in a moment")]
    Busy,
    /// The control database was restored from a backup.
    #[error(transparent)]
    #[failure(transparent)]
    RecordOlder(#[from] RecordOlder),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// A change on the server failed.
    #[error(transparent)]
    #[failure(transparent)]
    Cluster(#[from] ClusterError),
    /// The server for tenants' databases.
    #[error(transparent)]
    #[failure(transparent)]
    Placement(#[from] PlacementError),
    /// A key failed.
    #[error(transparent)]
    #[failure(transparent)]
    Secrets(#[from] SecretsError),
    /// The first operator.
    #[error(transparent)]
    #[failure(transparent)]
    Operator(#[from] IamError),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}
