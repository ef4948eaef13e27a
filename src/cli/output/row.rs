//! What a view must say of itself to be written in every format.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The field's name, the same as in JSON.
    pub name: &'static str,
    /// Numbers stand at the right.
    pub right: bool,
}

impl Column {
    /// A column of text.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self { name, right: false }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(name: &'static str) -> Self {
        Self { name, right: true }
    }
}

/// One of many: serialised whole for JSON and YAML, by its columns otherwise.
pub trait Row: Serialize {
    /// The columns, most important first.
    const COLUMNS: &'static [Column];

    /// A text for each column.
    fn cells(&self) -> Vec<String>;

    /// What another command would name it by.
    fn id(&self) -> String;
}

/// A single thing: serialised whole for JSON and YAML, as names and texts otherwise.
pub trait Thing: Serialize {
    /// Names, the same as in JSON, and texts: always all of them. Empty ones are not shown on a
    /// terminal.
    fn fields(&self) -> Vec<(&'static str, String)>;

    /// What another command would name it by.
    fn id(&self) -> String;
}

/// A time as JSON writes it (RFC 3339), cut to seconds.
#[must_use]
pub fn time_text(time: OffsetDateTime) -> String {
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}
