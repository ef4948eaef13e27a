//! Whether a database has a table: realms of older versions lack some.

use super::{DbError, PgConnection};

/// `name`: with its schema.
///
/// # Errors
/// When the server does not answer.
pub async fn has_table(connection: &mut PgConnection, name: &'static str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select to_regclass($1) is not null").bind(name).fetch_one(connection).await?)
}
