//! A session of a pool while somebody uses it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::admission::Ticket;
use super::state::Returned;
use super::{PoolKey, Shared, unlock};
use crate::infra::db::PgConnection;

/// How soon the server ends what nobody waits for (`client_connection_check_interval`).
const ABANDONED_ENDS: Duration = Duration::from_millis(500);

/// A session that goes back to its pool when it is dropped, unless it broke, something was given up in the
/// middle, it took locks that last as long as it, or what it was opened with has changed: then it ends. So does one of a
/// limited login that was left in the middle of a transaction, at once.
#[derive(Debug)]
pub struct Lease {
    /// There until it is dropped.
    session: Option<PgConnection>,
    home: Option<Home>,
    ticket: Option<Ticket>,
}

#[derive(Debug)]
struct Home {
    slot: Slot,
    permit: OwnedSemaphorePermit,
}

/// A session's place in the count of its pool. Dropped, the session is no more.
#[derive(Debug)]
pub(super) struct Slot {
    shared: Arc<Shared>,
    key: PoolKey,
    generation: u64,
    is_taken: bool,
}

impl Slot {
    pub(super) fn new(shared: Arc<Shared>, key: PoolKey, generation: u64) -> Self {
        Self { shared, key, generation, is_taken: true }
    }

    /// Gives the session back, to somebody who waits for it or to be used later.
    fn give_back(mut self, mut session: PgConnection, mut permit: OwnedSemaphorePermit) {
        loop {
            let returned = self.shared.state().give_back(self.key, self.generation, session);
            match returned {
                Returned::HandOver(session_of_key, waiter) => {
                    let Err(back) = waiter.send(Lease::new(session_of_key, self, permit)) else { return };
                    // They do not wait any more: it is the next one's.
                    let Some((session_back, home)) = back.into_parts() else { return };
                    (session, self, permit) = (session_back, home.slot, home.permit);
                }
                Returned::Kept => return self.is_taken = false,
                Returned::Close(session) => {
                    self.is_taken = false;
                    return self.shared.close(vec![session]);
                }
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.is_taken {
            self.shared.state().lost(self.key);
        }
    }
}

impl Lease {
    pub(super) fn new(session: PgConnection, slot: Slot, permit: OwnedSemaphorePermit) -> Self {
        Self { session: Some(session), home: Some(Home { slot, permit }), ticket: None }
    }

    /// The same, for who was admitted to use it.
    pub(super) fn of(mut self, ticket: Ticket) -> Self {
        self.ticket = Some(ticket);
        self
    }

    fn into_parts(mut self) -> Option<(PgConnection, Home)> {
        self.session.take().zip(self.home.take())
    }

    /// Closes the session instead of giving it back.
    pub(super) fn end(mut self) {
        drop(self.session.take());
    }

    /// Takes the session out of its pool for good: for who holds locks with it.
    #[must_use]
    pub fn detach(mut self) -> PgConnection {
        (self.home, self.ticket) = (None, None);
        self.session.take().unwrap_or_else(|| gone())
    }
}

impl From<PgConnection> for Lease {
    /// A session that belongs to no pool.
    fn from(session: PgConnection) -> Self {
        Self { session: Some(session), home: None, ticket: None }
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.session.as_ref().unwrap_or_else(|| gone())
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.session.as_mut().unwrap_or_else(|| gone())
    }
}

fn gone() -> ! {
    unreachable!("a session is there until it is dropped or detached")
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(session), Some(Home { slot, permit })) = (self.session.take(), self.home.take()) else {
            return;
        };
        if session.is_abandoned() {
            let mut session = session;
            let place = session.take_place();
            drop(session);
            // The server goes on with what it was asked until it looks whether we are there.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move {
                    tokio::time::sleep(ABANDONED_ENDS).await;
                    drop((slot, permit, place));
                });
            }
            return;
        }
        if session.took_locks() {
            // Whoever is next must not hold what it was left with.
            drop(session);
            return;
        }
        if session.is_wanted_back() {
            // Whoever needs its place waits for nothing else.
            drop(session);
            return;
        }
        if session.may_keep_locks() {
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move {
                    let mut session = session;
                    // Another one is closed, which frees what it has locked.
                    if unlock(&mut session).await {
                        slot.give_back(session, permit);
                    }
                });
            }
            return;
        }
        if !session.owes_rollback() {
            slot.give_back(session, permit);
            return;
        }
        // A transaction that was dropped holds its locks until it is rolled back.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let mut session = session;
                if session.ping().await.is_ok() {
                    slot.give_back(session, permit);
                }
            });
        }
    }
}
