//! How a batch ends that did not do all that was asked for.

use super::super::error::ProvisioningError;
use super::report::way_back;
use crate::features::access::AccessError;
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, BatchId, ErrorKind, Failure, Hint};

/// A batch that did not do all that was asked for.
#[derive(Debug, thiserror::Error, Failure)]
pub enum BatchError {
    /// Some of many failed.
    #[error("{failed} of {total} tenants failed")]
    #[failure(Partial, "some_failed")]
    #[hint("repeat the command: what is done is left as it is, what was half done is finished")]
    #[details(failed, skipped, total)]
    NotCreated { failed: usize, skipped: usize, total: usize },
    /// Some of many failed.
    #[error("{failed} of {total} tenants could not be changed")]
    #[failure(Partial, "some_not_changed")]
    #[hints(hints.iter().cloned())]
    #[details(failed, skipped, total)]
    NotChanged { failed: usize, skipped: usize, total: usize, hints: Vec<Hint> },
    /// Some tenants could not be changed.
    #[error("{failed} of {total} tenants could not be changed")]
    #[failure(Partial, "some_not_updated")]
    #[hint("repeat the command: what is changed already is left as it is")]
    #[hints(batch.map(way_back))]
    #[details(failed, total)]
    NotUpdated { failed: usize, total: usize, batch: Option<BatchId> },
    /// Some tenants could not be repaired.
    #[error("{failed} of {total} tenants could not be repaired")]
    #[failure(kind = alike.unwrap_or(ErrorKind::Partial), "some_not_repaired")]
    #[hints(hints.iter().cloned())]
    NotRepaired {
        failed: usize,
        total: usize,
        /// Of which kind they all were, where nothing was done and all failed alike.
        alike: Option<ErrorKind>,
        hints: Vec<Hint>,
    },
    /// The work on many was stopped between two of them.
    #[error("stopped after {changed} of {}", counted(*total, "tenant"))]
    #[failure(Interrupted, "interrupted")]
    #[hint("to go on, repeat the command: what is done is left as it is")]
    #[hints(batch.map(way_back))]
    #[details(changed, total, batch)]
    Stopped { changed: usize, total: usize, batch: Option<BatchId> },
    /// What ends all of it, or the failure of the only one.
    #[error(transparent)]
    #[failure(transparent)]
    Provisioning(#[from] ProvisioningError),
    /// What takes the results takes no more.
    #[error("{0}")]
    #[failure(transparent)]
    Taking(AnyFailure),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}
