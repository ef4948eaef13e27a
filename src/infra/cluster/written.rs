//! Which databases of a server were written to.

use std::collections::HashMap;

use crate::infra::db::{DbError, PgConnection};

/// How many rows were inserted into each database of a server, as far as its statistics know: sessions report what
/// they did within moments, at the latest ten seconds after they fell quiet (measured). After a crash of the server
/// the numbers begin again at nothing (manual, chapter 28.2): another one is a sign of writing, whichever is higher.
///
/// # Errors
/// When the connection is broken.
pub async fn rows_inserted(admin: &mut PgConnection) -> Result<HashMap<String, i64>, DbError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select datname::text, tup_inserted from pg_catalog.pg_stat_database where datname is not null",
    )
    .fetch_all(admin)
    .await?;
    Ok(rows.into_iter().collect())
}
