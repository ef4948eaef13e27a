//! Advisory locks in the control database (manual, chapter 13.3.5), which no tenant's login can
//! reach. A lock lives with its session: it is free again when its holder dies.

use std::fmt;

use super::{DbError, PgConnection};

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

/// How long a lock outlives the process that held it, at most: the session of a process that was
/// killed ends with its statement, which is looked after every half second
/// (`client_connection_check_interval`; measured: 1.2 s).
const DEATH_IS_SEEN: std::time::Duration = std::time::Duration::from_millis(1500);

/// A lock that this session holds until it lets go or ends.
#[derive(Debug)]
#[must_use = "the lock must be released, or the session ended"]
pub struct AdvisoryLock(LockKey);

impl AdvisoryLock {
    /// Takes the lock if nobody holds it; `None` at once if somebody does. Never waits, because
    /// a waiting session stalls concurrent index builds.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn try_take(connection: &mut PgConnection, key: LockKey) -> Result<Option<Self>, DbError> {
        let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(key.as_str())
            .fetch_one(connection)
            .await?;
        Ok(taken.then_some(Self(key)))
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
