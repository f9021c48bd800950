//! A local date.

use std::fmt;
use std::str::FromStr;

use jiff::civil;

use crate::error::{Error, Result};

/// Seconds of a day as clocks on the wall count them.
pub(super) const DAY_S: i64 = 86_400;

const EPOCH: civil::Date = civil::date(1970, 1, 1);

/// A local date, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Date(pub(super) i32);

impl Date {
    /// The date after it.
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Monday is 0.
    pub(super) fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        (self.0.rem_euclid(7) as u8 + 3) % 7
    }
}

impl FromStr for Date {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.parse::<civil::Date>().ok();
        // Jiff takes dates with times, too, and would drop the time.
        let date = parsed.filter(|date| date.to_string() == text);
        date.and_then(|date| date.since(EPOCH).ok())
            .map(|span| Self(span.get_days()))
            .ok_or_else(|| Error::invalid(format!("{text:?} is not a date: write it as \"2026-12-25\"")))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = EPOCH.saturating_add(jiff::Span::new().days(self.0));
        write!(f, "{date}")
    }
}
