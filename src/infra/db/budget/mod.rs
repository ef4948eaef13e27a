//! Budgets of sessions: how many all processes may hold on a server together. A session counts from before its
//! login until its socket is closed.
//!
//! For each server a process has a keeper, which holds slots ([`super::Slots`]) with a session of its own in
//! the control database. A session that stays open keeps its slot, so that nobody is asked for what is open
//! already. Where no slot is free, sessions of this process that nobody uses make room, then those of others;
//! who waits for longer than it may is refused as busy.

mod keeper;
mod share;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::pool::WeakPool;
use super::{DbError, ServerAddress, SessionPool};
pub(super) use keeper::{FOR_WORK, crowd, hide, key, show, unlock};
use share::Share;

/// How long a session counts after its socket was closed here: until the server has seen it and ended the
/// session. Without a budget nobody waits for it.
const SERVER_SEES: Duration = Duration::from_millis(20);

/// The budgets that this process takes part in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budgets(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Where slots are held.
    control: ServerAddress,
    /// Who may wait for one server at a time: they hold what those who need another server wait for.
    most_waiting: usize,
    servers: Mutex<HashMap<String, Arc<Server>>>,
    /// What can make room.
    pools: Mutex<Vec<WeakPool>>,
}

/// A server, as this process counts it.
#[derive(Debug)]
struct Server {
    name: String,
    share: Mutex<Share<oneshot::Sender<Place>>>,
    /// Rung where the keeper has something to do.
    bell: Notify,
    /// Whether there is a keeper.
    is_kept: Mutex<bool>,
}

/// A session's place in the budget of its server. Dropped, it is free for others as soon as the server has ended
/// the session.
#[derive(Debug)]
#[must_use = "a session counts for as long as its place is held"]
pub struct Place {
    server: Arc<Server>,
    /// It holds a slot. One that was taken while there was no budget does not.
    is_counted: bool,
}

impl Budgets {
    /// Those whose slots are in this control database. `sessions` is how many a process has at most, for all
    /// servers together.
    #[must_use]
    pub fn new(control: ServerAddress, sessions: usize) -> Self {
        let most_waiting = (sessions / 2).max(1);
        Self(Arc::new(Shared { control, most_waiting, servers: Mutex::default(), pools: Mutex::default() }))
    }

    /// Has a pool close sessions that nobody uses where others need them.
    pub fn share_with(&self, pool: &SessionPool) {
        lock(&self.0.pools).push(pool.downgrade());
    }

    /// A place for one more session on a server with this budget.
    ///
    /// # Errors
    /// [`DbError::Busy`] where others hold them all until then.
    pub async fn place(&self, name: &str, limit: Option<i32>, until: Instant) -> Result<Place, DbError> {
        let server = self.server(name);
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(0));
        let here = |is_counted| Place { server: Arc::clone(&server), is_counted };
        self.set(&server, limit);
        let Some(sessions) = limit else { return Ok(here(false)) };
        let busy = || DbError::Busy { sessions };
        let given = {
            let mut share = lock(&server.share);
            if share.take() {
                return Ok(here(true));
            }
            share.forget_waiters(oneshot::Sender::is_closed);
            if share.waiting() >= self.0.most_waiting {
                return Err(busy());
            }
            let (sender, given) = oneshot::channel();
            share.wait(sender, oneshot::Sender::is_closed);
            given
        };
        self.keep(&server);
        server.bell.notify_one();
        match tokio::time::timeout_at(until, given).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    /// The servers that this process has had sessions on.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        lock(&self.0.servers).keys().cloned().collect()
    }

    /// Takes note of a server's budget, which may have been changed. Sessions that were opened while there
    /// was none are closed as soon as nobody uses them.
    pub fn note(&self, name: &str, limit: Option<i32>) {
        let server = self.server(name);
        self.set(&server, limit.map(|limit| usize::try_from(limit).unwrap_or(0)));
    }

    fn set(&self, server: &Arc<Server>, limit: Option<usize>) {
        let before = {
            let mut share = lock(&server.share);
            let before = share.limit();
            share.set_limit(limit);
            before
        };
        if before.is_none() && limit.is_some() {
            self.0.close_idle(usize::MAX, |place| place.is_of(server) && !place.is_counted);
        }
    }

    fn server(&self, name: &str) -> Arc<Server> {
        let mut servers = lock(&self.0.servers);
        if let Some(server) = servers.get(name) {
            return Arc::clone(server);
        }
        let server = Arc::new(Server {
            name: name.to_owned(),
            share: Mutex::default(),
            bell: Notify::new(),
            is_kept: Mutex::new(false),
        });
        servers.insert(name.to_owned(), Arc::clone(&server));
        server
    }

    /// Starts a keeper, unless there is one.
    fn keep(&self, server: &Arc<Server>) {
        let mut is_kept = lock(&server.is_kept);
        if !*is_kept {
            *is_kept = true;
            tokio::spawn(keeper::keep(Arc::downgrade(&self.0), Arc::clone(server)));
        }
    }
}

impl Shared {
    /// Closes sessions that nobody uses, at most so many of those that are meant; how many there were.
    fn close_idle(&self, most: usize, is_meant: impl Fn(&Place) -> bool) -> usize {
        let pools: Vec<_> = lock(&self.pools).iter().filter_map(WeakPool::upgrade).collect();
        let mut closed = 0;
        for pool in pools {
            closed += pool.close_idle(most - closed, |session| session.place().is_some_and(&is_meant));
        }
        closed
    }
}

impl Server {
    /// Gives those who wait what is free.
    fn hand_out(self: &Arc<Self>) {
        loop {
            let next = lock(&self.share).next();
            let Some(waiter) = next else { return };
            let place = Place { server: Arc::clone(self), is_counted: true };
            if let Err(place) = waiter.send(place) {
                // They do not wait any more; no session was opened.
                place.free_at_once();
            }
        }
    }

    fn left(self: &Arc<Self>) {
        lock(&self.share).left();
        self.hand_out();
    }
}

impl Place {
    fn is_of(&self, server: &Arc<Server>) -> bool {
        Arc::ptr_eq(&self.server, server)
    }

    /// Whether its session is to be closed instead of kept.
    pub(super) fn is_wanted_back(&self) -> bool {
        let share = lock(&self.server.share);
        if self.is_counted { share.is_wanted_back() } else { share.limit().is_some() }
    }

    fn free_at_once(mut self) {
        self.is_counted = false;
        lock(&self.server.share).untake();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_counted {
            return;
        }
        lock(&self.server.share).leaves();
        let server = Arc::clone(&self.server);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(SERVER_SEES).await;
                server.left();
            })),
            Err(_) => server.left(),
        }
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a keeper still finds of its process.
type Process = Weak<Shared>;
