//! A calendar and a range to the ranges in which the calendar is open.
//!
//! One walk over the local dates of the range, with a few additions for each session. Zones' rules are looked up only near a
//! change of the clocks.

use std::iter::Peekable;
use std::ops::Range;
use std::slice;

use super::date::{DAY_S, Date};
use super::definition::{Exception, Occasion};
use super::time::WallTime;
use super::{Calendar, Session};
use crate::coverage::intervals::{Intervals, subtract_into};

const SECOND_NS: i64 = 1_000_000_000;
/// A session's instants are less than this away from its date's beginning in UTC: two days of hours, a day of offset, and a
/// day that a zone skipped.
const REACH_DAYS: i32 = 5;

impl Calendar {
    /// The ranges of UTC nanoseconds within `range` in which rows are expected.
    ///
    /// An end of `i64::MAX` means no end, and costs what 240 years do.
    #[must_use]
    pub fn open_between(&self, range: &Range<i64>) -> Intervals {
        if range.is_empty() || self.is_always_open() {
            return Intervals::single(range.clone());
        }
        let mut open = Vec::new();
        self.weekly(range, &mut open);
        open.extend(self.extras.iter().map(Occasion::range));
        let open = open.into_iter().collect::<Intervals>().clip(range);
        if self.closures.is_empty() {
            return open;
        }
        let mut left = Vec::with_capacity(open.len() + self.closures.len());
        subtract_into(
            &mut left,
            open.as_slice(),
            self.closures.iter().map(Occasion::range),
        );
        left.into_iter().collect()
    }

    /// Whether rows are expected at the instant.
    #[must_use]
    pub fn is_open(&self, t: i64) -> bool {
        let start = t.min(i64::MAX - 1);
        self.open_between(&(start..start + 1)).contains(t)
    }

    /// The sessions of all dates that can reach into the range, in order of their dates.
    fn weekly(&self, range: &Range<i64>, out: &mut Vec<Range<i64>>) {
        if self.sessions.is_empty() && self.exceptions.is_empty() {
            out.push(range.clone());
            return;
        }
        let sessions = match self.sessions.as_slice() {
            [] => slice::from_ref(&Session::ALWAYS),
            sessions => sessions,
        };
        let (first, last) = (day_of(range.start) - REACH_DAYS, day_of(range.end) + REACH_DAYS);
        let mut exceptions = self.exceptions.range(Date(first)..=Date(last)).peekable();
        let mut clock = self.zone.clock();
        for date in (first..=last).map(Date) {
            let exception = on(&mut exceptions, date);
            if exception.is_some_and(|exception| exception.holiday.is_some()) {
                continue;
            }
            for session in sessions.iter().filter(|session| session.is_on(date)) {
                let Some((open, close)) = hours(session, exception) else {
                    continue;
                };
                let instants = clock.instant(date, open)..clock.instant(date, close);
                if !instants.is_empty() && clock.has(date) {
                    out.push(nanoseconds(instants.start)..nanoseconds(instants.end));
                }
            }
        }
    }
}

/// The exception of a date, when dates are asked for in order.
fn on<'a>(
    exceptions: &mut Peekable<impl Iterator<Item = (&'a Date, &'a Exception)>>,
    date: Date,
) -> Option<&'a Exception> {
    exceptions
        .next_if(|(held, _)| **held == date)
        .map(|(_, exception)| exception)
}

/// The hours of a session on a date; `None` if the exception leaves nothing.
fn hours(session: &Session, exception: Option<&Exception>) -> Option<(WallTime, WallTime)> {
    let late = exception.and_then(|exception| exception.late_open);
    let early = exception.and_then(|exception| exception.early_close);
    let open = late.map_or(session.open, |late| late.max(session.open));
    let close = early.map_or(session.close, |early| early.min(session.close));
    (open < close).then_some((open, close))
}

fn day_of(t: i64) -> i32 {
    // 106,751 days at most.
    t.div_euclid(DAY_S * SECOND_NS) as i32
}

fn nanoseconds(second: i64) -> i64 {
    second.saturating_mul(SECOND_NS)
}
