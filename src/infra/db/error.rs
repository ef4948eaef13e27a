//! What an error of PostgreSQL means to Nexus.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

use super::liveness::Lost;
use super::{ServerAddress, states};
use crate::kernel::{ErrorKind, Failure};

/// How much of PostgreSQL's detail goes into a sentence, in characters: a list of objects has no end.
const DETAIL_SHOWN: usize = 600;

/// A statement or a connection that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum DbError {
    /// No session could be opened, or it broke.
    #[error("the database server does not answer ({server}): {source}")]
    #[failure(Unavailable, "database_unreachable")]
    #[hint("find out what is wrong" => PlatformAction::Examine)]
    Unreachable { server: String, source: sqlx::Error },
    /// The server did not say whether it has committed.
    #[error("the database server did not say whether it made the last change, and it may have ({source})")]
    #[failure(Unavailable, "database_outcome_unknown")]
    #[hint("once the server answers, repeat the command: it finds out what was done")]
    OutcomeUnknown { source: sqlx::Error },
    /// No session was free in time.
    #[error("the database server is busy: no session was free in time (limit {sessions})")]
    #[failure(Busy, "sessions_busy")]
    #[hint("try again in a moment")]
    Busy { sessions: usize },
    /// The login was refused.
    #[error("login {user:?} was refused by {server}: {source}")]
    #[failure(Unavailable, "database_login_refused")]
    #[hint("see which login is used" => PlatformAction::ShowSettings)]
    LoginRefused { user: String, server: String, source: sqlx::Error },
    /// PostgreSQL refused or cancelled a statement; the message has the SQLSTATE (manual, appendix A).
    #[error("the database refused: {message}{} (SQLSTATE {state})", said.in_sentence(state))]
    #[failure(if state == states::RECORD_OLDER, Integrity, "record_older_than_world")]
    #[failure(if state == states::CANCELLED, Unavailable, "statement_cancelled")]
    #[failure(if states::kind(state) == ErrorKind::Unavailable, Unavailable, "database_unavailable")]
    #[failure(kind = states::kind(state), "database_refused")]
    #[hint(if let Some(hint) = &said.hint, "PostgreSQL says: {hint}")]
    #[hints(states::hint(state))]
    #[hint(if state == "55P03", "repeat once that has ended")]
    #[details(said.facts(state, constraint.as_ref()))]
    Refused {
        state: String,
        message: String,
        /// The violated constraint, if that was it.
        constraint: Option<String>,
        said: Box<Said>,
    },
    /// A history of migrations is not one.
    #[error("{table} is not a plain table with sqlx's columns; it was not read")]
    #[failure(Integrity, "history_malformed")]
    HistoryMalformed { table: String },
    /// A migration did not apply.
    #[error("migration failed: {0}")]
    #[failure(Integrity, "migration_failed")]
    Migration(MigrateError),
    /// Something that should not happen, e.g. a column of another type.
    #[error("the database answered in an unexpected way: {0}")]
    #[failure(if matches!(_0, sqlx::Error::Configuration(_) | sqlx::Error::BeginFailed), Unavailable, "database_unusable")]
    // A row that should be there is gone: somebody was at work.
    #[failure(if matches!(_0, sqlx::Error::RowNotFound), Conflict, "database_row_gone")]
    #[failure(if is_of_another_shape(_0), Integrity, "database_shape")]
    #[failure(Internal, "database_unexpected")]
    Unexpected(sqlx::Error),
}

/// What the server adds to its sentence, without what may quote the content of rows.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Said {
    /// DETAIL, e.g. the objects that depend on one.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// The lines of CONTEXT that name a function.
    pub context: Option<String>,
    /// The schema of what it is about.
    pub schema: Option<String>,
    pub table: Option<String>,
}

impl Said {
    fn of(error: &PgDatabaseError) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let may_quote = states::quotes_rows(error.code());
        let function = |line: &&str| line.contains(" function ") || line.contains("inline_code_block");
        // Other lines of CONTEXT hold statements, and those may hold a role's verifier.
        let context: Vec<&str> = error.r#where().unwrap_or_default().lines().filter(function).collect();
        Self {
            detail: owned(error.detail()).filter(|_| !may_quote),
            hint: owned(error.hint()).filter(|_| !may_quote),
            context: (!may_quote && !context.is_empty()).then(|| context.join("\n")),
            schema: owned(error.schema()),
            table: owned(error.table()),
        }
    }

    fn in_sentence(&self, state: &str) -> String {
        let mut text = String::new();
        // These classes name what they are about in their sentence.
        let detail = self.detail.as_deref().filter(|_| !state.starts_with("57"));
        if let Some(detail) = detail {
            let lines: Vec<&str> = detail.lines().map(str::trim).collect();
            let detail = lines.join("; ");
            let end = detail.char_indices().nth(DETAIL_SHOWN).map_or(detail.len(), |(at, _)| at);
            let more = if end < detail.len() { " …" } else { "" };
            let _ = write!(text, ": {}{more}", detail[..end].trim_end_matches('.'));
        }
        text
    }

    /// For a script.
    fn facts(&self, state: &String, constraint: Option<&String>) -> Value {
        let facts = [
            ("sqlstate", Some(state)),
            ("detail", self.detail.as_ref()),
            ("hint", self.hint.as_ref()),
            ("context", self.context.as_ref()),
            ("schema", self.schema.as_ref()),
            ("table", self.table.as_ref()),
            ("constraint", constraint),
        ];
        let fact = |(name, value): (&str, Option<&String>)| {
            value.map(|value| (name.to_owned(), Value::String(value.clone())))
        };
        Value::Object(facts.into_iter().filter_map(fact).collect::<Map<_, _>>())
    }
}

