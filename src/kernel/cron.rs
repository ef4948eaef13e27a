//! When something is due again and again: five fields, as cron has them, or `every 15m`.
//!
//! A time of day that is skipped when clocks go forward, or occurs twice when they go back, is what
//! [`super::calendar`] says, so that what is due at 02:30 is due once on every day. Where the hour is `*` or `*/N`, what
//! counts is what clocks show: every quarter of an hour is one on these days, too.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Time};

use super::calendar::Zone;

/// The longest time between two days that fit: 29 February on one day of the week, around 2100, is 40 years.
const MOST_DAYS: u32 = 40 * 366;
/// The shortest time between two of `every`.
const SHORTEST: i64 = 10;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// Each time that so many seconds have passed since 1970.
    Every(i64),
    Fields(Box<Fields>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    minute: Set,
    hour: Set,
    day: Set,
    month: Set,
    weekday: Set,
}

/// The numbers that a field lets through, as bits, and whether it begins with `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set {
    bits: u64,
    is_star: bool,
}

/// A text that is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error("{0} fields, not 5: minute, hour, day of the month, month, day of the week; or every 15m")]
    Count(usize),
    #[error("the {field} {part:?} is none: {wanted}")]
    Field { field: &'static str, part: String, wanted: String },
    #[error("no month has such a day")]
    NoSuchDay,
    #[error("{0:?} is no time after every: give a number and s, m, h or d, at least 10s")]
    Every(String),
}

/// A field by its name, numbers and words.
struct FieldRule {
    name: &'static str,
    range: RangeInclusive<u8>,
    words: &'static [&'static str],
}

const FIELDS: [FieldRule; 5] = [
    FieldRule { name: "minute", range: 0..=59, words: &[] },
    FieldRule { name: "hour", range: 0..=23, words: &[] },
    FieldRule { name: "day of the month", range: 1..=31, words: &[] },
    FieldRule { name: "month", range: 1..=12, words: &MONTHS },
    // Sunday is 0, and 7 as well.
    FieldRule { name: "day of the week", range: 0..=7, words: &WEEKDAYS },
];

impl Set {
    fn has(self, number: u8) -> bool {
        self.bits & (1 << number) != 0
    }

    fn numbers(self) -> impl Iterator<Item = u8> {
        (0..60).filter(move |number| self.has(*number))
    }
}

impl FieldRule {
    fn error(&self, part: &str) -> CronError {
        let (first, last) = (self.range.start(), self.range.end());
        let words = match self.words {
            [] => String::new(),
            words => format!(" or {} to {}", words[0], words[words.len() - 1]),
        };
        let wanted =
            format!("*, {first} to {last}{words}, a-b, with /step after * or a-b, and commas between them");
        CronError::Field { field: self.name, part: part.chars().take(40).collect(), wanted }
    }

    fn read(&self, text: &str) -> Result<Set, CronError> {
        let mut bits = 0;
        for part in text.split(',') {
            bits |= self.part(part).ok_or_else(|| self.error(part))?;
        }
        if self.words.len() == WEEKDAYS.len() && bits & (1 << 7) != 0 {
            bits = (bits | 1) & !(1 << 7);
        }
        Ok(Set { bits, is_star: text.starts_with('*') })
    }

    fn part(&self, part: &str) -> Option<u64> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step).filter(|step| (1..=59).contains(step))?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (*self.range.start(), *self.range.end()),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            // A step from one number on means different things to different programs.
            None if step.is_some() => return None,
            None => (self.value(range)?, self.value(range)?),
        };
        if first > last {
            return None;
        }
        Some((first..=last).step_by(step.unwrap_or(1).into()).fold(0, |bits, number| bits | 1 << number))
    }

    fn value(&self, text: &str) -> Option<u8> {
        let word = self.words.iter().position(|word| text.eq_ignore_ascii_case(word));
        let value = match word {
            Some(at) if self.words.len() == MONTHS.len() => u8::try_from(at + 1).ok()?,
            Some(at) => u8::try_from(at).ok()?,
            None => number(text)?,
        };
        self.range.contains(&value).then_some(value)
    }
}

