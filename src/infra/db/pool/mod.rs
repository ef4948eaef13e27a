//! Sessions that are kept open for whoever needs one next: never more than a cap, each made safe before it
//! is used again.
//!
//! A session counts from before its login until its socket is closed. Who needs one while all are in use
//! waits, first come, first served. Where all are open, the one that was not used for longest makes room for a
//! key that has none; who needs a key that others use is handed the next that they give back: a login takes
//! longer.

mod admission;
mod lazy;
mod lease;
mod state;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use admission::Admission;
pub use lazy::{AnyLease, LazyLease, Source as LeaseSource};
pub use lease::Lease;
use lease::Slot;
use state::{State, Taken};

use super::{DbError, PgConnection};

/// Takes from a session what it was left with, but for prepared statements, which the driver knows by their
/// names: `DISCARD ALL` without `DEALLOCATE ALL`, in pieces that may travel together (manual, page
/// `DISCARD`). What the startup packet said holds again. A transaction that was dropped is rolled back by
/// the driver before.
/// Plans stay: one holds nothing of who used the session, and is made anew where what it depends on changed.
const RESET: &str = "close all; set session authorization default; reset role; reset all; unlisten *;
     select pg_catalog.pg_advisory_unlock_all(); discard temp; discard sequences;";

/// What [`RESET`] does not take away: less than 0 where a transaction is open, which began before this message did
/// (manual, chapter 9.9.5), or a statement was prepared by hand; otherwise how many statements are prepared for the
/// driver. Code of the database's owner can take these away, in a function, too (`DEALLOCATE ALL`); each use of one
/// would fail then (26000).
const LEFT: &str = "select case when pg_catalog.now() <> pg_catalog.statement_timestamp()
     or pg_catalog.bool_or(from_sql) then -1 else pg_catalog.count(*) end from pg_catalog.pg_prepared_statements";

/// Gives advisory locks back; then whether a transaction is open, which began before this message did.
const UNLOCK: &str = "select pg_catalog.pg_advisory_unlock_all();
     select (pg_catalog.now() <> pg_catalog.statement_timestamp())::int::bigint";

/// How long more than one session of a limited login is kept that nobody uses: its server lets it have few,
/// which other processes and its owner need, too.
const SURPLUS: Duration = Duration::from_secs(5);

/// How often who waits at the cap for a session that others of the same key use looks whether there is room, or another
/// key has a session to spare.
const HAND_OVER_TIMEOUT: Duration = Duration::from_millis(500);

/// Which sessions are alike: those in one database, by one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolKey {
    database: Uuid,
    login: Login,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Login {
    Administrator,
    Limited,
}

impl PoolKey {
    /// Of an administrator's sessions.
    #[must_use]
    pub const fn administrator(database: Uuid) -> Self {
        Self { database, login: Login::Administrator }
    }

    /// Of sessions by a limited login, with which any statement may have been run: one that was left with what
    /// cannot be taken from it is closed, and not used again.
    #[must_use]
    pub const fn limited(database: Uuid) -> Self {
        Self { database, login: Login::Limited }
    }
}

impl From<Uuid> for PoolKey {
    fn from(database: Uuid) -> Self {
        Self::administrator(database)
    }
}

/// What a pool may do.
#[derive(Debug, Clone, Copy)]
pub struct PoolLimits {
    /// Most sessions.
    pub sessions: usize,
    /// How long is waited for one.
    pub wait: Duration,
    /// How long one is kept that nobody uses.
    pub idle: Duration,
}

/// What a pool did and has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStats {
    /// Sessions that are open, or being opened or closed.
    pub open: usize,
    pub most_open: usize,
    /// Sessions that somebody uses, or opens.
    pub leased: usize,
    /// How often a session was open already when one was needed.
    pub hits: u64,
    /// How often somebody waited for a session that others used.
    pub waits: u64,
    /// Logins since the pool was made.
    pub logins: u64,
    /// Sessions that made room for another key's.
    pub evicted: u64,
}

/// A pool of sessions. Those of one key are alike. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionPool(Arc<Shared>);

/// A pool, for who does not keep it.
#[derive(Debug)]
pub(super) struct WeakPool(Weak<Shared>);

impl WeakPool {
    pub(super) fn upgrade(&self) -> Option<SessionPool> {
        self.0.upgrade().map(SessionPool)
    }
}

/// What somebody has who needs a session.
enum Obtained {
    Session(Lease),
    /// Leave to open one.
    Room(Slot, OwnedSemaphorePermit),
}

/// Who waits for a session that others use.
type Waiter = oneshot::Sender<Lease>;

#[derive(Debug)]
struct Shared {
    limits: PoolLimits,
    admission: Arc<Admission>,
    /// One for each session that may be in use.
    permits: Arc<Semaphore>,
    state: Mutex<State<PgConnection, Waiter>>,
    /// What follows [`RESET`].
    prepare: SecretString,
    hits: AtomicU64,
    waits: AtomicU64,
    logins: AtomicU64,
    evicted: AtomicU64,
    most_open: AtomicU64,
}

