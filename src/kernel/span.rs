//! Spans of time as people write them: a whole number and a unit, e.g. `90s`. Everywhere the same units;
//! how long one may be, says who asks.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A hundred years: more than anybody means.
pub const LONGEST: Duration = Duration::from_hours(36_600 * 24);

/// The units with their milliseconds, the largest first.
const UNITS: [(&str, u64); 7] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    // As PostgreSQL writes it (manual, chapter 20.1.1).
    ("min", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// A text that is no span of time, or one that is too short or too long here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a duration is a whole number and ms, s, m, h, d or w, e.g. 500ms, 90s, 15m, 2h, 30d; here {} to {}",
    in_days_at_most(*.least),
    in_days_at_most(*.most)
)]
pub struct SpanError {
    least: Duration,
    most: Duration,
}

/// Reads a span of time.
pub fn parse(text: &str, limits: RangeInclusive<Duration>) -> Result<Duration, SpanError> {
    let (least, most) = limits.into_inner();
    let read = read(text).filter(|time| (least..=most).contains(time));
    read.ok_or(SpanError { least, most })
}

fn read(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*milliseconds).map(Duration::from_millis)
}

/// A limit in its largest unit, rounded down; weeks are few people's unit for one.
fn in_days_at_most(time: Duration) -> String {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let unit = UNITS[1..].iter().find(|(_, size)| milliseconds >= *size);
    unit.map_or_else(|| "0s".to_owned(), |(unit, size)| format!("{}{unit}", milliseconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(text: &str) -> Result<Duration, SpanError> {
        parse(text, Duration::ZERO..=LONGEST)
    }

    #[test]
    fn a_span_of_time_has_a_whole_number_and_a_unit() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("500ms", 500),
            ("90s", 90_000),
            ("15m", 900_000),
            ("15min", 900_000),
            ("15 m", 900_000),
            ("2h", 7_200_000),
            ("30d", 2_592_000_000),
            ("4w", 2_419_200_000),
        ] {
            assert_eq!(any(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for wrong in ["", "15", "m", "-1m", "1.5h", "15M", "1h30m", "7y", "7ü", " 5s", "5s ", "+5s", "soon"]
        {
            assert!(any(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_too_short_or_too_long_is_told_what_fits() {
        let limits = || Duration::from_secs(1)..=Duration::from_millis(2_147_483_647);
        assert!(parse("1s", limits()).is_ok() && parse("24d", limits()).is_ok());
        for wrong in ["0s", "999ms", "25d", "99999999999999999999d", "18446744073709551615w"] {
            let text = parse(wrong, limits()).unwrap_err().to_string();
            assert!(text.ends_with("; here 1s to 24d"), "{text}");
        }
        assert!(any("36601d").unwrap_err().to_string().ends_with("; here 0s to 36600d"));
    }
}
