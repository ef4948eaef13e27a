//! A database's history of migrations, of the shape that sqlx gives it, and how one file is applied
//! with its row there or taken back.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Either, FromRow};

use super::statements::{Statement, statements};
use super::{DbError, PgConnection, identifier, literal};

/// A history table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    quoted: String,
    name: String,
}

/// A row of it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Applied {
    /// The version.
    pub version: i64,
    /// SHA-384 of the text that was applied.
    pub checksum: Vec<u8>,
    /// It was applied whole.
    pub success: bool,
}

/// A file that is to be applied or taken back.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// The version.
    pub version: i64,
    /// The rest of its name.
    pub description: &'a str,
    /// SHA-384 of the text that goes up.
    pub checksum: &'a [u8],
    /// The statements.
    pub text: &'a str,
    /// It runs in a transaction.
    pub in_transaction: bool,
    /// The schemas that its names are looked for in, as `SET` takes them.
    pub search_path: &'a str,
    /// How long one statement may wait for a lock; zero: as long as it takes.
    pub lock_timeout: Duration,
    /// How long one statement may take; zero: as long as it takes.
    pub statement_timeout: Duration,
}

/// A statement of a file that failed.
#[derive(Debug)]
pub struct ScriptError {
    /// What the server said.
    pub error: sqlx::Error,
    /// Where in the file, in characters from 1, if the server said where.
    pub position: Option<usize>,
}

impl ScriptError {
    /// `before`: characters of what was sent that stand before the file's text.
    fn of(error: sqlx::Error, before: usize, offset: usize) -> Self {
        use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
        let refusal = error.as_database_error().and_then(|it| it.try_downcast_ref::<PgDatabaseError>());
        let at = refusal.and_then(PgDatabaseError::position);
        let position = match at {
            Some(PgErrorPosition::Original(at)) if at > before => Some(at - before + offset),
            _ => None,
        };
        Self { error, position }
    }

    fn plain(error: sqlx::Error) -> Self {
        Self { error, position: None }
    }
}

