//! Which files are looked at.

use std::path::Path;

use super::super::error::MigrationsError;
use super::super::file::{Direction, check_text};
use super::super::folder::{self, Found};
use super::super::model::BUILT_IN;
use super::super::name::SetName;
use super::super::registry::{built_in_files, found, operators, ordered};
use super::super::sources::Sources;
use super::super::store::{self, SetRow};
use super::{Finding, Subject};
use crate::features::access::{self, About, rights};
use crate::infra::db::PgConnection;
use crate::kernel::Caller;

/// A file by its path, of a set or of none. A name that ends in `.down.sql` is that of a way back.
///
/// # Errors
/// When it cannot be read, or is no text for a server.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn of_file(path: &Path) -> Result<Subject, MigrationsError> {
    let text = folder::text(path).await?;
    let file = path.display().to_string();
    check_text(&file, &text)?;
    Ok(Subject { set: None, direction: Direction::of(&file), file, text })
}

/// The files of sets: of all that are the operator's where none is named. Without `all` only those
/// that some tenant has yet to get. And what is to be said of files beside them.
///
/// # Errors
/// [`MigrationsError::NoSet`], or what is wrong with a folder or a file.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn of_sets(
    control: &mut PgConnection,
    caller: &Caller,
    (names, sources): (&[SetName], &Sources),
    all: bool,
) -> Result<(Vec<Subject>, Vec<Finding>), MigrationsError> {
    access::authorize(control, caller, &rights::MIGRATION_READ, About::Platform).await?;
    let rows = ordered(store::set_rows(control).await?)?;
    if let Some(unknown) = names.iter().find(|name| !rows.iter().any(|row| row.name == name.as_str())) {
        return Err(MigrationsError::NoSet { name: unknown.to_string() });
    }
    let wanted = |row: &&SetRow| match names {
        [] => row.source.is_some(),
        names => names.iter().any(|name| name.as_str() == row.name),
    };
    let wanted: Vec<&SetRow> = rows.iter().filter(wanted).collect();
    let places = sources.among(&rows, &operators(&wanted))?;
    let (mut subjects, mut misnamed) = (Vec::new(), Vec::new());
    for row in wanted {
        let known = if all { Known::default() } else { Known::of(control, &row.name).await? };
        if row.name == BUILT_IN {
            subjects.extend(built_in_files()?.into_iter().filter(|file| !known.has(file.version)).map(
                |file| {
                    let (set, name) = (Some(row.name.clone()), format!("{BUILT_IN}/{}.sql", file.name()));
                    Subject { set, file: name, direction: Direction::Only, text: file.up }
                },
            ));
        }
        let folder = found(row, &places).await?;
        misnamed.extend(folder.misnamed.iter().map(|it| Finding::of_name(&row.name, it)));
        let new = folder.found.into_iter().filter(|found| !known.has(found.file.version));
        subjects.extend(new.flat_map(|found| ways(&row.name, found)));
    }
    Ok((subjects, misnamed))
}

fn ways(set: &str, found: Found) -> Vec<Subject> {
    let subject = |path: &Path, direction, text| Subject {
        set: Some(set.to_owned()),
        file: path.display().to_string(),
        direction,
        text,
    };
    let direction = Direction::of(&found.up.to_string_lossy());
    let mut ways = vec![subject(&found.up, direction, found.file.up)];
    if let (Some(path), Some(text)) = (&found.down, found.file.down) {
        ways.push(subject(path, Direction::Down, text));
    }
    ways
}

/// What of a set every tenant has already.
#[derive(Debug, Default)]
struct Known {
    /// The least version that a tenant, or a new tenant, has.
    floor: Option<i64>,
    /// The versions that runs have taken.
    stored: Vec<i64>,
}

impl Known {
    async fn of(control: &mut PgConnection, set: &str) -> Result<Self, MigrationsError> {
        let standings = store::standings(control).await?;
        let in_tenants = standings.iter().filter(|it| it.set_name == set).map(|it| it.version).min();
        let released = store::released(control).await?;
        let released = released.iter().filter(|(name, ..)| name == set).map(|(_, version, _)| *version).max();
        let floor = in_tenants.into_iter().chain(released).min();
        Ok(Self { floor, stored: store::stored_versions(control, set).await? })
    }

    /// Whether a version is everywhere. One that came late, among others that runs have taken, is
    /// not, though its number is small.
    fn has(&self, version: i64) -> bool {
        let late = self.stored.first().is_some_and(|first| *first < version)
            && self.stored.binary_search(&version).is_err();
        self.floor.is_some_and(|floor| version <= floor) && !late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_came_late_is_new() {
        let known = Known { floor: Some(30), stored: vec![10, 30] };
        assert!(known.has(5) && known.has(10) && known.has(30));
        assert!(!known.has(20) && !known.has(31));
        assert!(!Known::default().has(1));
    }
}
