//! Changes of a tenant's roles and database that one of its own sessions can hold up: a login may
//! change its own password, and keeps its row of `pg_authid` locked until that transaction ends.

use std::time::Duration;

use sqlx::FromRow;

use super::{ClusterError, sessions};
use crate::infra::db::{DbError, PgConnection, identifier, in_one_batch, literal};

/// How long one attempt waits for a lock.
const LOCK_TIMEOUT: &str = "500ms";
/// For how long attempts are repeated.
const RETRY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long ended sessions get before the next attempt.
const PAUSE: Duration = Duration::from_millis(10);
/// SQLSTATE `lock_not_available`.
const LOCKED: &str = "55P03";

/// A statement as a transaction of its own that does not wait long for a lock.
pub(super) fn impatiently(statement: &str) -> String {
    format!("begin; set local lock_timeout to '{LOCK_TIMEOUT}'; {statement}; commit")
}

/// Whether somebody else's transaction holds what was to be changed, or changed it at that moment:
/// the second has no SQLSTATE of its own (`simple_heap_update` in PostgreSQL's heapam.c).
pub(super) fn is_held_up(error: &DbError) -> bool {
    match error {
        DbError::Refused { state, message, .. } => {
            state == LOCKED || state == "XX000" && message.contains("concurrently updated")
        }
        _ => false,
    }
}

/// Runs statements, each as a transaction of its own, in one round trip. Where a session of the
/// tenant's holds up one of them, its sessions are ended, and it is tried again.
///
/// # Errors
/// [`ClusterError::HeldUp`] where a prepared transaction does; the server's refusal, where somebody
/// else does for 15 seconds.
pub(super) async fn change(
    admin: &mut PgConnection,
    names: (&str, &str),
    statements: &[String],
) -> Result<(), ClusterError> {
    match attempt(admin, statements).await {
        Err(error) if is_held_up(&error) => change_held(admin, names, statements).await,
        other => Ok(other?),
    }
}

async fn attempt(admin: &mut PgConnection, statements: &[String]) -> Result<(), DbError> {
    let batch: Vec<String> = statements.iter().map(|statement| impatiently(statement)).collect();
    in_one_batch(admin, batch.join("; ")).await.map(|_| ())
}

/// The same after a first attempt was held up.
pub(super) async fn change_held(
    admin: &mut PgConnection,
    (database, app): (&str, &str),
    statements: &[String],
) -> Result<(), ClusterError> {
    let until = tokio::time::Instant::now() + RETRY_TIMEOUT;
    let mut statements = statements.to_vec();
    loop {
        let ended = sessions::sessions(admin, (database, app), true).await?;
        if ended > 0 {
            tracing::warn!(app, ended, "ended sessions of a tenant that held up a change of it");
            tokio::time::sleep(PAUSE).await;
        }
        let error = match attempt(admin, &statements).await {
            Err(error) if is_held_up(&error) => error,
            other => return Ok(other?),
        };
        if ended == 0
            && let Some(prepared) = prepared(admin, (database, app)).await?
        {
            return Err(prepared.held_up(app));
        }
        if tokio::time::Instant::now() >= until {
            return Err(error.into());
        }
        // Any of them that gets through keeps new sessions out.
        statements.rotate_left(1);
    }
}

/// A prepared transaction, which no session has any more.
#[derive(FromRow)]
struct Prepared {
    gid: String,
    database: String,
    connectable: bool,
}

async fn prepared(
    admin: &mut PgConnection,
    (database, app): (&str, &str),
) -> Result<Option<Prepared>, ClusterError> {
    Ok(sqlx::query_as(
        "select gid, database::text, datallowconn as connectable
         from pg_prepared_xacts join pg_database on datname = database
         where owner = $1 or database = $2 order by owner = $1 desc, prepared limit 1",
    )
    .bind(app)
    .bind(database)
    .fetch_optional(admin)
    .await?)
}

impl Prepared {
    /// Superusers are not bound by a database's connection limit: nobody else comes in meanwhile.
    fn held_up(self, app: &str) -> ClusterError {
        let (name, gid) = (identifier(&self.database), literal(&self.gid));
        let roll_back = format!("in database {}: rollback prepared {gid}", self.database);
        let command = if self.connectable {
            roll_back
        } else {
            format!(
                "alter database {name} connection limit 0 allow_connections true; then {roll_back}; \
                 then: alter database {name} connection limit -1 allow_connections false"
            )
        };
        ClusterError::HeldUp {
            what: format!("role {app}"),
            by: format!("prepared transaction {}", self.gid),
            command,
        }
    }
}
