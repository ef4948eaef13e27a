//! Moments as people type them: a time, or how long ago.

use std::str::FromStr;
use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::arguments;

/// A time (RFC 3339), the beginning of a day (UTC), or so long before now: `90s`, `30m`, `2h`, `7d`, `4w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A time.
    At(OffsetDateTime),
    /// So long before now.
    Ago(Duration),
}

/// Why a text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give a time like 2026-11-21T08:00:00Z, a day like 2026-11-21, or an age: 90s, 30m, 2h, 7d, 4w")]
pub struct MomentError;

impl Moment {
    /// The time that is meant.
    pub(super) fn time(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            Self::At(time) => time,
            Self::Ago(ago) => now - ago,
        }
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::At(time));
        }
        if let Ok(day) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
            return Ok(Self::At(day.midnight().assume_utc()));
        }
        arguments::duration(text).map(Self::Ago).map_err(|_| MomentError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!("7d".parse(), Ok(Moment::Ago(Duration::from_hours(7 * 24))));
        assert_eq!("90s".parse(), Ok(Moment::Ago(Duration::from_secs(90))));
        let time = OffsetDateTime::UNIX_EPOCH;
        assert_eq!("1970-01-01T01:00:00+01:00".parse::<Moment>().unwrap().time(time), time);
        assert_eq!("1970-01-01".parse::<Moment>().unwrap().time(OffsetDateTime::now_utc()), time);
        for text in ["", "d", "7", "-7d", "7y", "7ü", "yesterday", "2026-11-31", "4294967295w"] {
            assert_eq!(text.parse::<Moment>(), Err(MomentError), "{text:?}");
        }
        let longest = "36600d".parse::<Moment>().unwrap().time(time);
        assert!(longest < OffsetDateTime::UNIX_EPOCH);
    }
}
