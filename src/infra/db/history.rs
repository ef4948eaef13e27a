//! A database's history of migrations, of the shape that sqlx gives it, and how one file is applied
//! with its row there or taken back.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Either, Row};

use super::apart::apart;
use super::statements::statements;
use super::{DbError, PgConnection, identifier, literal, unchanged};

/// A history table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    quoted: String,
    name: String,
}

/// A file that is to be applied or taken back.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    pub version: i64,
    pub description: &'a str,
    /// SHA-384 of the text that goes up.
    pub checksum: &'a [u8],
    pub text: &'a str,
    /// It runs in a transaction.
    pub in_transaction: bool,
    /// The schemas that its names are looked for in, as `SET` takes them.
    pub search_path: &'a str,
    /// How long one statement may wait for a lock; zero: as long as it takes.
    pub lock_timeout: Duration,
    /// How long one statement may take; zero: as long as it takes.
    pub statement_timeout: Duration,
    /// The role that the session acts as when it begins, and that owns what the file makes.
    pub owner: &'a str,
    /// Statements of ours that come with its row, each with a semicolon at its end.
    pub at_its_end: &'static str,
    /// Another file will run in the same session: what this one leaves there is reset at its end, because a
    /// message is read with the settings that are there when it comes, e.g. of what a backslash means.
    pub another_follows: bool,
}

/// Everything that a file can leave in its session goes, and every setting is again what the session
/// was opened with. `DISCARD ALL` does the same (manual, `DISCARD`), but for the role, and may not
/// travel with others.
const RESET: &str = "begin read write; set session authorization default; reset all; reset role; \
     deallocate all; close all; unlisten *; select pg_catalog.pg_advisory_unlock_all(); discard temp; \
     discard sequences; discard plans; commit";

/// A statement of a file that failed.
#[derive(Debug)]
pub struct ScriptError {
    pub error: sqlx::Error,
    /// Where in the file, in characters from 1, if the server said where.
    pub position: Option<usize>,
}

/// The schema and the name of a table; without one, as PostgreSQL is set up.
fn parts(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or(("public", name))
}

impl ScriptError {
    /// `before`: characters of what was sent that stand before the file's text.
    pub(super) fn of(error: sqlx::Error, before: usize, offset: usize) -> Self {
        use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
        let refusal = error.as_database_error().and_then(|it| it.try_downcast_ref::<PgDatabaseError>());
        let at = refusal.and_then(PgDatabaseError::position);
        let position = match at {
            Some(PgErrorPosition::Original(at)) if at > before => Some(at - before + offset),
            _ => None,
        };
        Self { error, position }
    }

    pub(super) fn plain(error: sqlx::Error) -> Self {
        Self { error, position: None }
    }
}

