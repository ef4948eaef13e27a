//! Holds one process's slots of one server's budget.
//!
//! All is advisory locks with two keys in the control database, of which the first is the server's. The second
//! says what a lock is: a slot; that a process has a keeper; a slot that somebody waits for.

use std::sync::Arc;
use std::time::Duration;

use sqlx::FromRow;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::share::Look;
use super::{Process, Server, Shared, lock};
use crate::infra::db::{DbError, PgConnection};

/// How often a keeper looks whether others wait.
const PERIOD: Duration = Duration::from_millis(250);
/// How often it asks for slots while somebody here waits.
const PERIOD_WAITING: Duration = Duration::from_millis(20);
/// How long a login may take; then another is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one asking may take. Until then its session is taken to be there, and its slots to be nobody else's; after
/// it the control database is taken to be another by now.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// From when on it is said that slots come slowly.
const SLOW: Duration = Duration::from_secs(1);
/// How long slots that were lost with their session are tried to be got back before all sessions are closed.
const LOST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a keeper of nothing stays.
const UNUSED_TIMEOUT: Duration = Duration::from_secs(5);

/// The second key of a process that has a keeper; shared.
const KEEPER: i32 = 0;
/// Work that waits for N slots holds the keys from here on, N of them; shared. A keeper holds -1 to -N.
pub(in crate::infra::db) const FOR_WORK: i32 = 1_000_000_000;

/// What a keeper has.
struct Keeper {
    server: Arc<Server>,
    session: Option<PgConnection>,
    slots: Vec<i32>,
    /// For how many it shows that it waits.
    shown: i32,
    /// What it saw last.
    look: Look,
    looked_at: Option<Instant>,
    /// Since when it has no session.
    lost_since: Option<Instant>,
    /// The fewest slots that were spare since it looked last.
    spare: usize,
}

/// Keeps a server's slots for as long as somebody needs them.
pub(super) async fn keep(process: Process, server: Arc<Server>) {
    let mut keeper = Keeper {
        server: Arc::clone(&server),
        session: None,
        slots: Vec::new(),
        shown: 0,
        look: Look::default(),
        looked_at: None,
        lost_since: None,
        spare: 0,
    };
    let mut unused_since = Instant::now();
    loop {
        let there = process.upgrade();
        if !lock(&server.share).is_unused() {
            unused_since = Instant::now();
        }
        if there.is_none() || unused_since.elapsed() >= UNUSED_TIMEOUT {
            let mut is_kept = lock(&server.is_kept);
            let mut share = lock(&server.share);
            if there.is_none() || share.is_unused() {
                // Its session ends, and its slots with it.
                share.set_held(0);
                *is_kept = false;
                return;
            }
        }
        if let Some(there) = there {
            keeper.round(&there).await;
        }
        let is_waited_for = lock(&server.share).waiting() > 0;
        let pause = if is_waited_for { PERIOD_WAITING } else { PERIOD };
        let _ = tokio::time::timeout(pause, server.bell.notified()).await;
    }
}

fn timed_out() -> DbError {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()
}

impl Keeper {
    async fn round(&mut self, process: &Shared) {
        let began = Instant::now();
        let asked = tokio::time::timeout(ASK_TIMEOUT, self.ask(process)).await;
        match asked.unwrap_or_else(|_| Err(timed_out())) {
            Ok(()) => {
                self.lost_since = None;
                if began.elapsed() >= SLOW {
                    tracing::warn!(server = self.server.name, "the control database is slow to give slots");
                }
                return;
            }
            Err(error) => {
                tracing::warn!(server = self.server.name, %error, "slots for sessions cannot be asked for");
            }
        }
        // Its slots may be others' from now on.
        self.session = None;
        self.slots.clear();
        self.shown = 0;
        self.looked_at = None;
        lock(&self.server.share).set_held(0);
        if self.lost_since.get_or_insert_with(Instant::now).elapsed() >= LOST_TIMEOUT {
            lock(&self.server.share).give_up();
            process.close_idle(usize::MAX, |place| place.is_of(&self.server) && place.is_counted);
        }
        tokio::time::sleep(PERIOD_WAITING).await;
    }

