//! What no file may change of the database that it runs in: whose it is, who may enter it, how many
//! sessions it takes, and its comment, which is Nexus's mark. The owner role, which a file acts as, owns the
//! database and could.

use super::literal;

/// The statement that reads it, as one text.
pub(super) const READ: &str = "select pg_catalog.concat(datdba, '|', datconnlimit, '|', datacl, '|',
        pg_catalog.shobj_description(oid, 'pg_database'))
    from pg_catalog.pg_database where datname = pg_catalog.current_database()";

/// What a file that changed it is refused with.
const REFUSAL: &str = "no migration may change who owns or may enter the database, its limit of sessions or its \
     comment, and this one does";

/// A statement that fails where it is not what it was. What is no number is refused in PostgreSQL's words
/// (22P02), with the reason in it: PL/pgSQL, which could say it alone, takes a new session a millisecond to
/// load. The text hangs on a column, so that it is not read when the statement is planned.
pub(super) fn check(was: &str) -> String {
    format!(
        "select case when now.it is distinct from {was} then (pg_catalog.left(now.it, 0) || {refusal})::int end
         from ({READ}) as now (it);",
        was = literal(was),
        refusal = literal(REFUSAL),
    )
}
