//! A command that grows word by word. What somebody chose is quoted for a shell here, and nowhere else
//! in hints.

use std::fmt::Display;

use super::realm_flag;
use crate::kernel::hint::InRealm;
use crate::kernel::shell;

/// A command to paste.
pub(super) struct Line(String);

impl Line {
    /// A command of Nexus.
    pub(super) fn new(words: &str) -> Self {
        Self(format!("nexus {words}"))
    }

    /// Words that are no command of Nexus by themselves.
    pub(super) fn bare(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// Words of the grammar, or what stands for a value that the reader knows.
    pub(super) fn and(self, words: &str) -> Self {
        Self(self.0 + " " + words)
    }

    /// A value.
    pub(super) fn arg(self, value: impl Display) -> Self {
        let value = value.to_string();
        self.and(&shell::word(&value))
    }

    /// A value, or what stands for it.
    pub(super) fn arg_or(self, value: Option<&String>, stand_in: &str) -> Self {
        match value {
            Some(value) => self.arg(value),
            None => self.and(stand_in),
        }
    }

    /// The flag that names a realm; nothing for the platform's.
    pub(super) fn realm(self, realm: &InRealm) -> Self {
        Self(self.0 + &realm_flag(realm))
    }
}

impl From<Line> for String {
    fn from(line: Line) -> Self {
        line.0
    }
}
