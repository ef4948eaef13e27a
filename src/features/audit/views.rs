//! The audit log as doors show it.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::chain::Hash;

/// A row of the log.
#[derive(Debug, Clone, Serialize)]
pub struct AuditView {
    /// Its position in the chain.
    pub sequence: i64,
    /// When, RFC 3339.
    pub at: String,
    pub caller: String,
    pub action: String,
    /// Of which tenant, by slug.
    pub tenant: Option<String>,
    /// Of which tenant, by id.
    pub tenant_id: Option<Uuid>,
    /// By which operation.
    pub operation_id: Option<Uuid>,
    /// Facts.
    pub detail: Value,
    pub hash: Option<Hash>,
}

/// A log that is what was written.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// `intact`.
    pub outcome: &'static str,
    pub rows: u64,
    /// The position of the first row.
    pub first: i64,
    /// The position of the last row: the head.
    pub position: i64,
    pub hash: Hash,
    /// How many anchors lie on the chain.
    pub anchors: u64,
}

/// What was exported.
#[derive(Debug, Clone, Serialize)]
pub struct Exported {
    /// The file; none: standard output.
    pub file: Option<String>,
    pub rows: u64,
    /// The position of the first row.
    pub first: Option<i64>,
    /// The position of the last row.
    pub position: Option<i64>,
    pub hash: Option<Hash>,
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object a line.
    JsonLines,
    /// A header and lines (RFC 4180).
    Csv,
}
