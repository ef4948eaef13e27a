//! What can go wrong with files.

use uuid::Uuid;

use crate::features::iam::IamError;
use crate::features::usage::UsageError;
use crate::infra::objects::ObjectError;
use crate::kernel::{AnyFailure, Failure, Stale};

/// A request about files that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum FilesError {
    /// The realm has no file of that id.
    #[error("no file {id} in this realm")]
    #[failure(NotFound, "file_not_found")]
    NotFound { id: Uuid },
    /// The realm is the platform's own: files are kept in a tenant's bucket.
    #[error("the platform's own realm has no bucket for files")]
    #[failure(Conflict, "no_bucket")]
    #[hint("sign in to a tenant")]
    NoBucket,
    /// As many files wait for their upload as may.
    #[error("{most} files of this tenant wait for their upload, and no more may")]
    #[failure(Conflict, "too_many_uploads")]
    #[hint(
        "complete or delete some of GET /files?state=pending; those that are not completed are deleted after a day"
    )]
    #[details(most)]
    TooManyUploads { most: i64 },
    /// The file is uploaded and completed.
    #[error("file {id} is completed: it cannot be uploaded again")]
    #[failure(Conflict, "file_completed")]
    #[hint("ask for another file by POST /files")]
    Completed { id: Uuid },
    /// Nothing was uploaded, or not yet wholly.
    #[error("file {id} is not uploaded yet")]
    #[failure(Conflict, "file_not_uploaded")]
    #[hint("upload it to the URL that POST /files gave, then POST /files/{id}/complete")]
    NotUploaded { id: Uuid },
    /// What was uploaded is not what was declared. It was deleted, and its row, too.
    #[error("file {id}: the upload has {what} {found}, and {declared} was declared; the file is deleted")]
    #[failure(Conflict, "file_differs")]
    #[hint("POST /files again with the true size, content type and SHA-256, and upload to the new URL")]
    #[details(what, declared, found)]
    Differs {
        id: Uuid,
        /// `size`, `content_type` or `sha256`.
        what: &'static str,
        declared: String,
        found: String,
    },
    /// The file cannot be downloaded before its upload was completed.
    #[error("file {id} is not completed")]
    #[failure(Conflict, "file_not_ready")]
    #[hint("upload it, then POST /files/{id}/complete")]
    NotReady { id: Uuid },
    /// What is to be changed was changed meanwhile.
    #[error(transparent)]
    #[failure(transparent)]
    Stale(#[from] Stale),
    /// The realm, or what the caller may do there.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
    /// The files would be more than the tenant may have.
    #[error(transparent)]
    #[failure(transparent)]
    Usage(#[from] UsageError),
    /// The tenant's store.
    #[error(transparent)]
    #[failure(transparent)]
    Store(#[from] ObjectError),
    /// The realm or its bucket could not be opened.
    #[error("{_0}")]
    #[failure(transparent)]
    Reach(AnyFailure),
}

impl From<AnyFailure> for FilesError {
    fn from(failure: AnyFailure) -> Self {
        Self::Reach(failure)
    }
}
