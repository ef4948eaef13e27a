//! A session of a pool while somebody uses it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::Shared;
use super::state::Returned;
use crate::infra::db::PgConnection;

/// A session that goes back to its pool when it is dropped, unless it broke, something was given up in the
/// middle, or what it was opened with has changed: then it ends.
#[derive(Debug)]
pub struct Lease {
    /// There until it is dropped.
    session: Option<PgConnection>,
    home: Option<Home>,
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
    key: Uuid,
    generation: u64,
    is_taken: bool,
}

impl Slot {
    pub(super) fn new(shared: Arc<Shared>, key: Uuid, generation: u64) -> Self {
        Self { shared, key, generation, is_taken: true }
    }

    /// Gives the session back, to somebody who waits for it or to be used later.
    fn give_back(mut self, session: PgConnection, permit: OwnedSemaphorePermit) {
        let returned = self.shared.state().give_back(self.key, self.generation, session);
        match returned {
            Returned::HandOver(session, waiter) => {
                // Where nobody waits any more, it comes back and goes to the next.
                drop(waiter.send(Lease::new(session, self, permit)));
            }
            Returned::Kept => self.is_taken = false,
            Returned::Close(session) => {
                self.is_taken = false;
                self.shared.close(vec![session]);
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
        Self { session: Some(session), home: Some(Home { slot, permit }) }
    }

    /// Closes the session instead of giving it back.
    pub(super) fn end(mut self) {
        drop(self.session.take());
    }

    /// Takes the session out of its pool for good: for who holds locks with it.
    #[must_use]
    pub fn detach(mut self) -> PgConnection {
        self.home = None;
        self.session.take().unwrap_or_else(|| gone())
    }
}

impl From<PgConnection> for Lease {
    /// A session that belongs to no pool.
    fn from(session: PgConnection) -> Self {
        Self { session: Some(session), home: None }
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
            // Closed before it is counted as such.
            drop(session);
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
