//! What a view must say of itself to be written in every format.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::kernel::ids::RunId;
use crate::kernel::{BatchId, JobId, OperationId, TenantId, UserId, WebhookId};

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

/// What stands in a cell.
pub trait Cell {
    /// As text; empty where there is nothing.
    fn text(&self) -> String;
}

macro_rules! as_displayed {
    ($($type:ty),+) => {
        $(impl Cell for $type {
            fn text(&self) -> String {
                self.to_string()
            }
        })+
    };
}
as_displayed!(str, String, bool, u16, u32, u64, usize, i32, i64);
as_displayed!(Uuid, BatchId, JobId, OperationId, RunId, TenantId, UserId, WebhookId);

impl Cell for OffsetDateTime {
    fn text(&self) -> String {
        time_text(*self)
    }
}

impl<T: Cell + ?Sized> Cell for &T {
    fn text(&self) -> String {
        (**self).text()
    }
}

impl<T: Cell> Cell for Option<T> {
    fn text(&self) -> String {
        self.as_ref().map(Cell::text).unwrap_or_default()
    }
}

/// Makes a type a [`Row`]: what it is named by, then each column with what stands in it.
macro_rules! row {
    ($it:ident: $type:ty, $id:expr; $($holds:ident $name:literal: $cell:expr,)+) => {
        impl $crate::cli::output::Row for $type {
            const COLUMNS: &'static [$crate::cli::output::Column] =
                &[$($crate::cli::output::Column::$holds($name)),+];

            fn cells(&self) -> Vec<String> {
                let $it = self;
                vec![$($crate::cli::output::Cell::text(&$cell)),+]
            }

            fn id(&self) -> String {
                let $it = self;
                $crate::cli::output::Cell::text(&$id)
            }
        }
    };
}

/// Makes a type a [`Thing`]: what it is named by, then its fields.
macro_rules! thing {
    ($it:ident: $type:ty, $id:expr; $($name:literal: $field:expr,)+) => {
        impl $crate::cli::output::Thing for $type {
            fn fields(&self) -> Vec<(&'static str, String)> {
                let $it = self;
                vec![$(($name, $crate::cli::output::Cell::text(&$field))),+]
            }

            fn id(&self) -> String {
                // A report is named by nothing.
                let $it = self;
                let _ = $it;
                $crate::cli::output::Cell::text(&$id)
            }
        }
    };
}

pub(in crate::cli) use {row, thing};
