//! Where the files of a set are on this machine: a flag, else a variable, else the settings file, else
//! what was recorded when the set was added, which is a hint and no more.

use std::path::{Component, Path, PathBuf};

use super::error::MigrationsError;
use super::model::BUILT_IN;
use super::name::SetName;
use super::store::SetRow;
use crate::settings::MigrationSettings;

/// Where a caller says that files are.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Flags: a set and its folder, or a folder where one set is meant.
    given: Vec<(Option<SetName>, PathBuf)>,
    settings: MigrationSettings,
}

impl Sources {
    /// Of flags and settings.
    #[must_use]
    pub fn new(given: Vec<(Option<SetName>, PathBuf)>, settings: MigrationSettings) -> Self {
        Self { given, settings }
    }

    /// Checks the flags against the sets there are, of which some are wanted.
    pub(super) fn among<'a>(
        &'a self,
        rows: &[SetRow],
        wanted: &[&str],
    ) -> Result<Places<'a>, MigrationsError> {
        let mut nameless = None;
        for (set, folder) in &self.given {
            refuse_url(folder)?;
            match set {
                Some(set) if set.as_str() == BUILT_IN => {
                    let why = "its files are part of the program";
                    return Err(MigrationsError::BuiltIn { name: set.to_string(), why });
                }
                Some(set) if rows.iter().all(|row| row.name != set.as_str()) => {
                    return Err(MigrationsError::NoSet { name: set.to_string() });
                }
                Some(_) => {}
                None if nameless.is_some() => return Err(MigrationsError::SourceTwice { set: None }),
                None => {
                    let [set] = wanted else {
                        let sets = wanted.iter().map(|name| (*name).to_owned()).collect();
                        return Err(MigrationsError::SourceOfWhich { sets });
                    };
                    nameless = Some(((*set).to_owned(), folder.as_path()));
                }
            }
        }
        for (index, (set, _)) in self.given.iter().enumerate() {
            let again = self.given[index + 1..].iter().any(|(other, _)| other == set);
            if set.is_some() && again {
                return Err(MigrationsError::SourceTwice { set: set.as_ref().map(ToString::to_string) });
            }
        }
        Ok(Places { sources: self, nameless })
    }

    /// A folder as it is recorded: relative to the settings file where it is below that, so that
    /// it means the same in every checkout; else as it was typed.
    pub(super) fn recorded(&self, typed: &Path) -> Result<String, MigrationsError> {
        refuse_url(typed)?;
        let path = std::path::absolute(typed).map_err(|source| no_folder(typed, source))?;
        let below = self.settings.folder().and_then(|folder| path.strip_prefix(folder).ok());
        let shown = match below {
            Some(below) => plain(below),
            None => plain(typed),
        };
        shown.to_str().map(str::to_owned).ok_or_else(|| {
            let reason = std::io::Error::new(std::io::ErrorKind::InvalidInput, "its name is not UTF-8");
            no_folder(typed, reason)
        })
    }

    /// What a recorded folder is here: a relative one is below the settings file, or below the working
    /// directory.
    pub(super) fn of_recorded(&self, recorded: &str) -> PathBuf {
        let here = || std::path::absolute(recorded).unwrap_or_else(|_| PathBuf::from(recorded));
        let below = self.settings.folder().map(|folder| folder.join(recorded));
        below.filter(|folder| folder.is_dir()).unwrap_or_else(here)
    }
}

/// The places of sets.
#[derive(Debug, Clone)]
pub(super) struct Places<'a> {
    sources: &'a Sources,
    nameless: Option<(String, &'a Path)>,
}

impl Places<'_> {
    /// The folder of an operator's set; `None` for the one that is part of Nexus.
    pub(super) fn folder(&self, row: &SetRow) -> Option<PathBuf> {
        let recorded = row.source.as_deref()?;
        let given =
            self.sources.given.iter().find(|(set, _)| set.as_ref().is_some_and(|it| it.as_str() == row.name));
        let nameless = self.nameless.as_ref().filter(|(set, _)| *set == row.name);
        if let Some(folder) =
            given.map(|(_, folder)| folder.as_path()).or(nameless.map(|(_, folder)| *folder))
        {
            return Some(std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()));
        }
        let set = self.sources.settings.of(&row.name).map(|(folder, _)| folder);
        Some(set.unwrap_or_else(|| self.sources.of_recorded(recorded)))
    }
}

/// A path without `.` in it and a slash at its end.
fn plain(path: &Path) -> PathBuf {
    let plain: PathBuf = path.components().filter(|it| *it != Component::CurDir).collect();
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

/// An address may hold a password, which is not repeated.
fn refuse_url(folder: &Path) -> Result<(), MigrationsError> {
    if folder.to_string_lossy().contains("://") { Err(MigrationsError::SourceIsUrl) } else { Ok(()) }
}

fn no_folder(folder: &Path, source: std::io::Error) -> MigrationsError {
    MigrationsError::NoSource { folder: folder.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn row(name: &str, source: &str) -> SetRow {
        let now = OffsetDateTime::UNIX_EPOCH;
        SetRow {
            name: name.to_owned(),
            source: Some(source.to_owned()),
            history: String::new(),
            depends_on: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }

    fn given(flags: &[(&str, &str)]) -> Sources {
        let flags = flags.iter().map(|(set, folder)| (set.parse().ok(), PathBuf::from(folder)));
        Sources::new(flags.collect(), MigrationSettings::default())
    }

    #[test]
    fn a_flag_goes_before_what_was_recorded() {
        let rows = [row("shop", "/old"), row("app", "/app")];
        let sources = given(&[("shop", "/new")]);
        let places = sources.among(&rows, &["shop", "app"]).unwrap();
        assert_eq!(places.folder(&rows[0]).unwrap(), Path::new("/new"));
        assert_eq!(places.folder(&rows[1]).unwrap(), Path::new("/app"));
        let sources = given(&[("", "/new")]);
        assert_eq!(sources.among(&rows, &["app"]).unwrap().folder(&rows[1]).unwrap(), Path::new("/new"));
    }

    #[test]
    fn a_flag_that_could_mean_several_sets_or_none_is_refused() {
        let rows = [row("shop", "/old"), row("app", "/app")];
        let refused = |flags: &[(&str, &str)]| given(flags).among(&rows, &["shop", "app"]).unwrap_err();
        assert!(matches!(refused(&[("", "/a")]), MigrationsError::SourceOfWhich { .. }));
        assert!(matches!(refused(&[("shpo", "/a")]), MigrationsError::NoSet { .. }));
        assert!(matches!(refused(&[("nexus", "/a")]), MigrationsError::BuiltIn { .. }));
        assert!(matches!(refused(&[("shop", "/a"), ("shop", "/b")]), MigrationsError::SourceTwice { .. }));
        let said = refused(&[("shop", "postgres://me:hunter2@db/x")]).to_string();
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_folder_is_recorded_without_what_only_this_machine_knows() {
        let sources = given(&[]);
        for (typed, expected) in [("./a/b/", "a/b"), (".", "."), ("../a", "../a"), ("/srv/a", "/srv/a")] {
            assert_eq!(sources.recorded(Path::new(typed)).unwrap(), expected);
        }
    }
}
