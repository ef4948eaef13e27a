//! Calendar months.

use std::fmt;

use time::{Date, OffsetDateTime, UtcOffset};

/// A calendar month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month of a moment.
    #[must_use]
    pub fn of(moment: OffsetDateTime) -> Self {
        let date = moment.to_offset(UtcOffset::UTC).date();
        Self(date.replace_day(1).unwrap_or(date))
    }

    /// Its first day.
    #[must_use]
    pub fn first_day(self) -> Date {
        self.0
    }
}

impl From<Date> for Month {
    fn from(date: Date) -> Self {
        Self(date.replace_day(1).unwrap_or(date))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), u8::from(self.0.month()))
    }
}