impl History {
    /// Of a qualified name, e.g. `public._sqlx_migrations`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let (schema, table) = name.split_once('.').unwrap_or(("public", name));
        Self { quoted: format!("{}.{}", identifier(schema), identifier(table)), name: name.to_owned() }
    }

    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name as statements take it.
    #[must_use]
    pub fn quoted(&self) -> &str {
        &self.quoted
    }

    /// Makes the table, where it is not there. Whom default privileges let write it may not: a
    /// history that an app can change proves nothing.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn make(&self, session: &mut PgConnection, not_writers: &[&str]) -> Result<(), DbError> {
        let table = &self.quoted;
        let mut revoke = String::new();
        for role in not_writers {
            let role = identifier(role);
            let _ = write!(revoke, "revoke all on {table} from {role}; grant select on {table} to {role};");
        }
        let statements = format!(
            "create table if not exists {table} (
                 version bigint primary key,
                 description text not null,
                 installed_on timestamptz not null default now(),
                 success boolean not null,
                 checksum bytea not null,
                 execution_time bigint not null
             ); {revoke}"
        );
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(session).await?;
        Ok(())
    }

    /// All rows, by version.
    ///
    /// # Errors
    /// When the statement fails, e.g. because the table is not there (42P01).
    pub async fn read(&self, session: &mut PgConnection) -> Result<Vec<Applied>, DbError> {
        let statement = format!("select version, checksum, success from {} order by version", self.quoted);
        Ok(sqlx::query_as(AssertSqlSafe(statement)).persistent(false).fetch_all(session).await?)
    }

    fn insert(&self, script: &Script<'_>, success: bool, nanoseconds: i64) -> String {
        format!(
            "insert into {} (version, description, success, checksum, execution_time)
             values ({}, {}, {success}, '\\x{}', {nanoseconds})",
            self.quoted,
            script.version,
            literal(script.description),
            hex(script.checksum),
        )
    }

    /// Applies a file and writes its row: both or neither where it runs in a transaction. Where it
    /// does not, the row comes first and says that the work is not done.
    ///
    /// # Errors
    /// [`ScriptError`], with what was begun rolled back as far as the server can.
    pub async fn apply(&self, session: &mut PgConnection, script: Script<'_>) -> Result<(), ScriptError> {
        if script.in_transaction {
            let row = |took: i64| self.insert(&script, true, took);
            return self.whole(session, script, row).await;
        }
        self.run(session, &self.insert(&script, false, -1)).await?;
        let began = Instant::now();
        if let Err(cut) = apart(session, script, false).await {
            if cut.untouched {
                let row = format!("delete from {} where version = {}", self.quoted, script.version);
                self.run(session, &row).await?;
            }
            return Err(cut.error);
        }
        let done = format!(
            "update {} set success = true, execution_time = {} where version = {}",
            self.quoted,
            nanoseconds(began),
            script.version
        );
        self.run(session, &done).await
    }

    /// Takes up a file that runs outside a transaction and was cut short, its row there.
    ///
    /// # Errors
    /// [`ScriptError`].
    pub async fn finish(&self, session: &mut PgConnection, script: Script<'_>) -> Result<(), ScriptError> {
        apart(session, script, true).await.map_err(|cut| cut.error)?;
        let done = format!(
            "update {} set success = true, checksum = '\\x{}' where version = {}",
            self.quoted,
            hex(script.checksum),
            script.version
        );
        self.run(session, &done).await
    }

    /// Takes a file back and its row away. `script.text` is the text that goes down.
    ///
    /// # Errors
    /// [`ScriptError`].
    pub async fn revert(&self, session: &mut PgConnection, script: Script<'_>) -> Result<(), ScriptError> {
        let delete = format!("delete from {} where version = {}", self.quoted, script.version);
        if script.in_transaction {
            return self.whole(session, script, |_| delete).await;
        }
        let begun = format!("update {} set success = false where version = {}", self.quoted, script.version);
        self.run(session, &begun).await?;
        apart(session, script, true).await.map_err(|cut| cut.error)?;
        self.run(session, &delete).await
    }

    /// The file, then what its row needs, which is told how long the file took. To let the server work
    /// that out would cost it more than the second message: a new session knows no function yet.
    async fn whole(
        &self,
        session: &mut PgConnection,
        script: Script<'_>,
        row: impl FnOnce(i64) -> String,
    ) -> Result<(), ScriptError> {
        let before = format!("begin; {}\n", settings(script, "set local"));
        let (characters, already) = (before.chars().count(), statements(&before).len());
        // The file may end in a comment that has no end of line.
        let all = format!("{before}{}\n;", script.text);
        let began = Instant::now();
        let mut done: usize = 0;
        let sent = {
            let mut results = sqlx::raw_sql(AssertSqlSafe(all)).fetch_many(&mut *session);
            loop {
                match results.try_next().await {
                    Ok(Some(Either::Left(_))) => done += 1,
                    Ok(Some(Either::Right(_))) => {}
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            }
        };
        let Err(error) = sent else {
            // The file may have set a path of its own.
            let row = row(nanoseconds(began));
            let end = format!("set local search_path to pg_catalog, pg_temp; {row}; commit");
            let ended = self.run(session, &end).await;
            if ended.is_err() {
                roll_back(session).await;
            }
            return ended;
        };
        if is_out_of_step(&error) {
            return Err(ScriptError::plain(error));
        }
        let mut error = ScriptError::of(error, characters, 0);
        if error.position.is_none() && error.error.as_database_error().is_some() {
            let failed = statements(script.text).into_iter().nth(done.saturating_sub(already));
            error.position = failed.map(|statement| statement.offset + 1);
        }
        roll_back(session).await;
        Err(error)
    }

    async fn run(&self, session: &mut PgConnection, statement: &str) -> Result<(), ScriptError> {
        let sent = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(session).await;
        sent.map(|_| ()).map_err(ScriptError::plain)
    }
}

/// Whether the server waits for what this session cannot send, e.g. the data of a COPY. Nothing more
/// may be sent in it: the answer would never come. Closed, it is rolled back.
fn is_out_of_step(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Protocol(_))
}

/// Where the session is gone, so is the transaction.
async fn roll_back(session: &mut PgConnection) {
    let _ = sqlx::raw_sql("rollback").execute(session).await;
}

fn nanoseconds(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_nanos()).unwrap_or(i64::MAX)
}

/// Why a file that runs outside a transaction stopped.
struct Cut {
    error: ScriptError,
    /// Nothing of it was done.
    untouched: bool,
}

