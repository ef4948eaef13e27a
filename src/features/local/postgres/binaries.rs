//! Finds the server's programs: where the user says, on PATH, through `pg_config`, in the
//! distributions' folders.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::super::LocalError;
use super::version::{OLDEST_MAJOR, PgVersion};
use crate::kernel::child;

/// The variable that names the folder to use instead of searching.
pub(crate) const OVERRIDE: &str = "NEXUS_PG_BIN";

/// Where systems put several versions side by side: a folder, the beginning of the entries' names,
/// and what follows. Debian; SUSE; Alpine; the RHEL packages of the PostgreSQL project; Homebrew on
/// both processors; Postgres.app.
const VERSIONED: [(&str, &str, &str); 8] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr/lib", "postgresql", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ("/usr/local", "pgsql", "bin"),
];

/// One installation of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    /// The folder that holds `initdb` and `postgres`.
    pub(crate) folder: PathBuf,
    pub(crate) version: PgVersion,
}

impl Binaries {
    pub(crate) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// The installation to use: the folder `only` if one is named, else the newest that there is; with
/// `major`, the newest of that major version.
///
/// # Errors
/// [`LocalError::BadBinaries`], [`LocalError::NoBinaries`], [`LocalError::OtherVersion`] with the
/// folder `data` as the one that needs `major`.
pub(crate) async fn find(only: Option<&Path>, needed: Option<(u32, &Path)>) -> Result<Binaries, LocalError> {
    if let Some(folder) = only {
        let folder = std::path::absolute(folder).map_err(LocalError::io("find", folder))?;
        return named(&folder, needed).await;
    }
    choose(installed(candidates().await).await, needed)
}

async fn named(folder: &Path, needed: Option<(u32, &Path)>) -> Result<Binaries, LocalError> {
    let bad = |reason: String| LocalError::BadBinaries { folder: folder.to_owned(), reason };
    let version = version_in(folder).await.ok_or_else(|| bad("does not hold initdb and postgres".into()))?;
    if version.major < OLDEST_MAJOR {
        return Err(bad(format!(
            "holds PostgreSQL {version}; {OLDEST_MAJOR} is the oldest that Nexus runs on"
        )));
    }
    match needed {
        Some((major, data)) if major != version.major => Err(bad(format!(
            "holds PostgreSQL {version}, but the data in {} is of PostgreSQL {major}",
            data.display()
        ))),
        _ => Ok(Binaries { folder: folder.to_owned(), version }),
    }
}

fn choose(found: Vec<Binaries>, needed: Option<(u32, &Path)>) -> Result<Binaries, LocalError> {
    let (usable, too_old): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|binaries| binaries.version.major >= OLDEST_MAJOR);
    let fits = |binaries: &Binaries| needed.is_none_or(|(major, _)| binaries.version.major == major);
    let newest = usable.into_iter().filter(fits).max_by_key(|binaries| binaries.version);
    newest.ok_or_else(|| match needed {
        Some((major, data)) => LocalError::OtherVersion { data: data.to_owned(), major },
        None => LocalError::NoBinaries {
            too_old: too_old.into_iter().map(|binaries| (binaries.folder, binaries.version)).collect(),
        },
    })
}

/// Folders that may hold the programs, each once, links followed: on many systems PATH holds links
/// to a few of the programs only.
async fn candidates() -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let path = env::var_os("PATH").unwrap_or_default();
    for folder in env::split_paths(&path).filter(|folder| folder.is_absolute()) {
        if let Ok(initdb) = fs::canonicalize(folder.join("initdb")) {
            folders.extend(initdb.parent().map(Path::to_owned));
        }
    }
    if let Ok(answer) = Command::from(child::command("pg_config")).arg("--bindir").output().await {
        let folder = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
        folders.extend(fs::canonicalize(folder));
    }
    for (parent, prefix, rest) in VERSIONED {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                folders.extend(fs::canonicalize(entry.path().join(rest)));
            }
        }
    }
    folders
}

async fn installed(folders: BTreeSet<PathBuf>) -> Vec<Binaries> {
    let mut found = Vec::new();
    for folder in folders {
        if let Some(version) = version_in(&folder).await {
            found.push(Binaries { folder, version });
        }
    }
    found
}

/// The version of the server in a folder; `None` where one of the programs is missing or does not
/// run.
async fn version_in(folder: &Path) -> Option<PgVersion> {
    if !folder.join("initdb").is_file() {
        return None;
    }
    let answer =
        Command::from(child::command(folder.join("postgres"))).arg("--version").output().await.ok()?;
    PgVersion::parse(&String::from_utf8_lossy(&answer.stdout)).filter(|_| answer.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Failure;

    fn installation(version: &str) -> Binaries {
        let folder = PathBuf::from(format!("/pg/{version}"));
        Binaries { folder, version: PgVersion::parse(version).unwrap() }
    }

    #[test]
    fn the_newest_wins_and_data_keeps_its_major_version() {
        let found = || ["15.9", "17.1", "15.10", "14.2"].map(installation).to_vec();
        assert_eq!(choose(found(), None).unwrap().version.major, 17);
        let data = Path::new("/data");
        assert_eq!(choose(found(), Some((15, data))).unwrap(), installation("15.10"));
        assert!(matches!(choose(found(), Some((16, data))), Err(LocalError::OtherVersion { major: 16, .. })));
    }

    #[test]
    fn without_a_new_enough_server_the_error_names_the_old_ones_and_the_package() {
        let error = choose(vec![installation("13.4")], None).unwrap_err();
        assert!(error.to_string().contains("too old: 13.4 in /pg/13.4"), "{error}");
        assert!(error.hints()[0].text.contains("install") || error.hints()[0].text.contains("add"));
        let none = choose(Vec::new(), None).unwrap_err();
        assert_eq!(none.to_string(), "no PostgreSQL server of version 15 or newer was found on this machine");
    }
}