/// Digits alone, no sign.
fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let rule = match words[..] {
            ["every", time] => Rule::Every(every(time).ok_or_else(|| CronError::Every(time.to_owned()))?),
            [minute, hour, day, month, weekday] => {
                let texts = [minute, hour, day, month, weekday];
                let mut sets = [Set { bits: 0, is_star: false }; 5];
                for ((set, rule), text) in sets.iter_mut().zip(&FIELDS).zip(texts) {
                    *set = rule.read(text)?;
                }
                let [minute, hour, day, month, weekday] = sets;
                let fields = Fields { minute, hour, day, month, weekday };
                if !fields.has_a_day() {
                    return Err(CronError::NoSuchDay);
                }
                Rule::Fields(Box::new(fields))
            }
            _ => return Err(CronError::Count(words.len())),
        };
        Ok(Self { text: words.join(" "), rule })
    }
}

fn every(text: &str) -> Option<i64> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let seconds = i64::from(number(count)?) * unit;
    (seconds >= SHORTEST).then_some(seconds)
}

impl Fields {
    /// Whether some year has a day that fits.
    fn has_a_day(&self) -> bool {
        let longest = |month: u8| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let by_weekday = !self.weekday.is_star && !self.day.is_star;
        by_weekday
            || self
                .month
                .numbers()
                .any(|month| self.day.numbers().next().is_some_and(|day| day <= longest(month)))
    }

    /// Days of the month and of the week: where both are given, one of them is enough (crontab(5) of Vixie's cron).
    fn fits_day(&self, date: Date) -> bool {
        let by_day = self.day.has(date.day());
        let by_weekday = self.weekday.has(date.weekday().number_days_from_sunday());
        let is_day = if self.day.is_star || self.weekday.is_star {
            by_day && by_weekday
        } else {
            by_day || by_weekday
        };
        is_day && self.month.has(date.month().into())
    }

    fn fits(&self, civil: PrimitiveDateTime) -> bool {
        self.fits_day(civil.date()) && self.hour.has(civil.hour()) && self.minute.has(civil.minute())
    }

    /// The first moment of a day that is later than another.
    fn first_of(&self, date: Date, after: OffsetDateTime, zone: &Zone) -> Option<OffsetDateTime> {
        let times =
            self.hour.numbers().flat_map(|hour| self.minute.numbers().map(move |minute| (hour, minute)));
        let moments =
            times.filter_map(|(hour, minute)| zone.moment(date, Time::from_hms(hour, minute, 0).ok()?).ok());
        moments.filter(|moment| *moment > after).min()
    }

    /// By what clocks show from minute to minute.
    fn next_shown(&self, after: OffsetDateTime, zone: &Zone) -> Option<OffsetDateTime> {
        let mut moment = after.replace_second(0).ok()?.replace_nanosecond(0).ok()? + Duration::MINUTE;
        let end = after.checked_add(Duration::days(MOST_DAYS.into()))?;
        while moment < end {
            let civil = zone.civil(moment).ok()?;
            if self.fits(civil) {
                return Some(moment);
            }
            let next = if self.fits_day(civil.date()) {
                moment + Duration::MINUTE
            } else {
                zone.moment(civil.date().next_day()?, Time::MIDNIGHT).ok()?
            };
            moment = next.max(moment + Duration::MINUTE);
        }
        None
    }

    fn next(&self, after: OffsetDateTime, zone: &Zone) -> Option<OffsetDateTime> {
        if self.hour.is_star {
            return self.next_shown(after, zone);
        }
        // A time that is skipped late in the evening may be on the next day.
        let mut date = zone.civil(after).ok()?.date().previous_day()?;
        for _ in 0..MOST_DAYS {
            if self.fits_day(date)
                && let Some(moment) = self.first_of(date, after, zone)
            {
                return Some(moment);
            }
            date = date.next_day()?;
        }
        None
    }
}

