//! What can go wrong with the local stack.

use std::io;
use std::path::{Path, PathBuf};

use crate::infra::private_file::PrivateFileError;
use crate::kernel::{Failure, Hint, shell};

use super::postgres::packages;
use super::postgres::version::{OLDEST_MAJOR, PgVersion};

/// Why the local stack did not do what was asked.
#[derive(Debug, thiserror::Error, Failure)]
pub enum LocalError {
    /// The system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    #[failure(Unavailable, "local_system")]
    #[hint(if source.kind() == io::ErrorKind::PermissionDenied, NOT_YOURS)]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// A private file was refused or failed.
    #[error(transparent)]
    #[failure(if matches!(_0, PrivateFileError::Untrusted { .. }), transparent)]
    #[failure(transparent, "local_system")]
    #[hints(of_file(_0))]
    File(#[from] PrivateFileError),
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    #[failure(Unavailable, "local_system")]
    Random(getrandom::Error),
    /// No server binaries that are new enough.
    #[error("no PostgreSQL server of version {OLDEST_MAJOR} or newer was found on this machine{}", listed(.too_old))]
    #[failure(Unavailable, "local_no_postgres")]
    #[hint(packages::install(None))]
    #[hint("or set NEXUS_PG_BIN to the folder that holds initdb and postgres")]
    NoBinaries { too_old: Vec<(PathBuf, PgVersion)> },
    /// The folder named by the user holds no usable server.
    #[error("NEXUS_PG_BIN names {}, which {reason}", folder.display())]
    #[failure(Invalid, "local_bad_pg_bin")]
    #[hint("unset NEXUS_PG_BIN to let Nexus search")]
    BadBinaries { folder: PathBuf, reason: String },
    /// The data was made by a major version whose binaries are not here.
    #[error("the data in {} is of PostgreSQL {major}, and no server of that version was found", data.display())]
    #[failure(Conflict, "local_postgres_version")]
    #[hint(packages::install(Some(*major)))]
    #[hint("or set NEXUS_PG_BIN to the folder with PostgreSQL {major}'s programs")]
    OtherVersion { data: PathBuf, major: u32 },
    /// Nexus is root and there is no account to run PostgreSQL as.
    #[error("PostgreSQL refuses to run as root, and there is no account `postgres` to run it as")]
    #[failure(Unavailable, "local_no_account")]
    #[hint("useradd --system --no-create-home --shell /usr/sbin/nologin postgres")]
    #[hint("or run Nexus as an ordinary user")]
    NoAccount,
    /// The account that runs PostgreSQL cannot get to its folder.
    #[error("the account `{account}`, which runs PostgreSQL, may not enter {}", folder.display())]
    #[failure(Unavailable, "local_folder_blocked")]
    #[hint("chmod o+x {}", shell::path(folder))]
    #[hint("or set NEXUS_HOME to a folder elsewhere, e.g. /var/lib/nexus")]
    #[details(folder = folder.to_string_lossy(), account)]
    Blocked { folder: PathBuf, account: String },
    /// The data belongs to somebody else than who would run the server.
    #[error("{} belongs to user id {owner}, but PostgreSQL would run as user id {expected}", data.display())]
    #[failure(Conflict, "local_other_owner")]
    #[hint("run Nexus as the user who made it, or set NEXUS_HOME to another folder")]
    OtherOwner { data: PathBuf, owner: u32, expected: u32 },
    /// A folder of the stack belongs to somebody else.
    #[error("{} is not trusted: it belongs to user id {owner}", folder.display())]
    #[failure(Forbidden, "local_untrusted")]
    #[hint("set NEXUS_HOME to a folder of your own")]
    Untrusted { folder: PathBuf, owner: u32 },
    /// The path is one that PostgreSQL's programs read as something else.
    ///
    /// Of a comma libpq makes two hosts (manual, chapter 34.1.1.3), and settings and URLs are lines
    /// of text.
    #[error("PostgreSQL's programs cannot take the path {path:?}: it has {what} in it")]
    #[failure(Invalid, "local_path_unfit")]
    #[hint("set NEXUS_HOME to a folder of plain letters and digits")]
    PathUnfit { path: PathBuf, what: &'static str },
    /// The socket's path is longer than the system allows.
    #[error("the path of PostgreSQL's socket, {}, has {length} bytes; this system allows {limit}", path.display())]
    #[failure(Invalid, "local_path_too_long")]
    #[hint("set NEXUS_HOME to a folder whose path is at least {} bytes shorter",
                    length - limit)]
    PathTooLong {
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The longest that works, in bytes.
        limit: usize,
    },
    /// The data exists, but the superuser's password is missing.
    #[error("{} is missing; without it nobody can log in to the data in {}", password.display(), data.display())]
    #[failure(Integrity, "local_password_missing")]
    #[hint("restore the file from a backup, or start over, which deletes all data" => LocalAction::Reset)]
    PasswordMissing { password: PathBuf, data: PathBuf },
    /// The stack runs, but the S3 endpoint's admin token is missing.
    #[error("{} is missing; without it nobody can make a bucket", .0.display())]
    #[failure(Integrity, "local_token_missing")]
    #[hint(LocalAction::Restart)]
    TokenMissing(PathBuf),
    /// `initdb` failed.
    #[error("initdb could not create the private PostgreSQL{}", indented(.output))]
    #[failure(Unavailable, "local_init_failed")]
    #[hint(LocalAction::Logs(None))]
    #[details(log = output)]
    InitFailed { output: Vec<String> },
    /// The daemon or a part of it did not start.
    #[error("the local stack did not start: {reason}{}", indented(.log))]
    #[failure(Unavailable, "local_start_failed")]
    #[hint(LocalAction::Logs(None))]
    #[details(log)]
    StartFailed { reason: String, log: Vec<String> },
    /// A part of a running stack dies again and again.
    #[error("{part} keeps dying: {reason}{}", indented(.log))]
    #[failure(Unavailable, "local_failing")]
    #[hint(LocalAction::Logs(None))]
    #[hint(LocalAction::Stop)]
    #[details(log)]
    Failing { part: &'static str, reason: String, log: Vec<String> },
    /// A process does not end.
    #[error("process {pid} ({what}) does not stop")]
    #[failure(Unavailable, "local_does_not_stop")]
    #[hint("kill -9 {pid}")]
    DoesNotStop { what: &'static str, pid: i32 },
    /// The mailbox for development holds no such message.
    #[error("{}", match id { Some(id) => format!("no message begins with {id:?}"), None => "the mailbox is empty".to_owned() })]
    #[failure(NotFound, "local_mail_not_found")]
    #[hint(LocalAction::MailList)]
    MailNotFound { id: Option<String> },
    /// Several messages of the mailbox for development are meant.
    #[error("{many} messages begin with {id:?}")]
    #[failure(Conflict, "local_mail_ambiguous")]
    #[hint("type more of it" => LocalAction::MailList)]
    MailAmbiguous { id: String, many: usize },
    /// Someone else starts, stops or deletes the stack and does not finish.
    #[error("another process holds {}", .0.display())]
    #[failure(Busy, "local_busy")]
    #[hint("wait for the other command to finish, then repeat yours")]
    Busy(PathBuf),
}

impl LocalError {
    /// For `map_err` on a system call.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

const NOT_YOURS: &str = "run Nexus as the user whose stack it is, or set NEXUS_HOME to a folder of your own";

fn of_file(error: &PrivateFileError) -> Vec<Hint> {
    match error {
        PrivateFileError::Untrusted { .. } => error.hints(),
        PrivateFileError::Open { path, .. } => vec![format!("chmod 600 {}", shell::path(path)).into()],
        PrivateFileError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            vec![NOT_YOURS.into()]
        }
        _ => Vec::new(),
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
