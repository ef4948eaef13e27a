//! Transactions on a connection that the caller holds.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};

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

/// Begins a transaction whose commit does not wait for the disk. Only for records of work whose end
/// is recorded durably before anybody hears of it: that flushes these, too.
///
/// # Errors
/// When the connection is broken.
pub async fn relaxed_transaction(
    connection: &mut PgConnection,
) -> Result<Transaction<'_, Postgres>, DbError> {
    let begin = "begin; set local synchronous_commit to off";
    Ok(sqlx::Connection::begin_with(connection, begin).await?)
}

/// Begins a transaction that changes nothing and sees one moment (manual, chapter 13.2.2).
///
/// # Errors
/// When the connection is broken.
pub async fn snapshot(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, DbError> {
    Ok(sqlx::Connection::begin_with(connection, "begin isolation level repeatable read read only").await?)
}

/// Runs a batch of statements that begins and commits a transaction of its own, in one round trip;
/// all rows. Nothing of it is left open where one fails.
///
/// # Errors
/// When a statement fails; nothing was committed then.
pub async fn in_one_batch(connection: &mut PgConnection, batch: String) -> Result<Vec<PgRow>, DbError> {
    match sqlx::raw_sql(AssertSqlSafe(batch)).fetch_all(&mut *connection).await {
        Ok(rows) => Ok(rows),
        Err(error) => {
            let _ = sqlx::raw_sql("rollback").execute(connection).await;
            Err(error.into())
        }
    }
}

/// Runs statements as one transaction that is on the disk when this returns, in one round trip; all
/// rows.
///
/// # Errors
/// When a statement fails; nothing was changed then.
pub async fn durably(connection: &mut PgConnection, statements: &[String]) -> Result<Vec<PgRow>, DbError> {
    let batch = format!("begin; set local synchronous_commit to on; {}; commit", statements.join("; "));
    in_one_batch(connection, batch).await
}
