//! What can go wrong with the audit log.

use std::io;
use std::path::PathBuf;

use super::tampering::Tampering;
use crate::features::access::AccessError;
use crate::infra::db::DbError;
use crate::infra::private_file::PrivateFileError;
use crate::kernel::Failure;

/// A request about the audit log that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum AuditError {
    /// The log is not what was written.
    #[error("{0}")]
    #[failure(transparent)]
    #[details(_0.facts())]
    Tampered(Tampering),
    /// The row that records the chain's end is gone.
    #[error("the audit log is not intact: the record of its head is missing, so nothing more can be written")]
    #[failure(Integrity, "audit_head_missing")]
    NoHead,
    /// A line of an export is not a row of the audit log.
    #[error("line {line} of {file} is not a row of an export: {reason}")]
    #[failure(Integrity, "audit_export_unreadable")]
    #[details(file, line)]
    Export {
        file: String,
        /// From 1.
        line: u64,
        reason: String,
    },
    /// A line of a file of anchors is not an anchor.
    #[error("line {line} of {file} is not an anchor: {reason}")]
    #[failure(Integrity, "audit_anchor_unreadable")]
    #[details(file, line)]
    AnchorLine {
        file: String,
        /// From 1.
        line: u64,
        reason: String,
    },
    /// The file of anchors to compare with holds none.
    #[error("{0} holds no anchor, so it proves nothing")]
    #[failure(Integrity, "audit_anchor_empty")]
    #[hint("start one" => AuditAction::Anchor)]
    NoAnchor(String),
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    #[failure(if source.kind() == io::ErrorKind::NotFound, NotFound, "file_missing")]
    #[failure(Unavailable, "file_failed")]
    File { action: &'static str, path: PathBuf, source: io::Error },
    /// The new file could not be made.
    #[error(transparent)]
    #[failure(transparent)]
    NewFile(#[from] PrivateFileError),
    /// The user stopped it.
    #[error("stopped; nothing was changed")]
    #[failure(Interrupted, "interrupted")]
    Interrupted,
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent)]
    Db(#[from] DbError),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}

impl From<Tampering> for AuditError {
    fn from(tampering: Tampering) -> Self {
        Self::Tampered(tampering)
    }
}
