//! A file that runs outside a transaction: its statements one by one, and how each is taken up where an
//! earlier attempt was cut short in it.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row};

use super::history::{Script, ScriptError, is_out_of_step, settings};
use super::statements::{Statement, statements};
use super::{DbError, PgConnection, unchanged};

/// Why a file that runs outside a transaction stopped.
pub(super) struct Cut {
    pub(super) error: ScriptError,
    /// Nothing of it was done.
    pub(super) untouched: bool,
}

/// Each statement by itself: several at once would be one transaction (manual, chapter 55.2.2.1). What the
/// database was before, as [`unchanged::read()`] has it.
pub(super) async fn apart(
    session: &mut PgConnection,
    script: Script<'_>,
    again: bool,
) -> Result<String, Cut> {
    let cut = |error, untouched| Cut { error, untouched };
    let set = format!("{}; {}", unchanged::read(), settings(script, "set"));
    let rows = sqlx::raw_sql(AssertSqlSafe(set)).fetch_all(&mut *session).await;
    let was = rows.and_then(|rows| rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0));
    let was = was.map_err(|error| cut(ScriptError::plain(error), true))?;
    let mut done = Ok(was);
    for (index, statement) in statements(script.text).into_iter().enumerate() {
        if let Err(error) = one_apart(session, statement, script.lock_timeout, again).await {
            if is_out_of_step(&error.error) {
                let position = Some(statement.offset + 1);
                return Err(cut(ScriptError { position, ..error }, false));
            }
            let refused = error.error.as_database_error().is_some();
            let position = error.position.or(refused.then_some(statement.offset + 1));
            let error = ScriptError { position, ..error };
            let untouched = refused && (!is_concurrent(statement) || is_refused_at_once(&error));
            done = Err(cut(error, index == 0 && untouched));
            break;
        }
    }
    done
}

/// Whether a concurrent statement was refused for its words, before it had made anything: a relation is
/// there already, or is not there.
fn is_refused_at_once(error: &ScriptError) -> bool {
    let state = error.error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    state.is_some_and(|state| matches!(&*state, "42P07" | "42P01" | "42704" | "42703" | "42601" | "42809"))
}

/// Where an earlier attempt was cut short, what it left half done is brought to an end first.
async fn one_apart(
    session: &mut PgConnection,
    statement: Statement<'_>,
    lock_timeout: Duration,
    again: bool,
) -> Result<(), ScriptError> {
    let refuse = |error| ScriptError::of(error, 0, statement.offset);
    let mut text = statement.text.to_owned();
    if let Some(concurrent) = Concurrent::of(statement).filter(|_| again) {
        match concurrent.take_up(session).await.map_err(refuse)? {
            Left::Done => return Ok(()),
            Left::ToDo => {}
            Left::Instead(other) => text = other,
        }
    }
    // What is built concurrently waits for others without standing in anybody's way.
    let patience = if is_concurrent(statement) { 0 } else { lock_timeout.as_millis() };
    let set = AssertSqlSafe(format!("set lock_timeout to {patience}"));
    sqlx::raw_sql(set).execute(&mut *session).await.map_err(ScriptError::plain)?;
    sqlx::raw_sql(AssertSqlSafe(text)).execute(session).await.map(|_| ()).map_err(refuse)
}

/// A statement of several transactions, which can be cut short between two of them.
#[derive(Debug, PartialEq, Eq)]
enum Concurrent {
    /// `CREATE INDEX CONCURRENTLY` of this name, on this table.
    Create(String, String),
    /// `DROP INDEX CONCURRENTLY` of these names.
    Drop(Vec<String>),
    /// `REINDEX … CONCURRENTLY` of an index or of what else.
    Reindex,
    /// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`: the table and the partition.
    Detach(String, String),
}

/// What is left of it.
enum Left {
    Done,
    ToDo,
    /// Another statement ends it.
    Instead(String),
}