    async fn ask(&mut self, process: &Shared) -> Result<(), DbError> {
        if self.session.is_none() {
            let opening = tokio::time::timeout(CONNECT_TIMEOUT, self.open(process)).await;
            self.session = Some(opening.unwrap_or_else(|_| Err(timed_out()))?);
        }
        let looks = self.looked_at.is_none_or(|at| at.elapsed() >= PERIOD);
        if looks {
            self.look().await?;
        }
        let needs = lock(&self.server.share).needs(&self.look);
        if needs > 0 {
            self.take(needs).await?;
        }
        let close = {
            let mut share = lock(&self.server.share);
            share.forget_waiters(oneshot::Sender::is_closed);
            share.goes_by(&self.look)
        };
        // More may be open again than when slots came.
        self.server.hand_out();
        if close > 0 {
            process.close_idle(close, |place| place.is_of(&self.server) && place.is_counted);
        }
        let unserved = lock(&self.server.share).unserved();
        self.show_wants(unserved).await?;
        self.give_back(looks).await
    }

    /// A session that shows that this process has a keeper.
    async fn open(&self, process: &Shared) -> Result<PgConnection, DbError> {
        let mut session = process.control.connect("nexus:sessions").await?;
        session.note_locks();
        show(&mut session, &self.key(), (KEEPER, KEEPER)).await?;
        Ok(session)
    }

    fn key(&self) -> String {
        key(&self.server.name)
    }

    /// Looks at what all processes have.
    async fn look(&mut self) -> Result<(), DbError> {
        let key = self.key();
        let Some(session) = &mut self.session else { return Ok(()) };
        self.look = crowd(session, &key).await?;
        self.looked_at = Some(Instant::now());
        Ok(())
    }

    /// Takes slots, as many as are free, and gives those who wait theirs.
    async fn take(&mut self, most: usize) -> Result<(), DbError> {
        let key = self.key();
        let (Some(session), Some(limit)) = (&mut self.session, lock(&self.server.share).limit()) else {
            return Ok(());
        };
        // Those that it has are never tried: a session's own lock does not keep it out (manual, chapter 13.3.5).
        let taken: Vec<i32> = sqlx::query_scalar(
            "with free as materialized (
                 select slot from generate_series(1, $2) as slot where slot <> all ($3)
             )
             select slot from free where pg_try_advisory_lock(hashtext($1), slot) limit $4",
        )
        .bind(key)
        .bind(i32::try_from(limit).unwrap_or(i32::MAX))
        .bind(&self.slots)
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .fetch_all(session)
        .await?;
        self.slots.extend(taken);
        lock(&self.server.share).set_held(self.slots.len());
        self.server.hand_out();
        Ok(())
    }

    /// Shows others how many slots it waits for.
    async fn show_wants(&mut self, wants: usize) -> Result<(), DbError> {
        let limit = lock(&self.server.share).limit().unwrap_or(0);
        let wants = i32::try_from(wants.min(limit)).unwrap_or(i32::MAX);
        let (key, shown) = (self.key(), self.shown);
        let Some(session) = &mut self.session else { return Ok(()) };
        if wants > shown {
            show(session, &key, (-wants, -shown - 1)).await?;
        } else if wants < shown {
            hide(session, &key, (-shown, -wants - 1)).await?;
        }
        self.shown = wants;
        Ok(())
    }

    /// Gives back what nobody needed from one look to the next, or at once where others wait.
    async fn give_back(&mut self, looked: bool) -> Result<(), DbError> {
        let key = self.key();
        let (spare, limit) = {
            let share = lock(&self.server.share);
            (share.spare(), share.limit().unwrap_or(0))
        };
        let fewest = self.spare.min(spare);
        self.spare = if looked { spare } else { fewest };
        let count = match self.look.missing(limit) {
            0 if looked => fewest,
            0 => 0,
            _ => spare,
        };
        if count == 0 {
            return Ok(());
        }
        // The highest first: a budget may have been lowered.
        self.slots.sort_unstable();
        let given = {
            let mut share = lock(&self.server.share);
            // Somebody may have come meanwhile.
            let count = count.min(share.spare());
            let given = self.slots.split_off(self.slots.len().saturating_sub(count));
            share.set_held(self.slots.len());
            given
        };
        self.spare = self.spare.saturating_sub(given.len());
        let Some(session) = &mut self.session else { return Ok(()) };
        unlock(session, &key, given).await
    }
}

