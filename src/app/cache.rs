//! What was read from the control database and is kept in memory until somebody changes it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something that is kept in memory. What was read before a change is not kept after it.
#[derive(Default)]
pub(super) struct Cache<T>(Mutex<State<T>>);

#[derive(Default)]
struct State<T> {
    value: T,
    /// How often something was changed.
    changes: u64,
}

/// A moment before something is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what is read is kept by this"]
pub(super) struct CacheTicket {
    changes: u64,
}

impl<T> Cache<T> {
    /// What is looked for, or leave to keep it once it was read, which begins now.
    pub(super) fn get<R>(&self, look: impl FnOnce(&T) -> Option<R>) -> Result<R, CacheTicket> {
        let state = self.state();
        look(&state.value).ok_or(CacheTicket { changes: state.changes })
    }

    /// Keeps what was read, unless something was changed since the reading began.
    pub(super) fn keep<R>(&self, reading: CacheTicket, keep: impl FnOnce(&mut T) -> R) {
        let mut state = self.state();
        if state.changes == reading.changes {
            keep(&mut state.value);
        }
    }

    /// Drops what was changed.
    pub(super) fn change<R>(&self, drop: impl FnOnce(&mut T) -> R) {
        let mut state = self.state();
        state.changes += 1;
        drop(&mut state.value);
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Cache<HashMap<K, V>> {
    /// Keeps one that was read, as [`Cache::keep`] does; where there are as many as may be, in place of all others.
    pub(super) fn insert(&self, reading: CacheTicket, most: usize, (key, value): (K, V)) {
        self.keep(reading, |all| {
            if all.len() >= most {
                all.clear();
            }
            all.insert(key, value);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let keys = Cache::<HashMap<&str, &str>>::default();
        let kept = || keys.get(|keys| keys.get("acme").copied());
        let before = kept().unwrap_err();
        keys.change(|keys| keys.remove("acme"));
        let after = kept().unwrap_err();
        // Who read the old key is the slower one.
        keys.keep(after, |keys| keys.insert("acme", "new"));
        keys.keep(before, |keys| keys.insert("acme", "old"));
        assert_eq!(kept(), Ok("new"));
        // And where nobody else has read it.
        keys.change(|keys| keys.remove("acme"));
        keys.keep(after, |keys| keys.insert("acme", "old"));
        assert!(kept().is_err());
    }
}
