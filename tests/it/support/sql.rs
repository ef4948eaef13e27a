//! Statements as any login, in this process: psql would spend most of a test's time on hashing the
//! password.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, ValueRef};
use tokio::runtime::Runtime;

/// Superusers' sessions at the database `postgres` that nobody uses, each with its server: every tenth session
/// of a test run would be opened for one statement there. Databases that come and go are left out.
static KEPT: Mutex<Vec<(String, PgConnection)>> = Mutex::new(Vec::new());

/// A login at a database of a server.
pub struct Login<'a> {
    pub socket_dir: &'a str,
    pub port: &'a str,
    pub user: &'a str,
    pub password: &'a str,
    pub database: &'a str,
}

impl Login<'_> {
    /// The rows of all statements as `psql -At` writes them, or what the server says against one.
    pub fn run(&self, statements: &str) -> Result<Vec<String>, String> {
        apart(async || {
            let mut session = self.session().await?;
            let rows = ask(&mut session, statements).await?;
            self.keep(session).await?;
            Ok(rows)
        })
        .map_err(|error| said(&error))
    }

    /// The same for many, in one session: what comes of each.
    pub fn run_each(&self, all: &[String]) -> Vec<Result<Vec<String>, String>> {
        apart(async || {
            let mut session = self.session().await.unwrap();
            let mut found = Vec::new();
            for statements in all {
                found.push(ask(&mut session, statements).await.map_err(|error| said(&error)));
            }
            let _ = self.keep(session).await;
            found
        })
    }

    /// Asks, in one session, until the rows are those that are wanted; for a minute at most.
    pub fn run_until(
        &self,
        statements: &str,
        mut wanted: impl FnMut(&[String]) -> bool + Send,
    ) -> Result<(), String> {
        let asked = apart(async || {
            let (mut session, began) = (self.session().await?, Instant::now());
            loop {
                let rows = ask(&mut session, statements).await?;
                if wanted(&rows) {
                    return self.keep(session).await;
                }
                assert!(began.elapsed() < Duration::from_mins(1), "{statements} still gives {rows:?}");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        asked.map_err(|error| said(&error))
    }

    /// Runs each row of a statement as a statement, as psql's `\gexec` does; what is refused is passed over.
    pub fn run_rows(&self, statement: &str) -> Result<(), String> {
        let done = apart(async || {
            let mut session = self.session().await?;
            for row in ask(&mut session, statement).await? {
                let _ = ask(&mut session, &row).await;
            }
            self.keep(session).await
        });
        done.map_err(|error| said(&error))
    }

    /// One that was kept and is still good, as new; or one that is opened.
    async fn session(&self) -> Result<PgConnection, sqlx::Error> {
        while let Some(mut session) = self.kept() {
            if ask(&mut session, "discard all").await.is_ok() {
                return Ok(session);
            }
        }
        self.open().await
    }

    fn kept(&self) -> Option<PgConnection> {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(whose, _)| *whose == self.key())?;
        Some(kept.swap_remove(at).1)
    }

    async fn keep(&self, session: PgConnection) -> Result<(), sqlx::Error> {
        if (self.user, self.database) != ("nexus", "postgres") {
            return session.close().await;
        }
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).push((self.key(), session));
        Ok(())
    }

    fn key(&self) -> String {
        [self.socket_dir, self.port, self.user, self.password, self.database].concat()
    }

    async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(Path::new(self.socket_dir))
            .port(self.port.parse().unwrap())
            .username(self.user)
            .password(self.password)
            .database(self.database)
            .application_name("psql")
            .ssl_mode(PgSslMode::Disable)
            .disable_statement_logging();
        options.connect().await
    }
}

/// Waits in a thread of its own: some tests are at work in a runtime already.
pub fn apart<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| runtime().block_on(work())).join().unwrap())
}

async fn ask(session: &mut PgConnection, statements: &str) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).fetch_all(session).await?;
    // A value may hold several lines.
    let text: String = rows.iter().map(|row| line(row) + "\n").collect();
    Ok(text.lines().map(str::to_owned).collect())
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

fn line(row: &PgRow) -> String {
    let cell = |index| {
        let value = row.try_get_raw(index).unwrap();
        if value.is_null() { String::new() } else { value.as_str().unwrap().to_owned() }
    };
    (0..row.len()).map(cell).collect::<Vec<_>>().join("|")
}

fn said(error: &sqlx::Error) -> String {
    let Some(refusal) = error.as_database_error() else { return error.to_string() };
    let refusal: &PgDatabaseError = refusal.downcast_ref();
    [Some(refusal.message()), refusal.detail()].into_iter().flatten().collect::<Vec<_>>().join("\n")
}
