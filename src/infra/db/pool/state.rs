//! Which sessions a pool has: those that wait to be used again, by their key, and how many there are in all.
//! No session is opened or closed here.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::PoolKey;

/// The sessions of a pool. `S` is a session, `W` somebody who waits for one.
#[derive(Debug)]
pub(super) struct State<S, W> {
    cap: usize,
    /// Sessions that are open, or being opened or closed.
    open: usize,
    keys: HashMap<PoolKey, OfKey<S, W>>,
    /// The keys of idle sessions, by the moment at which each became idle.
    idle: BTreeMap<u64, PoolKey>,
    clock: u64,
}

/// The sessions of a key.
#[derive(Debug)]
struct OfKey<S, W> {
    /// The one that was used last is at the end.
    idle: VecDeque<Idle<S>>,
    leased: usize,
    /// Who waits for one of those that are leased, in the order in which they came.
    waiting: VecDeque<W>,
    /// Grows when what its sessions were opened with has changed.
    generation: u64,
}

#[derive(Debug)]
struct Idle<S> {
    session: S,
    at: u64,
    since: Instant,
}

impl<S, W> Default for OfKey<S, W> {
    fn default() -> Self {
        Self { idle: VecDeque::new(), leased: 0, waiting: VecDeque::new(), generation: 0 }
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
    /// There is no room, and others use sessions of this key: the next that is free is handed over. Without a
    /// waiter, ask again.
    Wait,
}

/// What becomes of a session that was given back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Returned<S, W> {
    Kept,
    /// It must be closed; then [`State::closed`] follows.
    Close(S),
    /// It is for somebody who waits; it counts as taken still.
    HandOver(S, W),
}

