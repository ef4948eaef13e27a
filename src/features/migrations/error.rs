//! What can go wrong with sets of migrations and their files.

use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::header::HeaderFlaw;
use super::name::{HistoryTable, SetName};
use crate::features::access::AccessError;
use crate::infra::db::DbError;
use crate::kernel::text::counted;
use crate::kernel::{Failure, shell};
use crate::settings::migrations::variable_of;

/// A request about sets of migrations that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum MigrationsError {
    /// No set of that name.
    #[error("no set of migrations {name:?}")]
    #[failure(NotFound, "set_not_found")]
    #[hint("see which there are" => SetAction::List)]
    #[details(set = name)]
    NoSet { name: String },
    /// The set already exists, with other settings.
    #[error("set {name:?} already exists, with another {what}")]
    #[failure(Conflict, "set_exists")]
    #[hint(if *what == "history table", "see it" => SetAction::Show(name.clone()))]
    #[hint(if *what == "history table", "a set keeps its history table; add one of another name")]
    #[hint(else if *what == "folder", "change it" => SetAction::SetSource(name.clone()))]
    #[hint(else, "change it" => SetAction::SetOrder(name.clone()))]
    #[details(set = name)]
    SetExists { name: String, what: &'static str },
    /// The history table is another set's.
    #[error("history table {history} belongs to set {holder:?}")]
    #[failure(Conflict, "history_taken")]
    #[hint("give it one of its own" => With::History(HistoryTable::of_set(set).to_string()))]
    #[details(history, set = holder)]
    HistoryTaken { set: SetName, history: String, holder: String },
    /// The set is part of Nexus.
    #[error("set {name:?} is part of Nexus: {why}")]
    #[failure(Invalid, "set_built_in")]
    #[hint("for tables of your own" => SetAction::Add)]
    #[details(set = name)]
    BuiltIn { name: String, why: &'static str },
    /// Sets would depend on each other in a circle.
    #[error("sets cannot depend on each other in a circle: {}", .0.join(" -> "))]
    #[failure(Invalid, "set_cycle")]
    #[hint("see what comes before what" => SetAction::List)]
    Cycle(Vec<String>),
    /// Another set depends on this one.
    #[error("set {name:?} comes before {}", quoted(dependents))]
    #[failure(Conflict, "set_depended_on")]
    #[hints(dependents.iter().map(|other| Hint::new(format!("let {other} not depend on {name}"), SetAction::MakeIndependent(other.clone()))))]
    DependedOn { name: String, dependents: Vec<String> },
    /// Tenants have versions of the set.
    #[error("set {name:?} is in use: {} with its migrations", counted(*tenants, "tenant"))]
    #[failure(Conflict, "set_in_use")]
    #[hint("see them" => SetAction::Show(name.clone()))]
    #[hint("forget it, and leave its tables in the tenants" => SetAction::Forget(name.clone()))]
    #[details(set = name, tenants)]
    InUse { name: String, tenants: i64 },
    /// A run in progress may need the set.
    #[error("run {run} is in progress")]
    #[failure(Busy, "run_under_way")]
    #[hint("see how far it is" => RunAction::Show((*run).into()))]
    #[hint("repeat the command when it has ended")]
    #[details(run)]
    RunUnderWay { run: Uuid },
    /// A run was stopped, and cannot go on without the set.
    #[error("run {run} was stopped, and cannot go on without set {name:?}")]
    #[failure(Conflict, "run_needs_set")]
    #[hint("resume it" => RunAction::Resume((*run).into()))]
    #[hint("or give it up" => RunAction::Cancel((*run).into()))]
    #[details(set = name, run)]
    RunNeedsSet { name: String, run: Uuid },
    /// A folder is given, and not of which set.
    #[error("a folder of files is given, and not of which set: {}", of_which(sets))]
    #[failure(Invalid, "source_unclear")]
    #[hint(if let Some(set) = sets.first(), "say of which" => With::Source(Some(set.clone())))]
    #[hint(else, "add one" => SetAction::Add)]
    SourceOfWhich { sets: Vec<String> },
    /// A folder is given twice.
    #[error("the folder of {} is given twice", set.as_deref().unwrap_or("the set"))]
    #[failure(Invalid, "source_unclear")]
    #[hint("give each set one folder" => With::Source(None))]
    SourceTwice {
        /// Of which set, if it is named.
        set: Option<String>,
    },
    /// An address where a folder is wanted; it may hold a password, and is not repeated.
    #[error("the files of a set are in a folder on this machine, not at an address")]
    #[failure(Invalid, "source_unclear")]
    #[hint("e.g." => With::SourceExample)]
    SourceIsUrl,
    /// The folder for a new set's files does not exist.
    #[error("the files of a new set cannot be read: {}: {source}", folder.display())]
    #[failure(Invalid, "set_folder_missing")]
    #[hint(if source.kind() == io::ErrorKind::NotFound, "make it: mkdir -p {}", shell::path(folder))]
    #[details(folder)]
    NoSource { folder: PathBuf, source: io::Error },
    /// The folder of a set's files does not exist.
    #[error("the files of set {set:?} cannot be read: {}: {source}", folder.display())]
    #[failure(Invalid, "set_folder_missing")]
    #[hint("say where they are on this machine" => With::Source(Some(set.clone())))]
    #[hint("or set {}=DIR, or '{set}' in [context.NAME.migrations] of nexus.toml", variable_of(set))]
    #[hint("or for everybody" => SetAction::SetSource(set.clone()))]
    #[details(set, folder)]
    NoFolder { set: String, folder: PathBuf, source: io::Error },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    #[failure(Invalid, "file_unreadable")]
    Unreadable { file: PathBuf, source: io::Error },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", file.display())]
    #[failure(Unavailable, "file_unwritable")]
    Unwritable { file: PathBuf, source: io::Error },
    /// A file is not UTF-8.
    #[error("{}:{line}: not UTF-8, which is what PostgreSQL is sent", file.display())]
    #[failure(Invalid, "file_not_text")]
    #[hint("convert it: iconv -f latin1 -t utf-8 {0} > {0}.new && mv {0}.new {0}", shell::path(file))]
    NotUtf8 {
        file: PathBuf,
        /// The line of the first such byte, from 1.
        line: usize,
    },
    /// A file holds what no statement may.
    #[error("{file}: {what}")]
    #[failure(Invalid, "file_not_text")]
    #[hint("take it out of the file")]
    NotText { file: String, what: &'static str },
    /// A file is empty.
    #[error("{file}: it is empty")]
    #[failure(Invalid, "migration_blank")]
    #[hint("write the statements into it, or remove the file")]
    Blank { file: String },
    /// The name is not that of a migration.
    #[error("{name:?} is not the name of a migration: VERSION_words.sql")]
    #[failure(Invalid, "migration_name")]
    #[hint("e.g. 20260101120000_add_orders.sql")]
    NotAName { name: String },
    /// The words cannot be part of a file's name.
    #[error("{name:?} cannot be part of a file's name: 1 to 100 letters, digits, blanks, '-' and '_'")]
    #[failure(Invalid, "migration_name")]
    #[hint("e.g." => MigrateAction::NewFileExample)]
    BadWords { name: String },
    /// The version is not a number above zero.
    #[error("{file}: {version:?} is not a version: a whole number above zero, at most 9223372036854775807")]
    #[failure(Invalid, "migration_version")]
    #[hint("call it VERSION_words.sql, or move it out of the folder")]
    Version { file: String, version: String },
    /// Several files of one version.
    #[error("several files have version {version}: {}", listed(files))]
    #[failure(Invalid, "migration_same_version")]
    #[hint("give one of them another version")]
    SameVersion { version: i64, files: Vec<PathBuf> },
    /// A .down.sql file without its .up.sql file.
    #[error("{}: there is no .up.sql of this version", file.display())]
    #[failure(Invalid, "migration_pair")]
    #[hint("write the way there, or remove it: rm {}", shell::path(file))]
    DownAlone { file: PathBuf },
    /// The file that a .down.sql file belongs to is not called .up.sql.
    #[error("{} has a .down.sql file, so it must be called {}", up.display(), up.with_extension("up.sql").display())]
    #[failure(Invalid, "migration_pair")]
    #[hint("mv {} {}", shell::path(up), shell::path(&up.with_extension("up.sql")))]
    UpUnmarked { up: PathBuf, down: PathBuf },
    /// A file has a wrong directive.
    #[error("{file}:{line}: {flaw}")]
    #[failure(Invalid, "migration_header")]
    #[hint(flaw.hint())]
    #[details(file, line)]
    Header {
        file: String,
        /// The line, from 1.
        line: usize,
        flaw: HeaderFlaw,
    },
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
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
