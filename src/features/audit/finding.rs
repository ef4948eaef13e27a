//! What a verification finds, and what it means.

use serde_json::{Value, json};

/// The first place at which a log is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The row does not follow from those before it: it was changed, or one before it was, with
    /// its hash.
    Edited {
        /// Its position.
        position: i64,
    },
    /// Rows are gone from within.
    Missing {
        /// The first that is gone.
        position: i64,
        /// The last of them.
        until: i64,
    },
    /// The row stands at another position.
    Reordered {
        /// Where it belongs.
        position: i64,
        /// Where it stands.
        found_at: i64,
    },
    /// A row that was not written as rows are.
    Forged {
        /// Where it stands.
        position: i64,
    },
    /// Rows are gone from the end.
    TailCut {
        /// The first that is gone.
        position: i64,
        /// The last that is known to have been there.
        until: i64,
        /// Whether an anchor tells.
        anchored: bool,
    },
    /// There is no row at all.
    Wiped {
        /// The last that is known to have been there; 0: none.
        until: i64,
    },
    /// The recorded end of the chain is not its end.
    HeadChanged {
        /// The position of the last row.
        position: i64,
    },
    /// The chain fits, but is not the one that was anchored.
    Rewritten {
        /// The anchor's position.
        position: i64,
    },
    /// The anchor belongs to another installation.
    ForeignAnchor {
        /// The anchor's position.
        position: i64,
        /// The installation that the anchor names.
        installation: String,
    },
}

impl Finding {
    /// A stable word.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Edited { .. } => "audit_row_edited",
            Self::Missing { .. } => "audit_rows_missing",
            Self::Reordered { .. } => "audit_row_reordered",
            Self::Forged { .. } => "audit_row_forged",
            Self::TailCut { .. } => "audit_tail_cut",
            Self::Wiped { .. } => "audit_wiped",
            Self::HeadChanged { .. } => "audit_head_changed",
            Self::Rewritten { .. } => "audit_rewritten",
            Self::ForeignAnchor { .. } => "audit_anchor_foreign",
        }
    }

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

    /// Facts for a script.
    #[must_use]
    pub fn details(&self) -> Value {
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

    /// What to look at next.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::ForeignAnchor { .. } => vec!["see which context is used: nexus context show".to_owned()],
            Self::TailCut { anchored: true, .. } => vec![
                "an export that was made before the anchor ends earlier: verify it with the anchors of its time"
                    .to_owned(),
            ],
            _ => vec![
                "compare with an export from before, which is verified by nexus audit verify --file EXPORT"
                    .to_owned(),
            ],
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the audit log is not intact: ")?;
        match self {
            Self::Edited { position } => {
                write!(f, "row {position} was edited, or one before it with its hash: they do not fit")
            }
            Self::Missing { position, until } if position == until => write!(f, "row {position} is missing"),
            Self::Missing { position, until } => write!(f, "rows {position} to {until} are missing"),
            Self::Reordered { position, found_at } => {
                write!(f, "row {position} stands at position {found_at}: rows were put in another order")
            }
            Self::Forged { position } => {
                write!(f, "row {position} was forged: it was not written as rows are")
            }
            Self::TailCut { position, until, .. } if position == until => {
                write!(f, "the tail was cut: row {position} is gone")
            }
            Self::TailCut { position, until, .. } => {
                write!(f, "the tail was cut: rows {position} to {until} are gone")
            }
            Self::Wiped { .. } => f.write_str("it was wiped: there is no row at all"),
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
