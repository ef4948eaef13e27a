//! What one process has of a server's budget: counts only, nothing is asked or opened here.

use std::collections::VecDeque;

/// What one process has of a budget. `W` is somebody who waits for a place.
#[derive(Debug)]
pub(super) struct Share<W> {
    /// Most sessions of all processes; `None`: there is no budget.
    limit: Option<usize>,
    /// Slots that this process holds.
    held: usize,
    /// Sessions that count: open, being opened, or just closed.
    used: usize,
    /// Those of them that have just been closed.
    leaving: usize,
    /// Sessions beyond this many are closed when they are given back.
    ceiling: usize,
    waiting: VecDeque<W>,
    /// How many of them got nothing when slots were asked for last.
    denied: usize,
}

/// What all processes have of a budget at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::infra::db) struct Look {
    /// Processes that share it, this one included.
    pub(in crate::infra::db) keepers: usize,
    /// Slots that somebody holds.
    pub(super) taken: usize,
    /// Those of them that are held for one piece of work: a run, a creation.
    pub(super) taken_for_work: usize,
    /// Slots that such work waits for.
    pub(super) wanted_for_work: usize,
    /// Slots that other processes wait for.
    pub(super) wanted_by_others: usize,
}

impl Look {
    /// Slots that others wait for and nobody can give them, and those beyond a limit that was lowered.
    pub(super) fn missing(&self, limit: usize) -> usize {
        (self.wanted_for_work + self.wanted_by_others + self.taken).saturating_sub(limit)
    }

    /// What each process may keep while others wait: one at least, unless work needs it.
    pub(in crate::infra::db) fn fair(&self, limit: usize) -> usize {
        let left = limit.saturating_sub(self.taken_for_work + self.wanted_for_work);
        (left / self.keepers.max(1)).max(usize::from(self.wanted_for_work == 0))
    }
}

impl<W> Default for Share<W> {
    fn default() -> Self {
        Self {
            limit: None,
            held: 0,
            used: 0,
            leaving: 0,
            ceiling: usize::MAX,
            waiting: VecDeque::new(),
            denied: 0,
        }
    }
}