impl History {
    /// Of a qualified name, e.g. `public._sqlx_migrations`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let (schema, table) = parts(name);
        Self { quoted: format!("{}.{}", identifier(schema), identifier(table)), name: name.to_owned() }
    }

    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its schema, and its name there.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        parts(&self.name)
    }

    /// The name as statements take it.
    #[must_use]
    pub fn quoted(&self) -> &str {
        &self.quoted
    }

    /// Makes the table, where it is not there. Whom default privileges let write it may not: a
    /// history that an app can change proves nothing.
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

    fn insert(&self, script: &Script<'_>, success: bool, nanoseconds: i64) -> String {
        format!(
            "insert into {} (version, description, success, checksum, execution_time)
             values ({}, {}, {success}, E'\\\\x{}', {nanoseconds})",
            self.quoted,
            script.version,
            literal(script.description),
            hex::encode(script.checksum),
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
        let was = match apart(session, script, false).await {
            Ok(was) => was,
            Err(cut) => {
                if cut.untouched {
                    let row = format!("delete from {} where version = {}", self.quoted, script.version);
                    self.run(session, &row).await?;
                }
                return Err(cut.error);
            }
        };
        let row = format!(
            "update {} set success = true, execution_time = {} where version = {}",
            self.quoted,
            nanoseconds(began),
            script.version,
        );
        self.end(session, script, &was, &row).await
    }

    /// Takes up a file that runs outside a transaction and was cut short, its row there.
    pub async fn finish(&self, session: &mut PgConnection, script: Script<'_>) -> Result<(), ScriptError> {
        let was = apart(session, script, true).await.map_err(|cut| cut.error)?;
        let row = format!(
            "update {} set success = true, checksum = E'\\\\x{}' where version = {}",
            self.quoted,
            hex::encode(script.checksum),
            script.version,
        );
        self.end(session, script, &was, &row).await
    }

    /// Takes a file back and its row away. `script.text` is the text that goes down.
    pub async fn revert(&self, session: &mut PgConnection, script: Script<'_>) -> Result<(), ScriptError> {
        let delete = format!("delete from {} where version = {}", self.quoted, script.version);
        if script.in_transaction {
            return self.whole(session, script, |_| delete).await;
        }
        let begun = format!("update {} set success = false where version = {}", self.quoted, script.version);
        self.run(session, &begun).await?;
        let was = apart(session, script, true).await.map_err(|cut| cut.error)?;
        self.end(session, script, &was, &delete).await
    }

    /// The file, then what its row needs, which is told how long the file took. To let the server work
    /// that out would cost it more than the second message: a new session knows no function yet.
    async fn whole(
        &self,
        session: &mut PgConnection,
        script: Script<'_>,
        row: impl FnOnce(i64) -> String,
    ) -> Result<(), ScriptError> {
        let before = format!("begin; {}; {}\n", unchanged::read(), settings(script, "set local"));
        let (characters, already) = (before.chars().count(), statements(&before).len());
        // The file may end in a comment that has no end of line.
        let all = format!("{before}{}\n;", script.text);
        let began = Instant::now();
        let (mut done, mut was): (usize, Option<String>) = (0, None);
        let sent = {
            let mut results = sqlx::raw_sql(AssertSqlSafe(all)).fetch_many(&mut *session);
            loop {
                match results.try_next().await {
                    Ok(Some(Either::Left(_))) => done += 1,
                    // The first row is of the first statement; the others are the file's.
                    Ok(Some(Either::Right(row))) if was.is_none() => was = row.try_get(0).ok(),
                    Ok(Some(Either::Right(_))) => {}
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            }
        };
        let Err(error) = sent else {
            let was = was.unwrap_or_default();
            let ended = self.end(session, script, &was, &row(nanoseconds(began))).await;
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

    async fn end(
        &self,
        session: &mut PgConnection,
        script: Script<'_>,
        was: &str,
        row: &str,
    ) -> Result<(), ScriptError> {
        let statements = end(script, (was, session.login()), row);
        self.run(session, &statements).await
    }

    async fn run(&self, session: &mut PgConnection, statement: &str) -> Result<(), ScriptError> {
        let sent = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(session).await;
        sent.map(|_| ()).map_err(ScriptError::plain)
    }
}

/// Whether the server waits for what this session cannot send, e.g. the data of a COPY. Nothing more
/// may be sent in it: the answer would never come. Closed, it is rolled back.
pub(super) fn is_out_of_step(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Protocol(_))
}

/// Where the session is gone, so is the transaction.
async fn roll_back(session: &mut PgConnection) {
    let _ = sqlx::raw_sql("rollback").execute(session).await;
}

fn nanoseconds(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_nanos()).unwrap_or(i64::MAX)
}

/// The end of a file, with what is said of it in the history: what no file may do is refused, and with
/// it all that runs in the file's transaction. The file may have set a path and a role of its own, and
/// deferred what triggers do, also those of the history: nothing of a tenant's runs after the check.
fn end(script: Script<'_>, (was, login): (&str, &str), row: &str) -> String {
    format!(
        "{begin} set local search_path to pg_catalog, pg_temp; set local role {owner}; {also}{row};
         {unchanged} commit; {reset}",
        begin = if script.in_transaction { "set constraints all immediate;" } else { "begin read write;" },
        owner = identifier(script.owner),
        also = script.at_its_end,
        unchanged = unchanged::check(was, login, script.owner),
        reset = if script.another_follows { RESET } else { "" },
    )
}

pub(super) fn settings(script: Script<'_>, set: &str) -> String {
    format!(
        "{set} search_path to {}; {set} lock_timeout to {}; {set} statement_timeout to {};",
        script.search_path,
        script.lock_timeout.as_millis(),
        script.statement_timeout.as_millis(),
    )
}
