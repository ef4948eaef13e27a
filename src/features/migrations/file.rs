//! One migration: its name, its texts, its checksum. Everything as sqlx has it, so that its tools
//! work on the same files and the same history table.

use sha2::{Digest, Sha384};

use super::error::MigrationsError;
use super::header::Header;
use super::model::{Directives, File};

/// What a file's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) version: String,
    /// The rest without its ending, words separated by `_`.
    pub(super) title: String,
    pub(super) direction: Direction,
}

/// Which way a file leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// `.sql`: to its version; there is no way back.
    Only,
    /// `.up.sql`: to its version.
    Up,
    /// `.down.sql`: back from its version.
    Down,
}

impl Direction {
    /// How a file's name ends.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Only => ".sql",
            Self::Up => ".up.sql",
            Self::Down => ".down.sql",
        }
    }

    /// Of a file's name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let of = |direction: &Self| name.ends_with(direction.ending());
        [Self::Up, Self::Down].into_iter().find(of).unwrap_or(Self::Only)
    }
}

impl FileName {
    /// The parts of a name; `None`: the file is no migration, and sqlx passes it over, too.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (version, rest) =
            name.split_once('_').filter(|(_, rest)| rest.ends_with(Direction::Only.ending()))?;
        let direction = Direction::of(rest);
        // As sqlx does it: all endings go, were there several.
        let title = rest.trim_end_matches(direction.ending());
        Some(Self { version: version.to_owned(), title: title.to_owned(), direction })
    }

    /// The version as a number above zero. `shown` names the file.
    pub(super) fn version(&self, shown: &str) -> Result<i64, MigrationsError> {
        // sqlx takes a sign, too, which nobody means.
        let plain = self.version.bytes().all(|byte| byte.is_ascii_digit());
        let version = self.version.parse().ok().filter(|version| plain && *version > 0);
        version
            .ok_or_else(|| MigrationsError::Version { file: shown.to_owned(), version: self.version.clone() })
    }

    /// The rest of the name as sqlx writes it into its history.
    pub(super) fn description(&self) -> String {
        self.title.replace('_', " ")
    }
}

impl File {
    /// A migration of its file's name, with or without the ending, and its texts.
    ///
    /// # Errors
    /// [`MigrationsError::NotAName`], [`MigrationsError::Version`], [`MigrationsError::Blank`],
    /// [`MigrationsError::NotText`], [`MigrationsError::Header`].
    pub fn parse(
        name: &str,
        up: impl Into<String>,
        down: impl Into<Option<String>>,
    ) -> Result<Self, MigrationsError> {
        let ending = Direction::Only.ending();
        let whole = if name.ends_with(ending) { name.to_owned() } else { format!("{name}{ending}") };
        let parts = FileName::parse(&whole);
        let parts = parts.ok_or_else(|| MigrationsError::NotAName { name: name.to_owned() })?;
        let version = parts.version(name)?;
        Self::new(version, parts.description(), (name, up.into()), down.into().map(|text| (name, text)))
    }

    /// A migration of its parts; the names are for errors.
    pub(super) fn new(
        version: i64,
        description: String,
        (up_name, up): (&str, String),
        down: Option<(&str, String)>,
    ) -> Result<Self, MigrationsError> {
        let directives = check_text(up_name, &up)?;
        if let Some((down_name, text)) = &down {
            check_text(down_name, text)?;
        }
        let checksum = Sha384::digest(&up).to_vec();
        Ok(Self { version, description, checksum, up, down: down.map(|(_, text)| text), directives })
    }

    /// The statements that lead back, with what their own header asks for.
    #[must_use]
    pub fn back(&self) -> Option<(&str, Directives)> {
        let text = self.down.as_deref()?;
        // Both headers were read when the file was.
        let header = Header::parse(text).unwrap_or_default();
        Some((text, header.directives))
    }

    /// The name of its file, without the ending.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}_{}", self.version, self.description.replace(' ', "_"))
    }
}

/// Checks a text that is to be sent to a server, and reads its header.
pub(super) fn check_text(name: &str, text: &str) -> Result<Directives, MigrationsError> {
    if text.trim().is_empty() {
        return Err(MigrationsError::Blank { file: name.to_owned() });
    }
    if text.starts_with('\u{feff}') {
        let what = "begins with a byte-order mark, which PostgreSQL takes for part of a word";
        return Err(MigrationsError::NotText { file: name.to_owned(), what });
    }
    if text.contains('\0') {
        let what = "holds a character of code 0, where a statement would end";
        return Err(MigrationsError::NotText { file: name.to_owned(), what });
    }
    match Header::parse(text) {
        Ok(header) => Ok(header.directives),
        Err((line, flaw)) => Err(MigrationsError::Header { file: name.to_owned(), line, flaw }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_version_and_words() {
        let file = File::parse("20260101000000_add_orders", "select 1", None).unwrap();
        assert_eq!((file.version, file.description.as_str()), (20_260_101_000_000, "add orders"));
        assert_eq!(file.name(), "20260101000000_add_orders");
        let reversible = File::parse("7_a.up.sql", "select 1", "select 2".to_owned()).unwrap();
        assert_eq!((reversible.version, reversible.description.as_str()), (7, "a"));
        assert_eq!(reversible.back().unwrap().0, "select 2");
    }

    #[test]
    fn a_checksum_is_sqlxs() {
        use sqlx::migrate::{Migration, MigrationType};
        use sqlx::{AssertSqlSafe, SqlSafeStr};
        for text in ["select 1", "-- no-transaction\nselect 'é'\r\n", " select 1\n"] {
            let sql = AssertSqlSafe(text.to_owned()).into_sql_str();
            let theirs = Migration::new(1, "a".into(), MigrationType::Simple, sql, false);
            let ours = File::parse("1_a", text, None).unwrap();
            assert_eq!(ours.checksum, theirs.checksum.as_ref());
        }
    }

    #[test]
    fn what_is_no_migration_is_refused_by_name() {
        let error = |name: &str, text: &str| File::parse(name, text, None).unwrap_err().to_string();
        assert!(error("orders", "select 1").contains("\"orders\""));
        assert!(error("0_a", "select 1").contains("0_a"));
        assert!(error("-1_a", "select 1").contains("-1"));
        assert!(error("x_a", "select 1").contains('x'));
        assert!(error("99999999999999999999_a", "select 1").contains("99999999999999999999"));
        assert!(error("1_a", " \n").contains("1_a"));
        assert!(error("1_a", "\u{feff}select 1").contains("byte-order mark"));
        assert!(error("1_a", "select '\0'").contains("code 0"));
        assert!(error("1_a", "-- nexus: alon\nselect 1").contains("1_a:1"));
    }

    #[test]
    fn each_way_has_a_header_of_its_own() {
        let down = "-- no-transaction\ndrop index concurrently i".to_owned();
        let file = File::parse("1_a", "-- nexus: alone\nselect 1", down).unwrap();
        assert!(file.directives.transaction && file.directives.alone);
        let (_, back) = file.back().unwrap();
        assert!(!back.transaction && !back.alone);
    }
}
