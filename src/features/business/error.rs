//! What can go wrong with what is a tenant's own.

use crate::features::files::FilesError;
use crate::features::iam::IamError;
use crate::infra::db::DbError;
use crate::kernel::{AnyFailure, Failure};

/// A request about what is a tenant's own that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum BusinessError {
    /// The realm, or what the caller may do there.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
    /// The tenant's files.
    #[error(transparent)]
    #[failure(transparent)]
    Files(#[from] FilesError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// The realm or the database could not be opened.
    #[error("{_0}")]
    #[failure(transparent)]
    Reach(AnyFailure),
}

impl From<AnyFailure> for BusinessError {
    fn from(failure: AnyFailure) -> Self {
        Self::Reach(failure)
    }
}
