//! How the audit log looks.

use super::super::output::{Column, Row, Thing, thing};
use crate::features::audit::{Anchor, AuditView, Exported, Verified};

impl Row for AuditView {
    const COLUMNS: &'static [Column] = &[
        Column::number("sequence"),
        Column::text("at"),
        Column::text("caller"),
        Column::text("action"),
        Column::text("tenant"),
        Column::text("operation_id"),
        Column::text("detail"),
    ];

    fn cells(&self) -> Vec<String> {
        // Cut to seconds, as in other tables.
        let at = self.at.split_once('.').map_or(self.at.clone(), |(seconds, _)| format!("{seconds}Z"));
        vec![
            self.sequence.to_string(),
            at,
            self.caller.clone(),
            self.action.clone(),
            self.tenant.clone().unwrap_or_default(),
            self.operation_id.map(|id| id.to_string()).unwrap_or_default(),
            self.detail.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.sequence.to_string()
    }
}

thing! { it: Verified, it.hash.to_string();
    "outcome": it.outcome,
    "rows": it.rows,
    "first": it.first,
    "position": it.position,
    "hash": it.hash.to_string(),
    "anchors": it.anchors,
}

impl Thing for Exported {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let number = |number: Option<i64>| number.map(|it| it.to_string()).unwrap_or_default();
        vec![
            ("file", self.file.clone().unwrap_or_default()),
            ("rows", self.rows.to_string()),
            ("first", number(self.first)),
            ("position", number(self.position)),
            ("hash", self.hash.map(|hash| hash.to_string()).unwrap_or_default()),
        ]
    }

    fn id(&self) -> String {
        self.hash.map(|hash| hash.to_string()).unwrap_or_default()
    }
}

impl Thing for Anchor {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let at = self.at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
        vec![
            ("installation", self.installation.to_string()),
            ("position", self.position.to_string()),
            ("hash", self.hash.to_string()),
            ("at", at),
        ]
    }

    fn id(&self) -> String {
        self.hash.to_string()
    }
}
