//! The audit log as doors show it.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::chain::Hash;
use crate::kernel::Severity;

/// A row of the log.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PlatformLogRow)]
pub struct AuditView {
    /// Its position in the chain.
    pub sequence: i64,
    /// When, RFC 3339.
    #[schema(format = "date-time")]
    pub at: String,
    /// Who: `operator:ID`, `machine:ACCOUNT` or `system`.
    #[schema(example = "machine:ann")]
    pub caller: String,
    #[schema(example = "tenant.suspend")]
    pub action: String,
    /// Of which tenant, by slug.
    pub tenant: Option<String>,
    /// Of which tenant, by id.
    pub tenant_id: Option<Uuid>,
    /// By which operation.
    pub operation_id: Option<Uuid>,
    /// Facts; which there are depends on the action.
    #[schema(value_type = Object, example = json!({ "slug": "acme" }))]
    pub detail: Value,
    /// Over the row and the hash of the row before it: 64 hexadecimal digits.
    #[schema(value_type = Option<String>)]
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

/// What a verification of a part of the log came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PlatformLogVerified)]
pub struct VerifiedPart {
    pub outcome: VerifyOutcome,
    /// How many rows were verified.
    pub rows: u64,
    /// The last of them; without a row, where the part began. `null` where something is wrong.
    pub position: Option<i64>,
    /// The hash of that row. Whoever keeps both can go on from there later: it is an anchor.
    #[schema(value_type = Option<String>)]
    pub hash: Option<Hash>,
    /// Whether rows follow that were not verified.
    pub more: bool,
    /// The first thing that is not as it was written.
    pub findings: Vec<AuditFinding>,
}

/// Whether a part of the log is what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerifyOutcome {
    Intact,
    Tampered,
}

/// Something in the log that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditFinding {
    /// A stable word.
    #[schema(example = "audit_row_edited")]
    pub code: &'static str,
    /// `error`.
    #[schema(value_type = String, example = "error")]
    pub severity: Severity,
    /// What it is about.
    #[schema(example = "row 17")]
    pub object: String,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub fix: Option<String>,
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
