//! Circuits: an instance whose calls failed is left alone for a while. Each process counts for itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Calls that fail in a row until the circuit opens.
const MOST_FAILURES: u32 = 5;
/// How long it is open; then one call tries.
const OPEN: Duration = Duration::from_secs(10);
/// Most calls of an instance at once from one process: one that is slow must not hold all that a server has.
const MOST_AT_ONCE: u32 = 64;

/// The circuits of a process, by instance. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Circuits(Arc<Mutex<HashMap<Uuid, Circuit>>>);

/// What is known of an instance that is called, or whose last call failed.
#[derive(Debug, Default)]
struct Circuit {
    /// In a row.
    failures: u32,
    /// Until then nobody calls it.
    open_until: Option<Instant>,
    /// Whether the one call that tries is under way.
    is_tried: bool,
    running: u32,
}

/// Why an instance is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// For so long.
    Open(Duration),
    Full,
}

/// One call of an instance. Where it is dropped without an end, it says nothing of the instance.
#[derive(Debug)]
pub(super) struct Pass {
    circuits: Circuits,
    instance: Uuid,
    is_trial: bool,
}

/// What a call has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    Opened,
    Closed,
    None,
}

impl Circuits {
    /// Begins a call.
    pub(super) fn enter(&self, instance: Uuid, now: Instant) -> Result<Pass, Refusal> {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = circuits.entry(instance).or_default();
        let is_trial = match known.open_until {
            Some(until) if until > now => return Err(Refusal::Open(until - now)),
            Some(_) if known.is_tried => return Err(Refusal::Open(Duration::from_secs(1))),
            open => open.is_some(),
        };
        if known.running >= MOST_AT_ONCE {
            return Err(Refusal::Full);
        }
        known.running += 1;
        known.is_tried |= is_trial;
        Ok(Pass { circuits: self.clone(), instance, is_trial })
    }
}

impl Pass {
    /// Ends the call.
    pub(super) fn end(self, has_failed: bool, now: Instant) -> Transition {
        self.count(has_failed, now)
    }

    fn count(&self, has_failed: bool, now: Instant) -> Transition {
        let mut circuits = self.circuits.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = circuits.get_mut(&self.instance) else { return Transition::None };
        let was_open = known.open_until.is_some();
        if !has_failed {
            // A call that began before the circuit opened and is answered late closes it, too.
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
        let mut circuits = self.circuits.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Entry::Occupied(mut known) = circuits.entry(self.instance) else { return };
        known.get_mut().running -= 1;
        if self.is_trial {
            known.get_mut().is_tried = false;
        }
        // What is well is not kept: there is no end of instances.
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
    fn a_circuit_opens_after_five_failures_in_a_row_and_one_call_tries_after_ten_seconds() {
        let (circuits, instance, now) = (Circuits::default(), Uuid::now_v7(), Instant::now());
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
        let (circuits, instance, now) = (Circuits::default(), Uuid::now_v7(), Instant::now());
        fail(&circuits, (instance, now), MOST_FAILURES);
        drop(circuits.enter(instance, now + OPEN).unwrap());
        assert!(circuits.enter(instance, now + OPEN).is_ok());
    }

    #[test]
    fn an_instance_has_so_many_calls_at_once_and_what_is_well_is_forgotten() {
        let (circuits, instance, now) = (Circuits::default(), Uuid::now_v7(), Instant::now());
        let all: Vec<Pass> = (0..MOST_AT_ONCE).map(|_| circuits.enter(instance, now).unwrap()).collect();
        assert_eq!(circuits.enter(instance, now).unwrap_err(), Refusal::Full);
        for pass in all {
            pass.end(false, now);
        }
        assert!(circuits.0.lock().unwrap().is_empty());
    }
}
