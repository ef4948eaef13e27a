//! Which sessions a pool has: those that wait to be used again, by their key, and how many there are in all.
//! No session is opened or closed here.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// The sessions of a pool. `S` is a session.
#[derive(Debug)]
pub(super) struct State<S> {
    cap: usize,
    /// Sessions that are open, or being opened or closed.
    open: usize,
    keys: HashMap<Uuid, OfKey<S>>,
    /// The keys of idle sessions, by the moment at which each became idle.
    idle: BTreeMap<u64, Uuid>,
    clock: u64,
}

/// The sessions of a key.
#[derive(Debug)]
struct OfKey<S> {
    /// The one that was used last is at the end.
    idle: VecDeque<Idle<S>>,
    leased: usize,
    /// Grows when what its sessions were opened with has changed.
    generation: u64,
}

#[derive(Debug)]
struct Idle<S> {
    session: S,
    at: u64,
    since: Instant,
}

impl<S> Default for OfKey<S> {
    fn default() -> Self {
        Self { idle: VecDeque::new(), leased: 0, generation: 0 }
    }
}

/// What whoever needs a session gets.
#[derive(Debug)]
pub(super) enum Taken<S> {
    /// One that was used before.
    Kept(S),
    /// Leave to open one.
    Room,
    /// Leave to open one as soon as this one is closed, which is in nobody's use.
    After(S),
}

impl<S> State<S> {
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, open: 0, keys: HashMap::new(), idle: BTreeMap::new(), clock: 0 }
    }

    /// Takes a session of a key, or leave to open one, with the generation that it belongs to. At most as
    /// many may be taken at a time as the cap says.
    pub(super) fn take(&mut self, key: Uuid) -> (Taken<S>, u64) {
        let of_key = self.keys.entry(key).or_default();
        of_key.leased += 1;
        let generation = of_key.generation;
        if let Some(idle) = of_key.idle.pop_back() {
            self.idle.remove(&idle.at);
            return (Taken::Kept(idle.session), generation);
        }
        // Where all are open, one is idle: those that are taken are fewer than the cap.
        let victim = if self.open < self.cap { None } else { self.least_recently_used() };
        match victim {
            Some(session) => (Taken::After(session), generation),
            None => {
                self.open += 1;
                (Taken::Room, generation)
            }
        }
    }

    /// Takes back a session that was taken; gives it back where it must be closed: then [`State::closed`]
    /// follows.
    pub(super) fn give_back(&mut self, key: Uuid, generation: u64, session: S) -> Option<S> {
        let of_key = self.keys.entry(key).or_default();
        of_key.leased = of_key.leased.saturating_sub(1);
        if of_key.generation != generation {
            self.tidy(key);
            return Some(session);
        }
        self.clock += 1;
        of_key.idle.push_back(Idle { session, at: self.clock, since: Instant::now() });
        self.idle.insert(self.clock, key);
        None
    }

    /// A session that was taken is no more, or was never opened.
    pub(super) fn lost(&mut self, key: Uuid) {
        if let Some(of_key) = self.keys.get_mut(&key) {
            of_key.leased = of_key.leased.saturating_sub(1);
        }
        self.tidy(key);
        self.closed();
    }

    /// A session has been closed.
    pub(super) fn closed(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Lets nobody use the sessions of a key again that are open now; those that nobody uses are given back
    /// to be closed: [`State::closed`] follows for each.
    pub(super) fn forget(&mut self, key: Uuid) -> Vec<S> {
        let Some(of_key) = self.keys.get_mut(&key) else { return Vec::new() };
        of_key.generation += 1;
        let idle = std::mem::take(&mut of_key.idle);
        for it in &idle {
            self.idle.remove(&it.at);
        }
        self.tidy(key);
        idle.into_iter().map(|it| it.session).collect()
    }

    /// Gives back to be closed what nobody has used for so long: [`State::closed`] follows for each.
    pub(super) fn unused_for(&mut self, time: Duration) -> Vec<S> {
        let mut unused = Vec::new();
        while let Some((_, key)) = self.idle.first_key_value() {
            let oldest = self.keys.get(key).and_then(|it| it.idle.front());
            if oldest.is_none_or(|it| it.since.elapsed() < time) {
                break;
            }
            unused.extend(self.least_recently_used());
        }
        unused
    }

    /// Sessions that are open, or being opened or closed.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    fn least_recently_used(&mut self) -> Option<S> {
        let (_, key) = self.idle.pop_first()?;
        let idle = self.keys.get_mut(&key)?.idle.pop_front();
        self.tidy(key);
        idle.map(|it| it.session)
    }

    /// A key without sessions is not remembered.
    fn tidy(&mut self, key: Uuid) {
        if self.keys.get(&key).is_some_and(|it| it.leased == 0 && it.idle.is_empty()) {
            self.keys.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);
    const C: Uuid = Uuid::from_u128(3);

    fn opened(state: &mut State<&'static str>, key: Uuid, name: &'static str) -> u64 {
        let (taken, generation) = state.take(key);
        assert!(!matches!(taken, Taken::Kept(_)), "{name} was to be opened");
        generation
    }

    #[test]
    fn a_session_that_was_given_back_is_used_again_by_its_own_key_alone() {
        let mut state = State::new(4);
        let generation = opened(&mut state, A, "a");
        assert_eq!(state.give_back(A, generation, "a"), None);
        assert!(matches!(state.take(B).0, Taken::Room));
        assert!(matches!(state.take(A).0, Taken::Kept("a")));
        assert_eq!(state.open(), 2);
    }

    #[test]
    fn at_the_cap_the_one_that_was_not_used_for_longest_makes_room() {
        let mut state = State::new(2);
        for (key, name) in [(A, "a"), (B, "b")] {
            let generation = opened(&mut state, key, name);
            state.give_back(key, generation, name);
        }
        let (taken, generation) = state.take(A);
        assert!(matches!(taken, Taken::Kept("a")));
        state.give_back(A, generation, "a");
        assert!(matches!(state.take(C).0, Taken::After("b")));
        assert_eq!(state.open(), 2);
    }

    #[test]
    fn what_was_opened_before_a_change_is_not_used_after_it() {
        let mut state = State::new(4);
        let first = opened(&mut state, A, "idle");
        let second = opened(&mut state, A, "in use");
        state.give_back(A, first, "idle");
        assert_eq!(state.forget(A), ["idle"]);
        assert_eq!(state.give_back(A, second, "in use"), Some("in use"));
        assert!(matches!(state.take(A).0, Taken::Room));
    }

    #[test]
    fn nothing_is_remembered_of_keys_without_sessions() {
        let mut state = State::new(2);
        for number in 0..100 {
            let key = Uuid::from_u128(number);
            let (_, generation) = state.take(key);
            state.give_back(key, generation, "one");
        }
        assert_eq!(state.unused_for(Duration::ZERO).len(), 2);
        assert!(state.keys.is_empty() && state.idle.is_empty());
        state.take(A);
        state.lost(A);
        assert!(state.keys.is_empty());
    }
}
