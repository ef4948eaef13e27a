//! Answers that go on for long: how many there may be at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::RequestError;
use crate::kernel::{TenantId, UserId};

/// Streams of one user.
const MOST_OF_USER: usize = 100;
/// Streams of a process.
const MOST: usize = 1_000;

/// A user of a realm.
type Who = (TenantId, UserId);

/// The streams that are open.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<Who, usize>>>);

/// A stream that is open until this is dropped.
pub(super) struct OpenStream {
    open: Arc<Mutex<HashMap<Who, usize>>>,
    who: Who,
}

impl Streams {
    /// Room for one more stream of a user.
    pub(super) fn open(&self, who: Who) -> Result<OpenStream, RequestError> {
        let mut open = counts(&self.0);
        if open.values().sum::<usize>() >= MOST {
            return Err(RequestError::TooManyStreams { streams: MOST });
        }
        let own = open.entry(who).or_default();
        if *own >= MOST_OF_USER {
            return Err(RequestError::TooManyStreams { streams: MOST_OF_USER });
        }
        *own += 1;
        Ok(OpenStream { open: Arc::clone(&self.0), who })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = counts(&self.open);
        if let Some(own) = open.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.who);
            }
        }
    }
}

fn counts(open: &Mutex<HashMap<Who, usize>>) -> MutexGuard<'_, HashMap<Who, usize>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_has_so_many_streams_and_another_has_room() {
        let streams = Streams::default();
        let (one, other) = ((TenantId::PLATFORM, UserId::new()), (TenantId::PLATFORM, UserId::new()));
        let mut held: Vec<_> = (0..MOST_OF_USER).map(|_| streams.open(one).ok()).collect();
        assert!(streams.open(one).is_err() && streams.open(other).is_ok());
        held.pop();
        assert!(streams.open(one).is_ok());
        drop(held);
        assert!(counts(&streams.0).is_empty());
    }
}
