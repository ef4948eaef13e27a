//! Who is connected, and who goes when there is no room: the one that has been silent for longest.
//!
//! A connection is silent until a request on it has proved who it is from, and again once that is
//! answered. So those who only hold connections never keep anybody else out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::blocking::lock;

/// Requests of one key at a time: a quarter of all connections.
pub(super) const MOST_OF_A_KEY: usize = 256;

/// The value of [`Life::silent_since`] while a request is being answered.
const WORKING: u64 = 0;
/// The same once the connection was told to go.
const GONE: u64 = u64::MAX;

/// The connections.
#[derive(Debug)]
pub(super) struct Crowd {
    begun: Instant,
    next: AtomicU64,
    lives: Mutex<HashMap<u64, Arc<Life>>>,
    /// How many requests of each key are being answered.
    keys: Mutex<HashMap<String, usize>>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Life {
    crowd: Arc<Crowd>,
    id: u64,
    /// Microseconds since the crowd began, from 1.
    silent_since: AtomicU64,
    key: Mutex<Option<String>>,
    /// Cancelled when it has to go.
    pub(super) end: CancellationToken,
}

/// Why a request is not answered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl Crowd {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            next: AtomicU64::new(0),
            lives: Mutex::default(),
            keys: Mutex::default(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(GONE - 1).clamp(1, GONE - 1)
    }

    /// Lets a connection in.
    pub(super) fn enter(self: &Arc<Self>) -> Arc<Life> {
        let life = Arc::new(Life {
            crowd: Arc::clone(self),
            id: self.next.fetch_add(1, Ordering::Relaxed),
            silent_since: AtomicU64::new(self.now()),
            key: Mutex::default(),
            end: CancellationToken::new(),
        });
        lock(&self.lives).insert(life.id, Arc::clone(&life));
        life
    }

    /// Sends the connection away that has been silent for longest. `false`: all are at work.
    pub(super) fn send_one_away(&self) -> bool {
        let mut silent: Vec<(u64, Arc<Life>)> = lock(&self.lives)
            .values()
            .map(|life| (life.silent_since.load(Ordering::Acquire), Arc::clone(life)))
            .filter(|(since, _)| *since != WORKING && *since != GONE)
            .collect();
        silent.sort_unstable_by_key(|(since, _)| *since);
        silent.into_iter().any(|(since, life)| {
            let taken =
                life.silent_since.compare_exchange(since, GONE, Ordering::AcqRel, Ordering::Acquire).is_ok();
            if taken {
                life.end.cancel();
            }
            taken
        })
    }
}

impl Life {
    /// That a request on it has proved whose it is; `None` for the administrator's.
    pub(super) fn work(&self, key: Option<&str>) -> Result<(), TooMany> {
        if let Some(key) = key {
            let mut keys = lock(&self.crowd.keys);
            let count = keys.entry(key.to_owned()).or_default();
            if *count >= MOST_OF_A_KEY {
                return Err(TooMany);
            }
            *count += 1;
            *lock(&self.key) = Some(key.to_owned());
        }
        let work = |since| (since != GONE).then_some(WORKING);
        // One that was told to go goes, and its request with it.
        let _ = self.silent_since.fetch_update(Ordering::AcqRel, Ordering::Acquire, work);
        Ok(())
    }

    /// That its request was answered.
    pub(super) fn rest(&self) {
        if let Some(key) = lock(&self.key).take() {
            let mut keys = lock(&self.crowd.keys);
            if let Some(count) = keys.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    keys.remove(&key);
                }
            }
        }
        let now = self.crowd.now();
        let _ = self.silent_since.compare_exchange(WORKING, now, Ordering::AcqRel, Ordering::Acquire);
    }

    /// That it has ended.
    pub(super) fn leave(&self) {
        self.rest();
        lock(&self.crowd.lives).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_silent_for_longest_goes_and_none_that_works() {
        let crowd = Crowd::new();
        let (first, second) = (crowd.enter(), crowd.enter());
        first.work(Some("key")).unwrap();
        assert!(crowd.send_one_away());
        assert!(second.end.is_cancelled() && !first.end.is_cancelled());
        assert!(!crowd.send_one_away());
        first.rest();
        assert!(crowd.send_one_away());
        assert!(first.end.is_cancelled());
    }

    #[test]
    fn a_key_has_so_many_requests_at_a_time_and_other_keys_have_theirs() {
        let crowd = Crowd::new();
        let lives: Vec<_> = (0..MOST_OF_A_KEY).map(|_| crowd.enter()).collect();
        for life in &lives {
            life.work(Some("key")).unwrap();
        }
        let more = crowd.enter();
        assert_eq!(more.work(Some("key")), Err(TooMany));
        more.work(Some("other")).unwrap();
        lives[0].leave();
        crowd.enter().work(Some("key")).unwrap();
    }
}
