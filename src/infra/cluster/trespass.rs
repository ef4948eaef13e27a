//! What a login tries on a server where it has no business.

use sqlx::AssertSqlSafe;

use crate::infra::db::{DbError, PgConnection, ServerAddress, identifier, transaction};

/// How an attempt on a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It was refused, as it should be.
    Refused,
    /// It was let in.
    LetIn,
    /// What it was aimed at is not there.
    Gone,
    /// Neither: a senseless answer.
    Unclear(String),
    /// The server did not answer.
    Silent(String),
}

/// Tries to open a database as this login.
pub async fn enter(server: &ServerAddress) -> (Entry, Option<PgConnection>) {
    match server.connect_plain("nexus:prove").await {
        Ok(session) => (Entry::LetIn, Some(session)),
        // 28: no such role there, or another password.
        Err(DbError::LoginRefused { .. }) => (Entry::Refused, None),
        // 42501: no right to connect; 55000: it takes no sessions at all.
        Err(error) if matches!(error.state(), Some("42501" | "55000")) => (Entry::Refused, None),
        Err(error) if error.state() == Some("3D000") => (Entry::Gone, None),
        Err(error @ DbError::Unreachable { .. }) => (Entry::Silent(error.to_string()), None),
        Err(error) => (Entry::Unclear(error.to_string()), None),
    }
}

/// Tries to act as another role, in a session of its own.
pub async fn become_other(session: &mut PgConnection, role: &str) -> Entry {
    let tried = async {
        let mut tx = transaction(session).await?;
        let statement = format!("set local role {}", identifier(role));
        let set = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *tx).await.map_err(DbError::from);
        tx.rollback().await?;
        set
    };
    match tried.await {
        Ok(_) => Entry::LetIn,
        Err(error) if error.state() == Some("42501") => Entry::Refused,
        // 22023: there is no such role on this server.
        Err(error) if error.state() == Some("22023") => Entry::Gone,
        Err(error @ DbError::Unreachable { .. }) => Entry::Silent(error.to_string()),
        Err(error) => Entry::Unclear(error.to_string()),
    }
}
