//! How an operator's statement is sent to a tenant's database: always as one statement, which
//! the server reads by its extended protocol first.

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Column, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef};

use crate::infra::db::{DbError, PgConnection};

/// From here on the transaction cannot be made to write (manual, SET TRANSACTION: not after the
/// first query).
pub(super) async fn first_query(session: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select 1").execute(session).await?;
    Ok(())
}

/// Has the server read the statement; its columns with their types.
pub(super) async fn columns(
    session: &mut PgConnection,
    text: &str,
) -> Result<Vec<(String, String)>, DbError> {
    let prepared = session.prepare(AssertSqlSafe(text.to_owned()).into_sql_str()).await?;
    let column = |it: &sqlx::postgres::PgColumn| (it.name().to_owned(), it.type_info().name().to_owned());
    Ok(prepared.columns().iter().map(column).collect())
}

/// Rows that are one JSON text each.
pub(super) fn rows(
    session: &mut PgConnection,
    text: String,
) -> BoxStream<'_, Result<Option<String>, DbError>> {
    sqlx::query_scalar(AssertSqlSafe(text)).fetch(session).map_err(DbError::from).boxed()
}

/// Rows, each value as the server writes it. That the text is one statement is known: the server
/// has read it with [`columns`].
pub(super) fn texts(
    session: &mut PgConnection,
    text: String,
) -> BoxStream<'_, Result<Vec<Option<String>>, DbError>> {
    let cell = |row: &PgRow, at| {
        let value = row.try_get_raw(at)?;
        let text = (!value.is_null()).then(|| value.as_str().map(str::to_owned)).transpose();
        text.map_err(sqlx::Error::Decode)
    };
    let cells = move |row: PgRow| (0..row.len()).map(|at| cell(&row, at)).collect::<Result<Vec<_>, _>>();
    sqlx::raw_sql(AssertSqlSafe(text))
        .fetch(session)
        .map(move |row| row.and_then(cells).map_err(DbError::from))
        .boxed()
}

/// How many rows it changed, or read.
pub(super) async fn run(session: &mut PgConnection, text: &str) -> Result<u64, DbError> {
    let done = sqlx::query(AssertSqlSafe(text.to_owned())).execute(session).await?;
    Ok(done.rows_affected())
}
