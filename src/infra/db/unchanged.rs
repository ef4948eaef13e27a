//! What no file may change of the database that it runs in: whose it is, who may enter it, how many
//! sessions it takes, and its comment, which is Nexus's mark. The owner role, which a file acts as, owns the
//! database and could. Nor may a file make anything as the login that runs it: the owner's default
//! privileges, by which apps may use what a file makes, are not for that.

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;

use super::{DbError, PgConnection, identifier, literal};

/// The statement that reads it, as one text.
pub(super) fn read() -> String {
    format!("select {STANDING} {HERE}")
}

/// Both sides of each operator are of one type, and no function is written in SQL: what a new session would
/// otherwise look up takes it half a millisecond. 1262 and 1260 are `pg_database` and `pg_authid`, in every
/// release.
const STANDING: &str = "(datdba, datconnlimit, datacl,
        (select description from pg_catalog.pg_shdescription
         where objoid = here.oid and classoid = '1262'::pg_catalog.oid))::pg_catalog.text";
const HERE: &str = "from pg_catalog.pg_database as here where datname = pg_catalog.current_database()";

/// What a file that changed it is refused with.
const REFUSAL: &str = "no migration may change who owns or may enter the database, its limit of sessions or its \
     comment, and this one did: database ";

/// What a file that made something in the name of its login is refused with.
const REFUSAL_OF_LOGIN: &str = "no migration may make anything in the name of the login that runs it, and this one \
     left the role that it begins with and made ";

/// Statements that fail where the database is not what it was, or where something is the login's, after
/// what triggers deferred and whatever path these set. What is no number is refused in PostgreSQL's words
/// (22P02), with the reason in it: PL/pgSQL, which could say it alone, takes a new session a millisecond to
/// load. The reason hangs on a column, so that it is not read when the statement is planned. A default
/// privilege depends on its role as what it owns does (manual, chapter 53.47).
pub(super) fn check(was: &str, login: &str, owner: &str) -> String {
    let mut statements = format!(
        "set constraints all immediate; set local search_path to pg_catalog, pg_temp;
         select ({} || datname::pg_catalog.text)::pg_catalog.int4 {HERE} and {STANDING} <> {};",
        literal(REFUSAL),
        literal(was),
    );
    if login != owner {
        let _ = write!(
            statements,
            "select ({} || pg_catalog.pg_describe_object(classid, objid, objsubid))::pg_catalog.int4
             from pg_catalog.pg_shdepend
             where refclassid = '1260'::pg_catalog.oid and refobjid = {}::pg_catalog.regrole::pg_catalog.oid
               and deptype = 'o';",
            literal(REFUSAL_OF_LOGIN),
            literal(&identifier(login)),
        );
    }
    statements
}

/// Reads it, for [`require_unchanged`].
///
/// # Errors
/// When the connection is broken.
pub async fn standing(session: &mut PgConnection) -> Result<String, DbError> {
    Ok(sqlx::query_scalar(AssertSqlSafe(read())).fetch_one(session).await?)
}

/// Fails where the transaction under way changed it, or its login made something that its owner did not.
///
/// # Errors
/// [`DbError::Refused`], of whose message [`refusal`] tells the reason.
pub async fn require_unchanged(session: &mut PgConnection, was: &str, owner: &str) -> Result<(), DbError> {
    let statements = check(was, session.login(), owner);
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(session).await?;
    Ok(())
}

/// Of what the server says, the reason for which [`check`] refused a file.
#[must_use]
pub fn refusal(message: &str) -> Option<&str> {
    let begins = [REFUSAL, REFUSAL_OF_LOGIN].into_iter().find_map(|words| message.find(words))?;
    message[begins..].rsplit_once('"').map(|(reason, _)| reason)
}
