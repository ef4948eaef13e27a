//! What can go wrong with events.

use crate::features::iam::IamError;
use crate::infra::db::DbError;
use crate::kernel::Failure;

/// Events could not be read.
#[derive(Debug, thiserror::Error, Failure)]
pub enum EventError {
    /// Events after the position are no longer kept, or the position was never given.
    #[error("position {position} is not in the log, which has events {oldest} to {newest}")]
    #[failure(NotFound, "cursor_expired")]
    #[hint("reload the data that the events are about, then continue after {newest}")]
    #[details(position, oldest, newest)]
    Expired { position: i64, oldest: i64, newest: i64 },
    /// The caller may not; the realm's.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent)]
    Db(#[from] DbError),
}