impl DbError {
    /// Of a failed connect.
    pub(super) fn of_connect(error: sqlx::Error, server: &ServerAddress) -> Self {
        match error.as_database_error().map(|e| e.code().unwrap_or_default().into_owned()) {
            // 28: invalid authorisation; 3D000: no such database; 42501: no CONNECT privilege.
            Some(state) if state.starts_with("28") => {
                Self::LoginRefused { user: server.user.clone(), server: server.display(), source: error }
            }
            // 55000: the database takes no connections. 53: it answers, and has no session, lock or
            // memory left. Others than 57 and 08 are refusals too, e.g. of a setting.
            Some(state) if !["57", "08"].iter().any(|class| state.starts_with(class)) => {
                match Self::from(error) {
                    Self::Refused { state, message, constraint, said } if state.starts_with("53") => {
                        let message = format!("{message}, says {}", server.display());
                        Self::Refused { state, message, constraint, said }
                    }
                    other => other,
                }
            }
            _ => Self::Unreachable { server: server.display(), source: error },
        }
    }

    /// The server wants to exchange data with the client, and Nexus has none. 0A000: not supported.
    fn copy(way: &str) -> Self {
        let message = format!("COPY {way} exchanges data with a client, and Nexus sends and takes none");
        Self::Refused { state: "0A000".to_owned(), message, constraint: None, said: Box::default() }
    }

    /// The SQLSTATE, where the server gave one.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        match self {
            Self::Refused { state, .. } => Some(state),
            _ => None,
        }
    }

    /// Whether the server, the database or the login has no session left.
    #[must_use]
    pub fn is_too_many_connections(&self) -> bool {
        self.state() == Some(states::TOO_MANY_CONNECTIONS)
    }

    /// Whether the server answers, and only has no session, lock or memory left.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. }) || self.state().is_some_and(|state| state.starts_with("53"))
    }

    /// Whether it may pass by itself: the server is down, starts or is busy. What was set wrong does not.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !matches!(source, sqlx::Error::Tls(_)),
            Self::OutcomeUnknown { .. } => true,
            // 57: it shuts down, or starts. 58: its system failed.
            Self::Refused { state, .. } => {
                self.is_busy() || ["57", "58", "08"].iter().any(|class| state.starts_with(class))
            }
            _ => self.is_busy(),
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
        if let Some(refusal) =
            error.as_database_error().and_then(|it| it.try_downcast_ref::<PgDatabaseError>())
        {
            return Self::Refused {
                state: refusal.code().to_owned(),
                message: refusal.message().to_owned(),
                constraint: refusal.constraint().map(str::to_owned),
                said: Box::new(Said::of(refusal)),
            };
        }
        match &error {
            sqlx::Error::Io(io) => {
                let why = io.get_ref();
                if why.and_then(|it| it.downcast_ref::<LostCommit>()).is_some() {
                    return Self::OutcomeUnknown { source: error };
                }
                let lost = why.and_then(|it| it.downcast_ref::<Lost>());
                let server = lost.map_or_else(|| "the session broke".to_owned(), |it| it.server.clone());
                Self::Unreachable { server, source: error }
            }
            sqlx::Error::Protocol(said) if said.contains("CopyInResponse") => Self::copy("FROM STDIN"),
            sqlx::Error::Protocol(said) if said.contains("CopyOutResponse") => Self::copy("TO STDOUT"),
            sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed => {
                Self::Unreachable { server: "the session broke".to_owned(), source: error }
            }
            _ => Self::Unexpected(error),
        }
    }
}

impl From<MigrateError> for DbError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => error.into(),
            MigrateError::ExecuteMigration(error, _) if is_of_the_server(&error) => error.into(),
            other => Self::Migration(other),
        }
    }
}

/// Whether a column is not the one that was asked for: somebody was at work.
fn is_of_another_shape(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::TypeNotFound { .. }
    )
}

/// Whether it is the server that failed, and not what it was asked for.
fn is_of_the_server(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        Some(refusal) => {
            let kind = states::kind(&refusal.code().unwrap_or_default());
            matches!(kind, ErrorKind::Unavailable | ErrorKind::Busy)
        }
        None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)),
    }
}

/// A commit whose answer did not come.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct LostCommit(sqlx::Error);

impl LostCommit {
    /// What a failed commit means: the server's refusal says that nothing was changed, a broken
    /// session says nothing.
    pub(super) fn of(error: sqlx::Error) -> sqlx::Error {
        match error {
            error @ (sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_)) => {
                sqlx::Error::Io(std::io::Error::other(Self(error)))
            }
            error => error,
        }
    }
}