impl<W> Share<W> {
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    pub(super) fn set_limit(&mut self, limit: Option<usize>) {
        self.limit = limit;
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Those who wait and for whom no session is on its way out yet.
    pub(super) fn unserved(&self) -> usize {
        self.waiting.len().saturating_sub(self.leaving + self.held.saturating_sub(self.used))
    }

    /// Nothing is open, and nobody waits.
    pub(super) fn is_unused(&self) -> bool {
        self.used == 0 && self.waiting.is_empty()
    }

    /// Takes a place at once; nobody overtakes those who wait.
    pub(super) fn take(&mut self) -> bool {
        let is_free = self.waiting.is_empty() && self.used < self.held.min(self.ceiling);
        self.used += usize::from(is_free);
        is_free
    }

    /// Waits for a place. `is_gone` says who does not wait any more.
    pub(super) fn wait(&mut self, waiter: W, is_gone: impl Fn(&W) -> bool) {
        self.waiting.retain(|waiter| !is_gone(waiter));
        self.waiting.push_back(waiter);
    }

    /// Forgets who does not wait any more.
    pub(super) fn forget_waiters(&mut self, is_gone: impl Fn(&W) -> bool) {
        self.waiting.retain(|waiter| !is_gone(waiter));
    }

    /// Who gets a place now, where one is free; it counts as taken.
    pub(super) fn next(&mut self) -> Option<W> {
        if self.used >= self.held.min(self.ceiling) {
            return None;
        }
        let waiter = self.waiting.pop_front()?;
        self.used += 1;
        Some(waiter)
    }

    /// A session is being closed; [`Share::left`] follows.
    pub(super) fn leaves(&mut self) {
        self.leaving += 1;
    }

    /// A session that was being closed is no more.
    pub(super) fn left(&mut self) {
        self.leaving = self.leaving.saturating_sub(1);
        self.used = self.used.saturating_sub(1);
    }

    /// Whether a session that is given back is to be closed: somebody here waits and no slot is free, or others
    /// are to have it.
    pub(super) fn is_wanted_back(&self) -> bool {
        let staying = self.used.saturating_sub(self.leaving);
        staying > self.ceiling || self.denied.min(self.unserved()) > 0
    }

    /// A place that was taken, and in which no session was opened.
    pub(super) fn untake(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// Slots that came or went.
    pub(super) fn set_held(&mut self, held: usize) {
        self.held = held;
    }

    /// Slots that no session needs, nor anybody who waits.
    pub(super) fn spare(&self) -> usize {
        let needed = (self.used + self.waiting.len()).min(self.ceiling.max(self.used));
        self.held.saturating_sub(needed)
    }

    /// How many more slots to ask for, by what all processes have.
    pub(super) fn needs(&self, look: &Look) -> usize {
        let Some(limit) = self.limit else { return 0 };
        let needs = (self.used + self.waiting.len()).saturating_sub(self.held + self.leaving);
        let may_take =
            if look.missing(limit) > 0 { look.fair(limit).saturating_sub(self.held) } else { limit };
        needs.min(may_take)
    }

    /// Goes by what all processes have, after slots were asked for: which sessions may stay, and how many that
    /// nobody uses to close.
    pub(super) fn goes_by(&mut self, look: &Look) -> usize {
        self.ceiling = usize::MAX;
        self.denied = self.unserved();
        let Some(limit) = self.limit else { return 0 };
        let (missing, fair) = (look.missing(limit), look.fair(limit));
        let staying = self.used.saturating_sub(self.leaving);
        if missing > 0 && staying > fair {
            self.ceiling = fair;
        }
        // What was lost with the session that held it, and was not got back.
        if staying > self.held {
            self.ceiling = self.ceiling.min(self.held);
        }
        // Of what is missing, its part by what it has.
        let part = (missing * staying).div_ceil(look.taken.max(1));
        part.saturating_sub(self.leaving).max(staying.saturating_sub(self.held)).max(self.denied)
    }

    /// What it had is not its own any more, and cannot be got back: every session is to be closed.
    pub(super) fn give_up(&mut self) {
        self.held = 0;
        self.ceiling = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A share of so many, with so many held and in use.
    fn share(limit: usize, held: usize, used: usize) -> Share<&'static str> {
        let mut share = Share { limit: Some(limit), held, ..Share::default() };
        for _ in 0..used {
            assert!(share.take());
        }
        share
    }

    #[test]
    fn a_place_is_free_again_once_its_session_has_ended_and_not_before() {
        let mut share = share(2, 2, 2);
        assert!(!share.take());
        share.leaves();
        assert!(!share.take());
        share.left();
        assert!(share.take());
    }

    #[test]
    fn who_waits_is_served_in_order_and_nobody_overtakes() {
        let mut share = share(1, 1, 1);
        share.wait("first", |_| false);
        share.wait("second", |_| false);
        assert_eq!(share.next(), None);
        share.left();
        assert!(!share.take());
        assert_eq!(share.next(), Some("first"));
        assert_eq!(share.next(), None);
    }

    #[test]
    fn a_session_that_is_given_back_is_closed_for_who_waits_and_one_for_each() {
        let mut share = share(2, 2, 2);
        share.wait("one", |_| false);
        assert!(!share.is_wanted_back(), "a slot may be free");
        assert_eq!(share.goes_by(&Look { keepers: 1, taken: 2, ..Look::default() }), 1);
        assert!(share.is_wanted_back());
        share.leaves();
        assert!(!share.is_wanted_back(), "one is on its way already");
    }

    #[test]
    fn while_others_wait_a_process_keeps_its_part_and_takes_no_more() {
        let mut share = share(12, 10, 10);
        let look = Look { keepers: 2, taken: 12, wanted_by_others: 3, ..Look::default() };
        assert_eq!((share.needs(&look), share.goes_by(&look)), (0, 3));
        // Half of the twelve: four are closed as they are given back.
        let closed = (0..10).filter(|_| {
            let is_wanted = share.is_wanted_back();
            if is_wanted {
                share.leaves();
            }
            is_wanted
        });
        assert_eq!(closed.count(), 4);
    }

    #[test]
    fn work_that_waits_for_several_gets_them_out_of_all_parts() {
        let mut share = share(12, 6, 6);
        let look = Look { keepers: 2, taken: 12, wanted_for_work: 5, ..Look::default() };
        assert_eq!(look.fair(12), 3);
        // Nothing is kept from it, and one session each where nobody but requests waits.
        assert_eq!(Look { wanted_for_work: 12, ..look }.fair(12), 0);
        assert_eq!(Look { keepers: 40, wanted_for_work: 0, ..look }.fair(12), 1);
        share.goes_by(&look);
        assert!(share.is_wanted_back());
    }

    #[test]
    fn nothing_is_closed_where_nobody_waits_or_enough_is_free() {
        let mut share = share(12, 6, 6);
        for look in [
            Look { keepers: 2, taken: 12, ..Look::default() },
            Look { keepers: 2, taken: 6, wanted_by_others: 6, ..Look::default() },
        ] {
            assert_eq!(share.goes_by(&look), 0);
            assert!(!share.is_wanted_back());
        }
    }

    #[test]
    fn sessions_whose_slots_were_lost_are_closed() {
        let mut share = share(4, 4, 4);
        share.set_held(1);
        let look = Look { keepers: 1, taken: 4, ..Look::default() };
        assert_eq!((share.needs(&look), share.goes_by(&look)), (3, 3));
        assert!(share.is_wanted_back());
        share.set_held(4);
        share.goes_by(&look);
        assert!(!share.is_wanted_back());
        share.give_up();
        assert!(share.is_wanted_back() && !share.take());
    }

    #[test]
    fn slots_that_nobody_needs_are_spare() {
        let mut share = share(8, 6, 2);
        assert_eq!(share.spare(), 4);
        share.wait("one", |_| false);
        assert_eq!(share.spare(), 3);
    }
}
