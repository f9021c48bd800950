//! A calendar: weekly sessions and the exceptions from them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::date::Date;
use super::time::WallTime;
use super::zone::Zone;
use super::{Days, Session};
use crate::error::{Error, Result};

/// When rows are expected: sessions of the week in local time, and exceptions from them.
///
/// - Without any session it is always open, but for the exceptions; [`Calendar::always_open`] is the default.
/// - A session belongs to the local date on which it opens. A *holiday* removes the sessions that open on its date; of one that
///   began the evening before nothing is lost.
/// - An *early close* of a date ends the sessions that close on that date by that time, also one that began the evening before;
///   what opens that evening and closes on the next date goes on. A *late open* of a date begins the sessions that open on it
///   not before. Neither makes one longer; of several, those of which nothing is left fall away.
/// - A close at `"24:00"` is on the date that ends then. Later hours are of the next date: an early close at `"37:15"` is one
///   of the next date at 13:15.
/// - An *extra* opening adds a range of instants. A *closure* takes one away, whatever else is open.
/// - A local time that is skipped when clocks go forward counts as the time as far after the change, one that occurs twice as the
///   first. A date that a zone skipped has no sessions.
///
/// ```
/// use gapless_engine::calendar::{Calendar, Days};
/// let nyse = Calendar::new("America/New_York")?
///     .session("mon-fri".parse()?, "09:30", "16:00")?
///     .holiday("2026-12-25", "Christmas")?
///     .early_close("2026-12-24", "13:00")?;
/// let second = 1_000_000_000;
/// let eve = 1_798_120_800 * second; // 2026-12-24 14:00 UTC
/// let open = nyse.open_between(&(eve..eve + 48 * 3600 * second));
/// assert_eq!(open.as_slice(), [eve + 1800 * second..eve + 4 * 3600 * second]);
/// assert_eq!(Calendar::from_text(&nyse.to_text())?, nyse);
/// # Ok::<(), gapless_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    pub(super) zone: Zone,
    /// Sorted; no two differ in their days only.
    pub(super) sessions: Vec<Session>,
    pub(super) exceptions: BTreeMap<Date, Exception>,
    pub(super) extras: Vec<Occasion>,
    pub(super) closures: Vec<Occasion>,
}

/// What is not as usual on a date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exception {
    /// Its name, which may be empty.
    pub(super) holiday: Option<String>,
    pub(super) early_close: Option<WallTime>,
    pub(super) late_open: Option<WallTime>,
}

/// A range of instants that is open or closed once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Occasion {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) reason: String,
}

impl Occasion {
    pub(super) fn range(&self) -> Range<i64> {
        self.start..self.end
    }
}

impl Default for Calendar {
    fn default() -> Self {
        Self::always_open()
    }
}

impl Calendar {
    /// The calendar of what is always open: rows are expected at any time.
    #[must_use]
    pub fn always_open() -> Self {
        Self::of_zone(Zone::utc())
    }

    /// A calendar in the time zone of an IANA name. It is always open until it gets a session.
    ///
    /// # Errors
    /// `Invalid` if there is no such zone.
    pub fn new(zone: &str) -> Result<Self> {
        Zone::new(zone).map(Self::of_zone)
    }

    fn of_zone(zone: Zone) -> Self {
        Self {
            zone,
            sessions: Vec::new(),
            exceptions: BTreeMap::new(),
            extras: Vec::new(),
            closures: Vec::new(),
        }
    }

    /// The IANA name of its zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.name()
    }

    /// Whether it is open at every instant.
    #[must_use]
    pub fn is_always_open(&self) -> bool {
        self.sessions.is_empty() && self.exceptions.is_empty() && self.closures.is_empty()
    }

    /// The same with hours such as `"09:30"` to `"16:00"` on each of the days; see [`Session::new`].
    ///
    /// # Errors
    /// `Invalid` if a time cannot be read.
    pub fn session(self, days: Days, open: &str, close: &str) -> Result<Self> {
        Ok(self.with_session(Session::new(days, open, close)?))
    }

    /// The same with a session, which may have an era.
    #[must_use]
    pub fn with_session(mut self, session: Session) -> Self {
        let same = self
            .sessions
            .iter_mut()
            .find(|held| held.differs_in_days_only(&session));
        match same {
            Some(held) => held.days = held.days | session.days,
            None => self.sessions.push(session),
        }
        self.sessions.sort_unstable();
        self
    }

    /// The same without the sessions that open on a date such as `"2026-12-25"`. The name may be empty.
    ///
    /// # Errors
    /// `Invalid` if the date cannot be read.
    pub fn holiday(self, date: &str, name: &str) -> Result<Self> {
        self.except(date, |exception| exception.holiday = Some(name.to_owned()))
    }

    /// The same with the sessions that regularly close on the date, after the time, ending then: those that open on it, and those
    /// that began the evening before. One that opens on the date and closes on the next is left alone.
    ///
    /// A database takes no calendar in which it ends no session, or leaves nothing of all that close on the date, unless the
    /// date is a holiday.
    ///
    /// # Errors
    /// `Invalid` if date or time cannot be read.
    pub fn early_close(self, date: &str, time: &str) -> Result<Self> {
        let time = time.parse()?;
        self.except(date, |exception| exception.early_close = Some(time))
    }

    /// The same with the sessions that regularly open on the date beginning not before the time.
    ///
    /// A database takes no calendar in which it moves no session, or leaves nothing of all that open on the date, unless the
    /// date is a holiday.
    ///
    /// # Errors
    /// `Invalid` if date or time cannot be read.
    pub fn late_open(self, date: &str, time: &str) -> Result<Self> {
        let time = time.parse()?;
        self.except(date, |exception| exception.late_open = Some(time))
    }

    fn except(mut self, date: &str, change: impl FnOnce(&mut Exception)) -> Result<Self> {
        let date: Date = date.parse()?;
        change(self.exceptions.entry(date).or_default());
        Ok(self)
    }

    /// The same with nothing expected from `start` to `end`, in nanoseconds; `i64::MAX` is no end. The reason may be empty.
    ///
    /// # Errors
    /// `Invalid` if the end is not after the start.
    pub fn closure(mut self, start: i64, end: i64, reason: &str) -> Result<Self> {
        insert(&mut self.closures, "closure", start..end, reason)?;
        Ok(self)
    }

    /// The same open from `start` to `end`, in nanoseconds, but for closures. The reason may be empty.
    ///
    /// # Errors
    /// `Invalid` if the end is not after the start.
    pub fn extra(mut self, start: i64, end: i64, reason: &str) -> Result<Self> {
        insert(&mut self.extras, "extra opening", start..end, reason)?;
        Ok(self)
    }
}

fn insert(held: &mut Vec<Occasion>, what: impl fmt::Display, range: Range<i64>, reason: &str) -> Result<()> {
    if range.is_empty() {
        let Range { start, end } = range;
        return Err(Error::invalid(format!(
            "a {what} from {start} ns to {end} ns: give an end after the start"
        )));
    }
    let occasion = Occasion {
        start: range.start,
        end: range.end,
        reason: reason.to_owned(),
    };
    if let Err(at) = held.binary_search(&occasion) {
        held.insert(at, occasion);
    }
    Ok(())
}