impl Cron {
    /// The first moment after another at which it is due in a zone; `None` at the end of the calendar.
    #[must_use]
    pub fn next(&self, after: OffsetDateTime, zone: &Zone) -> Option<OffsetDateTime> {
        match &self.rule {
            Rule::Every(seconds) => {
                let turn = after.unix_timestamp().div_euclid(*seconds) + 1;
                OffsetDateTime::from_unix_timestamp(turn * seconds).ok()
            }
            Rule::Fields(fields) => fields.next(after.to_offset(time::UtcOffset::UTC), zone),
        }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn cron(text: &str) -> Cron {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    /// The next ones, in UTC, without the year.
    fn next(text: &str, at: OffsetDateTime, zone: &Zone, count: usize) -> Vec<String> {
        let cron = cron(text);
        let mut moment = at;
        let mut found = Vec::new();
        for _ in 0..count {
            moment = cron.next(moment, zone).unwrap();
            let (date, time) = (moment.date(), moment.time());
            found.push(format!(
                "{:02}-{:02} {:02}:{:02}",
                u8::from(date.month()),
                date.day(),
                time.hour(),
                time.minute()
            ));
        }
        found
    }

    #[test]
    fn an_expression_is_due_at_the_times_that_its_fields_name() {
        // A Tuesday.
        let at = datetime!(2026-12-01 09:21:30 UTC);
        for (text, wanted) in [
            ("* * * * *", ["12-01 09:22", "12-01 09:23"]),
            ("*/15 * * * *", ["12-01 09:30", "12-01 09:45"]),
            ("21 9 * * *", ["12-02 09:21", "12-03 09:21"]),
            ("0 2 * * 0", ["12-06 02:00", "12-13 02:00"]),
            ("0 2 * * 7", ["12-06 02:00", "12-13 02:00"]),
            ("0 2 * * sun", ["12-06 02:00", "12-13 02:00"]),
            ("5,35 8-10/2 * * *", ["12-01 10:05", "12-01 10:35"]),
            ("0 0 1 JAN *", ["01-01 00:00", "01-01 00:00"]),
            ("0 12 * feb-mar mon-fri", ["02-01 12:00", "02-02 12:00"]),
            ("0 0 31 * *", ["12-31 00:00", "01-31 00:00"]),
            ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00"]),
            // Both days are given: one is enough.
            ("0 0 13 * 5", ["12-04 00:00", "12-11 00:00"]),
            // A step of all days is no day that is given.
            ("0 0 */2 * 5", ["12-11 00:00", "12-25 00:00"]),
            ("every 15m", ["12-01 09:30", "12-01 09:45"]),
            ("every 12h", ["12-01 12:00", "12-02 00:00"]),
            ("every 30s", ["12-01 09:22", "12-01 09:22"]),
        ] {
            assert_eq!(next(text, at, &Zone::utc(), 2), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        for (text, part) in [
            ("", "0 fields"),
            ("* * * *", "4 fields"),
            ("* * * * * *", "6 fields"),
            ("@daily", "1 fields"),
            ("60 * * * *", "minute \"60\""),
            ("-1 * * * *", "minute \"-1\""),
            ("+5 * * * *", "minute \"+5\""),
            ("5/10 * * * *", "minute \"5/10\""),
            ("*/0 * * * *", "minute \"*/0\""),
            ("1,,2 * * * *", "minute \"\""),
            ("* 24 * * *", "hour \"24\""),
            ("* 5-3 * * *", "hour \"5-3\""),
            ("* * 0 * *", "day of the month \"0\""),
            ("* * L * *", "day of the month \"L\""),
            ("* * * 13 *", "month \"13\""),
            ("* * * janu *", "month \"janu\""),
            ("* * * * 8", "day of the week \"8\""),
            ("* * * * monday", "day of the week \"monday\""),
            ("0 0 30 2 *", "no month"),
            ("0 0 31 4,6,9,11 *", "no month"),
            ("every 5s", "every"),
            ("every 15", "every"),
            ("every m", "every"),
            ("every 999d", "every"),
            ("every \u{fc}", "every"),
        ] {
            let error = text.parse::<Cron>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_due_at_a_time_that_clocks_skip_or_show_twice_is_due_once() {
        let berlin = zone("Europe/Berlin");
        // On 29 March 2026 02:00 is followed by 03:00.
        let spring = datetime!(2026-03-28 12:00 UTC);
        assert_eq!(next("30 2 * * *", spring, &berlin, 2), ["03-29 01:30", "03-30 00:30"]);
        assert_eq!(
            next("15,45 2,3 * * *", spring, &berlin, 3),
            ["03-29 01:15", "03-29 01:45", "03-30 00:15"]
        );
        // On 25 October 2026 03:00 becomes 02:00.
        let autumn = datetime!(2026-10-24 12:00 UTC);
        assert_eq!(next("30 2 * * *", autumn, &berlin, 2), ["10-25 00:30", "10-26 01:30"]);
        // Where any hour will do, no hour is without.
        let shown = next("*/30 * * * *", datetime!(2026-10-25 00:00 UTC), &berlin, 4);
        assert_eq!(shown, ["10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"]);
        // Samoa had no 30 December 2011.
        let apia = zone("Pacific/Apia");
        assert_eq!(
            next("0 9 * * *", datetime!(2011-12-29 12:00 UTC), &apia, 2),
            ["12-29 19:00", "12-30 19:00"]
        );
    }

    fn field(range: RangeInclusive<u8>) -> impl Strategy<Value = String> {
        let (low, high) = (*range.start(), *range.end());
        prop_oneof![
            2 => Just("*".to_owned()),
            1 => (2..=20_u8).prop_map(|step| format!("*/{step}")),
            2 => range.clone().prop_map(|number| number.to_string()),
            2 => (range.clone(), range).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (low..=high, low..=high, 1..=9_u8).prop_map(|(a, b, step)| format!("{a},{}-{}/{step}", a.min(b), a.max(b))),
        ]
    }

    proptest! {
        #[test]
        fn the_next_is_after_now_and_fits_and_nothing_before_it_does(
            minute in field(0..=59), hour in field(0..=23), day in field(1..=28), month in field(1..=12),
            weekday in field(0..=7), at in 1_500_000_000_i64..2_500_000_000, place in 0..4_usize,
        ) {
            let zone = zone(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"][place]);
            let cron = cron(&format!("{minute} {hour} {day} {month} {weekday}"));
            let Rule::Fields(fields) = &cron.rule else { unreachable!() };
            let at = OffsetDateTime::from_unix_timestamp(at).unwrap();
            let next = cron.next(at, &zone).unwrap();
            prop_assert!(next > at);
            let civil = zone.civil(next).unwrap();
            // A time that is skipped is later by as much as clocks go forward.
            let skipped = [30, 60].into_iter().any(|minutes| {
                let before = civil - Duration::minutes(minutes);
                fields.fits(before) && zone.civil(zone.moment(before.date(), before.time()).unwrap()) != Ok(before)
            });
            prop_assert!(fields.fits(civil) || skipped, "{cron}: {civil}");
            // Two hours before it, minute by minute.
            for minutes in 1..120 {
                let earlier = next - Duration::minutes(minutes);
                let civil = zone.civil(earlier).unwrap();
                let is_first = fields.hour.is_star || zone.moment(civil.date(), civil.time()) == Ok(earlier);
                prop_assert!(earlier <= at || !fields.fits(civil) || !is_first, "{cron}: {earlier} before {next}");
            }
        }
    }
}
