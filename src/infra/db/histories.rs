//! Reads histories of migrations, several at once, and with what a session says of itself: a tenant that
//! lacks nothing costs one round trip.
//!
//! A history is a table that somebody else may have made, and reading a view could run what was
//! planted in it. So an administrator reads a history as a sample of all its rows: of a view PostgreSQL
//! refuses one before it looks at what the view is made of. And its columns are taken as they are, because
//! a cast may be somebody's own, too.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Either, Row};

use super::{DbError, History, HistoryRows, PgConnection, literal};

/// What is found where a history should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryState {
    /// Nothing.
    Absent,
    /// Something that is no plain table of sqlx's shape. It was not read.
    Malformed,
    /// It is there.
    There(HistoryRows),
}

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

/// Whose session it is, and what each history holds. For a session that acts as the histories' owner and
/// has no other power: what reading one runs there may do nothing that its owner may not.
///
/// # Errors
/// When a history is not there: see [`is_no_history`].
pub async fn who_and_histories(
    session: &mut PgConnection,
    histories: &[&History],
) -> Result<(Who, Vec<HistoryRows>), DbError> {
    let mut statements = WHO.to_owned();
    for history in histories {
        statements.push_str("; select version, checksum, success from ");
        statements.push_str(history.quoted());
    }
    let results = results_of(session, statements).await?;
    let who = read_who(&results)?;
    let held = results.iter().skip(ANSWERS).take(histories.len());
    Ok((who, held.map(HistoryRows::read).collect::<Result<_, _>>()?))
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

impl History {
    /// Reads it.
    ///
    /// # Errors
    /// When it is not there: see [`is_no_history`]; [`DbError::HistoryMalformed`].
    pub async fn read(&self, session: &mut PgConnection) -> Result<HistoryRows, DbError> {
        let read = sqlx::raw_sql(AssertSqlSafe(self.select())).fetch_all(session).await;
        match read.and_then(|rows| HistoryRows::read(&rows)).map_err(DbError::from) {
            Err(error) if is_malformed(&error) => {
                Err(DbError::HistoryMalformed { table: self.name().to_owned() })
            }
            other => other,
        }
    }

    fn select(&self) -> String {
        let table = self.quoted();
        format!(
            "select {}, version, checksum, success from only {table} tablesample system (100);",
            literal(table)
        )
    }
}

/// Reads histories. `likely` are those that should be there; of `others` it is found out.
///
/// # Errors
/// When the connection is broken.
pub async fn histories(
    session: &mut PgConnection,
    likely: &[&str],
    others: &[&str],
) -> Result<BTreeMap<String, HistoryState>, DbError> {
    let (mut found, more) = match at_once(session, likely, others).await {
        Err(error) if is_no_history(&error) || is_malformed(&error) => {
            let all: Vec<&str> = likely.iter().chain(others).copied().collect();
            at_once(session, &[], &all).await?
        }
        other => other?,
    };
    for name in more {
        let state = match History::new(name).read(session).await {
            Ok(rows) => HistoryState::There(rows),
            Err(error) if is_no_history(&error) => HistoryState::Absent,
            Err(DbError::HistoryMalformed { .. }) => HistoryState::Malformed,
            Err(error) => return Err(error),
        };
        found.insert(name.to_owned(), state);
    }
    Ok(found)
}

/// Whether it says that a table (42P01) or its schema (3F000) is not there.
#[must_use]
pub fn is_no_history(error: &DbError) -> bool {
    matches!(error.state(), Some("42P01" | "3F000"))
}

/// 0A000, 42601, 42809: it is no table; 42703: it has other columns.
fn is_malformed(error: &DbError) -> bool {
    // A column of another type is not read.
    matches!(error, DbError::Unexpected(_))
        || matches!(error.state(), Some("0A000" | "42601" | "42809" | "42703"))
}

/// The histories that are likely there, and the names of those of the others that are.
async fn at_once<'n>(
    session: &mut PgConnection,
    likely: &[&str],
    others: &[&'n str],
) -> Result<(BTreeMap<String, HistoryState>, Vec<&'n str>), DbError> {
    let mut statements: String = likely.iter().map(|name| History::new(name).select()).collect();
    for name in others {
        let table = literal(History::new(name).quoted());
        let _ = write!(statements, "select null, {table} where to_regclass({table}) is not null;");
    }
    let rows = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(session).await?;
    let mut held: BTreeMap<Option<String>, Vec<&PgRow>> = BTreeMap::new();
    for row in &rows {
        held.entry(row.try_get(0)?).or_default().push(row);
    }
    let there: Vec<&str> = held
        .remove(&None)
        .unwrap_or_default()
        .into_iter()
        .map(|row| row.try_get(1))
        .collect::<Result<_, _>>()?;
    let (more, absent): (Vec<&str>, Vec<&str>) =
        others.iter().partition(|name| there.contains(&History::new(name).quoted()));
    let mut found: BTreeMap<String, HistoryState> =
        absent.into_iter().map(|name| (name.to_owned(), HistoryState::Absent)).collect();
    for name in likely {
        let rows = held.remove(&Some(History::new(name).quoted().to_owned())).unwrap_or_default();
        found.insert((*name).to_owned(), HistoryState::There(HistoryRows::read(rows)?));
    }
    Ok((found, more))
}
