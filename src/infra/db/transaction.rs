//! Transactions on a connection that the caller holds.

use sqlx::{PgConnection, Postgres, Transaction};

use super::DbError;

/// Begins a transaction. Dropped without a commit, it is rolled back before the connection's next
/// statement.
///
/// # Errors
/// When the connection is broken.
pub async fn transaction(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, DbError> {
    Ok(sqlx::Connection::begin(connection).await?)
}

/// Begins a transaction whose commit waits for the disk, whatever the session's default.
///
/// # Errors
/// When the connection is broken.
pub async fn durable_transaction(
    connection: &mut PgConnection,
) -> Result<Transaction<'_, Postgres>, DbError> {
    let begin = "begin; set local synchronous_commit to on";
    Ok(sqlx::Connection::begin_with(connection, begin).await?)
}

/// Begins a transaction that changes nothing and sees one moment (manual, chapter 13.2.2).
///
/// # Errors
/// When the connection is broken.
pub async fn snapshot(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, DbError> {
    Ok(sqlx::Connection::begin_with(connection, "begin isolation level repeatable read read only").await?)
}
