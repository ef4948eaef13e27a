//! What a verification finds, and what it means.

use serde_json::{Value, json};

use crate::kernel::Failure;

/// The first place at which a log is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Failure)]
pub enum Tampering {
    /// The row does not follow from those before it: it was changed, or one before it was, with
    /// its hash.
    #[failure(Integrity, "audit_row_edited")]
    #[hint(COMPARE => AuditAction::VerifyExport)]
    Edited { position: i64 },
    /// Rows are gone from within.
    #[failure(Integrity, "audit_rows_missing")]
    #[hint(COMPARE => AuditAction::VerifyExport)]
    Missing { position: i64, until: i64 },
    /// The row stands at another position.
    #[failure(Integrity, "audit_row_reordered")]
    #[hint(COMPARE => AuditAction::VerifyExport)]
    Reordered { position: i64, found_at: i64 },
    /// A row that was not written as rows are.
    #[failure(Integrity, "audit_row_forged")]
    #[hint(COMPARE => AuditAction::VerifyExport)]
    Forged { position: i64 },
    /// Rows are gone from the end.
    #[failure(Integrity, "audit_tail_cut")]
    #[hint(if *anchored, "an export that was made before the anchor ends earlier: verify it with the anchors of its time")]
    #[hint(else, COMPARE => AuditAction::VerifyExport)]
    TailCut {
        position: i64,
        /// The last that is known to have been there.
        until: i64,
        /// Whether an anchor tells.
        anchored: bool,
    },
    /// There is no row at all.
    #[failure(Integrity, "audit_wiped")]
    #[hint(COMPARE => AuditAction::VerifyExport)]
    Wiped {
        /// The last that is known to have been there; 0: none.
        until: i64,
    },
    /// The recorded end of the chain is not its end.
    #[failure(Integrity, "audit_head_changed")]
    #[hint(COMPARE => AuditAction::VerifyExport)]
    HeadChanged {
        /// The position of the last row.
        position: i64,
    },
    /// The chain fits, but is not the one that was anchored.
    #[failure(Integrity, "audit_rewritten")]
    #[hint(COMPARE => AuditAction::VerifyExport)]
    Rewritten { position: i64 },
    /// The anchor belongs to another installation.
    #[failure(Integrity, "audit_anchor_foreign")]
    #[hint("see which context is used" => PlatformAction::ShowContext)]
    ForeignAnchor {
        position: i64,
        /// The installation that the anchor names.
        installation: String,
    },
}

const COMPARE: &str = "compare with an export from before, once it is verified";

impl std::error::Error for Tampering {}

impl Tampering {
    /// The first position that is bad; all before it follow from each other.
    #[must_use]
    pub fn position(&self) -> i64 {
        match self {
            Self::Wiped { .. } => 1,
            Self::Edited { position }
            | Self::Missing { position, .. }
            | Self::Reordered { position, .. }
            | Self::Forged { position }
            | Self::TailCut { position, .. }
            | Self::HeadChanged { position }
            | Self::Rewritten { position }
            | Self::ForeignAnchor { position, .. } => *position,
        }
    }

    pub(super) fn facts(&self) -> Value {
        let mut details = json!({ "position": self.position() });
        match self {
            Self::Missing { until, .. } | Self::TailCut { until, .. } | Self::Wiped { until } => {
                details["until"] = json!(until);
            }
            Self::Reordered { found_at, .. } => details["found_at"] = json!(found_at),
            Self::ForeignAnchor { installation, .. } => details["installation"] = json!(installation),
            _ => {}
        }
        details
    }
}

impl std::fmt::Display for Tampering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the audit log is not intact: ")?;
        match self {
            Self::Edited { position } => {
                write!(
                    f,
                    "row {position} was edited, or one before it with its hash: the hashes do not match"
                )
            }
            Self::Missing { position, until } if position == until => write!(f, "row {position} is missing"),
            Self::Missing { position, until } => write!(f, "rows {position} to {until} are missing"),
            Self::Reordered { position, found_at } => {
                write!(f, "row {position} is at position {found_at}: rows were reordered")
            }
            Self::Forged { position } => {
                write!(f, "row {position} was forged: it was not written as rows are")
            }
            Self::TailCut { position, until, .. } if position == until => {
                write!(f, "the tail was cut: row {position} is missing")
            }
            Self::TailCut { position, until, .. } => {
                write!(f, "the tail was cut: rows {position} to {until} are missing")
            }
            Self::Wiped { .. } => f.write_str("it was wiped: it has no rows"),
            Self::HeadChanged { position } => {
                write!(f, "the recorded head is not the hash of the last row, {position}")
            }
            Self::Rewritten { position } => {
                write!(f, "it was rewritten at or before row {position}: the anchor holds another hash")
            }
            Self::ForeignAnchor { installation, .. } => {
                write!(f, "the anchor is of installation {installation}, not of this one")
            }
        }
    }
}
