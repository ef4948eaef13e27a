//! Reads a folder of migrations. The same files count as for sqlx; what sqlx would take in a way
//! that nobody meant is an error here, or named and not run.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::MigrationsError;
use super::file::{Direction, FileName};
use super::misnamed::{Misnamed, flaw, is_leftover};
use super::model::File;

/// A migration, and where its texts lie.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) file: File,
    /// The file of the text that goes up.
    pub(super) up: PathBuf,
    /// The file of the text that goes back.
    pub(super) down: Option<PathBuf>,
}

/// A file that is part of a migration.
struct Part {
    path: PathBuf,
    name: FileName,
    text: String,
}

/// What is in a folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Folder {
    /// The migrations, by version.
    pub(super) found: Vec<Found>,
    /// What may have been meant to be one.
    pub(super) misnamed: Vec<Misnamed>,
}

/// Reads a folder, off the threads of the runtime: it may be a large one, on a slow disk.
///
/// # Errors
/// [`MigrationsError::NoFolder`], and whatever is wrong with a file, by its path.
pub(super) async fn read(set: &str, folder: &Path) -> Result<Folder, MigrationsError> {
    let (set, of) = (set.to_owned(), folder.to_owned());
    off_thread(folder, move || read_blocking(&set, &of)).await
}

/// The text of a file, which is UTF-8; read in the same way.
pub(super) async fn text(path: &Path) -> Result<String, MigrationsError> {
    let of = path.to_owned();
    off_thread(path, move || text_blocking(&of)).await
}

async fn off_thread<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, MigrationsError> + Send + 'static,
) -> Result<T, MigrationsError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(unreadable(path, io::Error::other(error))))
}

fn read_blocking(set: &str, folder: &Path) -> Result<Folder, MigrationsError> {
    let mut versions: BTreeMap<i64, Vec<Part>> = BTreeMap::new();
    let mut misnamed = Vec::new();
    for path in paths(set, folder)? {
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(flaw) = flaw(&file_name) {
            if path.is_file() {
                misnamed.push(Misnamed { file: path, flaw });
            }
            continue;
        }
        let Some(name) = FileName::parse(&file_name) else { continue };
        // A link to nowhere is one that sqlx refuses, too.
        let facts = fs::metadata(&path).map_err(|source| unreadable(&path, source))?;
        if !facts.is_file() {
            continue;
        }
        let version = name.version(&path.display().to_string())?;
        let text = text_blocking(&path)?;
        versions.entry(version).or_default().push(Part { path, name, text });
    }
    let found =
        versions.into_iter().map(|(version, parts)| join(version, parts)).collect::<Result<_, _>>()?;
    Ok(Folder { found, misnamed })
}

