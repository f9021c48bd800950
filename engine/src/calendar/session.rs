//! Opening hours of days of the week.

use super::Days;
use super::date::Date;
use super::time::WallTime;
use crate::error::{Error, Result};

/// Hours of local time in which rows are expected, on days of the week, for ever or for an era.
///
/// A session belongs to the date on which it opens, also if it closes on the next one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// First so that sessions sort by era, then by the hour.
    pub(super) from: Option<Date>,
    pub(super) until: Option<Date>,
    pub(super) open: WallTime,
    /// After `open`, and at most a day after it.
    pub(super) close: WallTime,
    pub(super) days: Days,
}

impl Session {
    /// All of every day.
    pub(super) const ALWAYS: Self = Self {
        from: None,
        until: None,
        open: WallTime::MIDNIGHT,
        close: WallTime::END_OF_DAY,
        days: Days::ALL,
    };

    /// Hours from `open` to `close`, such as `"09:30"` to `"16:00"`, on each of the days. A close that is not after the
    /// open is on the next day; `"24:00"` is the end of the day.
    ///
    /// # Errors
    /// `Invalid` if a time cannot be read.
    pub fn new(days: Days, open: &str, close: &str) -> Result<Self> {
        let (open, close): (WallTime, WallTime) = (open.parse()?, close.parse()?);
        if open >= WallTime::END_OF_DAY || close > WallTime::END_OF_DAY {
            return Err(Error::invalid(format!(
                "a session from {open} to {close}: it opens before 24:00 and closes by 24:00; a close that is not after the open is on the next day"
            )));
        }
        Ok(Self {
            from: None,
            until: None,
            open,
            close: if close > open { close } else { close.next_day() },
            days,
        })
    }

    /// The same hours, from a local date on.
    ///
    /// # Errors
    /// `Invalid` if the date cannot be read, or is not before the one until which the session lasts.
    pub fn from(mut self, date: &str) -> Result<Self> {
        self.from = Some(date.parse()?);
        self.era_has_days()
    }

    /// The same hours, until the day before a local date.
    ///
    /// # Errors
    /// `Invalid` if the date cannot be read, or is not after the one from which the session is.
    pub fn until(mut self, date: &str) -> Result<Self> {
        self.until = Some(date.parse()?);
        self.era_has_days()
    }

    fn era_has_days(self) -> Result<Self> {
        match (self.from, self.until) {
            (Some(from), Some(until)) if from >= until => Err(Error::invalid(format!(
                "a session from {from} until {until}: give an end after the start (the end is the first date without it)"
            ))),
            _ => Ok(self),
        }
    }

    /// Whether there is one that opens on the date, but for exceptions.
    #[inline]
    pub(super) fn is_on(&self, date: Date) -> bool {
        self.days.contains(date.weekday())
            && self.from.is_none_or(|from| from <= date)
            && self.until.is_none_or(|until| date < until)
    }

    /// Whether its era has a date, or the one before.
    pub(super) fn is_near(&self, date: Date) -> bool {
        self.from.is_none_or(|from| from <= date) && self.until.is_none_or(|until| date <= until)
    }

    /// Whether the other has the same hours in the same era.
    pub(super) fn differs_in_days_only(&self, other: &Self) -> bool {
        (self.from, self.until, self.open, self.close) == (other.from, other.until, other.open, other.close)
    }
}
