//! Makes the files of a new migration, empty but for what they are for.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

use super::error::MigrationsError;
use super::file::Direction;
use super::folder;
use super::header::Header;
use super::model::{BUILT_IN, Directives};
use super::name::SetName;
use super::registry::{built_in, no_set};
use super::sources::Sources;
use super::store;
use crate::features::access::{self, About, rights};
use crate::infra::db::PgConnection;
use crate::kernel::Caller;

/// A migration to be written.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Of which set.
    pub set: SetName,
    /// What it does, as words of its file's name.
    pub words: String,
    /// Whether there is a way back.
    pub reversible: bool,
    /// Whether it runs in a transaction.
    pub transaction: bool,
}

/// A file that was made, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeFile {
    /// Of which set.
    pub set: String,
    pub version: i64,
    pub file: String,
}

/// Makes the file of a new migration, or its two files, in its set's folder. The version is the time
/// of day as sqlx writes it, or the next number after the newest version if that is greater.
///
/// # Errors
/// [`MigrationsError::BuiltIn`], [`MigrationsError::BadWords`], [`MigrationsError::Unwritable`], or what
/// is wrong with the folder.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn create_file(
    control: &mut PgConnection,
    caller: &Caller,
    (new, sources): (&NewFile, &Sources),
    now: OffsetDateTime,
    dry_run: bool,
) -> Result<Vec<MadeFile>, MigrationsError> {
    access::authorize(control, caller, &rights::MIGRATION_CREATE, About::Platform).await?;
    let set = new.set.as_str();
    if set == BUILT_IN {
        return Err(built_in("its migrations come with the program"));
    }
    let title = title(&new.words)?;
    let rows = store::set_rows(control).await?;
    let row = rows.iter().find(|row| row.name == set).ok_or_else(|| no_set(set))?;
    let source = sources.among(&rows, &[set])?.folder(row).unwrap_or_default();
    let newest = folder::read(set, &source).await?.found.last().map_or(0, |found| found.file.version);
    let version = version(now).max(newest.saturating_add(1));
    let directions: &[Direction] =
        if new.reversible { &[Direction::Up, Direction::Down] } else { &[Direction::Only] };
    let mut made = Vec::new();
    for direction in directions {
        let path = source.join(format!("{version}_{title}{}", direction.ending()));
        if !dry_run {
            write_new(&path, &text(*direction, new.transaction))?;
        }
        made.push(MadeFile { set: set.to_owned(), version, file: path.display().to_string() });
    }
    Ok(made)
}

/// The time of day as `sqlx migrate add` writes it.
fn version(now: OffsetDateTime) -> i64 {
    let format = format_description!("[year][month][day][hour][minute][second]");
    let text = now.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default();
    text.parse().unwrap_or(1)
}

/// The words of a file's name.
fn title(words: &str) -> Result<String, MigrationsError> {
    let title = words.split_whitespace().collect::<Vec<_>>().join("_");
    let allowed = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if (1..=100).contains(&title.chars().count()) && title.chars().all(allowed) {
        Ok(title)
    } else {
        Err(MigrationsError::BadWords { name: words.to_owned() })
    }
}

fn text(direction: Direction, transaction: bool) -> String {
    let directives = Directives { transaction, ..Directives::default() };
    let header = Header { directives, waivers: Vec::new() };
    let what = match direction {
        Direction::Down => "-- How it is undone.",
        Direction::Only | Direction::Up => "-- What this changes, and why.",
    };
    format!("{header}{what}\n")
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str) -> Result<(), MigrationsError> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source: io::Error| MigrationsError::Unwritable { file: PathBuf::from(path), source })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_version_is_the_time_in_utc() {
        assert_eq!(version(datetime!(2026-03-04 05:06:07 +2)), 20_260_304_030_607);
    }

    #[test]
    fn words_become_part_of_a_name_and_of_nothing_else() {
        assert_eq!(title(" add  orders ").unwrap(), "add_orders");
        for bad in ["", " ", "../x", "a/b", "a.b", "a\0", &"a".repeat(101)] {
            assert!(title(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1_a.sql");
        write_new(&path, "select 1").unwrap();
        assert!(matches!(write_new(&path, "select 2"), Err(MigrationsError::Unwritable { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "select 1");
    }
}