impl SessionPool {
    /// A pool without sessions. `prepare` are statements that a session needs each time before it is used
    /// again; who opens a session has run them.
    #[must_use]
    pub fn new(limits: PoolLimits, prepare: SecretString) -> Self {
        Self(Arc::new(Shared {
            limits,
            admission: Arc::default(),
            permits: Arc::new(Semaphore::new(limits.sessions)),
            state: Mutex::new(State::new(limits.sessions)),
            prepare,
            hits: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            logins: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            most_open: AtomicU64::new(0),
        }))
    }

    /// A session of a key: one that is open and in nobody's use, or what `open` opens.
    ///
    /// # Errors
    /// [`DbError::Busy`] where others have them all for too long; what `open` says.
    pub async fn lease<E: From<DbError>>(
        &self,
        key: impl Into<PoolKey>,
        open: impl AsyncFnOnce() -> Result<PgConnection, E>,
    ) -> Result<Lease, E> {
        Ok(self.lease_prepared(key, None, open).await?.0)
    }

    /// The same, after more statements that it needs for this use, in the same message; and the number that
    /// the last of them gives, if it gives one. For an administrator's sessions.
    ///
    /// # Errors
    /// As [`SessionPool::lease`]; what one of the statements says in a session that was just opened.
    pub async fn lease_prepared<E: From<DbError>>(
        &self,
        key: impl Into<PoolKey>,
        statements: Option<&str>,
        open: impl AsyncFnOnce() -> Result<PgConnection, E>,
    ) -> Result<(Lease, Option<i64>), E> {
        let key = key.into();
        let began = Instant::now();
        let admitted = self.0.admission.admit(key, began + self.0.limits.wait).await;
        let ticket = admitted.ok_or_else(|| self.busy())?;
        loop {
            let (slot, permit) = match self.obtain(key, began).await? {
                Obtained::Session(lease) => match self.safe(lease, key, statements).await {
                    Some((lease, number)) => return Ok((lease.of(ticket), number)),
                    None => continue,
                },
                Obtained::Room(slot, permit) => (slot, permit),
            };
            let open_now = u64::try_from(self.stats().open).unwrap_or(u64::MAX);
            self.0.most_open.fetch_max(open_now, Ordering::Relaxed);
            self.0.logins.fetch_add(1, Ordering::Relaxed);
            let mut lease = Lease::new(open().await?, slot, permit);
            if key.login == Login::Limited {
                lease.look_for_locks();
            }
            let number = match statements {
                Some(statements) => run(&mut lease, statements.to_owned()).await?,
                None => None,
            };
            return Ok((lease.of(ticket), number));
        }
    }

    /// A session of a key, or leave to open one, for who has needed one since a time.
    async fn obtain(&self, key: PoolKey, began: Instant) -> Result<Obtained, DbError> {
        let until = began + self.0.limits.wait;
        loop {
            let permit = self.permit(until).await?;
            let (sender, handed) = oneshot::channel();
            let (taken, generation) = {
                let mut state = self.0.state();
                state.forget_waiters(key, Waiter::is_closed);
                state.take(key, Some(sender))
            };
            let slot = || Slot::new(Arc::clone(&self.0), key, generation);
            match taken {
                Taken::Kept(session) => return Ok(Obtained::Session(Lease::new(session, slot(), permit))),
                Taken::Room => return Ok(Obtained::Room(slot(), permit)),
                Taken::After(other) => return Ok(self.in_place_of(other, slot(), permit).await),
                Taken::Wait => {
                    self.0.waits.fetch_add(1, Ordering::Relaxed);
                    // What is handed over brings a permit with it.
                    drop(permit);
                    if let Some(obtained) = self.wait(handed, key, began).await? {
                        return Ok(obtained);
                    }
                }
            }
        }
    }

    /// Waits for what others of the key give back, and from time to time looks whether another key has one to spare;
    /// none: ask again.
    async fn wait(
        &self,
        mut handed: oneshot::Receiver<Lease>,
        key: PoolKey,
        began: Instant,
    ) -> Result<Option<Obtained>, DbError> {
        let until = began + self.0.limits.wait;
        loop {
            let end = until.min(Instant::now() + HAND_OVER_TIMEOUT);
            match tokio::time::timeout_at(end, &mut handed).await {
                Ok(Ok(lease)) => return Ok(Some(Obtained::Session(lease))),
                Ok(Err(_)) => {
                    tokio::task::yield_now().await;
                    return Ok(None);
                }
                Err(_) if end == until => return Err(self.busy()),
                Err(_) => {}
            }
            let Ok(permit) = Arc::clone(&self.0.permits).try_acquire_owned() else { continue };
            let taken = {
                let mut state = self.0.state();
                if state.has_room() {
                    return Ok(None);
                }
                state.take_spare(key, began)
            };
            if let Some((other, generation)) = taken {
                let slot = Slot::new(Arc::clone(&self.0), key, generation);
                return Ok(Some(self.in_place_of(other, slot, permit).await));
            }
        }
    }

