//! Advisory locks in the control database (manual, chapter 13.3.5), which no tenant's login can
//! reach. A lock lives with its session: it is free again when its holder dies.

use std::fmt;

use super::transaction::in_one_batch;
use super::{DbError, PgConnection, literal};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};

/// What a lock is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockKey(String);

impl LockKey {
    /// Of one thing of a kind, e.g. `("tenant", id)`.
    #[must_use]
    pub fn of(kind: &str, thing: impl fmt::Display) -> Self {
        Self(format!("nexus:{kind}:{thing}"))
    }

    /// The text that is hashed to the lock's 64-bit key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The SQL condition that a session of this database holds the lock of a key. `key` is an expression
/// that gives [`LockKey::as_str`].
#[must_use]
pub fn is_held(key: &str) -> String {
    format!(
        "exists (select from pg_locks, (select hashtextextended({key}, 0) as h) as lock_key
                 where locktype = 'advisory' and objsubid = 1 and granted
                   and database = (select oid from pg_database where datname = current_database())
                   and classid = ((h >> 32) & 4294967295)::oid and objid = (h & 4294967295)::oid)"
    )
}

/// How long a lock outlives the process that held it, at most: the session of a process that was
/// killed ends with its statement, which is looked after every half second
/// (`client_connection_check_interval`; measured: 1.2 s).
const DEATH_IS_SEEN: std::time::Duration = std::time::Duration::from_millis(1500);

/// What came of [`AdvisoryLock::take_and_read`].
#[derive(Debug)]
pub enum Found {
    /// There is no such thing.
    Nothing,
    /// Another session holds its lock; what was read beside it, which may be over.
    Busy(Vec<PgRow>),
    /// The lock is taken, and this was read under it.
    Taken(AdvisoryLock, Vec<PgRow>),
}

/// A lock that this session holds until it lets go or ends.
#[derive(Debug)]
#[must_use = "the lock must be released, or the session ended"]
pub struct AdvisoryLock(LockKey);

impl AdvisoryLock {
    /// What it is about.
    #[must_use]
    pub fn key(&self) -> &LockKey {
        &self.0
    }

    /// Takes the lock if nobody holds it; `None` at once if somebody does. Never waits, because
    /// a waiting session stalls concurrent index builds.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn try_take(connection: &mut PgConnection, key: LockKey) -> Result<Option<Self>, DbError> {
        connection.note_locks();
        let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(key.as_str())
            .fetch_one(connection)
            .await?;
        Ok(taken.then_some(Self(key)))
    }

    /// The statement that does that where a condition holds, which can travel with others; its answer is
    /// for [`AdvisoryLock::of_row`].
    #[must_use]
    pub fn try_statement(key: &LockKey, condition: &str) -> String {
        let key = literal(key.as_str());
        format!("select pg_try_advisory_lock(hashtextextended({key}, 0)) as is_taken where {condition}")
    }

    /// What [`AdvisoryLock::try_statement`] answered; `None` also of another statement's row.
    #[must_use]
    pub fn of_row(key: &LockKey, row: &PgRow) -> Option<Self> {
        row.try_get("is_taken").unwrap_or(false).then(|| Self(key.clone()))
    }

    /// Takes the lock, also where its holder died a moment ago: for as long as the server may need to
    /// see that, a lock that is held is asked for again.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn take(connection: &mut PgConnection, key: LockKey) -> Result<Option<Self>, DbError> {
        Self::wait(connection, key, DEATH_IS_SEEN).await
    }

    /// Takes the lock, asking again until it is free or `patience` is over.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn wait(
        connection: &mut PgConnection,
        key: LockKey,
        patience: std::time::Duration,
    ) -> Result<Option<Self>, DbError> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            if let Some(lock) = Self::try_take(connection, key.clone()).await? {
                return Ok(Some(lock));
            }
            if tokio::time::Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Takes the lock of the thing of a kind that `find` selects as one row of one text, waiting as
    /// [`AdvisoryLock::take`] does, and reads what the lock guards: all rows of `read`, which may be
    /// several statements. One round trip: each statement of a batch sees what was committed before
    /// it began (manual, chapter 13.2.1), so these see what the last holder left.
    ///
    /// # Errors
    /// When a statement fails. The lock may be held then, until the session ends.
    pub async fn take_and_read(
        connection: &mut PgConnection,
        (kind, find): (&str, &str),
        read: &str,
    ) -> Result<Found, DbError> {
        let start = literal(LockKey::of(kind, "").as_str());
        let batch = format!(
            "select pg_try_advisory_lock(hashtextextended({start} || thing, 0)), thing \
             from ({find}) as it (thing); {read}"
        );
        connection.note_locks();
        let until = tokio::time::Instant::now() + DEATH_IS_SEEN;
        loop {
            let mut rows = sqlx::raw_sql(AssertSqlSafe(batch.clone())).fetch_all(&mut *connection).await?;
            let Some(first) = rows.first() else { return Ok(Found::Nothing) };
            let Ok((taken, thing)) =
                first.try_get(0).and_then(|taken| Ok((taken, first.try_get::<String, _>(1)?)))
            else {
                return Ok(Found::Nothing);
            };
            if taken {
                rows.remove(0);
                return Ok(Found::Taken(Self(LockKey::of(kind, thing)), rows));
            }
            if tokio::time::Instant::now() >= until {
                return Ok(Found::Busy(rows.split_off(1)));
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Runs the last statement under the lock, lets go, and reads on, in one round trip. Gives the
    /// rows of `read`.
    ///
    /// # Errors
    /// When a statement fails; the lock is held still then.
    pub async fn finish_and_read(
        &self,
        connection: &mut PgConnection,
        (last, read): (&str, &str),
    ) -> Result<Vec<PgRow>, DbError> {
        let key = literal(self.0.as_str());
        // Committed before anybody else can have the lock.
        let batch = format!(
            "begin; {last}; commit; select pg_advisory_unlock(hashtextextended({key}, 0)) as released; {read}"
        );
        let mut rows = in_one_batch(connection, batch).await?;
        rows.retain(|row| row.try_column("released").is_err());
        Ok(rows)
    }

    /// Lets go, and checks that it was held all the time.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn release(self, connection: &mut PgConnection) -> Result<bool, DbError> {
        let held: bool = sqlx::query_scalar("select pg_advisory_unlock(hashtextextended($1, 0))")
            .bind(self.0.as_str())
            .fetch_one(connection)
            .await?;
        Ok(held)
    }
}
