//! What no file may change of the database that it runs in: whose it is, who may enter it, how many
//! sessions it takes, and its comment, which is Nexus's mark. The owner role, which a file acts as, owns the
//! database and could. Nor may a file make anything as the login that runs it: the owner's default
//! privileges, by which apps may use what a file makes, are not for that.

use super::literal;

/// The statement that reads it, as one text.
pub(super) const READ: &str = "select pg_catalog.concat(datdba, '|', datconnlimit, '|', datacl, '|',
        pg_catalog.shobj_description(oid, 'pg_database'))
    from pg_catalog.pg_database where datname = pg_catalog.current_database()";

/// What a file that changed it is refused with.
const REFUSAL: &str = "no migration may change who owns or may enter the database, its limit of sessions or its \
     comment, and this one does";

/// What a file that made something in the name of its login is refused with.
const REFUSAL_OF_LOGIN: &str = "no migration may make anything in the name of the login that runs it, and this one \
     left the role that it begins with and made ";

/// Statements that fail where the database is not what it was, or where something is the login's. What is
/// no number is refused in PostgreSQL's words (22P02), with the reason in it: PL/pgSQL, which could say it
/// alone, takes a new session a millisecond to load. The text hangs on a column, so that it is not read
/// when the statement is planned. A default privilege depends on its role as what it owns does (manual,
/// chapter 53.47).
pub(super) fn check(was: &str, owner: &str) -> String {
    format!(
        "select case when now.it is distinct from {was} then (pg_catalog.left(now.it, 0) || {refusal})::int end
         from ({READ}) as now (it);
         select case when made.it is not null then (pg_catalog.left(made.it, 0) || {of_login} || made.it)::int end
         from (select pg_catalog.min(pg_catalog.pg_describe_object(classid, objid, objsubid))
               from pg_catalog.pg_shdepend
               where refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and deptype = 'o'
                 and refobjid = pg_catalog.to_regrole(pg_catalog.quote_ident(session_user))
                 and session_user <> {owner}
                 and dbid = (select oid from pg_catalog.pg_database
                             where datname = pg_catalog.current_database())) as made (it);",
        was = literal(was),
        refusal = literal(REFUSAL),
        of_login = literal(REFUSAL_OF_LOGIN),
        owner = literal(owner),
    )
}

/// Of what the server says, the reason for which [`check`] refused a file.
#[must_use]
pub fn refusal(message: &str) -> Option<&str> {
    let begins = [REFUSAL, REFUSAL_OF_LOGIN].into_iter().find_map(|words| message.find(words))?;
    message[begins..].rsplit_once('"').map(|(reason, _)| reason)
}
