//! Moments as people type them: a time, or how long ago.

use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A time (RFC 3339), or so long before now: `90s`, `30m`, `2h`, `7d`, `4w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A time.
    At(OffsetDateTime),
    /// So long before now.
    Ago(Duration),
}

/// Why a text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give a time like 2026-11-21T08:00:00Z, or an age: 90s, 30m, 2h, 7d, 4w")]
pub(super) struct MomentError;

impl Moment {
    /// The time that is meant. What lies before all time is the first of it.
    pub(super) fn time(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            Self::At(time) => time,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        }
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::At(time));
        }
        let unit = text.chars().last().ok_or(MomentError)?;
        let seconds: i64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(MomentError),
        };
        let count: u32 = text[..text.len() - 1].parse().map_err(|_| MomentError)?;
        Ok(Self::Ago(Duration::seconds(seconds * i64::from(count))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!("7d".parse(), Ok(Moment::Ago(Duration::days(7))));
        assert_eq!("90s".parse(), Ok(Moment::Ago(Duration::seconds(90))));
        let time = OffsetDateTime::UNIX_EPOCH;
        assert_eq!("1970-01-01T01:00:00+01:00".parse::<Moment>().unwrap().time(time), time);
        for text in ["", "d", "7", "-7d", "7y", "7ü", "yesterday", "2026-11-21"] {
            assert_eq!(text.parse::<Moment>(), Err(MomentError), "{text:?}");
        }
        let all = "4294967295w".parse::<Moment>().unwrap().time(time);
        assert_eq!(all, OffsetDateTime::UNIX_EPOCH);
    }
}