impl Concurrent {
    fn of(statement: Statement<'_>) -> Option<Self> {
        if let Some((name, table)) = index_made(statement) {
            return Some(Self::Create(name, table));
        }
        let words = statement.words(usize::MAX);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["drop", "index", "concurrently", rest @ ..] => {
                let rest = rest.strip_prefix(&["if", "exists"]).unwrap_or(rest);
                Some(Self::Drop(names(rest)))
            }
            ["reindex", ..] if words.contains(&"concurrently") => Some(Self::Reindex),
            ["alter", "table", rest @ ..] if rest.ends_with(&["concurrently"]) => {
                let at = rest.windows(2).position(|pair| pair == ["detach", "partition"])?;
                let table = rest[..at].strip_prefix(&["if", "exists"]).unwrap_or(&rest[..at]);
                let table = table.strip_prefix(&["only"]).unwrap_or(table);
                Some(Self::Detach(table.concat(), rest[at + 2..rest.len() - 1].concat()))
            }
            _ => None,
        }
    }

    /// What is left of it, once what it left half done is away.
    async fn take_up(&self, session: &mut PgConnection) -> Result<Left, sqlx::Error> {
        match self {
            Self::Create(name, table) => match index_of(session, (name, table)).await? {
                Some((_, true)) => Ok(Left::Done),
                Some((quoted, false)) => {
                    let drop = format!("drop index concurrently {quoted}");
                    sqlx::raw_sql(AssertSqlSafe(drop)).execute(session).await?;
                    Ok(Left::ToDo)
                }
                None => Ok(Left::ToDo),
            },
            Self::Drop(names) => {
                let mut there = Vec::new();
                for name in names {
                    there.extend(validity(session, name).await?.map(|(quoted, _)| quoted));
                }
                if there.is_empty() {
                    return Ok(Left::Done);
                }
                // PostgreSQL takes one at a time.
                Ok(Left::Instead(format!("drop index concurrently {}", there.join(", "))))
            }
            Self::Reindex => {
                for index in half_built(session).await? {
                    let drop = format!("drop index concurrently {index}");
                    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *session).await?;
                }
                Ok(Left::ToDo)
            }
            Self::Detach(table, partition) => {
                let found: Option<(bool, String, String)> = sqlx::query_as(
                    "select inhdetachpending, parent.oid::regclass::text, child.oid::regclass::text
                     from pg_catalog.pg_inherits join pg_catalog.pg_class as parent on parent.oid = inhparent
                     join pg_catalog.pg_class as child on child.oid = inhrelid
                     where inhparent = to_regclass($1) and inhrelid = to_regclass($2)",
                )
                .persistent(false)
                .bind(table)
                .bind(partition)
                .fetch_optional(session)
                .await?;
                Ok(match found {
                    None => Left::Done,
                    Some((false, ..)) => Left::ToDo,
                    Some((true, parent, child)) => {
                        Left::Instead(format!("alter table {parent} detach partition {child} finalize"))
                    }
                })
            }
        }
    }
}

/// Names with commas between them, each of words and dots.
fn names(words: &[&str]) -> Vec<String> {
    let until = words.iter().position(|word| matches!(*word, "cascade" | "restrict")).unwrap_or(words.len());
    words[..until].split(|word| *word == ",").map(<[&str]>::concat).filter(|name| !name.is_empty()).collect()
}

/// Indexes that a `REINDEX CONCURRENTLY` which was cut short left (manual, `REINDEX`).
async fn half_built(session: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select format('%I.%I', nspname, relname) from pg_catalog.pg_index
         join pg_catalog.pg_class on pg_class.oid = indexrelid
         join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace
         where not indisvalid and relkind = 'i' and nspname not like 'pg\\_toast%' and relname ~ '_cc(new|old)[0-9]*$'
           and not exists (select from pg_catalog.pg_stat_progress_create_index where index_relid = indexrelid)",
    )
    .persistent(false)
    .fetch_all(session)
    .await
}

fn is_concurrent(statement: Statement<'_>) -> bool {
    let words = statement.words(6);
    let first = words.first().map(String::as_str);
    matches!(first, Some("create" | "drop" | "reindex" | "refresh"))
        && words.iter().any(|word| word == "concurrently")
        || first == Some("alter") && matches!(Concurrent::of(statement), Some(Concurrent::Detach(..)))
}

/// The index that `CREATE INDEX CONCURRENTLY` makes, where it has a name, and its table.
fn index_made(statement: Statement<'_>) -> Option<(String, String)> {
    let words = statement.words(24);
    let mut words = words.iter().map(String::as_str).peekable();
    (words.next() == Some("create")).then_some(())?;
    words.next_if_eq(&"unique");
    (words.next() == Some("index") && words.next() == Some("concurrently")).then_some(())?;
    if words.next_if_eq(&"if").is_some() {
        (words.next() == Some("not") && words.next() == Some("exists")).then_some(())?;
    }
    let name = words.next().filter(|word| *word != "on")?;
    (words.next() == Some("on")).then_some(())?;
    words.next_if_eq(&"only");
    let mut table = words.next()?.to_owned();
    while words.next_if_eq(&".").is_some() {
        table = format!("{table}.{}", words.next()?);
    }
    Some((name.to_owned(), table))
}

