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
    /// What its texts are.
    pub holds: Holds,
}

/// What the texts of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Values: exact where a script reads them.
    Values,
    /// JSON documents: harmless by their own escapes, so that they stay JSON everywhere.
    Json,
    /// Sentences, e.g. a server's: harmless everywhere.
    Sentences,
}

impl Column {
    /// A column of text.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self { name, right: false, holds: Holds::Values }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(name: &'static str) -> Self {
        Self { name, right: true, holds: Holds::Values }
    }

    /// A column of JSON documents, each on one line.
    #[must_use]
    pub const fn json(name: &'static str) -> Self {
        Self { name, right: false, holds: Holds::Json }
    }

    /// A column of sentences.
    #[must_use]
    pub const fn sentences(name: &'static str) -> Self {
        Self { name, right: false, holds: Holds::Sentences }
    }
}

/// One of many: serialised whole for JSON and YAML, by its columns otherwise.
pub trait Row: Serialize {
    /// The columns, most important first.
    const COLUMNS: &'static [Column];
    /// It holds JSON that must come out as it is, digits and repeated names too. As YAML it is an
    /// object of JSON, which is YAML as well.
    const EXACT_JSON: bool = false;

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
