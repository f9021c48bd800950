//! A local time of day.

use std::fmt;
use std::str::FromStr;

use super::date::DAY_S;
use crate::error::{Error, Result};

/// What a clock on the wall shows, as seconds after the midnight that a date begins with. At most 48 hours: hours from
/// 24 on are of the next date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WallTime(i64);

impl WallTime {
    pub(super) const MIDNIGHT: Self = Self(0);
    pub(super) const END_OF_DAY: Self = Self(DAY_S);

    /// Seconds after midnight.
    pub(super) fn seconds(self) -> i64 {
        self.0
    }

    /// The same time on the next date.
    pub(super) fn next_day(self) -> Self {
        Self(self.0 + DAY_S)
    }

    /// The same time as the clock shows it: without the hours of the date before, if it is after that date's end.
    pub(super) fn on_the_clock(self) -> Self {
        Self(if self.0 > DAY_S { self.0 - DAY_S } else { self.0 })
    }

    /// Whether it is after the end of the date.
    pub(super) fn is_of_next_date(self) -> bool {
        self > Self::END_OF_DAY
    }

    /// Hours, minutes and seconds, the last of which may be missing.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let mut part = |digits: std::ops::RangeInclusive<usize>| {
            let part = parts.next()?;
            let number = digits.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            number.then(|| part.parse::<i64>().ok()).flatten()
        };
        let (hours, minutes) = (part(1..=2)?, part(2..=2)?);
        let seconds = if text.matches(':').count() == 1 {
            0
        } else {
            part(2..=2)?
        };
        let total = (hours * 60 + minutes) * 60 + seconds;
        (parts.next().is_none() && minutes < 60 && seconds < 60 && total <= 2 * DAY_S).then_some(Self(total))
    }
}

impl FromStr for WallTime {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text).ok_or_else(|| {
            Error::invalid(format!(
                "{text:?} is not a time of day: write it as \"09:30\" or \"09:30:15\""
            ))
        })
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 3600, self.0 / 60 % 60)?;
        match self.0 % 60 {
            0 => Ok(()),
            seconds => write!(f, ":{seconds:02}"),
        }
    }
}
