//! The disk: buckets, objects, uploads and keys as files. Every change is a temporary file, an
//! fsync, a rename and an fsync of the folder, so that a crash leaves the old state or the new.
//!
//! Knows nothing of HTTP or signatures. Start reading at [`root`] (the layout) and [`bucket`].

pub(crate) mod bucket;
pub(crate) mod buckets;
pub(crate) mod condition;
pub(crate) mod frame;
pub(crate) mod index;
pub(crate) mod keys;
pub(crate) mod object;
pub(crate) mod receive;
pub(crate) mod root;
pub(crate) mod uploads;

use std::io;
use std::path::{Path, PathBuf};

/// What the store can answer instead of a result.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system's own word.
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// A file does not hold what it should.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// There is no such bucket.
    #[error("no such bucket")]
    NoSuchBucket,
    /// There is no such object.
    #[error("no such object")]
    NoSuchKey,
    /// There is no such multipart upload.
    #[error("no such upload")]
    NoSuchUpload,
    /// There is no such access key.
    #[error("no such access key")]
    NoSuchAccessKey,
    /// The bucket holds something.
    #[error("the bucket is not empty")]
    NotEmpty,
    /// It belongs to another owner.
    #[error("it belongs to another owner")]
    Foreign,
    /// A condition of the request does not hold.
    #[error("a precondition failed")]
    PreconditionFailed,
    /// A part of a multipart upload is missing or is not the one that was named.
    #[error("a part is missing or differs")]
    InvalidPart,
    /// The parts are not in ascending order.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// A part that is not the last has less than 5 MiB.
    #[error("a part that is not the last is smaller than 5 MiB")]
    PartTooSmall,
    /// The body is not the one that its checksum names.
    #[error("the {0} that was sent does not match the body")]
    BadDigest(&'static str),
    /// The body ended early or ran over.
    #[error("the body does not have the announced length")]
    Incomplete,
    /// The body is larger than one request may carry.
    #[error("the body is too large")]
    TooLarge,
    /// The client sent nothing for too long.
    #[error("the client stopped sending")]
    Stalled,
    /// The body could not be read or its signature is wrong.
    #[error("the body could not be read: {0}")]
    Body(String),
    /// A task of the server broke down.
    #[error("a task broke down")]
    Broken,
}

impl StoreError {
    /// Whether the disk has no room.
    pub(crate) fn is_full(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        matches!(self, Self::Io { source, .. } if full.contains(&source.kind()))
    }
}

/// Names the file in a system error.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { action, path: path.to_owned(), source }
}

/// A file that does not hold what it should.
pub(crate) fn damaged(path: &Path, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), reason: reason.to_string() }
}