impl<S, W> State<S, W> {
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, open: 0, keys: HashMap::new(), idle: BTreeMap::new(), clock: 0 }
    }

    /// Takes a session of a key, or leave to open one, with the generation that it belongs to. At most as
    /// many may be taken at a time as the cap says. Where there is no room, a session of another key makes
    /// some only for a key that has none; otherwise `waiter` is remembered, if there is one.
    pub(super) fn take(&mut self, key: PoolKey, waiter: Option<W>) -> (Taken<S>, u64) {
        let is_full = self.open >= self.cap;
        let of_key = self.keys.entry(key).or_default();
        let generation = of_key.generation;
        if let Some(idle) = of_key.idle.pop_back() {
            of_key.leased += 1;
            self.idle.remove(&idle.at);
            return (Taken::Kept(idle.session), generation);
        }
        if is_full
            && of_key.leased > 0
            && let Some(waiter) = waiter
        {
            of_key.waiting.push_back(waiter);
            return (Taken::Wait, generation);
        }
        let victim = if is_full { self.victim() } else { None };
        if is_full && victim.is_none() {
            // One is being closed at this moment.
            self.tidy(key);
            return (Taken::Wait, generation);
        }
        self.keys.entry(key).or_default().leased += 1;
        if let Some(session) = victim {
            return (Taken::After(session), generation);
        }
        self.open += 1;
        (Taken::Room, generation)
    }

    /// Takes leave to open a session in place of another key's, for who has waited since a time for one of a key that
    /// others use: of a key that has more than this one, or which nobody has used since. Sessions that are in use by
    /// turns stay where they are.
    pub(super) fn take_spare(&mut self, key: PoolKey, since: Instant) -> Option<(S, u64)> {
        let count = |key: &PoolKey| self.keys.get(key).map_or(0, |it| it.idle.len() + it.leased);
        let own = count(&key);
        let is_unused = |at: u64, key: &PoolKey| {
            self.keys
                .get(key)
                .and_then(|it| it.idle.front())
                .is_some_and(|it| it.at == at && it.since <= since)
        };
        let spare = self.idle.iter().find(|(at, key)| count(key) > own || is_unused(**at, key));
        let at = *spare?.0;
        let session = self.close_first(at)?;
        let of_key = self.keys.entry(key).or_default();
        of_key.leased += 1;
        Some((session, of_key.generation))
    }

    /// Whether one more may be opened.
    pub(super) fn has_room(&self) -> bool {
        self.open < self.cap
    }

    /// Takes back a session that was taken.
    pub(super) fn give_back(&mut self, key: PoolKey, generation: u64, session: S) -> Returned<S, W> {
        let of_key = self.keys.entry(key).or_default();
        if of_key.generation != generation {
            of_key.leased = of_key.leased.saturating_sub(1);
            // Whoever waits asks again.
            of_key.waiting.clear();
            self.tidy(key);
            return Returned::Close(session);
        }
        if let Some(waiter) = of_key.waiting.pop_front() {
            return Returned::HandOver(session, waiter);
        }
        of_key.leased = of_key.leased.saturating_sub(1);
        self.clock += 1;
        of_key.idle.push_back(Idle { session, at: self.clock, since: Instant::now() });
        self.idle.insert(self.clock, key);
        Returned::Kept
    }

    /// A session that was taken is no more, or was never opened. Whoever waits for one asks again.
    pub(super) fn lost(&mut self, key: PoolKey) {
        if let Some(of_key) = self.keys.get_mut(&key) {
            of_key.leased = of_key.leased.saturating_sub(1);
            of_key.waiting.clear();
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
    pub(super) fn forget(&mut self, key: PoolKey) -> Vec<S> {
        let Some(of_key) = self.keys.get_mut(&key) else { return Vec::new() };
        of_key.generation += 1;
        let idle = std::mem::take(&mut of_key.idle);
        for it in &idle {
            self.idle.remove(&it.at);
        }
        self.tidy(key);
        idle.into_iter().map(|it| it.session).collect()
    }

    /// The same for all keys.
    pub(super) fn forget_all(&mut self) -> Vec<S> {
        let keys: Vec<PoolKey> = self.keys.keys().copied().collect();
        keys.into_iter().flat_map(|key| self.forget(key)).collect()
    }

    /// Forgets those of a key who do not wait any more.
    pub(super) fn forget_waiters(&mut self, key: PoolKey, is_gone: impl Fn(&W) -> bool) {
        if let Some(of_key) = self.keys.get_mut(&key) {
            of_key.waiting.retain(|waiter| !is_gone(waiter));
        }
        self.tidy(key);
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

    /// Gives back to be closed what nobody has used for so long of keys that are meant, but for one of each:
    /// [`State::closed`] follows for each.
    pub(super) fn surplus(&mut self, time: Duration, is_meant: impl Fn(&PoolKey) -> bool) -> Vec<S> {
        let mut surplus = Vec::new();
        for (_, of_key) in self.keys.iter_mut().filter(|(key, _)| is_meant(key)) {
            while of_key.idle.len() > 1 && of_key.idle.front().is_some_and(|it| it.since.elapsed() >= time) {
                let Some(oldest) = of_key.idle.pop_front() else { break };
                self.idle.remove(&oldest.at);
                surplus.push(oldest.session);
            }
        }
        surplus
    }

    /// Gives back to be closed at most so many that nobody uses, of those that are meant, the one first that
    /// was not used for longest: [`State::closed`] follows for each.
    pub(super) fn idle_that(&mut self, most: usize, is_meant: impl Fn(&S) -> bool) -> Vec<S> {
        let of_key = |key: &PoolKey, at: u64| self.keys.get(key)?.idle.iter().find(|it| it.at == at);
        let meant = |(at, key): (&u64, &PoolKey)| {
            let is_meant = of_key(key, *at).is_some_and(|it| is_meant(&it.session));
            is_meant.then_some((*at, *key))
        };
        let chosen: Vec<_> = self.idle.iter().filter_map(meant).take(most).collect();
        let mut sessions = Vec::new();
        for (at, key) in chosen {
            self.idle.remove(&at);
            if let Some(of_key) = self.keys.get_mut(&key)
                && let Some(index) = of_key.idle.iter().position(|it| it.at == at)
            {
                sessions.extend(of_key.idle.remove(index).map(|it| it.session));
            }
            self.tidy(key);
        }
        sessions
    }

    /// Sessions that are open, or being opened or closed.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// The session that makes room for a key that has none: where all are in use by turns, each key is to have one
    /// before any has two. Looks at each that is idle, which is little beside the login that follows.
    fn victim(&mut self) -> Option<S> {
        let has_more = |key: &PoolKey| self.keys.get(key).is_some_and(|it| it.idle.len() + it.leased > 1);
        match self.idle.iter().find(|(_, key)| has_more(key)).map(|(at, _)| *at) {
            Some(at) => self.close_first(at),
            None => self.least_recently_used(),
        }
    }

    fn least_recently_used(&mut self) -> Option<S> {
        let at = *self.idle.first_key_value()?.0;
        self.close_first(at)
    }

    /// Takes the idle session of a moment, the first of its key.
    fn close_first(&mut self, at: u64) -> Option<S> {
        let key = self.idle.remove(&at)?;
        let idle = self.keys.get_mut(&key)?.idle.pop_front();
        self.tidy(key);
        idle.map(|it| it.session)
    }

    /// A key without sessions is not remembered.
    fn tidy(&mut self, key: PoolKey) {
        if self.keys.get(&key).is_some_and(|it| it.leased == 0 && it.idle.is_empty() && it.waiting.is_empty())
        {
            self.keys.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const A: PoolKey = PoolKey::administrator(Uuid::from_u128(1));
    const B: PoolKey = PoolKey::administrator(Uuid::from_u128(2));
    const C: PoolKey = PoolKey::administrator(Uuid::from_u128(3));

    type Names = State<&'static str, &'static str>;

    fn opened(state: &mut Names, key: PoolKey, name: &'static str) -> u64 {
        let (taken, generation) = state.take(key, None);
        assert!(matches!(taken, Taken::Room | Taken::After(_)), "{name} was to be opened");
        generation
    }

    #[test]
    fn a_session_that_was_given_back_is_used_again_by_its_own_key_alone() {
        let mut state = Names::new(4);
        let generation = opened(&mut state, A, "a");
        assert_eq!(state.give_back(A, generation, "a"), Returned::Kept);
        assert!(matches!(state.take(B, None).0, Taken::Room));
        assert!(matches!(state.take(A, None).0, Taken::Kept("a")));
        assert_eq!(state.open(), 2);
    }

    #[test]
    fn at_the_cap_the_one_that_was_not_used_for_longest_makes_room() {
        let mut state = Names::new(2);
        for (key, name) in [(A, "a"), (B, "b")] {
            let generation = opened(&mut state, key, name);
            state.give_back(key, generation, name);
        }
        let (taken, generation) = state.take(A, None);
        assert!(matches!(taken, Taken::Kept("a")));
        state.give_back(A, generation, "a");
        assert!(matches!(state.take(C, Some("c")).0, Taken::After("b")));
        assert_eq!(state.open(), 2);
    }

    #[test]
    fn at_the_cap_who_needs_a_key_that_others_use_is_handed_the_next_that_is_free() {
        let mut state = Names::new(2);
        let of_b = opened(&mut state, B, "b");
        state.give_back(B, of_b, "b");
        let generation = opened(&mut state, A, "a");
        assert!(matches!(state.take(A, Some("first")).0, Taken::Wait));
        assert!(matches!(state.take(A, Some("second")).0, Taken::Wait));
        assert_eq!(state.give_back(A, generation, "a"), Returned::HandOver("a", "first"));
        assert_eq!(state.give_back(A, generation, "a"), Returned::HandOver("a", "second"));
        assert_eq!(state.give_back(A, generation, "a"), Returned::Kept);
    }

    #[test]
    fn what_another_key_has_used_meanwhile_does_not_make_room_for_a_second_session() {
        let mut state = Names::new(2);
        let began = Instant::now();
        let of_b = opened(&mut state, B, "b");
        state.give_back(B, of_b, "b");
        opened(&mut state, A, "a");
        assert!(state.take_spare(A, began).is_none());
        assert!(matches!(state.take_spare(A, Instant::now()), Some(("b", _))));
        assert_eq!(state.open(), 2);
    }

    #[test]
    fn who_waits_gets_one_of_a_key_that_has_more() {
        let mut state = Names::new(3);
        let began = Instant::now();
        opened(&mut state, A, "a");
        let of_b = [opened(&mut state, B, "b1"), opened(&mut state, B, "b2")];
        state.give_back(B, of_b[0], "b1");
        assert!(!state.has_room());
        assert!(matches!(state.take_spare(A, began), Some(("b1", _))));
        assert!(state.take_spare(A, began).is_none());
    }

    #[test]
    fn a_key_with_two_sessions_makes_room_before_one_with_one() {
        let mut state = Names::new(3);
        let generations = [(B, "b"), (A, "a1"), (A, "a2")].map(|(key, name)| opened(&mut state, key, name));
        state.give_back(B, generations[0], "b");
        state.give_back(A, generations[1], "a1");
        assert!(matches!(state.take(C, None).0, Taken::After("a1")));
        assert!(matches!(state.take(C, None).0, Taken::After("b")));
    }

    #[test]
    fn what_was_opened_before_a_change_is_not_used_after_it() {
        let mut state = Names::new(4);
        let first = opened(&mut state, A, "idle");
        let second = opened(&mut state, A, "in use");
        state.give_back(A, first, "idle");
        assert_eq!(state.forget(A), ["idle"]);
        assert_eq!(state.give_back(A, second, "in use"), Returned::Close("in use"));
        assert!(matches!(state.take(A, None).0, Taken::Room));
    }

    #[test]
    fn of_the_sessions_that_are_meant_those_make_room_that_were_not_used_for_longest() {
        let mut state = Names::new(4);
        for (key, name) in [(A, "a1"), (B, "b"), (C, "c")] {
            let generation = opened(&mut state, key, name);
            state.give_back(key, generation, name);
        }
        assert_eq!(state.idle_that(1, |name| *name != "a1"), ["b"]);
        assert_eq!(state.idle_that(9, |_| true), ["a1", "c"]);
        assert!(state.keys.is_empty() && state.idle.is_empty());
    }

    #[test]
    fn of_the_keys_that_are_meant_one_session_stays_that_nobody_uses() {
        let mut state = Names::new(9);
        let [a1, a2, a3, b1, b2] = [(A, "a1"), (A, "a2"), (A, "a3"), (B, "b1"), (B, "b2")]
            .map(|(key, name)| (key, opened(&mut state, key, name), name));
        for (key, generation, name) in [a1, b1, a2, b2, a3] {
            state.give_back(key, generation, name);
        }
        assert!(state.surplus(Duration::from_mins(1), |_| true).is_empty());
        assert_eq!(state.surplus(Duration::ZERO, |key| *key == A), ["a1", "a2"]);
        assert!(matches!(state.take(A, None).0, Taken::Kept("a3")));
        assert_eq!(state.idle_that(9, |_| true), ["b1", "b2"]);
    }

    #[test]
    fn nothing_is_remembered_of_keys_without_sessions() {
        let mut state = Names::new(2);
        for number in 0..100 {
            let key = PoolKey::administrator(Uuid::from_u128(number));
            let (_, generation) = state.take(key, None);
            state.give_back(key, generation, "one");
        }
        assert_eq!(state.unused_for(Duration::ZERO).len(), 2);
        assert!(state.keys.is_empty() && state.idle.is_empty());
        state.take(A, None);
        state.lost(A);
        assert!(state.keys.is_empty());
    }
}
