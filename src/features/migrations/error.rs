//! What can go wrong with sets of migrations and their files.

use std::io;
use std::path::PathBuf;

use serde_json::{Value, json};
use uuid::Uuid;

use super::header::HeaderFlaw;
use super::name::{HistoryTable, SetName};
use crate::infra::db::DbError;
use crate::kernel::{ErrorKind, Failure, shell};
use crate::settings::migrations::variable_of;

/// A request about sets of migrations that failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrationsError {
    /// No set of that name.
    #[error("no set of migrations {name:?}")]
    NoSet {
        /// What was asked for.
        name: String,
    },
    /// The name is taken, with other settings.
    #[error("set {name:?} is there already, with another {what}")]
    SetExists {
        /// Which set.
        name: String,
        /// What differs.
        what: &'static str,
    },
    /// The history table is another set's.
    #[error("history table {history} is that of set {holder:?}")]
    HistoryTaken {
        /// The set that is to be added.
        set: SetName,
        /// The table.
        history: String,
        /// Whose it is.
        holder: String,
    },
    /// The set is part of Nexus.
    #[error("set {name:?} is part of Nexus: {why}")]
    BuiltIn {
        /// Its name.
        name: String,
        /// Why that cannot be done.
        why: &'static str,
    },
    /// Sets would come before themselves.
    #[error("sets cannot come before themselves: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// Another set comes after it.
    #[error("set {name:?} comes before {}", quoted(dependents))]
    DependedOn {
        /// Its name.
        name: String,
        /// Those that come after it.
        dependents: Vec<String>,
    },
    /// Tenants have versions of it.
    #[error("{tenants} tenant(s) have migrations of set {name:?}")]
    InUse {
        /// Its name.
        name: String,
        /// How many tenants.
        tenants: i64,
    },
    /// A run may need it.
    #[error("run {run} is under way")]
    RunUnderWay {
        /// Its id.
        run: Uuid,
    },
    /// A run was stopped, and cannot go on without it.
    #[error("run {run} was stopped, and cannot go on without set {name:?}")]
    RunNeedsSet {
        /// Its name.
        name: String,
        /// The run's id.
        run: Uuid,
    },
    /// A folder is given, and not of which set.
    #[error("--source names one folder, and {}", of_which(sets))]
    SourceOfWhich {
        /// The sets that may be meant.
        sets: Vec<String>,
    },
    /// A folder is given twice.
    #[error("--source names the folder of {} twice", set.as_deref().unwrap_or("the set"))]
    SourceTwice {
        /// Of which set, if it is named.
        set: Option<String>,
    },
    /// An address where a folder is wanted; it may hold a password, and is not repeated.
    #[error("--source takes a folder on this machine, not an address")]
    SourceIsUrl,
    /// The folder that a set is to have its files in is not there.
    #[error("the files of a new set cannot be read: {}: {source}", folder.display())]
    NoSource {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder of a set's files is not there.
    #[error("the files of set {set:?} cannot be read: {}: {source}", folder.display())]
    NoFolder {
        /// The set.
        set: String,
        /// The folder.
        folder: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file's bytes are no UTF-8.
    #[error("{}:{line}: not UTF-8, which is what PostgreSQL is sent", file.display())]
    NotUtf8 {
        /// The file.
        file: PathBuf,
        /// The line of the first such byte, from 1.
        line: usize,
    },
    /// A file holds what no statement may.
    #[error("{file}: {what}")]
    NotText {
        /// The file.
        file: String,
        /// What.
        what: &'static str,
    },
    /// A file is empty.
    #[error("{file}: nothing in it")]
    Blank {
        /// The file.
        file: String,
    },
    /// The name is not that of a migration.
    #[error("{name:?} is not the name of a migration: VERSION_words.sql")]
    NotAName {
        /// The name.
        name: String,
    },
    /// The words cannot be part of a file's name.
    #[error("{name:?} cannot be part of a file's name: 1 to 100 letters, digits, blanks, '-' and '_'")]
    BadWords {
        /// The words.
        name: String,
    },
    /// The version is no number above zero.
    #[error("{file}: {version:?} is no version: a whole number above zero, at most 9223372036854775807")]
    Version {
        /// The file.
        file: String,
        /// What stands there.
        version: String,
    },
    /// Several files of one version.
    #[error("version {version} is that of several files: {}", listed(files))]
    SameVersion {
        /// The version.
        version: i64,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// A way back without a way there.
    #[error("{}: there is no .up.sql of this version", file.display())]
    DownAlone {
        /// The file.
        file: PathBuf,
    },
    /// The way there is not called so.
    #[error("{} has a way back, so it must be called {}", up.display(), up.with_extension("up.sql").display())]
    UpUnmarked {
        /// The way there.
        up: PathBuf,
        /// The way back.
        down: PathBuf,
    },
    /// A wrong directive.
    #[error("{file}:{line}: {flaw}")]
    Header {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        flaw: HeaderFlaw,
    },
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

fn of_which(sets: &[String]) -> String {
    match sets {
        [] => "there is no set that it could be of".to_owned(),
        sets => format!("there are several sets: {}", sets.join(", ")),
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl From<sqlx::Error> for MigrationsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl MigrationsError {
    /// What to do about a file.
    fn file_hint(&self) -> Option<String> {
        match self {
            Self::NotUtf8 { file, .. } => Some(format!(
                "convert it: iconv -f latin1 -t utf-8 {0} > {0}.new && mv {0}.new {0}",
                shell::path(file)
            )),
            Self::NotText { .. } => Some("take it out of the file".to_owned()),
            Self::Blank { .. } => Some("write the statements into it, or remove the file".to_owned()),
            Self::NotAName { .. } => Some("e.g. 20260101120000_add_orders.sql".to_owned()),
            Self::BadWords { .. } => Some("e.g. nexus migrate new shop 'add orders'".to_owned()),
            Self::Version { .. } => {
                Some("call it VERSION_words.sql, or move it out of the folder".to_owned())
            }
            Self::SameVersion { .. } => Some("give one of them another version".to_owned()),
            Self::DownAlone { file } => {
                Some(format!("write the way there, or remove it: rm {}", shell::path(file)))
            }
            Self::UpUnmarked { up, .. } => {
                Some(format!("mv {} {}", shell::path(up), shell::path(&up.with_extension("up.sql"))))
            }
            Self::Header { flaw, .. } => Some(flaw.hint()),
            Self::SourceOfWhich { sets } => Some(match sets.first() {
                Some(set) => format!("say of which: --source {set}=DIR"),
                None => "add one: nexus migrate set add NAME --source DIR".to_owned(),
            }),
            Self::SourceTwice { .. } => Some("give each set one folder: --source SET=DIR".to_owned()),
            Self::SourceIsUrl => Some("e.g. --source ./migrations".to_owned()),
            _ => None,
        }
    }
}

impl Failure for MigrationsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSet { .. } => ErrorKind::NotFound,
            Self::SetExists { .. }
            | Self::HistoryTaken { .. }
            | Self::DependedOn { .. }
            | Self::RunNeedsSet { .. }
            | Self::InUse { .. } => ErrorKind::Conflict,
            Self::RunUnderWay { .. } => ErrorKind::Busy,
            Self::Unwritable { .. } => ErrorKind::Unavailable,
            Self::Db(error) => error.kind(),
            _ => ErrorKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoSet { .. } => "set_not_found",
            Self::SetExists { .. } => "set_exists",
            Self::HistoryTaken { .. } => "history_taken",
            Self::BuiltIn { .. } => "set_built_in",
            Self::Cycle(_) => "set_cycle",
            Self::DependedOn { .. } => "set_depended_on",
            Self::InUse { .. } => "set_in_use",
            Self::RunUnderWay { .. } => "run_under_way",
            Self::RunNeedsSet { .. } => "run_needs_set",
            Self::NoFolder { .. } | Self::NoSource { .. } => "set_folder_missing",
            Self::SourceOfWhich { .. } | Self::SourceTwice { .. } | Self::SourceIsUrl => "source_unclear",
            Self::Unreadable { .. } => "file_unreadable",
            Self::Unwritable { .. } => "file_unwritable",
            Self::NotUtf8 { .. } | Self::NotText { .. } => "file_not_text",
            Self::Blank { .. } => "migration_blank",
            Self::NotAName { .. } | Self::BadWords { .. } => "migration_name",
            Self::Version { .. } => "migration_version",
            Self::SameVersion { .. } => "migration_same_version",
            Self::DownAlone { .. } | Self::UpUnmarked { .. } => "migration_pair",
            Self::Header { .. } => "migration_header",
            Self::Db(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        let one = |hint: String| vec![hint];
        match self {
            Self::NoSet { .. } => one("see which there are: nexus migrate set list".to_owned()),
            Self::SetExists { name, what } if *what == "history table" => vec![
                format!("see it: nexus migrate set show {name}"),
                "a set keeps its history table; add one of another name".to_owned(),
            ],
            Self::SetExists { name, what: "folder" } => {
                one(format!("change it: nexus migrate set update {name} --source DIR"))
            }
            Self::SetExists { name, .. } => {
                one(format!("change it: nexus migrate set update {name} --depends-on SET"))
            }
            Self::HistoryTaken { set, .. } => {
                one(format!("give it one of its own: --history {}", HistoryTable::of_set(set)))
            }
            Self::BuiltIn { .. } => {
                one("for tables of your own: nexus migrate set add NAME --source DIR".to_owned())
            }
            Self::Cycle(_) => one("see what comes before what: nexus migrate set list".to_owned()),
            Self::DependedOn { name, dependents } => dependents
                .iter()
                .map(|other| {
                    format!(
                        "let {other} not depend on {name}: nexus migrate set update {other} --independent"
                    )
                })
                .collect(),
            Self::InUse { name, .. } => vec![
                format!("see them: nexus migrate set show {name}"),
                format!(
                    "forget it, and leave its tables in the tenants: nexus migrate set remove {name} --forget"
                ),
            ],
            Self::RunNeedsSet { run, .. } => vec![
                format!("let it go on: nexus migrate runs resume {run}"),
                format!("or give it up: nexus migrate runs cancel {run}"),
            ],
            Self::RunUnderWay { run } => vec![
                format!("see how far it is: nexus migrate runs show {run}"),
                "repeat the command when it has ended".to_owned(),
            ],
            Self::NoSource { folder, source } if source.kind() == io::ErrorKind::NotFound => {
                vec![format!("make it: mkdir -p {}", shell::path(folder))]
            }
            Self::NoFolder { set, .. } => vec![
                format!("say where they are on this machine: --source {set}=DIR"),
                format!(
                    "or set {}=DIR, or '{set}' in [context.NAME.migrations] of nexus.toml",
                    variable_of(set)
                ),
                format!("or for everybody: nexus migrate set update {set} --source DIR"),
            ],
            Self::Db(error) => error.hints(),
            _ => self.file_hint().into_iter().collect(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::NoSet { name } | Self::BuiltIn { name, .. } | Self::SetExists { name, .. } => {
                json!({ "set": name })
            }
            Self::HistoryTaken { history, holder, .. } => json!({ "history": history, "set": holder }),
            Self::InUse { name, tenants } => json!({ "set": name, "tenants": tenants }),
            Self::RunUnderWay { run } => json!({ "run": run }),
            Self::RunNeedsSet { name, run } => json!({ "set": name, "run": run }),
            Self::NoFolder { set, folder, .. } => json!({ "set": set, "folder": folder }),
            Self::NoSource { folder, .. } => json!({ "folder": folder }),
            Self::Header { file, line, .. } => json!({ "file": file, "line": line }),
            Self::Db(error) => error.details(),
            _ => Value::Null,
        }
    }
}
