//! Days of the week.

use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

use crate::error::{Error, Result};

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A set of days of the week. As text: days and spans of days, such as `mon-fri`, `sat` or `sun-tue, thu`.
///
/// ```
/// use gapless_engine::calendar::Days;
/// let days = Days::day(6)? | "mon-wed".parse()?;
/// assert_eq!(days.to_string(), "sun-wed");
/// # Ok::<(), gapless_engine::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Days(u8);

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0x7f);

    /// One day, of which 0 is Monday and 6 Sunday.
    ///
    /// # Errors
    /// `Invalid` for any other number.
    pub fn day(weekday: u8) -> Result<Self> {
        if weekday < 7 {
            return Ok(Self(1 << weekday));
        }
        Err(Error::invalid(format!(
            "there is no weekday {weekday}: 0 is Monday, 6 is Sunday"
        )))
    }

    /// Whether the day is one of them; 0 is Monday.
    #[must_use]
    pub fn contains(self, weekday: u8) -> bool {
        weekday < 7 && self.0 & (1 << weekday) != 0
    }

    /// From the first day to the last, over the end of the week if need be.
    fn span(first: u8, last: u8) -> Self {
        let count = (last + 7 - first) % 7;
        (0..=count).fold(Self(0), |days, at| days | Self(1 << ((first + at) % 7)))
    }

    /// How many of the days follow each other from this one on.
    fn run(self, first: u8) -> u8 {
        (0..7).take_while(|at| self.contains((first + at) % 7)).count() as u8
    }
}

impl BitOr for Days {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromStr for Days {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let day = |name: &str| {
            let at = NAMES
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name.trim()));
            at.map(|at| at as u8).ok_or_else(|| {
                Error::invalid(format!(
                    "{text:?} are no days: write mon, tue, wed, thu, fri, sat or sun, or a span such as \"mon-fri\""
                ))
            })
        };
        text.split(',').try_fold(Self(0), |days, part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Ok(days | Self::span(day(first)?, day(last)?))
        })
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("mon-sun");
        }
        let mut separator = "";
        for first in (0..7).filter(|day| self.contains(*day) && !self.contains((day + 6) % 7)) {
            let run = self.run(first);
            let last = (first + run - 1) % 7;
            write!(f, "{separator}{}", NAMES[usize::from(first)])?;
            if run > 1 {
                write!(f, "-{}", NAMES[usize::from(last)])?;
            }
            separator = ", ";
        }
        Ok(())
    }
}
