//! What can go wrong with the local stack.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::infra::private_file::PrivateFileError;
use crate::kernel::{ErrorKind, Failure, shell};

use super::postgres::packages;
use super::postgres::version::{OLDEST_MAJOR, PgVersion};

/// Why the local stack did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A private file was refused or failed.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// No server binaries that are new enough.
    #[error("no PostgreSQL server of version {OLDEST_MAJOR} or newer was found on this machine{}", listed(.too_old))]
    NoBinaries {
        /// Those found that are too old.
        too_old: Vec<(PathBuf, PgVersion)>,
    },
    /// The folder named by the user holds no usable server.
    #[error("NEXUS_PG_BIN names {}, which {reason}", folder.display())]
    BadBinaries {
        /// The folder named.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The data was made by a major version whose binaries are not here.
    #[error("the data in {} is of PostgreSQL {major}, and no server of that version was found", data.display())]
    OtherVersion {
        /// The data folder.
        data: PathBuf,
        /// Its major version.
        major: u32,
    },
    /// Nexus is root and there is no account to run PostgreSQL as.
    #[error("PostgreSQL refuses to run as root, and there is no account `postgres` to run it as")]
    NoAccount,
    /// The account that runs PostgreSQL cannot get to its folder.
    #[error("the account `{account}`, which runs PostgreSQL, may not enter {}", folder.display())]
    Blocked {
        /// The folder that stops it.
        folder: PathBuf,
        /// The account.
        account: String,
    },
    /// The data belongs to somebody else than who would run the server.
    #[error("{} belongs to user id {owner}, but PostgreSQL would run as user id {expected}", data.display())]
    OtherOwner {
        /// The data folder.
        data: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who would run the server.
        expected: u32,
    },
    /// A folder of the stack belongs to somebody else.
    #[error("{} is not trusted: it belongs to user id {owner}", folder.display())]
    Untrusted {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The path is one that PostgreSQL's programs read as something else: of a comma libpq makes
    /// two hosts (manual, chapter 34.1.1.3), and settings and URLs are lines of text.
    #[error("PostgreSQL's programs cannot take the path {path:?}: it has {what} in it")]
    PathUnfit {
        /// The path.
        path: PathBuf,
        /// What is in it.
        what: &'static str,
    },
    /// The socket's path is longer than the system allows.
    #[error("the path of PostgreSQL's socket, {}, has {length} bytes; this system allows {limit}", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The longest that works, in bytes.
        limit: usize,
    },
    /// The data is there and the superuser's password is not.
    #[error("{} is missing; without it nobody can log in to the data in {}", password.display(), data.display())]
    PasswordMissing {
        /// The password's file.
        password: PathBuf,
        /// The data folder.
        data: PathBuf,
    },
    /// The stack runs and the S3 endpoint's admin token is not there.
    #[error("{} is missing; without it nobody can make a bucket", .0.display())]
    TokenMissing(PathBuf),
    /// `initdb` failed.
    #[error("initdb could not make the private PostgreSQL{}", indented(.output))]
    InitFailed {
        /// The last lines it said.
        output: Vec<String>,
    },
    /// The daemon or a part of it did not start.
    #[error("the local stack did not start: {reason}{}", indented(.log))]
    StartFailed {
        /// Why.
        reason: String,
        /// The last lines of the log.
        log: Vec<String>,
    },
    /// A part of a running stack dies again and again.
    #[error("{part} keeps dying: {reason}{}", indented(.log))]
    Failing {
        /// Which part.
        part: &'static str,
        /// How it died last.
        reason: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// A process does not end.
    #[error("process {pid} ({what}) does not stop")]
    DoesNotStop {
        /// What it is.
        what: &'static str,
        /// Its number.
        pid: i32,
    },
    /// Someone else starts, stops or deletes the stack and does not finish.
    #[error("another process holds {}", .0.display())]
    Busy(PathBuf),
}

impl LocalError {
    /// For `map_err` on a system call.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

impl Failure for LocalError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Untrusted { .. } => ErrorKind::Forbidden,
            Self::PathTooLong { .. } | Self::PathUnfit { .. } | Self::BadBinaries { .. } => {
                ErrorKind::Invalid
            }
            Self::OtherOwner { .. } | Self::OtherVersion { .. } => ErrorKind::Conflict,
            Self::Busy(_) => ErrorKind::Busy,
            Self::PasswordMissing { .. } | Self::TokenMissing(_) => ErrorKind::Integrity,
            Self::Io { .. }
            | Self::Random(_)
            | Self::NoBinaries { .. }
            | Self::NoAccount
            | Self::Blocked { .. }
            | Self::InitFailed { .. }
            | Self::StartFailed { .. }
            | Self::Failing { .. }
            | Self::DoesNotStop { .. } => ErrorKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::File(error @ PrivateFileError::Untrusted { .. }) => error.code(),
            Self::Io { .. } | Self::File(_) | Self::Random(_) => "local_system",
            Self::Untrusted { .. } => "local_untrusted",
            Self::PathUnfit { .. } => "local_path_unfit",
            Self::NoBinaries { .. } => "local_no_postgres",
            Self::BadBinaries { .. } => "local_bad_pg_bin",
            Self::OtherVersion { .. } => "local_postgres_version",
            Self::NoAccount => "local_no_account",
            Self::Blocked { .. } => "local_folder_blocked",
            Self::OtherOwner { .. } => "local_other_owner",
            Self::PathTooLong { .. } => "local_path_too_long",
            Self::PasswordMissing { .. } => "local_password_missing",
            Self::TokenMissing(_) => "local_token_missing",
            Self::InitFailed { .. } => "local_init_failed",
            Self::StartFailed { .. } => "local_start_failed",
            Self::Failing { .. } => "local_failing",
            Self::DoesNotStop { .. } => "local_does_not_stop",
            Self::Busy(_) => "local_busy",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoBinaries { .. } => {
                vec![
                    packages::install(None),
                    "or set NEXUS_PG_BIN to the folder that holds initdb and postgres".into(),
                ]
            }
            Self::BadBinaries { .. } => vec!["unset NEXUS_PG_BIN to let Nexus search".into()],
            Self::OtherVersion { major, .. } => {
                vec![
                    packages::install(Some(*major)),
                    format!("or set NEXUS_PG_BIN to the folder with PostgreSQL {major}'s programs"),
                ]
            }
            Self::NoAccount => vec![
                "useradd --system --no-create-home --shell /usr/sbin/nologin postgres".into(),
                "or run nexus as an ordinary user".into(),
            ],
            Self::Blocked { folder, .. } => {
                vec![
                    format!("chmod o+x {}", shell::path(folder)),
                    "or set NEXUS_HOME to a folder elsewhere, e.g. /var/lib/nexus".into(),
                ]
            }
            Self::OtherOwner { .. } => {
                vec!["run nexus as the user who made it, or set NEXUS_HOME to another folder".into()]
            }
            Self::PathTooLong { length, limit, .. } => {
                vec![format!(
                    "set NEXUS_HOME to a folder whose path is at least {} bytes shorter",
                    length - limit
                )]
            }
            Self::PasswordMissing { .. } => {
                vec!["put the file back from a backup, or start anew with `nexus local reset`, which deletes all data".into()]
            }
            Self::StartFailed { .. } | Self::InitFailed { .. } => vec!["nexus local logs".into()],
            Self::Failing { .. } => vec!["nexus local logs".into(), "nexus local down".into()],
            Self::DoesNotStop { pid, .. } => vec![format!("kill -9 {pid}")],
            Self::Busy(_) => {
                vec!["wait for the other `nexus local` command to finish, then repeat yours".into()]
            }
            Self::TokenMissing(_) => vec!["nexus local down && nexus local up".into()],
            Self::Untrusted { .. } => vec!["set NEXUS_HOME to a folder of your own".into()],
            Self::PathUnfit { .. } => vec!["set NEXUS_HOME to a folder of plain letters and digits".into()],
            Self::File(error @ PrivateFileError::Untrusted { .. }) => error.hints(),
            Self::File(PrivateFileError::Open { path, .. }) => {
                vec![format!("chmod 600 {}", shell::path(path))]
            }
            Self::Io { source, .. } | Self::File(PrivateFileError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                vec![
                    "run nexus as the user whose stack it is, or set NEXUS_HOME to a folder of your own"
                        .into(),
                ]
            }
            Self::Io { .. } | Self::File(_) | Self::Random(_) => Vec::new(),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::InitFailed { output: log } | Self::StartFailed { log, .. } | Self::Failing { log, .. } => {
                json!({ "log": log })
            }
            Self::Blocked { folder, account } => {
                json!({ "folder": folder.to_string_lossy(), "account": account })
            }
            _ => serde_json::Value::Null,
        }
    }
}

fn listed(found: &[(PathBuf, PgVersion)]) -> String {
    if found.is_empty() {
        return String::new();
    }
    let list: Vec<String> =
        found.iter().map(|(folder, version)| format!("{version} in {}", folder.display())).collect();
    format!(" (too old: {})", list.join(", "))
}

fn indented(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| text + "\n    " + line)
}
