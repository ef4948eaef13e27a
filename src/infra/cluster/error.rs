//! What can go wrong on a PostgreSQL server.

use super::APP_ROLE;
use crate::infra::db::DbError;
use crate::kernel::{ErrorKind, Failure};

/// A change on a PostgreSQL server that failed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// It is there, and not ours.
    #[error("{what} is there already and was not made by this installation")]
    Foreign {
        /// What it is, e.g. `database nx…`.
        what: String,
    },
    /// Sessions of a dead process would not end.
    #[error("{count} session(s) of an earlier attempt are still at work on the server")]
    StillAtWork {
        /// How many.
        count: i64,
    },
    /// Sessions in a database that is closed would not end.
    #[error("{count} session(s) in database {database} do not end")]
    StillOpen {
        /// Which database.
        database: String,
        /// How many.
        count: i64,
    },
    /// Something of ours cannot go, because what is not ours hangs on it.
    #[error("{what} cannot be dropped: {by}")]
    InUse {
        /// What it is.
        what: String,
        /// What hangs on it.
        by: String,
    },
    /// A file of migrations does not apply to a new template.
    #[error("file {file} does not apply to an empty tenant: {message}")]
    File {
        /// Its version and description.
        file: String,
        /// What the server says.
        message: String,
    },
    /// The role that apps' rights are granted to could do what every tenant would then be able to do.
    #[error("role {APP_ROLE} is to have no login and no power of its own, and has {powers}")]
    AppRole {
        /// What it has.
        powers: String,
    },
    /// Something of ours that is to be changed is not there.
    #[error("{what} is not there")]
    Missing {
        /// What it is, e.g. `role nx…`.
        what: String,
    },
}

impl From<sqlx::Error> for ClusterError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Failure for ClusterError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Db(error) => error.kind(),
            Self::Foreign { .. } | Self::InUse { .. } | Self::File { .. } | Self::AppRole { .. } => {
                ErrorKind::Conflict
            }
            Self::StillAtWork { .. } | Self::StillOpen { .. } => ErrorKind::Busy,
            Self::Missing { .. } => ErrorKind::Integrity,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Db(error) => error.code(),
            Self::Foreign { .. } => "cluster_foreign",
            Self::StillAtWork { .. } => "cluster_still_at_work",
            Self::StillOpen { .. } => "cluster_still_open",
            Self::InUse { .. } => "cluster_in_use",
            Self::File { .. } => "migration_file",
            Self::AppRole { .. } => "app_role_powerful",
            Self::Missing { .. } => "cluster_missing",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Db(error) => error.hints(),
            Self::Foreign { .. } | Self::Missing { .. } | Self::File { .. } => Vec::new(),
            Self::InUse { .. } => {
                vec!["drop what hangs on it in the database, then repeat the command".to_owned()]
            }
            Self::AppRole { .. } => vec![
                format!(
                    "take that away from it, as the server's administrator: alter role {APP_ROLE} nologin \
                     nosuperuser nocreatedb nocreaterole noreplication nobypassrls; revoke ROLE from {APP_ROLE}"
                ),
                format!("or, where another program made it: alter role {APP_ROLE} rename to another_name"),
            ],
            Self::StillAtWork { .. } | Self::StillOpen { .. } => {
                vec!["repeat the command in a minute".to_owned()]
            }
        }
    }
}