/// Each statement by itself: several at once would be one transaction (manual, chapter 55.2.2.1).
async fn apart(session: &mut PgConnection, script: Script<'_>, again: bool) -> Result<(), Cut> {
    let cut = |error, untouched| Cut { error, untouched };
    let set = settings(script, "set");
    let set = sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *session).await;
    set.map_err(|error| cut(ScriptError::plain(error), true))?;
    let mut done = Ok(());
    for (index, statement) in statements(script.text).into_iter().enumerate() {
        if let Err(error) = one_apart(session, statement, script.lock_timeout, again).await {
            if is_out_of_step(&error.error) {
                let position = Some(statement.offset + 1);
                return Err(cut(ScriptError { position, ..error }, false));
            }
            let refused = error.error.as_database_error().is_some();
            let position = error.position.or(refused.then_some(statement.offset + 1));
            let error = ScriptError { position, ..error };
            done = Err(cut(error, index == 0 && refused && !is_concurrent(statement)));
            break;
        }
    }
    let reset = "reset search_path; reset lock_timeout; reset statement_timeout";
    let reset = sqlx::raw_sql(reset).execute(session).await;
    done.and(reset.map(|_| ()).map_err(|error| cut(ScriptError::plain(error), false)))
}

/// Where an earlier attempt was cut short, an index that it left invalid is dropped first, and one
/// that it finished stays.
async fn one_apart(
    session: &mut PgConnection,
    statement: Statement<'_>,
    lock_timeout: Duration,
    again: bool,
) -> Result<(), ScriptError> {
    let refuse = |error| ScriptError::of(error, 0, statement.offset);
    if let Some(name) = index_made(statement).filter(|_| again) {
        match validity(session, &name).await.map_err(ScriptError::plain)? {
            Some((_, true)) => return Ok(()),
            Some((quoted, false)) => {
                let drop = format!("drop index concurrently {quoted}");
                sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *session).await.map_err(refuse)?;
            }
            None => {}
        }
    }
    // What is built concurrently waits for others without standing in anybody's way.
    let patience = if is_concurrent(statement) { 0 } else { lock_timeout.as_millis() };
    let set = AssertSqlSafe(format!("set lock_timeout to {patience}"));
    sqlx::raw_sql(set).execute(&mut *session).await.map_err(ScriptError::plain)?;
    let sent = AssertSqlSafe(statement.text.to_owned());
    sqlx::raw_sql(sent).execute(session).await.map(|_| ()).map_err(refuse)
}

fn settings(script: Script<'_>, set: &str) -> String {
    format!(
        "{set} search_path to {}; {set} lock_timeout to {}; {set} statement_timeout to {};",
        script.search_path,
        script.lock_timeout.as_millis(),
        script.statement_timeout.as_millis(),
    )
}

fn is_concurrent(statement: Statement<'_>) -> bool {
    let words = statement.words(6);
    matches!(words.first().map(String::as_str), Some("create" | "drop" | "reindex" | "refresh"))
        && words.iter().any(|word| word == "concurrently")
}

/// The index that `CREATE INDEX CONCURRENTLY` makes, where it has a name.
fn index_made(statement: Statement<'_>) -> Option<String> {
    let words = statement.words(12);
    let mut words = words.iter().map(String::as_str).peekable();
    (words.next() == Some("create")).then_some(())?;
    words.next_if_eq(&"unique");
    (words.next() == Some("index") && words.next() == Some("concurrently")).then_some(())?;
    if words.next_if_eq(&"if").is_some() {
        (words.next() == Some("not") && words.next() == Some("exists")).then_some(())?;
    }
    let name = words.next().filter(|word| *word != "on")?;
    Some(name.to_owned())
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
///
/// # Errors
/// When the statement fails.
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
            Some("drop") => has(&["if", "exists"]),
            Some("alter") => has(&["if", "not", "exists"]) || has(&["validate", "constraint"]),
            Some(
                "reindex" | "vacuum" | "analyze" | "set" | "reset" | "comment" | "grant" | "revoke"
                | "refresh" | "select",
            ) => true,
            _ => false,
        }
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // A String takes whatever it is given.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &str) -> Option<String> {
        index_made(statements(text)[0])
    }

    #[test]
    fn the_name_of_an_index_that_is_built_concurrently_is_read() {
        assert_eq!(index("create index concurrently a on t (x)").as_deref(), Some("a"));
        assert_eq!(
            index("CREATE UNIQUE INDEX /* c */ CONCURRENTLY IF NOT EXISTS \"A b\" ON t (x)").as_deref(),
            Some("\"A b\"")
        );
        assert_eq!(index("create index concurrently on t (x)"), None);
        assert_eq!(index("create index a on t (x)"), None);
    }

    #[test]
    fn what_can_be_run_again_from_its_beginning_is_known() {
        assert!(repeatable("create index concurrently a on t (x); drop index concurrently if exists b;"));
        assert!(repeatable("alter type t add value if not exists 'x'"));
        assert!(!repeatable("create index concurrently a on t (x); insert into t values (1)"));
        assert!(!repeatable("create index concurrently on t (x)"));
        assert!(!repeatable("vacuum; drop table t"));
    }
}
