//! What can go wrong with messages.

use crate::features::access::AccessError;
use crate::features::iam::IamError;
use crate::features::jobs::JobError;
use crate::features::notifications::NotificationsError;
use crate::features::templates::TemplateError;
use crate::infra::db::DbError;
use crate::infra::private_file::PrivateFileError;
use crate::kernel::Failure;

/// A message could not be written or sent.
#[derive(Debug, thiserror::Error, Failure)]
pub enum MessageError {
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
    /// Another process has taken the message over.
    #[error("another process has taken the message over")]
    #[failure(Busy, "message_taken_over")]
    Elsewhere,
    /// The users of the realm.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
    /// A template.
    #[error(transparent)]
    #[failure(transparent)]
    Template(#[from] TemplateError),
    /// A notification.
    #[error(transparent)]
    #[failure(transparent)]
    Notification(#[from] NotificationsError),
    /// The queue.
    #[error(transparent)]
    #[failure(transparent)]
    Jobs(#[from] JobError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent)]
    Db(#[from] DbError),
}
