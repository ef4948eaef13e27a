//! Slots: how the processes of an installation share what there is only so much of, e.g. the
//! sessions of a server. A slot is an advisory lock in the control database, so it is free again
//! when its holder dies.

use std::time::Duration;

use super::{DbError, PgConnection};

/// Longest pause between two attempts to get slots.
const PAUSE: Duration = Duration::from_millis(100);

/// Slots that a session holds until it lets go or ends.
#[derive(Debug)]
#[must_use = "slots must be given back, or the session ended"]
pub struct Slots {
    what: String,
    numbers: Vec<i32>,
}

impl Slots {
    /// Takes `least` to `most` of the `limit` slots of a thing, all at once or none, waiting until
    /// they are free or `patience` is over: then `None`. Whoever takes all that it will need at
    /// once cannot wait for somebody who waits for it.
    ///
    /// The session must hold no other slots of the same thing: a session's own lock never keeps it
    /// out (manual, chapter 13.3.5).
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn take(
        connection: &mut PgConnection,
        what: &str,
        limit: i32,
        (least, most): (usize, usize),
        patience: Duration,
    ) -> Result<Option<Self>, DbError> {
        let until = tokio::time::Instant::now() + patience;
        let mut pause = Duration::from_millis(5);
        connection.note_locks();
        loop {
            let numbers: Vec<i32> = sqlx::query_scalar(
                "select slot from generate_series(1, $2) as slot
                 where pg_try_advisory_lock(hashtext($1), slot) limit $3",
            )
            .bind(what)
            .bind(limit)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await?;
            let slots = Self { what: what.to_owned(), numbers };
            if slots.numbers.len() >= least {
                return Ok(Some(slots));
            }
            slots.give_back(connection).await?;
            if tokio::time::Instant::now() >= until {
                return Ok(None);
            }
            // Those who wait must not step on each other's toes in time with each other.
            tokio::time::sleep(pause.mul_f64(0.5 + f64::from(rand_byte()) / 256.0)).await;
            pause = (pause * 2).min(PAUSE);
        }
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.numbers.len()
    }

    /// Gives them back.
    ///
    /// # Errors
    /// When the connection is broken: then they are free, too.
    pub async fn give_back(self, connection: &mut PgConnection) -> Result<(), DbError> {
        sqlx::query("select pg_advisory_unlock(hashtext($1), slot) from unnest($2::int[]) as slot")
            .bind(self.what)
            .bind(self.numbers)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Anything; for pauses only.
fn rand_byte() -> u8 {
    let mut byte = [128];
    let _ = getrandom::fill(&mut byte);
    byte[0]
}