/// The text that is hashed to the first key of a server's locks.
pub(in crate::infra::db) fn key(server: &str) -> String {
    format!("nexus:sessions:{server}")
}

/// Lets go of slots.
pub(in crate::infra::db) async fn unlock(
    session: &mut PgConnection,
    key: &str,
    slots: Vec<i32>,
) -> Result<(), DbError> {
    sqlx::query("select pg_advisory_unlock(hashtext($1), slot) from unnest($2::int[]) as slot")
        .bind(key)
        .bind(slots)
        .execute(session)
        .await?;
    Ok(())
}

/// Takes locks that others see, with these second keys, both included.
pub(in crate::infra::db) async fn show(
    session: &mut PgConnection,
    key: &str,
    keys: (i32, i32),
) -> Result<(), DbError> {
    sqlx::query("select pg_try_advisory_lock_shared(hashtext($1), key) from generate_series($2, $3) as key")
        .bind(key)
        .bind(keys.0)
        .bind(keys.1)
        .execute(session)
        .await?;
    Ok(())
}

/// Lets go of them.
pub(in crate::infra::db) async fn hide(
    session: &mut PgConnection,
    key: &str,
    keys: (i32, i32),
) -> Result<(), DbError> {
    sqlx::query("select pg_advisory_unlock_shared(hashtext($1), key) from generate_series($2, $3) as key")
        .bind(key)
        .bind(keys.0)
        .bind(keys.1)
        .execute(session)
        .await?;
    Ok(())
}

#[derive(FromRow)]
struct Counts {
    keepers: i64,
    taken: i64,
    taken_for_work: i64,
    wanted_for_work: i64,
    wanted_by_others: i64,
}

/// What all processes have of a budget, and wait for. Keys are shown without a sign, so that negative ones are
/// those from 2^31 on.
pub(in crate::infra::db) async fn crowd(session: &mut PgConnection, key: &str) -> Result<Look, DbError> {
    let counts: Counts = sqlx::query_as(
        "with locks as (
             select pid, objid::bigint as key from pg_locks
             where locktype = 'advisory' and objsubid = 2 and granted
               and database = (select oid from pg_database where datname = current_database())
               and classid::bigint = hashtext($1)::bigint & 4294967295
         ), keepers as (
             select pid from locks where key = 0
         )
         select (select count(*) from keepers) as keepers,
                count(*) filter (where key between 1 and $2) as taken,
                count(*) filter (where key between 1 and $2 and pid not in (select pid from keepers)) as taken_for_work,
                count(*) filter (where key > $2 and key < 2147483648) as wanted_for_work,
                count(*) filter (where key >= 2147483648 and pid <> pg_backend_pid()) as wanted_by_others
         from locks",
    )
    .bind(key)
    .bind(i64::from(FOR_WORK))
    .fetch_one(session)
    .await?;
    let count = |count: i64| usize::try_from(count).unwrap_or(0);
    Ok(Look {
        keepers: count(counts.keepers),
        taken: count(counts.taken),
        taken_for_work: count(counts.taken_for_work),
        wanted_for_work: count(counts.wanted_for_work),
        wanted_by_others: count(counts.wanted_by_others),
    })
}