    /// Leave to open a session once another is closed.
    async fn in_place_of(&self, other: PgConnection, slot: Slot, permit: OwnedSemaphorePermit) -> Obtained {
        self.0.evicted.fetch_add(1, Ordering::Relaxed);
        // Its socket is closed either way.
        let _ = other.close().await;
        Obtained::Room(slot, permit)
    }

    fn busy(&self) -> DbError {
        DbError::Busy { sessions: self.0.limits.sessions }
    }

    /// Takes in a session that was opened elsewhere; where there is no room for it, it stays without a pool.
    pub fn adopt(&self, key: impl Into<PoolKey>, session: PgConnection) -> Lease {
        let key = key.into();
        let Ok(permit) = Arc::clone(&self.0.permits).try_acquire_owned() else { return session.into() };
        let (taken, generation) = self.0.state().take(key, None);
        match taken {
            Taken::Room => Lease::new(session, Slot::new(Arc::clone(&self.0), key, generation), permit),
            Taken::Wait => session.into(),
            // What was taken ends in place of this one.
            Taken::Kept(_) | Taken::After(_) => {
                self.0.state().lost(key);
                session.into()
            }
        }
    }

    /// Lets nobody use a session of a key again that is open now: what it was opened with has changed.
    pub fn forget(&self, key: impl Into<PoolKey>) {
        let sessions = self.0.state().forget(key.into());
        self.0.close(sessions);
    }

    /// The same for all keys.
    pub fn forget_all(&self) {
        let sessions = self.0.state().forget_all();
        self.0.close(sessions);
    }

    /// Closes what nobody has used for too long.
    pub fn close_unused(&self) {
        let sessions = self.0.state().unused_for(self.0.limits.idle);
        self.0.close(sessions);
        let surplus = self.0.state().surplus(SURPLUS, |key| key.login == Login::Limited);
        self.0.close(surplus);
    }

    /// Closes sessions that nobody uses, at most so many of those that are meant, the one first that was not
    /// used for longest; how many.
    pub(super) fn close_idle(&self, most: usize, is_meant: impl Fn(&PgConnection) -> bool) -> usize {
        let sessions = self.0.state().idle_that(most, is_meant);
        let count = sessions.len();
        self.0.close(sessions);
        count
    }

    pub(super) fn downgrade(&self) -> WeakPool {
        WeakPool(Arc::downgrade(&self.0))
    }

    /// What it has and did.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        PoolStats {
            open: self.0.state().open(),
            most_open: usize::try_from(count(&self.0.most_open)).unwrap_or(usize::MAX),
            leased: self.0.limits.sessions - self.0.permits.available_permits(),
            hits: count(&self.0.hits),
            waits: count(&self.0.waits),
            logins: count(&self.0.logins),
            evicted: count(&self.0.evicted),
        }
    }

    /// Makes a session safe for its next use; `None` where it broke while nobody used it, or cannot be made so.
    async fn safe(&self, mut lease: Lease, key: PoolKey, more: Option<&str>) -> Option<(Lease, Option<i64>)> {
        let is_limited = key.login == Login::Limited;
        let more = if is_limited { LEFT } else { more.unwrap_or_default() };
        let statements = format!("{RESET} {}; {more}", self.0.prepare.expose_secret());
        match run(&mut lease, statements).await {
            Ok(number) if is_limited && !has_prepared(number, lease.prepared()) => {
                lease.end();
                None
            }
            Ok(number) => {
                self.0.hits.fetch_add(1, Ordering::Relaxed);
                if is_limited {
                    lease.look_for_locks();
                }
                Some((lease, number))
            }
            Err(error) => {
                tracing::debug!(%error, "a session that was kept is not used again");
                lease.end();
                None
            }
        }
    }

    async fn permit(&self, until: Instant) -> Result<OwnedSemaphorePermit, DbError> {
        if self.0.permits.available_permits() == 0 {
            self.0.waits.fetch_add(1, Ordering::Relaxed);
        }
        let waiting = Arc::clone(&self.0.permits).acquire_owned();
        match tokio::time::timeout_at(until, waiting).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(self.busy()),
        }
    }
}

/// Whether a limited session of which [`LEFT`] says this has all the statements that the driver uses.
fn has_prepared(left: Option<i64>, used: usize) -> bool {
    left.and_then(|prepared| usize::try_from(prepared).ok()).is_some_and(|prepared| prepared >= used)
}

/// Has a session give back what it has locked; whether it keeps none for a transaction that is open.
async fn unlock(session: &mut PgConnection) -> bool {
    run(session, UNLOCK.to_owned()).await.is_ok_and(|number| number == Some(0))
}

/// Runs statements in one message; the number that the last row has, if it has one.
async fn run(session: &mut PgConnection, statements: String) -> Result<Option<i64>, DbError> {
    let rows = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(session).await?;
    Ok(rows.last().and_then(|row| row.try_get(0).ok()))
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State<PgConnection, Waiter>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Without a goodbye, for which nobody waits: the server ends a session whose socket is closed.
    fn close(&self, sessions: Vec<PgConnection>) {
        for session in sessions {
            drop(session);
            self.state().closed();
        }
    }
}
