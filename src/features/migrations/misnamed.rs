//! Files in a folder of migrations that are none by their names: what editors and systems leave is
//! passed over without a word, and what a person may have meant is named.

use std::fmt;
use std::path::PathBuf;

use super::file::{Direction, FileName};

/// A file that somebody may have meant to be a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misnamed {
    pub file: PathBuf,
    /// What is wrong with its name.
    pub flaw: NameFlaw,
}

/// What is wrong with a file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameFlaw {
    /// It begins with a number, and no `_` and words follow.
    Words,
    /// It does not end in lower-case `.sql`.
    Ending,
    /// Something stands behind `.up` or `.down`: a copy, or a slip.
    Direction,
    /// It ends in `.sql`, and does not begin with a number.
    NoVersion,
}

impl NameFlaw {
    /// Whether it looks like a migration: then it is more than worth knowing.
    #[must_use]
    pub fn looks_meant(self) -> bool {
        self != Self::NoVersion
    }
}

impl fmt::Display for NameFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Words => "a migration's name is VERSION_words.sql, with an underscore after the number",
            Self::Ending => "a migration's name ends in .sql, in lower case",
            Self::Direction => "'.up' or '.down' is followed by something else than .sql: is it a copy?",
            Self::NoVersion => "a migration's name begins with its version: VERSION_words.sql",
        })
    }
}

impl fmt::Display for Misnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not run: {}", self.file.display(), self.flaw)
    }
}

/// Endings behind `.sql` of what editors, patches and people keep beside a file on purpose.
const KEPT: [&str; 10] =
    [".bak", ".orig", ".rej", ".old", ".swp", ".swo", ".swx", ".tmp", ".save", ".disabled"];

/// Whether an editor or a system left it there: locks and swap files (`.#x`, `.x.swp`), `AppleDouble`
/// (`._x`), anything hidden, backups (`x~`, `#x#`, `~$x`).
pub(super) fn is_leftover(name: &str) -> bool {
    name.starts_with(['.', '#', '~']) || name.ends_with('~')
}

/// What is wrong with a name, if the file is to be named; `None` where it is a migration, or nothing
/// that anybody meant to be one.
pub(super) fn flaw(name: &str) -> Option<NameFlaw> {
    let lower = name.to_lowercase();
    let ending = lower.find(".sql")?;
    if let Some(parts) = FileName::parse(name) {
        let title = parts.title.to_lowercase();
        return (title.contains(".up") || title.contains(".down")).then_some(NameFlaw::Direction);
    }
    let ending_of_all = Direction::Only.ending();
    let numbered = name.trim_start().starts_with(|c: char| c.is_numeric());
    match (&lower[ending..], numbered) {
        (".sql", true) if name.ends_with(ending_of_all) => Some(NameFlaw::Words),
        (".sql", false) if name.ends_with(ending_of_all) => Some(NameFlaw::NoVersion),
        (rest, true) if !KEPT.contains(&&rest[".sql".len()..]) => Some(NameFlaw::Ending),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_migration_and_is_none_is_named() {
        for (name, expected) in [
            ("2-b.sql", Some(NameFlaw::Words)),
            ("6.sql", Some(NameFlaw::Words)),
            ("20260101 add orders.sql", Some(NameFlaw::Words)),
            ("3_c.SQL", Some(NameFlaw::Ending)),
            ("3_c.Sql", Some(NameFlaw::Ending)),
            ("5_e.sql.txt", Some(NameFlaw::Ending)),
            ("5_e.sql copy", Some(NameFlaw::Ending)),
            ("4_d.up copy.sql", Some(NameFlaw::Direction)),
            ("4_d.down (1).sql", Some(NameFlaw::Direction)),
            ("4_d.UP.sql", Some(NameFlaw::Direction)),
            ("4_d.up.down.sql", Some(NameFlaw::Direction)),
            ("notes.sql", Some(NameFlaw::NoVersion)),
            ("1_a.sql", None),
            ("0001_a.up.sql", None),
            ("1_a.sql.bak", None),
            ("1_a.sql.ORIG", None),
            ("README.md", None),
            ("seed.sql.txt", None),
            ("Thumbs.db", None),
        ] {
            assert_eq!(flaw(name), expected, "{name}");
        }
    }

    #[test]
    fn what_editors_and_systems_leave_is_nobodys_migration() {
        for name in
            [".#1_a.sql", "._1_a.sql", ".1_a.sql.swp", "#1_a.sql#", "1_a.sql~", "~$1_a.sql", ".DS_Store"]
        {
            assert!(is_leftover(name), "{name}");
        }
        assert!(!is_leftover("1_a.sql"));
    }
}
