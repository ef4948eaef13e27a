//! What can go wrong with the relay.

use crate::features::access::AccessError;
use crate::features::jobs::JobError;
use crate::features::subscribers::SubscriberError;
use crate::features::webhooks::WebhookError;
use crate::infra::db::DbError;
use crate::kernel::Failure;

/// Events could not be relayed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum RelayError {
    /// The caller may not.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
    /// The queue.
    #[error(transparent)]
    #[failure(transparent)]
    Jobs(#[from] JobError),
    /// The subscribers.
    #[error(transparent)]
    #[failure(transparent)]
    Subscribers(#[from] SubscriberError),
    /// The webhooks.
    #[error(transparent)]
    #[failure(transparent)]
    Webhooks(#[from] WebhookError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent)]
    Db(#[from] DbError),
}
