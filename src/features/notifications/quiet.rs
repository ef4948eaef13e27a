//! Quiet hours: from one time of day to another, on the clocks of a time zone.

use time::{Duration, OffsetDateTime, Time};

use crate::kernel::calendar::Zone;

/// The hours of each day in which somebody is not to be disturbed. Where the end is not after the beginning, they go
/// over midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    pub zone: Zone,
    pub from: Time,
    pub to: Time,
}

impl QuietHours {
    /// Until when it is quiet at a moment; none where it is not.
    ///
    /// Beginning and end are moments: hours that clocks skip or show twice are counted as they pass.
    #[must_use]
    pub fn until(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let today = self.zone.civil(now).ok()?.date();
        [today.previous_day()?, today].into_iter().find_map(|day| {
            let last = if self.to > self.from { day } else { day.next_day()? };
            let begin = self.zone.moment(day, self.from).ok()?;
            let end = self.zone.moment(last, self.to).ok()?;
            (begin <= now && now < end).then_some(end)
        })
    }

    /// The same, as a time from then; at least a second, and at most two days.
    #[must_use]
    pub fn pause(&self, now: OffsetDateTime) -> Option<(OffsetDateTime, std::time::Duration)> {
        let until = self.until(now)?;
        let rest = (until - now).clamp(Duration::seconds(1), Duration::days(2));
        Some((until, rest.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::{datetime, time};

    use super::*;

    fn berlin(from: Time, to: Time) -> QuietHours {
        QuietHours { zone: "Europe/Berlin".parse().unwrap(), from, to }
    }

    #[test]
    fn hours_of_one_day_are_quiet_from_their_first_minute_to_their_last() {
        let noon = berlin(time!(12:00), time!(13:00));
        let until = Some(datetime!(2026-01-15 12:00 UTC));
        assert_eq!(noon.until(datetime!(2026-01-15 10:59:59 UTC)), None);
        assert_eq!(noon.until(datetime!(2026-01-15 11:00 UTC)), until);
        assert_eq!(noon.until(datetime!(2026-01-15 11:59:59 UTC)), until);
        assert_eq!(noon.until(datetime!(2026-01-15 12:00 UTC)), None);
    }

    #[test]
    fn a_night_goes_over_midnight() {
        let night = berlin(time!(22:00), time!(07:00));
        let until = Some(datetime!(2026-01-16 06:00 UTC));
        assert_eq!(night.until(datetime!(2026-01-15 20:59 UTC)), None);
        assert_eq!(night.until(datetime!(2026-01-15 21:00 UTC)), until);
        assert_eq!(night.until(datetime!(2026-01-16 00:30 UTC)), until);
        assert_eq!(night.until(datetime!(2026-01-16 06:00 UTC)), None);
    }

    #[test]
    fn an_end_that_clocks_skip_comes_an_hour_later_and_one_that_they_show_twice_comes_once() {
        // On 29 March 2026 02:00 is followed by 03:00.
        let night = berlin(time!(22:00), time!(02:30));
        assert_eq!(night.until(datetime!(2026-03-29 00:30 UTC)), Some(datetime!(2026-03-29 01:30 UTC)));
        // On 25 October 2026 03:00 becomes 02:00: at 00:45 UTC it is 02:45 for the first time, at 01:15 UTC 02:15
        // for the second.
        assert_eq!(night.until(datetime!(2026-10-25 00:15 UTC)), Some(datetime!(2026-10-25 00:30 UTC)));
        assert_eq!(night.until(datetime!(2026-10-25 00:45 UTC)), None);
        assert_eq!(night.until(datetime!(2026-10-25 01:15 UTC)), None);
    }

    #[test]
    fn no_pause_is_without_end() {
        let always = berlin(time!(00:01), time!(00:00));
        let (_, pause) = always.pause(datetime!(2026-06-01 12:00 UTC)).unwrap();
        assert!(pause <= std::time::Duration::from_hours(48), "{pause:?}");
    }
}
