//! The SQL of people as others write to them.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::Person;
use crate::infra::db::{DbError, PgConnection};

const COLUMNS: &str = "id, email, left(name, 200) as name, state = 'disabled' as is_disabled,
    left(profile ->> 'language', 35) as language";

/// Those of these ids who are not deleted.
pub(super) async fn by_ids(realm: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Person>, DbError> {
    let statement = format!("select {COLUMNS} from nexus.users where id = any($1) and deleted_at is null");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(ids).fetch_all(realm).await?)
}

/// Those of these addresses, as they are compared, who are not deleted.
pub(super) async fn by_keys(realm: &mut PgConnection, keys: &[String]) -> Result<Vec<Person>, DbError> {
    let statement =
        format!("select {COLUMNS} from nexus.users where email_key = any($1) and deleted_at is null");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(keys).fetch_all(realm).await?)
}

/// The language of the realm. Apps may write it.
pub(super) async fn language(realm: &mut PgConnection) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select left(value #>> array[]::text[], 35) from nexus.settings
         where key = 'language' and jsonb_typeof(value) = 'string'",
    )
    .fetch_optional(realm)
    .await?)
}
