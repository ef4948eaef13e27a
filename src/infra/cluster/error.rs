//! What can go wrong on a PostgreSQL server.

use super::APP_ROLE;
use crate::infra::db::{DbError, identifier};
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
    /// Something of ours cannot go before a person has ended what hangs on it.
    #[error("{what} cannot be dropped{}: {by}", within(database.as_deref()))]
    HeldBy {
        /// What it is, e.g. `role nx…`.
        what: String,
        /// What hangs on it.
        by: String,
        /// In which database that is; `None`: what all databases share.
        database: Option<String>,
        /// The statement that ends it there.
        command: String,
    },
    /// Something of ours cannot be changed before a person has ended what holds it.
    #[error("{what} cannot be changed: {by} holds it")]
    HeldUp {
        /// What it is, e.g. `role nx…`.
        what: String,
        /// What holds it.
        by: String,
        /// The statements that end that, and in which database.
        command: String,
    },
    /// A database that was to be cloned was made with another version of the system's collations.
    #[error(
        "database {database} cannot be cloned: the operating system's collations have changed since it was made"
    )]
    Collation {
        /// Which.
        database: String,
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

fn within(database: Option<&str>) -> String {
    database.map_or_else(String::new, |name| format!(" because of database {name}"))
}

impl Failure for ClusterError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Db(error) => error.kind(),
            Self::Foreign { .. }
            | Self::InUse { .. }
            | Self::HeldBy { .. }
            | Self::HeldUp { .. }
            | Self::Collation { .. }
            | Self::AppRole { .. }
            | Self::File { .. } => ErrorKind::Conflict,
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
            Self::HeldBy { .. } => "cluster_held_by",
            Self::HeldUp { .. } => "cluster_held_up",
            Self::Collation { .. } => "collation_changed",
            Self::File { .. } => "migration_file",
            Self::AppRole { .. } => "app_role_powerful",
            Self::Missing { .. } => "cluster_missing",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Db(error) => error.hints(),
            Self::Foreign { what } => vec![format!("rename or drop the other {what}, if nobody needs it")],
            Self::Missing { .. } => vec!["see what else is missing: nexus fsck".to_owned()],
            Self::File { .. } => Vec::new(),
            Self::HeldBy { database: Some(database), command, .. } => {
                vec![format!("as a superuser in database {database}: {command}")]
            }
            Self::HeldBy { database: None, command, .. } | Self::HeldUp { command, .. } => {
                vec![format!("as a superuser: {command}")]
            }
            Self::Collation { database } => vec![format!(
                "as a superuser, in that database: reindex database {name}; alter database {name} refresh collation version",
                name = identifier(database)
            )],
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
