//! What can go wrong on a PostgreSQL server.

use super::APP_ROLE;
use crate::infra::db::{DbError, identifier};
use crate::kernel::Failure;
use crate::kernel::text::counted;

/// A change on a PostgreSQL server that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum ClusterError {
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// Something of that name is on the server, but this installation did not create it.
    #[error("{what} already exists and was not created by this installation")]
    #[failure(Conflict, "cluster_foreign")]
    #[hint("rename or drop the other {what}, if nobody needs it")]
    Foreign {
        /// What it is, e.g. `database nx…`.
        what: String,
    },
    /// Sessions of a dead process would not end.
    #[error("{} of an earlier attempt still running on the server", counted(*count, "session"))]
    #[failure(Busy, "cluster_still_at_work")]
    #[hint("repeat the command in a minute")]
    StillAtWork { count: i64 },
    /// Sessions in a database that is closed would not end.
    #[error("{} in database {database} cannot be ended", counted(*count, "session"))]
    #[failure(Busy, "cluster_still_open")]
    #[hint("repeat the command in a minute")]
    StillOpen { database: String, count: i64 },
    /// Something of ours cannot be dropped, because something else depends on it.
    #[error("{what} cannot be dropped: {by}")]
    #[failure(Conflict, "cluster_in_use")]
    #[hint("drop what hangs on it in the database, then repeat the command")]
    InUse { what: String, by: String },
    /// Something of ours cannot be dropped before a person has removed what depends on it.
    #[error("{what} cannot be dropped{}: {by}", within(database.as_deref()))]
    #[failure(Conflict, "cluster_held_by")]
    #[hint(if let Some(database) = database, "as a superuser in database {database}: {command}")]
    #[hint(else, "as a superuser: {command}")]
    HeldBy {
        /// What it is, e.g. `role nx…`.
        what: String,
        by: String,
        /// In which database that is; `None`: what all databases share.
        database: Option<String>,
        command: String,
    },
    /// Something of ours cannot be changed before a person has ended what holds it.
    #[error("{what} cannot be changed: {by} holds it")]
    #[failure(Conflict, "cluster_held_up")]
    #[hint("as a superuser: {command}")]
    HeldUp {
        /// What it is, e.g. `role nx…`.
        what: String,
        by: String,
        command: String,
    },
    /// A database that was to be cloned was made with another version of the system's collations.
    #[error(
        "database {database} cannot be cloned: the operating system's collations have changed since it was made"
    )]
    #[failure(Conflict, "collation_changed")]
    #[hint("as a superuser, in that database: reindex database {name}; alter database {name} refresh collation version",
                name = identifier(database))]
    Collation { database: String },
    /// A file of migrations does not apply to a new template.
    #[error("file {file} does not apply to an empty tenant: {message}")]
    #[failure(Conflict, "migration_file")]
    File { file: String, message: String },
    /// The role that apps' rights are granted to could do what every tenant would then be able to do.
    #[error("role {APP_ROLE} must have no login and no power of its own, but has {powers}")]
    #[failure(Conflict, "app_role_powerful")]
    #[hint(
        "take that away from it, as the server's administrator: alter role {APP_ROLE} nologin nosuperuser \
                     nocreatedb nocreaterole noreplication nobypassrls; revoke ROLE from {APP_ROLE}"
    )]
    #[hint("or, where another program made it: alter role {APP_ROLE} rename to another_name")]
    AppRole { powers: String },
    /// Something of ours that is to be changed does not exist.
    #[error("{what} does not exist")]
    #[failure(Integrity, "cluster_missing")]
    #[hint("see what else is missing" => FsckAction::Inspect)]
    Missing {
        /// What it is, e.g. `role nx…`.
        what: String,
    },
}

fn within(database: Option<&str>) -> String {
    database.map_or_else(String::new, |name| format!(" because of database {name}"))
}