/// An index of a table: it is in the table's schema.
async fn index_of(
    session: &mut PgConnection,
    (name, table): (&str, &str),
) -> Result<Option<(String, bool)>, sqlx::Error> {
    sqlx::query_as(
        "select format('%I.%I', nspname, relname), indisvalid
         from pg_catalog.pg_index join pg_catalog.pg_class on pg_class.oid = indexrelid
         join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace
         where indrelid = pg_catalog.to_regclass($2) and relname = (pg_catalog.parse_ident($1))[1]",
    )
    .persistent(false)
    .bind(name)
    .bind(table)
    .fetch_optional(session)
    .await
}

/// An index of this name in the schemas of the path: how it is called, and whether it is valid.
async fn validity(session: &mut PgConnection, name: &str) -> Result<Option<(String, bool)>, sqlx::Error> {
    sqlx::query_as(
        "select format('%I.%I', nspname, relname), indisvalid
         from pg_catalog.pg_index join pg_catalog.pg_class on pg_class.oid = indexrelid
         join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace
         where pg_class.oid = to_regclass($1)",
    )
    .persistent(false)
    .bind(name)
    .fetch_optional(session)
    .await
}

/// Indexes that a build which was cut short left, and that nobody uses (manual, `CREATE INDEX`).
pub async fn invalid_indexes(session: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select format('%I.%I', nspname, relname) from pg_catalog.pg_index
         join pg_catalog.pg_class on pg_class.oid = indexrelid
         join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace
         where not indisvalid and relkind = 'i' and nspname not like 'pg\\_toast%' order by 1",
    )
    .persistent(false)
    .fetch_all(session)
    .await?)
}

/// Whether a file that runs outside a transaction, cut short anywhere, can be run again from its
/// beginning.
#[must_use]
pub fn repeatable(text: &str) -> bool {
    statements(text).into_iter().all(|statement| {
        let words = statement.words(8);
        let has = |wanted: &[&str]| words.windows(wanted.len()).any(|some| some == wanted);
        match words.first().map(String::as_str) {
            Some("create") => {
                index_made(statement).is_some() || has(&["if", "not", "exists"]) || has(&["or", "replace"])
            }
            Some("drop") => has(&["if", "exists"]) || has(&["drop", "index", "concurrently"]),
            Some("alter") => {
                has(&["if", "not", "exists"]) || has(&["validate", "constraint"]) || is_concurrent(statement)
            }
            Some(
                "reindex" | "vacuum" | "analyze" | "set" | "reset" | "comment" | "grant" | "revoke"
                | "refresh" | "select",
            ) => true,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &str) -> Option<String> {
        index_made(statements(text)[0]).map(|(name, table)| format!("{name} of {table}"))
    }

    #[test]
    fn the_name_of_an_index_that_is_built_concurrently_is_read() {
        assert_eq!(index("create index concurrently a on t (x)").as_deref(), Some("a of t"));
        assert_eq!(
            index("CREATE UNIQUE INDEX /* c */ CONCURRENTLY IF NOT EXISTS \"A b\" ON ONLY s.\"T\" (x)")
                .as_deref(),
            Some("\"A b\" of s.\"T\"")
        );
        assert_eq!(index("create index concurrently on t (x)"), None);
        assert_eq!(index("create index a on t (x)"), None);
    }

    #[test]
    fn a_statement_of_several_transactions_is_known_with_its_names() {
        let of = |text: &str| Concurrent::of(statements(text)[0]);
        let text = |text: &str| text.to_owned();
        assert_eq!(
            of("create index concurrently a on t (x)"),
            Some(Concurrent::Create(text("a"), text("t")))
        );
        assert_eq!(
            of("DROP INDEX CONCURRENTLY IF EXISTS s.\"A b\" cascade"),
            Some(Concurrent::Drop(vec![text("s.\"A b\"")]))
        );
        assert_eq!(of("reindex (verbose) table concurrently t"), Some(Concurrent::Reindex));
        assert_eq!(
            of("alter table if exists only s.t detach partition p concurrently"),
            Some(Concurrent::Detach(text("s.t"), text("p")))
        );
        assert_eq!(of("alter table t detach partition p finalize"), None);
        assert_eq!(of("drop index a"), None);
    }

    #[test]
    fn what_can_be_run_again_from_its_beginning_is_known() {
        assert!(repeatable("create index concurrently a on t (x); drop index concurrently if exists b;"));
        assert!(repeatable("alter type t add value if not exists 'x'"));
        assert!(!repeatable("create index concurrently a on t (x); insert into t values (1)"));
        assert!(!repeatable("create index concurrently on t (x)"));
        assert!(!repeatable("vacuum; drop table t"));
        assert!(repeatable("drop index concurrently a"));
        assert!(repeatable("alter table t detach partition p concurrently"));
        assert!(!repeatable("alter table t detach partition p"));
    }
}
