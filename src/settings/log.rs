//! `[log]`: what is logged to standard error, and how.

use super::key::{Default, Key, Kind};
use super::values::SectionValues;

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The least level that is logged: one of the words that the key takes.
    pub level: String,
    /// How a line is written.
    pub format: LogFormat,
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "level",
        kind: Kind::Word(&["off", "error", "warn", "info", "debug", "trace"]),
        default: Default::Value("warn"),
        help: "The least level that is logged; -v, -vv and -vvv raise it.",
    },
    Key {
        name: "format",
        kind: Kind::Word(&["text", "json"]),
        default: Default::Value("text"),
        help: "Lines for people, or one JSON object a line.",
    },
];

impl LogSettings {
    pub(super) fn read(section: &SectionValues<'_>) -> Self {
        Self {
            level: section.text("level").unwrap_or("warn").to_owned(),
            format: match section.text("format") {
                Some("json") => LogFormat::Json,
                _ => LogFormat::Text,
            },
        }
    }
}
