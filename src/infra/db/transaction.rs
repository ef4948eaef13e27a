//! Transactions on a connection that the caller holds.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;
use std::ops::{Deref, DerefMut};

use futures_util::FutureExt;
use sqlx::postgres::PgTransactionManager;
use sqlx::{SqlSafeStr, SqlStr};
use sqlx_core::transaction::TransactionManager;

use super::error::LostCommit;
use super::{DbError, PgConnection, identifier};

/// An open transaction. Dropped without a commit, it is rolled back before the connection's next
/// statement.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction<'c> {
    connection: &'c mut PgConnection,
    open: bool,
}

impl<'c> Transaction<'c> {
    async fn begin(connection: &'c mut PgConnection, statement: Option<SqlStr>) -> Result<Self, DbError> {
        let text = statement.as_ref().map_or("BEGIN", SqlStr::as_str).to_owned();
        // From here on a failure rolls back, in case the server has begun.
        let transaction = Self { connection, open: true };
        let begin = |driver| PgTransactionManager::begin(driver, statement).boxed();
        transaction.connection.within(Some(&text), begin).await?;
        Ok(transaction)
    }

    /// Makes it last.
    ///
    /// # Errors
    /// When the server refuses, and then nothing was changed; or when it does not say that it has
    /// committed, and then it may or may not have.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        if !self.open {
            return Ok(());
        }
        let commit = |driver| PgTransactionManager::commit(driver).boxed();
        let committed = self.connection.within(Some("COMMIT"), commit).await;
        self.open = committed.is_err();
        committed.map_err(LostCommit::of)
    }

    /// Leaves nothing of it.
    ///
    /// # Errors
    /// When the connection is broken: then nothing of it is left either.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        if !self.open {
            return Ok(());
        }
        let rollback = |driver| PgTransactionManager::rollback(driver).boxed();
        self.connection.within(Some("ROLLBACK"), rollback).await?;
        self.open = false;
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            self.connection.start_rollback();
        }
    }
}

/// No transaction: each statement is one of its own. For readings whose statements need not agree, and that
/// would see what was committed meanwhile in a transaction, too.
pub fn autocommit(connection: &mut PgConnection) -> Transaction<'_> {
    Transaction { connection, open: false }
}

/// Begins a transaction.
///
/// # Errors
/// When the connection is broken.
pub async fn transaction(connection: &mut PgConnection) -> Result<Transaction<'_>, DbError> {
    Transaction::begin(connection, None).await
}

/// Begins a transaction with another role's rights and no others, in one round trip.
///
/// # Errors
/// When the role is not there, or the connection is broken.
pub async fn transaction_as<'c>(
    connection: &'c mut PgConnection,
    role: &str,
) -> Result<Transaction<'c>, DbError> {
    let begin = format!("begin; set local role {}", identifier(role));
    Transaction::begin(connection, Some(AssertSqlSafe(begin).into_sql_str())).await
}

/// Begins a transaction whose commit waits for the disk, whatever the session's default.
///
/// # Errors
/// When the connection is broken.
pub async fn durable_transaction(connection: &mut PgConnection) -> Result<Transaction<'_>, DbError> {
    let begin = "begin; set local synchronous_commit to on";
    Transaction::begin(connection, Some(begin.into_sql_str())).await
}

/// Begins a transaction whose commit does not wait for the disk. Only for records of work whose end
/// is recorded durably before anybody hears of it: that flushes these, too.
///
/// # Errors
/// When the connection is broken.
pub async fn relaxed_transaction(connection: &mut PgConnection) -> Result<Transaction<'_>, DbError> {
    let begin = "begin; set local synchronous_commit to off";
    Transaction::begin(connection, Some(begin.into_sql_str())).await
}

/// Begins a transaction that changes nothing and sees one moment (manual, chapter 13.2.2).
///
/// # Errors
/// When the connection is broken.
pub async fn snapshot(connection: &mut PgConnection) -> Result<Transaction<'_>, DbError> {
    let begin = "begin isolation level repeatable read read only";
    Transaction::begin(connection, Some(begin.into_sql_str())).await
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
