//! Slots: how the processes of an installation share what there is only so much of, e.g. the
//! sessions of a server. A slot is an advisory lock in the control database, so it is free again
//! when its holder dies.

use std::time::Duration;

use super::budget::{FOR_WORK, crowd, hide, key, show, unlock};
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
    /// once cannot wait for somebody who waits for it. Programs that hold sessions for requests see
    /// that somebody waits, and make room; where there are any, nobody takes more than the part that
    /// each of them has, unless it needs more.
    ///
    /// The session must hold no other slots of the same thing: a session's own lock never keeps it
    /// out (manual, chapter 13.3.5).
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn take(
        connection: &mut PgConnection,
        server: &str,
        limit: i32,
        (least, most): (usize, usize),
        patience: Duration,
    ) -> Result<Option<Self>, DbError> {
        let what = &key(server);
        let until = tokio::time::Instant::now() + patience;
        let mut pause = Duration::from_millis(5);
        connection.note_locks();
        let most =
            if most > least { Self::fair(connection, what, limit, (least, most)).await? } else { most };
        // So many, where there can be so many at all.
        let wants = i32::try_from(least).ok().filter(|least| *least <= limit);
        let wants = wants.map(|least| (FOR_WORK + 1, FOR_WORK + least));
        let mut is_shown = false;
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
            let slots = Self { what: what.clone(), numbers };
            let taken = if slots.numbers.len() >= least {
                Some(slots)
            } else {
                slots.give_back(connection).await?;
                None
            };
            if taken.is_some() || tokio::time::Instant::now() >= until {
                if let Some(wants) = wants.filter(|_| is_shown) {
                    hide(connection, what, wants).await?;
                }
                return Ok(taken);
            }
            if let Some(wants) = wants.filter(|_| !is_shown) {
                show(connection, what, wants).await?;
                is_shown = true;
            }
            // Those who wait must not step on each other's toes in time with each other.
            tokio::time::sleep(pause.mul_f64(0.5 + f64::from(rand_byte()) / 256.0)).await;
            pause = (pause * 2).min(PAUSE);
        }
    }

    /// How many are taken at most beside those who hold sessions for requests.
    async fn fair(
        connection: &mut PgConnection,
        what: &str,
        limit: i32,
        (least, most): (usize, usize),
    ) -> Result<usize, DbError> {
        let mut crowd = crowd(connection, what).await?;
        if crowd.keepers == 0 {
            return Ok(most);
        }
        crowd.keepers += 1;
        Ok(most.min(crowd.fair(usize::try_from(limit).unwrap_or(0)).max(least)))
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
        unlock(connection, &self.what, self.numbers).await
    }
}

/// Anything; for pauses only.
fn rand_byte() -> u8 {
    let mut byte = [128];
    let _ = getrandom::fill(&mut byte);
    byte[0]
}
