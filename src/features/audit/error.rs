//! What can go wrong with the audit log.

use std::io;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::finding::Finding;
use crate::infra::db::DbError;
use crate::infra::private_file::PrivateFileError;
use crate::kernel::{ErrorKind, Failure};

/// A request about the audit log that failed.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log is not what was written.
    #[error("{0}")]
    Tampered(Finding),
    /// The row that records the chain's end is gone.
    #[error("the audit log is not intact: the record of its head is gone, so nothing more can be written")]
    NoHead,
    /// A line of an export is not one.
    #[error("line {line} of {file} is no row of an export: {reason}")]
    Export {
        /// The file.
        file: String,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A line of a file of anchors is not one.
    #[error("line {line} of {file} is no anchor: {reason}")]
    AnchorLine {
        /// The file.
        file: String,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Anchors were to be compared, and there is none.
    #[error("{0} holds no anchor, so it proves nothing")]
    NoAnchor(String),
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The new file could not be made.
    #[error(transparent)]
    NewFile(#[from] PrivateFileError),
    /// The user stopped it.
    #[error("stopped; nothing was changed")]
    Interrupted,
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<Finding> for AuditError {
    fn from(finding: Finding) -> Self {
        Self::Tampered(finding)
    }
}

impl Failure for AuditError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Tampered(_)
            | Self::NoHead
            | Self::Export { .. }
            | Self::AnchorLine { .. }
            | Self::NoAnchor(_) => ErrorKind::Integrity,
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorKind::NotFound,
            Self::File { .. } => ErrorKind::Unavailable,
            Self::NewFile(error) => error.kind(),
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Tampered(finding) => finding.code(),
            Self::NoHead => "audit_head_missing",
            Self::Export { .. } => "audit_export_unreadable",
            Self::AnchorLine { .. } => "audit_anchor_unreadable",
            Self::NoAnchor(_) => "audit_anchor_empty",
            Self::File { .. } => "file_failed",
            Self::NewFile(error) => error.code(),
            Self::Interrupted => "interrupted",
            Self::Db(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Tampered(finding) => finding.hints(),
            Self::NoAnchor(_) => vec!["begin one: nexus audit anchor --file FILE".to_owned()],
            Self::NewFile(error) => error.hints(),
            Self::Db(error) => error.hints(),
            _ => Vec::new(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Tampered(finding) => finding.details(),
            Self::Export { file, line, .. } | Self::AnchorLine { file, line, .. } => {
                json!({ "file": file, "line": line })
            }
            Self::NewFile(error) => error.details(),
            Self::Db(error) => error.details(),
            _ => Value::Null,
        }
    }
}
