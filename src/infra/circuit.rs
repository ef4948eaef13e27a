//! Circuits: what failed several times in a row, such as an address of a service or a mail server, is left alone for a
//! while. Each process counts for itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Uses that fail in a row until the circuit opens.
const MOST_FAILURES: u32 = 5;
/// How long it is open; then one use tries.
const OPEN: Duration = Duration::from_secs(10);

/// The circuits of a process for one sort of thing, by its id. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Circuits {
    most_at_once: u32,
    known: Arc<Mutex<HashMap<Uuid, Circuit>>>,
}

/// What is known of one that is in use, or whose last use failed.
#[derive(Debug, Default)]
struct Circuit {
    /// In a row.
    failures: u32,
    /// Until then nobody uses it.
    open_until: Option<Instant>,
    /// Whether the one use that tries is under way.
    is_tried: bool,
    running: u32,
}

/// Why one is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// For so long.
    Open(Duration),
    /// As many uses are under way as may be.
    Full,
}

/// One use. Where it is dropped without an end, it says nothing of what was used.
#[derive(Debug)]
pub struct Pass {
    circuits: Circuits,
    id: Uuid,
    is_trial: bool,
}

/// What a use has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    Opened,
    Closed,
    None,
}

impl Circuits {
    /// Circuits that let so many uses of one be under way: one that is slow must not hold all that a server has.
    #[must_use]
    pub fn new(most_at_once: u32) -> Self {
        Self { most_at_once, known: Arc::default() }
    }

    /// Begins a use.
    ///
    /// # Errors
    /// Where it may not be used now.
    pub fn enter(&self, id: Uuid, now: Instant) -> Result<Pass, Refusal> {
        let mut circuits = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = circuits.entry(id).or_default();
        let is_trial = match known.open_until {
            Some(until) if until > now => return Err(Refusal::Open(until - now)),
            Some(_) if known.is_tried => return Err(Refusal::Open(Duration::from_secs(1))),
            open => open.is_some(),
        };
        if known.running >= self.most_at_once {
            return Err(Refusal::Full);
        }
        known.running += 1;
        known.is_tried |= is_trial;
        Ok(Pass { circuits: self.clone(), id, is_trial })
    }
}

impl Pass {
    /// Ends the use.
    #[must_use]
    pub fn end(self, has_failed: bool, now: Instant) -> Transition {
        self.count(has_failed, now)
    }

    fn count(&self, has_failed: bool, now: Instant) -> Transition {
        let mut circuits = self.circuits.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = circuits.get_mut(&self.id) else { return Transition::None };
        let was_open = known.open_until.is_some();
        if !has_failed {
            // A use that began before the circuit opened and is answered late closes it, too.
            (known.failures, known.open_until) = (0, None);
            return if was_open { Transition::Closed } else { Transition::None };
        }
        known.failures = known.failures.saturating_add(1);
        if known.failures < MOST_FAILURES || (was_open && !self.is_trial) {
            return Transition::None;
        }
        known.open_until = Some(now + OPEN);
        if was_open { Transition::None } else { Transition::Opened }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut circuits = self.circuits.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Entry::Occupied(mut known) = circuits.entry(self.id) else { return };
        known.get_mut().running -= 1;
        if self.is_trial {
            known.get_mut().is_tried = false;
        }
        // What is well is not kept: there is no end of ids.
        if known.get().running == 0 && known.get().failures == 0 {
            known.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(circuits: &Circuits, (instance, now): (Uuid, Instant), times: u32) -> Transition {
        (0..times).fold(Transition::None, |_, _| circuits.enter(instance, now).unwrap().end(true, now))
    }

    #[test]
    fn a_circuit_opens_after_five_failures_in_a_row_and_one_use_tries_after_ten_seconds() {
        let (circuits, instance, now) = (Circuits::new(64), Uuid::now_v7(), Instant::now());
        assert_eq!(fail(&circuits, (instance, now), 4), Transition::None);
        assert_eq!(circuits.enter(instance, now).unwrap().end(false, now), Transition::None);
        assert_eq!(fail(&circuits, (instance, now), 4), Transition::None);
        assert_eq!(fail(&circuits, (instance, now), 1), Transition::Opened);
        assert_eq!(circuits.enter(instance, now).unwrap_err(), Refusal::Open(OPEN));
        assert!(circuits.enter(Uuid::now_v7(), now).is_ok(), "another instance has nothing to do with it");
        let now = now + OPEN;
        let trial = circuits.enter(instance, now).unwrap();
        assert!(circuits.enter(instance, now).is_err(), "one call tries");
        assert_eq!(trial.end(true, now), Transition::None);
        assert_eq!(circuits.enter(instance, now).unwrap_err(), Refusal::Open(OPEN));
        let now = now + OPEN;
        assert_eq!(circuits.enter(instance, now).unwrap().end(false, now), Transition::Closed);
        assert!(circuits.enter(instance, now).is_ok());
    }

    #[test]
    fn a_trial_that_was_cut_short_leaves_room_for_another() {
        let (circuits, instance, now) = (Circuits::new(64), Uuid::now_v7(), Instant::now());
        fail(&circuits, (instance, now), MOST_FAILURES);
        drop(circuits.enter(instance, now + OPEN).unwrap());
        assert!(circuits.enter(instance, now + OPEN).is_ok());
    }

    #[test]
    fn an_instance_has_so_many_calls_at_once_and_what_is_well_is_forgotten() {
        let (circuits, instance, now) = (Circuits::new(64), Uuid::now_v7(), Instant::now());
        let all: Vec<Pass> = (0..64).map(|_| circuits.enter(instance, now).unwrap()).collect();
        assert_eq!(circuits.enter(instance, now).unwrap_err(), Refusal::Full);
        for pass in all {
            let _ = pass.end(false, now);
        }
        assert!(circuits.known.lock().unwrap().is_empty());
    }
}