/// What is in a folder and nobody's leftover, by name.
fn paths(set: &str, folder: &Path) -> Result<Vec<PathBuf>, MigrationsError> {
    let missing = |source: io::Error| MigrationsError::NoFolder {
        set: set.to_owned(),
        folder: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(missing)? {
        let entry = entry.map_err(missing)?;
        if !is_leftover(&entry.file_name().to_string_lossy()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn text_blocking(path: &Path) -> Result<String, MigrationsError> {
    let bytes = fs::read(path).map_err(|source| unreadable(path, source))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = String::from_utf8_lossy(good).matches('\n').count() + 1;
        MigrationsError::NotUtf8 { file: path.to_owned(), line }
    })
}

fn unreadable(path: &Path, source: io::Error) -> MigrationsError {
    MigrationsError::Unreadable { file: path.to_owned(), source }
}

/// Puts the one or two files of a version together.
fn join(version: i64, mut parts: Vec<Part>) -> Result<Found, MigrationsError> {
    parts.sort_by_key(|part| part.name.direction);
    let files: Vec<PathBuf> = parts.iter().map(|part| part.path.clone()).collect();
    let mut parts = parts.into_iter();
    let (Some(up), down, None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(MigrationsError::SameVersion { version, files });
    };
    let leads_back = |part: &Part| part.name.direction == Direction::Down;
    let same_name = |part: &Part| part.name.title == up.name.title;
    match (up.name.direction, &down) {
        (Direction::Down, None) => return Err(MigrationsError::DownAlone { file: up.path }),
        (Direction::Only, Some(down)) if leads_back(down) && same_name(down) => {
            return Err(MigrationsError::UpUnmarked { up: up.path, down: down.path.clone() });
        }
        (_, None) => {}
        (Direction::Up, Some(down)) if leads_back(down) && same_name(down) => {}
        _ => return Err(MigrationsError::SameVersion { version, files }),
    }
    let up_shown = up.path.display().to_string();
    let down_shown = down.as_ref().map(|part| part.path.display().to_string()).unwrap_or_default();
    let down_path = down.as_ref().map(|part| part.path.clone());
    let back = down.map(|part| (down_shown.as_str(), part.text));
    let file = File::new(version, up.name.description(), (&up_shown, up.text), back)?;
    Ok(Found { file, up: up.path, down: down_path })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlx::migrate::resolve_blocking;

    use super::super::misnamed::NameFlaw;
    use super::*;

    fn read_files(files: &[(&str, &[u8])]) -> Result<Vec<Found>, MigrationsError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        read_blocking("shop", folder.path()).map(|folder| folder.found)
    }

    fn problem(files: &[(&str, &[u8])]) -> String {
        read_files(files).unwrap_err().to_string()
    }

    #[test]
    fn files_come_by_version_whatever_their_digits() {
        let files: [(&str, &[u8]); 4] = [
            ("10_c.sql", b"select 3"),
            ("002_b.down.sql", b"select 0"),
            ("002_b.up.sql", b"select 2"),
            ("1_a.sql", b"select 1"),
        ];
        let found = read_files(&files).unwrap();
        let versions: Vec<_> = found.iter().map(|it| (it.file.version, it.file.down.is_some())).collect();
        assert_eq!(versions, [(1, false), (2, true), (10, false)]);
    }

    #[test]
    fn what_is_no_migration_is_passed_over() {
        let files: [(&str, &[u8]); 4] =
            [("README.md", b"hi"), ("notes.sql", b"\xff"), ("1_a.sql", b"select 1"), ("1_a.sql.bak", b"x")];
        assert_eq!(read_files(&files).unwrap().len(), 1);
    }

    #[test]
    fn what_editors_leave_stops_nothing_and_what_is_misnamed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["1_a.sql", "._1_a.sql", "2-b.sql", "3_c.SQL", "4_d.up copy.sql", "#1_a.sql#"] {
            fs::write(folder.path().join(name), "select 1").unwrap();
        }
        for link in [".#1_a.sql", "9-gone.sql"] {
            std::os::unix::fs::symlink("nowhere", folder.path().join(link)).unwrap();
        }
        let read = read_blocking("shop", folder.path()).unwrap();
        assert_eq!(read.found.len(), 1);
        let named: Vec<_> = read.misnamed.iter().map(|it| it.file.file_name().unwrap()).collect();
        assert_eq!(named, ["2-b.sql", "3_c.SQL", "4_d.up copy.sql"]);
    }

    #[test]
    fn a_migration_that_is_a_link_to_nowhere_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("1_a.sql")).unwrap();
        let said = read_blocking("shop", folder.path()).unwrap_err().to_string();
        assert!(said.contains("1_a.sql"), "{said}");
    }

    #[test]
    fn a_version_is_plain_digits() {
        for name in
            ["+1_a.sql", " 7_x.sql", "\u{661}_x.sql", "9223372036854775808_x.sql", "1.5_x.sql", "-1_x.sql"]
        {
            let said = problem(&[(name, b"select 1")]);
            assert!(said.contains(name) && said.contains("is not a version"), "{said}");
        }
        assert_eq!(
            read_files(&[("0009223372036854775807_x.sql", b"select 1")]).unwrap()[0].file.version,
            i64::MAX
        );
    }

    #[test]
    fn two_files_of_one_version_are_refused_with_both_names() {
        let said = problem(&[("1_a.sql", b"select 1"), ("01_b.sql", b"select 1")]);
        assert!(said.contains("1_a.sql") && said.contains("01_b.sql"), "{said}");
        let said = problem(&[("1_a.up.sql", b"select 1"), ("1_b.down.sql", b"select 1")]);
        assert!(said.contains("1_a.up.sql") && said.contains("1_b.down.sql"), "{said}");
        let three =
            problem(&[("1_a.up.sql", b"select 1"), ("1_a.down.sql", b"select 1"), ("1_c.sql", b"select 1")]);
        assert!(three.contains("1_a.up.sql") && three.contains("1_c.sql"), "{three}");
    }

    #[test]
    fn a_way_back_needs_a_way_there() {
        assert!(problem(&[("1_a.down.sql", b"select 1")]).contains("1_a.down.sql"));
        let said = problem(&[("1_a.sql", b"select 1"), ("1_a.down.sql", b"select 1")]);
        assert!(said.contains("1_a.up.sql"), "{said}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(problem(&[("0_a.sql", b"select 1")]).contains("0_a.sql"));
        assert!(problem(&[("x_a.sql", b"select 1")]).contains("x_a.sql"));
        assert!(problem(&[("1_a.sql", b"select 1;\nselect '\xff'")]).contains("1_a.sql:2"));
        assert!(problem(&[("1_a.sql", b"")]).contains("1_a.sql"));
        let gone = read_blocking("shop", Path::new("/nowhere/at/all")).unwrap_err();
        assert!(gone.to_string().contains("/nowhere/at/all"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn what_is_read_is_what_sqlx_reads(
            names in proptest::collection::btree_set(
                "(\\+|-|0|x)?[0-9]{0,2}_?[a-b_.]{0,3}(\\.sql|\\.up\\.sql|\\.down\\.sql|\\.SQL)?", 0..4),
        ) {
            let folder = tempfile::tempdir().unwrap();
            for name in names.iter().filter(|name| !name.is_empty() && !name.chars().all(|c| c == '.')) {
                fs::write(folder.path().join(name), format!("-- {name}\nselect 1")).unwrap();
            }
            let theirs = resolve_blocking(folder.path());
            // We refuse more than sqlx, and nothing that it refuses is taken.
            if let Ok(Folder { found: ours, misnamed }) = read_blocking("shop", folder.path()) {
                // They are few, and sqlx would have run what we name.
                prop_assume!(misnamed.iter().all(|it| it.flaw != NameFlaw::Direction));
                prop_assume!(names.iter().all(|name| !name.starts_with('.')));
                let theirs = theirs.unwrap();
                let ups: Vec<_> =
                    theirs.iter().filter(|(it, _)| it.migration_type.is_up_migration()).collect();
                prop_assert_eq!(ours.len(), ups.len());
                for (ours, (theirs, path)) in ours.iter().zip(ups) {
                    prop_assert_eq!(ours.file.version, theirs.version);
                    prop_assert_eq!(ours.file.description.as_str(), &*theirs.description);
                    prop_assert_eq!(ours.file.checksum.as_slice(), &*theirs.checksum);
                    prop_assert_eq!(ours.up.file_name(), path.file_name());
                }
                let downs = theirs.iter().filter(|(it, _)| it.migration_type.is_down_migration()).count();
                prop_assert_eq!(ours.iter().filter(|it| it.file.down.is_some()).count(), downs);
            }
        }
    }
}
