//! Calendars of a database, and which tables and series go by them.

use gapless_format::{CalendarMeta, CalendarUse, EditItem, ListingMeta};

use super::handle::Database;
use super::transaction::series_domain;
use crate::calendar::{Calendar, Listing};
use crate::error::{Error, Result};
use crate::table::Table;

/// Longest name of a calendar, in bytes.
const NAME_LEN_MAX: usize = 200;

impl Database {
    /// Creates a calendar, or replaces the one of the same name, atomically and durably. Versions that were pinned before
    /// keep the old one.
    ///
    /// # Errors
    /// `Invalid` for a name that is empty or too long, and for an early close or a late open that changes no session or leaves
    /// nothing of those that it is about (see [`Calendar::early_close`]); `Io`. Nothing has changed then.
    pub fn set_calendar(&self, name: &str, calendar: &Calendar) -> Result<()> {
        self.import_calendar(name, &calendar.to_text())
    }

    /// As [`Database::set_calendar`], from text, which is kept as it is, comments and all.
    ///
    /// # Errors
    /// As [`Database::set_calendar`]; `Invalid` names the line of what is no calendar.
    pub fn import_calendar(&self, name: &str, text: &str) -> Result<()> {
        self.check_writable()?;
        if name.is_empty() || name.len() > NAME_LEN_MAX {
            return Err(Error::invalid(format!(
                "calendar name {name:?}: give 1 to {NAME_LEN_MAX} bytes"
            )));
        }
        Calendar::from_text(text)
            .and_then(|calendar| calendar.verify())
            .map_err(|error| error.context(format!("calendar {name:?}")))?;
        let calendar = CalendarMeta {
            name: name.to_owned(),
            text: text.to_owned(),
            changed: 0,
        };
        self.engine().commit(|version, _| {
            let changed = version.number() + 1;
            Ok(vec![EditItem::Calendar(CalendarMeta { changed, ..calendar })])
        })?;
        Ok(())
    }

    /// The text of a calendar.
    ///
    /// # Errors
    /// `NotFound`, listing the calendars there are.
    pub fn calendar_text(&self, name: &str) -> Result<String> {
        let version = self.version()?;
        match version.calendar(name) {
            Some(calendar) => Ok(calendar.text.clone()),
            None => Err(version.no_calendar(name)),
        }
    }

    /// A calendar.
    ///
    /// # Errors
    /// `NotFound`, listing the calendars there are; `Invalid` when it cannot be read.
    pub fn calendar(&self, name: &str) -> Result<Calendar> {
        let text = self.calendar_text(name)?;
        Calendar::from_text(&text).map_err(|error| error.context(format!("calendar {name:?}")))
    }

    /// Names of the calendars, sorted.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when the manifest cannot be read.
    pub fn calendars(&self) -> Result<Vec<String>> {
        let version = self.version()?;
        Ok(version
            .calendars()
            .map(|calendar| calendar.name.clone())
            .collect())
    }

    /// Drops a calendar, atomically and durably.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when a table or a series goes by it; `Io`. Nothing has changed then.
    pub fn drop_calendar(&self, name: &str) -> Result<()> {
        self.check_writable()?;
        let name = name.to_owned();
        self.engine()
            .commit(|_, _| Ok(vec![EditItem::DropCalendar { name }]))?;
        Ok(())
    }
}

impl Table {
    /// Says by which calendar the table goes, or some of its series; `None` takes it back: a series goes by the table's
    /// then, and a table is always open. Atomic and durable.
    ///
    /// # Errors
    /// `NotFound` for a calendar that is not there; `Invalid` when series are given and the table has none; `Io`. Nothing
    /// has changed then.
    pub fn set_calendar(&self, calendar: Option<&str>, series: Option<&[&str]>) -> Result<()> {
        let meta = self.meta()?;
        let calendar_use = |series| {
            EditItem::UseCalendar(CalendarUse {
                table: meta.table,
                series,
                calendar: calendar.map(str::to_owned),
            })
        };
        match series {
            None => self.commit_expected(vec![calendar_use(None)]),
            Some(names) => {
                let codes = self.codes(names)?;
                self.commit_expected(codes.into_iter().map(|code| calendar_use(Some(code))).collect())
            }
        }
    }

    /// Says when a series is listed: rows are expected inside of its life only. Atomic and durable.
    ///
    /// # Errors
    /// `Invalid` when the table has no series; `Io`. Nothing has changed then.
    pub fn set_listing(&self, series: &str, listing: &Listing) -> Result<()> {
        self.set_listings([(series, *listing)])
    }

    /// When a series is listed; unlimited where that was not said.
    ///
    /// # Errors
    /// `Invalid` when the table has no series; `Corrupt` or `Io` when it cannot be read.
    pub fn listing(&self, series: &str) -> Result<Listing> {
        let version = self.database().version()?;
        let meta = version.table(self.name())?.meta();
        let domain = self.database().engine().domain(series_domain(meta)?, &version)?;
        domain.read_ahead()?; // Of series that other processes have streamed.
        let code = domain.find(&[series]).first().copied().flatten();
        let (start, end) = code
            .and_then(|code| version.listing(meta.table, code))
            .unwrap_or((i64::MIN, i64::MAX));
        Listing::new(
            (start != i64::MIN).then_some(start),
            (end != i64::MAX).then_some(end),
        )
    }

    /// As [`Table::set_listing`], of many series in one commit.
    ///
    /// # Errors
    /// As [`Table::set_listing`].
    pub fn set_listings<'a>(&self, listings: impl IntoIterator<Item = (&'a str, Listing)>) -> Result<()> {
        let meta = self.meta()?;
        let (names, lives): (Vec<&str>, Vec<Listing>) = listings.into_iter().unzip();
        let codes = self.codes(&names)?;
        let items = codes.into_iter().zip(lives).map(|(series, listing)| {
            EditItem::Listing(ListingMeta {
                table: meta.table,
                series,
                start: listing.start().unwrap_or(i64::MIN),
                end: listing.end().unwrap_or(i64::MAX),
            })
        });
        self.commit_expected(items.collect())
    }

    /// The codes of series, also of those that have no rows yet.
    fn codes(&self, names: &[&str]) -> Result<Vec<u32>> {
        self.database().check_writable()?;
        let meta = self.meta()?;
        self.database()
            .engine()
            .encode_symbols(series_domain(&meta)?, names)
    }

    fn commit_expected(&self, items: Vec<EditItem>) -> Result<()> {
        self.database().check_writable()?;
        let engine = self.database().engine();
        let meta = self.meta()?;
        let mut all: Vec<EditItem> = engine
            .sync_domains(&meta)?
            .into_iter()
            .map(EditItem::GrowDomain)
            .collect();
        all.extend(items);
        engine.commit(|_, _| Ok(all))?;
        Ok(())
    }
}
