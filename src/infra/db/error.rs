//! What an error of PostgreSQL means to Nexus.

use sqlx::postgres::PgDatabaseError;

use super::ServerAddress;
use crate::kernel::{ErrorKind, Failure};

/// A statement or a connection that failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No session could be had, or it broke.
    #[error("the database server does not answer ({server}): {source}")]
    Unreachable {
        /// Which server.
        server: String,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// The login was refused.
    #[error("login {user:?} was refused by {server}: {source}")]
    LoginRefused {
        /// Which role.
        user: String,
        /// Which server.
        server: String,
        /// What the server says.
        source: sqlx::Error,
    },
    /// The server refused a statement; carries the SQLSTATE (manual, appendix A).
    #[error("the database refused: {message} (SQLSTATE {state})")]
    Refused {
        /// The five characters.
        state: String,
        /// The server's sentence.
        message: String,
        /// The violated constraint, if that was it.
        constraint: Option<String>,
    },
    /// A migration did not apply.
    #[error("migration failed: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Something that should not happen, e.g. a column of another type.
    #[error("the database answered in an unexpected way: {0}")]
    Unexpected(sqlx::Error),
}

impl DbError {
    /// Of a failed connect.
    pub(super) fn of_connect(error: sqlx::Error, server: &ServerAddress) -> Self {
        match error.as_database_error().map(|e| e.code().unwrap_or_default().into_owned()) {
            // 28: invalid authorisation; 3D000: no such database; 42501: no CONNECT privilege.
            Some(state) if state.starts_with("28") => {
                Self::LoginRefused { user: server.user.clone(), server: server.display(), source: error }
            }
            // 55000: the database takes no connections.
            Some(state) if matches!(&*state, "3D000" | "42501" | "55000") => Self::from(error),
            _ => Self::Unreachable { server: server.display(), source: error },
        }
    }

    /// The server wants to exchange data with the client, and Nexus has none. 0A000: not supported.
    fn copy(way: &str) -> Self {
        let message = format!("COPY {way} exchanges data with a client, and Nexus sends and takes none");
        Self::Refused { state: "0A000".to_owned(), message, constraint: None }
    }

    /// The SQLSTATE, where the server gave one.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        match self {
            Self::Refused { state, .. } => Some(state),
            _ => None,
        }
    }

    /// Whether this is the violation of the named constraint.
    #[must_use]
    pub fn violates(&self, name: &str) -> bool {
        matches!(self, Self::Refused { constraint: Some(constraint), .. } if constraint == name)
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let refused = match error.as_database_error() {
            Some(refusal) => {
                let refusal = refusal.downcast_ref::<PgDatabaseError>();
                // The detail may quote a row's content; the sentence does not.
                Some((
                    refusal.code().to_owned(),
                    refusal.message().to_owned(),
                    refusal.constraint().map(str::to_owned),
                ))
            }
            None => None,
        };
        match (refused, &error) {
            (None, sqlx::Error::Protocol(said)) if said.contains("CopyInResponse") => {
                Self::copy("FROM STDIN")
            }
            (None, sqlx::Error::Protocol(said)) if said.contains("CopyOutResponse") => {
                Self::copy("TO STDOUT")
            }
            (Some((state, message, constraint)), _) => Self::Refused { state, message, constraint },
            (
                None,
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolClosed,
            ) => Self::Unreachable { server: "the session broke".to_owned(), source: error },
            (None, _) => Self::Unexpected(error),
        }
    }
}

impl Failure for DbError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. } | Self::LoginRefused { .. } => ErrorKind::Unavailable,
            // 08: connection; 53: out of disk, memory or connections; 57: shut down or cancelled;
            // 58: the system, e.g. an I/O error (manual, appendix A).
            Self::Refused { state, .. }
                if ["08", "53", "57", "58"].iter().any(|class| state.starts_with(class)) =>
            {
                ErrorKind::Unavailable
            }
            Self::Refused { state, .. } if state.starts_with("55") => ErrorKind::Busy,
            Self::Migration(_) => ErrorKind::Integrity,
            Self::Refused { .. } | Self::Unexpected(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "database_unreachable",
            Self::LoginRefused { .. } => "database_login_refused",
            Self::Refused { .. } if self.kind() == ErrorKind::Unavailable => "database_unavailable",
            Self::Refused { .. } => "database_refused",
            Self::Migration(_) => "migration_failed",
            Self::Unexpected(_) => "database_unexpected",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unreachable { .. } => vec!["find out what is wrong: nexus doctor".to_owned()],
            Self::LoginRefused { .. } => vec!["see which login is used: nexus config show".to_owned()],
            Self::Refused { state, .. } if state == "53100" => {
                vec!["the server's disk is full: free some space, then repeat".to_owned()]
            }
            // 57P01 to 57P03: the server is going down or coming up; 53300: it has no session left.
            Self::Refused { state, .. } if state.starts_with("57P") => {
                vec!["the server is being restarted: repeat in a moment".to_owned()]
            }
            Self::Refused { state, .. } if state == "55P03" => {
                vec![
                    "another session holds a lock; its server's administrator sees which: select pid, usename, \
                     state, query from pg_stat_activity join pg_locks using (pid) where granted"
                        .to_owned(),
                    "repeat once that has ended".to_owned(),
                ]
            }
            Self::Refused { state, .. } if state == "53300" => {
                vec![
                    "keep Nexus to fewer sessions there: nexus cluster update NAME --connections N"
                        .to_owned(),
                ]
            }
            _ => Vec::new(),
        }
    }
}
