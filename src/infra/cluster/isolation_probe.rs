//! What a login tries on a server where it has no business.

use sqlx::{AssertSqlSafe, Row};

use super::ClusterError;
use crate::infra::db::{DbError, PgConnection, ServerAddress, identifier, literal, transaction};

/// How an attempt on a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It was refused, as it should be.
    Refused,
    /// It was let in.
    LetIn,
    /// What it was aimed at is not there.
    Gone,
    /// Neither: a senseless answer.
    Unclear(String),
    /// The server did not answer.
    Silent(String),
}

/// Tries to open a database as this login.
pub async fn enter(server: &ServerAddress) -> (Entry, Option<PgConnection>) {
    match server.connect_plain("nexus:prove").await {
        Ok(session) => (Entry::LetIn, Some(session)),
        // 28: no such role there, or another password.
        Err(DbError::LoginRefused { .. }) => (Entry::Refused, None),
        // 42501: no right to connect; 55000: it takes no sessions at all.
        Err(error) if matches!(error.state(), Some("42501" | "55000")) => (Entry::Refused, None),
        Err(error) if error.state() == Some("3D000") => (Entry::Gone, None),
        Err(error @ DbError::Unreachable { .. }) => (Entry::Silent(error.to_string()), None),
        Err(error) => (Entry::Unclear(error.to_string()), None),
    }
}

/// Tries to act as another role, in a session of its own.
pub async fn become_other(session: &mut PgConnection, role: &str) -> Entry {
    let tried = async {
        let mut tx = transaction(session).await?;
        let statement = format!("set local role {}", identifier(role));
        let set = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *tx).await.map_err(DbError::from);
        tx.rollback().await?;
        set
    };
    match tried.await {
        Ok(_) => Entry::LetIn,
        Err(error) if error.state() == Some("42501") => Entry::Refused,
        // 22023: there is no such role on this server.
        Err(error) if error.state() == Some("22023") => Entry::Gone,
        Err(error @ DbError::Unreachable { .. }) => Entry::Silent(error.to_string()),
        Err(error) => Entry::Unclear(error.to_string()),
    }
}

/// The databases that no tenant's login may open but its own.
#[derive(Debug, Clone, Copy)]
pub struct Closed<'a> {
    /// What the mark of such a database, or of its owner, begins with.
    pub marks: &'a str,
    /// The names of those that bear none.
    pub names: &'a [&'a str],
}

/// What a login may open.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MayOpen {
    pub own: bool,
    /// Of those that are closed to it.
    pub others: Vec<String>,
}

/// Which databases of a server a login may open, by what the server itself decides a login by
/// (`has_database_privilege`; `CheckMyDatabase` in PostgreSQL's postinit.c): all of them in one
/// statement. Those that take no session at all let nobody in.
///
/// # Errors
/// When the statement fails, e.g. because there is no such role.
pub async fn may_open(
    admin: &mut PgConnection,
    login: &str,
    own: &str,
    closed: Closed<'_>,
) -> Result<MayOpen, ClusterError> {
    let names: Vec<String> = closed.names.iter().map(|name| literal(name)).collect();
    let statement = format!(
        "select datname::text, datname = {own} as own from pg_database as db
         where datallowconn and has_database_privilege({login}, oid, 'connect')
           and (datname in ({own}, {names}) or starts_with(shobj_description(oid, 'pg_database'), {marks})
                or starts_with(shobj_description(datdba, 'pg_authid'), {marks}))
         order by datname",
        own = literal(own),
        login = literal(login),
        names = names.join(", "),
        marks = literal(closed.marks),
    );
    let mut found = MayOpen::default();
    for row in sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(admin).await? {
        if row.try_get("own")? {
            found.own = true;
        } else {
            found.others.push(row.try_get(0)?);
        }
    }
    Ok(found)
}
