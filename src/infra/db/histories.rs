//! What a session says of itself, and what several histories hold, asked at once: a tenant that
//! lacks nothing costs one round trip.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Either, Row};

use super::{Applied, DbError, History, PgConnection, literal};

/// Whose a session is, and how it looks for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub session_user: String,
    pub current_user: String,
    /// The schemas that names are looked for in.
    pub search_path: String,
}

/// `SHOW` and not `SELECT`: a new session would look functions and types up for that.
const WHO: &str = "show session_authorization; show role; show search_path";
/// How many results [`WHO`] has.
const ANSWERS: usize = 3;
/// What `SHOW role` says where none was set (manual, `SET ROLE`).
const NO_ROLE: &str = "none";

fn read_who(results: &[Vec<PgRow>]) -> Result<Who, DbError> {
    let text = |index: usize| -> Result<String, sqlx::Error> {
        let row = results.get(index).and_then(|rows| rows.first()).ok_or(sqlx::Error::RowNotFound)?;
        row.try_get(0)
    };
    let (session_user, role, search_path) = (text(0)?, text(1)?, text(2)?);
    let current_user = if role == NO_ROLE { session_user.clone() } else { role };
    Ok(Who { session_user, current_user, search_path })
}

/// Whose session it is.
///
/// # Errors
/// When the connection is broken.
pub async fn who(session: &mut PgConnection) -> Result<Who, DbError> {
    read_who(&results_of(session, WHO.to_owned()).await?)
}

/// Whose session it is, and what each history holds, by version.
///
/// # Errors
/// When a history is not there (42P01), or its schema (3F000).
pub async fn who_and_histories(
    session: &mut PgConnection,
    histories: &[&History],
) -> Result<(Who, Vec<BTreeMap<i64, Applied>>), DbError> {
    let mut statements = WHO.to_owned();
    for history in histories {
        statements.push_str("; select version, checksum, success from ");
        statements.push_str(history.quoted());
    }
    let results = results_of(session, statements).await?;
    let who = read_who(&results)?;
    let mut found = Vec::with_capacity(histories.len());
    for rows in results.into_iter().skip(ANSWERS).take(histories.len()) {
        let mut history = BTreeMap::new();
        for row in rows {
            let applied =
                Applied { version: row.try_get(0)?, checksum: row.try_get(1)?, success: row.try_get(2)? };
            history.insert(applied.version, applied);
        }
        found.push(history);
    }
    Ok((who, found))
}

/// What several statements, sent at once, return.
async fn results_of(session: &mut PgConnection, statements: String) -> Result<Vec<Vec<PgRow>>, sqlx::Error> {
    let mut results: Vec<Vec<PgRow>> = vec![Vec::new()];
    let mut stream = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_many(session);
    while let Some(item) = stream.try_next().await? {
        match (item, results.last_mut()) {
            (Either::Right(row), Some(rows)) => rows.push(row),
            _ => results.push(Vec::new()),
        }
    }
    Ok(results)
}

/// Makes those histories that are not there. Whom default privileges let write what the owner makes
/// may not write these: see [`History::make`].
pub async fn make_missing(
    session: &mut PgConnection,
    histories: &[&History],
    not_writers: &[&str],
) -> Result<(), DbError> {
    for history in histories {
        let ask = format!("select to_regclass({}) is not null", literal(history.quoted()));
        let there = sqlx::raw_sql(AssertSqlSafe(ask)).fetch_one(&mut *session).await?;
        if !there.try_get::<bool, _>(0)? {
            history.make(session, not_writers).await?;
        }
    }
    Ok(())
}
