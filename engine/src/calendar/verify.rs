//! What is wrong with the exceptions of a calendar: an early close or a late open that changes no session is of another date
//! than its writer thinks.

use std::fmt;

use super::date::Date;
use super::hours::Around;
use super::time::WallTime;
use super::{Calendar, Session};
use crate::error::{Error, Result};

impl Calendar {
    /// Refuses an early close or a late open that changes no session, or leaves nothing of all that it is about. Those of holidays
    /// are not looked at.
    ///
    /// # Errors
    /// `Invalid`, with the date and the sessions that there are.
    pub(crate) fn verify(&self) -> Result<()> {
        for (date, exception) in &self.exceptions {
            if let Some(early) = exception.early_close {
                let closes = if early.is_of_next_date() {
                    date.next()
                } else {
                    *date
                };
                if !self.is_holiday(*date) && !self.is_holiday(closes) {
                    self.verify_early_close(closes, early.on_the_clock())?;
                }
            }
            if let Some(late) = exception.late_open
                && !self.is_holiday(*date)
            {
                self.verify_late_open(*date, late)?;
            }
        }
        Ok(())
    }

    fn verify_early_close(&self, date: Date, early: WallTime) -> Result<()> {
        let before = Date(date.0 - 1);
        let over_midnight = self
            .sessions_on(before)
            .filter(|session| session.close.is_of_next_date())
            .map(|session| (before, session));
        let in_the_day = self
            .sessions_on(date)
            .filter(|session| !session.close.is_of_next_date())
            .map(|session| (date, session));
        let closing: Vec<_> = over_midnight.chain(in_the_day).collect();
        if !closing
            .iter()
            .any(|(_, session)| session.close.on_the_clock() > early)
        {
            return Err(self.refused(
                &format!("an early close of {date} at {early}: no session closes on that date after {early}"),
                "give it to the date on which the session closes, or remove it",
                date,
            ));
        }
        if closing
            .iter()
            .all(|(date, session)| self.around(*date).hours(session).is_none())
        {
            return Err(self.refused(
                &format!("an early close of {date} at {early}: nothing is left of what closes on that date"),
                "give a time after the open, or a holiday on the date on which the session opens",
                date,
            ));
        }
        Ok(())
    }

    fn verify_late_open(&self, date: Date, late: WallTime) -> Result<()> {
        if !self.sessions_on(date).any(|session| session.open < late) {
            return Err(self.refused(
                &format!("a late open of {date} at {late}: no session opens on that date before {late}"),
                "give it to the date on which the session opens, or remove it",
                date,
            ));
        }
        let around = self.around(date);
        if self
            .sessions_on(date)
            .all(|session| around.hours(session).is_none())
        {
            return Err(self.refused(
                &format!("a late open of {date} at {late}: nothing is left of what opens on that date"),
                "give a time before the close, or make the date a holiday",
                date,
            ));
        }
        Ok(())
    }

    fn refused(&self, what: &str, advice: &str, date: Date) -> Error {
        let near: Vec<String> = self
            .all_sessions()
            .iter()
            .filter(|session| session.is_near(date))
            .map(|session| Hours(session).to_string())
            .collect();
        let near = if near.is_empty() {
            "none".to_owned()
        } else {
            near.join("; ")
        };
        let day = [
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
            "Sunday",
        ]
        .get(usize::from(date.weekday()))
        .copied()
        .unwrap_or_default();
        Error::invalid(format!("{what} (a {day}; sessions then: {near}): {advice}"))
    }

    /// Those that regularly open on a date.
    fn sessions_on(&self, date: Date) -> impl Iterator<Item = &Session> {
        self.all_sessions()
            .iter()
            .filter(move |session| session.is_on(date))
    }

    fn is_holiday(&self, date: Date) -> bool {
        let exception = self.exceptions.get(&date);
        exception.is_some_and(|exception| exception.holiday.is_some())
    }

    fn around(&self, date: Date) -> Around<'_> {
        Around {
            before: self.exceptions.get(&Date(date.0 - 1)),
            on: self.exceptions.get(&date),
            after: self.exceptions.get(&date.next()),
        }
    }
}

/// A session for a message.
struct Hours<'a>(&'a Session);

impl fmt::Display for Hours<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Session {
            days, open, close, ..
        } = self.0;
        write!(f, "{days} {open} to {}", close.on_the_clock())?;
        if close.is_of_next_date() {
            f.write_str(" on the next day")?;
        }
        Ok(())
    }
}
