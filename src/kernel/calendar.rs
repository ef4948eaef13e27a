//! Civil time: what clocks on the wall show in a time zone (IANA), for schedules, quiet hours and billing periods.
//!
//! Two rules hold everywhere. A time of day that is skipped when clocks go forward is as much later as they go
//! forward: 02:30 becomes 03:30. One that occurs twice when clocks go back is the first of the two.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time};

/// A time zone by its name, e.g. `Europe/Berlin`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

/// A name that no time zone has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone: give a name of the IANA database, e.g. Europe/Berlin or UTC")]
pub struct ZoneError(String);

/// A moment that no calendar here reaches: years -9999 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the moment is out of the calendar")]
pub struct OutOfCalendar;

impl Zone {
    /// Coordinated Universal Time.
    #[must_use]
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Its name in the database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What clocks there show at a moment.
    ///
    /// # Errors
    /// At the ends of the calendar.
    pub fn civil(&self, at: OffsetDateTime) -> Result<PrimitiveDateTime, OutOfCalendar> {
        let offset = i64::from(self.0.to_offset(timestamp(at)?).seconds());
        let there = at.checked_to_offset(time::UtcOffset::UTC).ok_or(OutOfCalendar)?;
        let shifted = there.checked_add(time::Duration::seconds(offset)).ok_or(OutOfCalendar)?;
        Ok(PrimitiveDateTime::new(shifted.date(), shifted.time()))
    }

    /// The moment at which clocks there show a date and a time of day.
    ///
    /// # Errors
    /// At the ends of the calendar.
    pub fn moment(&self, date: Date, time: Time) -> Result<OffsetDateTime, OutOfCalendar> {
        let year = i16::try_from(date.year()).map_err(|_| OutOfCalendar)?;
        let small = |number: u8| i8::try_from(number).map_err(|_| OutOfCalendar);
        let date = civil::Date::new(year, small(date.month().into())?, small(date.day())?)
            .map_err(|_| OutOfCalendar)?;
        let nanosecond = i32::try_from(time.nanosecond()).map_err(|_| OutOfCalendar)?;
        let time =
            civil::Time::new(small(time.hour())?, small(time.minute())?, small(time.second())?, nanosecond)
                .map_err(|_| OutOfCalendar)?;
        let moment =
            self.0.to_ambiguous_timestamp(date.to_datetime(time)).compatible().map_err(|_| OutOfCalendar)?;
        OffsetDateTime::from_unix_timestamp_nanos(moment.as_nanosecond()).map_err(|_| OutOfCalendar)
    }
}

fn timestamp(at: OffsetDateTime) -> Result<jiff::Timestamp, OutOfCalendar> {
    jiff::Timestamp::from_nanosecond(at.unix_timestamp_nanos()).map_err(|_| OutOfCalendar)
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(name: &str) -> Result<Self, ZoneError> {
        // A zone of a file or of the machine has no name that another machine could read.
        let zone = TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some());
        zone.map(Self).ok_or_else(|| ZoneError(name.chars().take(60).collect()))
    }
}

impl TryFrom<String> for Zone {
    type Error = ZoneError;

    fn try_from(name: String) -> Result<Self, ZoneError> {
        name.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime, time};

    use super::*;

    fn berlin() -> Zone {
        "Europe/Berlin".parse().unwrap()
    }

    #[test]
    fn a_time_of_day_is_a_moment_in_its_zone() {
        let moment = |date, time| berlin().moment(date, time).unwrap();
        assert_eq!(moment(date!(2026 - 01 - 15), time!(09:00)), datetime!(2026-01-15 08:00 UTC));
        assert_eq!(moment(date!(2026 - 07 - 15), time!(09:00)), datetime!(2026-07-15 07:00 UTC));
        assert_eq!(
            Zone::utc().moment(date!(2026 - 07 - 15), time!(9:00)).unwrap(),
            datetime!(2026-07-15 09:00 UTC)
        );
    }

    #[test]
    fn what_the_clocks_skip_is_an_hour_later() {
        // On 29 March 2026 02:00 is followed by 03:00.
        assert_eq!(
            berlin().moment(date!(2026 - 03 - 29), time!(02:30)).unwrap(),
            datetime!(2026-03-29 01:30 UTC)
        );
        assert_eq!(
            berlin().civil(datetime!(2026-03-29 01:30 UTC)).unwrap(),
            PrimitiveDateTime::new(date!(2026 - 03 - 29), time!(03:30))
        );
    }

    #[test]
    fn what_the_clocks_show_twice_is_the_first_of_the_two() {
        // On 25 October 2026 03:00 becomes 02:00.
        assert_eq!(
            berlin().moment(date!(2026 - 10 - 25), time!(02:30)).unwrap(),
            datetime!(2026-10-25 00:30 UTC)
        );
        for at in [datetime!(2026-10-25 00:30 UTC), datetime!(2026-10-25 01:30 UTC)] {
            assert_eq!(
                berlin().civil(at).unwrap(),
                PrimitiveDateTime::new(date!(2026 - 10 - 25), time!(02:30))
            );
        }
    }

    #[test]
    fn a_zone_is_known_by_its_name_alone() {
        for name in ["", "Mars/Olympus", "../../etc/localtime", "/etc/localtime", "+02:00", "Europe"] {
            assert!(name.parse::<Zone>().is_err(), "{name}");
        }
        for name in ["UTC", "Asia/Kathmandu", "America/St_Johns"] {
            assert_eq!(name.parse::<Zone>().unwrap().to_string(), name);
        }
        assert_eq!(serde_json::to_string(&berlin()).unwrap(), "\"Europe/Berlin\"");
        assert!(serde_json::from_str::<Zone>("\"Nowhere\"").is_err());
    }

    #[test]
    fn the_ends_of_the_calendar_are_an_error() {
        assert!(berlin().civil(OffsetDateTime::new_utc(date!(-9999 - 01 - 01), time!(0:00))).is_err());
        assert!(berlin().moment(date!(9999 - 12 - 31), time!(23:59)).is_err());
    }
}
