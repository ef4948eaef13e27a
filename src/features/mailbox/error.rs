//! What can go wrong with the mailbox.

use crate::features::access::AccessError;
use crate::features::iam::IamError;
use crate::infra::db::DbError;
use crate::infra::private_file::PrivateFileError;
use crate::kernel::Failure;

/// Messages could not be written.
#[derive(Debug, thiserror::Error, Failure)]
pub enum MailboxError {
    /// The caller may not.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
    /// The file.
    #[error(transparent)]
    #[failure(transparent)]
    File(#[from] PrivateFileError),
    /// The process is about to end.
    #[error("the writing of a message was stopped")]
    #[failure(Interrupted, "interrupted")]
    Stopped,
    /// The users of the realm.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent)]
    Db(#[from] DbError),
}
