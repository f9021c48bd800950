//! A calendar and a range to the ranges in which the calendar is open.
//!
//! One walk over the local dates of the range, with a few additions for each session. Zones' rules are looked up only near a
//! change of the clocks.

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

    /// Its sessions; that of every day if it has none.
    pub(super) fn all_sessions(&self) -> &[Session] {
        match self.sessions.as_slice() {
            [] => slice::from_ref(&Session::ALWAYS),
            sessions => sessions,
        }
    }

    /// The sessions of all dates that can reach into the range, in order of their dates.
    fn weekly(&self, range: &Range<i64>, out: &mut Vec<Range<i64>>) {
        if self.sessions.is_empty() && self.exceptions.is_empty() {
            out.push(range.clone());
            return;
        }
        let sessions = self.all_sessions();
        let (first, last) = (day_of(range.start) - REACH_DAYS, day_of(range.end) + REACH_DAYS);
        let mut exceptions = self.exceptions.range(Date(first - 1)..=Date(last + 1)).peekable();
        let mut on = |date: Date| {
            let exception = exceptions.next_if(|(held, _)| **held == date);
            exception.map(|(_, exception)| exception)
        };
        let mut around = Around {
            before: None,
            on: on(Date(first - 1)),
            after: on(Date(first)),
        };
        let mut clock = self.zone.clock();
        for date in (first..=last).map(Date) {
            around = Around {
                before: around.on,
                on: around.after,
                after: on(date.next()),
            };
            if around.on.is_some_and(|exception| exception.holiday.is_some()) {
                continue;
            }
            for session in sessions.iter().filter(|session| session.is_on(date)) {
                let Some((open, close)) = around.hours(session) else {
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

/// The exceptions that can change the sessions that open on a date: those of the date, and of the dates before and after.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around<'a> {
    pub(super) before: Option<&'a Exception>,
    pub(super) on: Option<&'a Exception>,
    pub(super) after: Option<&'a Exception>,
}

impl Around<'_> {
    /// The hours of a session that opens on the date; `None` if the exceptions leave nothing.
    pub(super) fn hours(&self, session: &Session) -> Option<(WallTime, WallTime)> {
        let late = self.on.and_then(|exception| exception.late_open);
        let open = late.map_or(session.open, |late| late.max(session.open));
        let close = self
            .early_close(session)
            .map_or(session.close, |early| early.min(session.close));
        (open < close).then_some((open, close))
    }

    /// The early close of the date on which a session closes, as a time after the midnight of the one on which it opens. An early
    /// close after 24:00 is one of the next date.
    fn early_close(&self, session: &Session) -> Option<WallTime> {
        let early = |of: Option<&Exception>, is_of_next: bool| {
            let early = of.and_then(|exception| exception.early_close);
            early.filter(|early| early.is_of_next_date() == is_of_next)
        };
        let (written_before, written_on) = if session.close.is_of_next_date() {
            (
                early(self.on, true),
                early(self.after, false).map(WallTime::next_day),
            )
        } else {
            (
                early(self.before, true).map(WallTime::on_the_clock),
                early(self.on, false),
            )
        };
        written_before.into_iter().chain(written_on).min()
    }
}

fn day_of(t: i64) -> i32 {
    // 106,751 days at most.
    t.div_euclid(DAY_S * SECOND_NS) as i32
}

fn nanoseconds(second: i64) -> i64 {
    second.saturating_mul(SECOND_NS)
}
