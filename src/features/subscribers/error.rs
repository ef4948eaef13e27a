//! What can go wrong while events are handed over.

use crate::features::access::AccessError;
use crate::features::jobs::JobError;
use crate::infra::db::DbError;
use crate::kernel::Failure;

/// Events could not be handed to a subscriber.
#[derive(Debug, thiserror::Error, Failure)]
pub enum SubscriberError {
    /// The caller may not.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
    /// The queue.
    #[error(transparent)]
    #[failure(transparent)]
    Jobs(#[from] JobError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent)]
    Db(#[from] DbError),
}
