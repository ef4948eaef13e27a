//! How an operator's statement is sent to a tenant's database: always as one statement, by the
//! extended protocol.

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use sqlx::{AssertSqlSafe, Column, Executor, PgConnection, Row, SqlSafeStr, Statement, TypeInfo};

use crate::infra::db::DbError;

/// From here on the transaction cannot be made to write (manual, SET TRANSACTION: not after the
/// first query).
pub(super) async fn first_query(session: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select 1").execute(session).await?;
    Ok(())
}

/// Has the server read the statement; its columns, and whether each is text.
pub(super) async fn columns(session: &mut PgConnection, text: &str) -> Result<Vec<(String, bool)>, DbError> {
    let prepared = session.prepare(AssertSqlSafe(text.to_owned()).into_sql_str()).await?;
    let column = |it: &sqlx::postgres::PgColumn| {
        let text = matches!(it.type_info().name(), "TEXT" | "VARCHAR" | "NAME" | "BPCHAR");
        (it.name().to_owned(), text)
    };
    Ok(prepared.columns().iter().map(column).collect())
}

/// Rows that are one JSON text each.
pub(super) fn rows(
    session: &mut PgConnection,
    text: String,
) -> BoxStream<'_, Result<Option<String>, DbError>> {
    sqlx::query_scalar(AssertSqlSafe(text)).fetch(session).map_err(DbError::from).boxed()
}

/// Rows whose columns are all text.
pub(super) fn texts(
    session: &mut PgConnection,
    text: String,
) -> BoxStream<'_, Result<Vec<Option<String>>, DbError>> {
    let cells =
        |row: sqlx::postgres::PgRow| (0..row.len()).map(|at| row.try_get(at)).collect::<Result<Vec<_>, _>>();
    sqlx::query(AssertSqlSafe(text))
        .fetch(session)
        .map(move |row| row.and_then(cells).map_err(DbError::from))
        .boxed()
}

/// How many rows it changed, or read.
pub(super) async fn run(session: &mut PgConnection, text: &str) -> Result<u64, DbError> {
    let done = sqlx::query(AssertSqlSafe(text.to_owned())).execute(session).await?;
    Ok(done.rows_affected())
}
