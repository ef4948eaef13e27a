//! How long to wait before a part that died is started again.

use std::time::Duration;

/// A part that lived this long was well: its earlier deaths are forgotten.
const WELL: Duration = Duration::from_mins(1);

/// So many deaths without a well life between them are called failing.
const FAILING: u32 = 5;

/// The first wait; each further one is twice as long, up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(50);

/// The longest wait: a mended cause (a disk with room again) is noticed this soon.
const LONGEST: Duration = Duration::from_secs(10);

/// The deaths of one part.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    in_a_row: u32,
}

impl Deaths {
    /// One more, after a life of this length. Answers how long to wait.
    pub(super) fn record(&mut self, lived: Duration) -> Duration {
        self.in_a_row = if lived >= WELL { 1 } else { self.in_a_row.saturating_add(1) };
        let doublings = (self.in_a_row - 1).min(16);
        LONGEST.min(FIRST * 2_u32.pow(doublings))
    }

    /// Whether it dies again and again.
    pub(super) fn is_failing(&self) -> bool {
        self.in_a_row >= FAILING
    }

    /// How many there were without a well life between them.
    pub(super) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_a_well_life_forgets_them() {
        let mut deaths = Deaths::default();
        let waits: Vec<_> = (0..12).map(|_| deaths.record(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits[..4], [50, 100, 200, 400]);
        assert_eq!(waits[11], 10_000);
        assert!(deaths.is_failing());
        assert_eq!(deaths.record(WELL), FIRST);
        assert!(!deaths.is_failing());
    }

    #[test]
    fn four_quick_deaths_are_not_failing_and_five_are() {
        let mut deaths = Deaths::default();
        for _ in 0..4 {
            deaths.record(Duration::from_secs(1));
        }
        assert!(!deaths.is_failing());
        deaths.record(Duration::from_secs(1));
        assert!(deaths.is_failing());
    }
}
