//! What a version says about coverage: its files, the calendars, and the life of series.

use std::sync::Arc;

use gapless_format::{
    CalendarMeta, CalendarUse, Checkpoint, CoverageRef, EditItem, ListingMeta, RemovedCoverage,
};
use imbl::OrdMap;

use super::version::{Version, gone};
use crate::error::{Error, Result};

/// When rows are expected, as far as a version says.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    calendars: OrdMap<String, Arc<CalendarMeta>>,
    /// By table and series.
    uses: OrdMap<(u32, Option<u32>), String>,
    listings: OrdMap<(u32, u32), (i64, i64)>,
}

impl Expected {
    /// Forgets a table.
    pub(super) fn drop_table(&mut self, table: u32) {
        let uses: Vec<_> = self.uses.keys().filter(|key| key.0 == table).copied().collect();
        for key in &uses {
            self.uses.remove(key);
        }
        let listings: Vec<_> = self
            .listings
            .keys()
            .filter(|key| key.0 == table)
            .copied()
            .collect();
        for key in &listings {
            self.listings.remove(key);
        }
    }
}

impl Version {
    /// A calendar by its name.
    pub fn calendar(&self, name: &str) -> Option<&Arc<CalendarMeta>> {
        self.expected.calendars.get(name)
    }

    /// All calendars, by name.
    pub fn calendars(&self) -> impl Iterator<Item = &Arc<CalendarMeta>> {
        self.expected.calendars.values()
    }

    /// Which tables and series go by a calendar.
    pub fn calendar_uses(&self) -> impl Iterator<Item = CalendarUse> {
        self.expected
            .uses
            .iter()
            .map(|((table, series), calendar)| CalendarUse {
                table: *table,
                series: *series,
                calendar: Some(calendar.clone()),
            })
    }

    /// The calendar that a series of a table goes by; `None` for always open.
    pub fn calendar_of(&self, table: u32, series: Option<u32>) -> Option<&Arc<CalendarMeta>> {
        let uses = &self.expected.uses;
        let name = uses.get(&(table, series)).or_else(|| uses.get(&(table, None)))?;
        self.calendar(name)
    }

    /// First time, and first time after it, in which a series is listed.
    pub fn listing(&self, table: u32, series: u32) -> Option<(i64, i64)> {
        self.expected.listings.get(&(table, series)).copied()
    }

    /// The lives of all series of a table that have one, by code.
    pub fn listings(&self, table: u32) -> impl Iterator<Item = (u32, (i64, i64))> {
        let of_table = self.expected.listings.range((table, 0)..=(table, u32::MAX));
        of_table.map(|((_, series), listing)| (*series, *listing))
    }

    /// Coverage files that a commit has removed and that may still be there for older snapshots.
    pub fn removed_coverage(&self) -> impl Iterator<Item = &Arc<RemovedCoverage>> {
        self.removed_coverage.values()
    }

    /// Applies what is about coverage; `false` for another item.
    pub(super) fn apply_coverage(&mut self, item: &EditItem) -> Result<bool> {
        match item {
            EditItem::AddCoverage(coverage) => self.add_coverage(coverage.clone())?,
            EditItem::RemoveCoverage { table, file } => self.remove_coverage(*table, *file)?,
            EditItem::Calendar(calendar) => self.set_calendar(calendar.clone()),
            EditItem::DropCalendar { name } => self.drop_calendar(name)?,
            EditItem::UseCalendar(calendar_use) => self.use_calendar(calendar_use)?,
            EditItem::Listing(listing) => self.set_listing(*listing)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn add_coverage(&mut self, coverage: CoverageRef) -> Result<()> {
        self.edit_table(coverage.table, |table| table.add_coverage(coverage))
    }

    fn remove_coverage(&mut self, table: u32, file: u64) -> Result<()> {
        let mut removed = None;
        self.edit_table(table, |state| {
            removed = state
                .remove_coverage(file)
                .map(|file| (state.meta().name.clone(), file));
            Ok(())
        })?;
        let (name, file) = removed.ok_or_else(|| {
            Error::conflict(format!(
                "coverage file {file:016x} is no longer live: another commit has replaced it"
            ))
        })?;
        self.remember_coverage(&name, &file);
        Ok(())
    }

    pub(super) fn remember_coverage(&mut self, table_name: &str, coverage: &Arc<CoverageRef>) {
        let removed = RemovedCoverage {
            coverage: CoverageRef::clone(coverage),
            removed: self.number(),
            table_name: table_name.to_owned(),
        };
        self.removed_coverage.insert(coverage.file, Arc::new(removed));
    }

    fn set_calendar(&mut self, mut calendar: CalendarMeta) {
        if calendar.changed == 0 {
            calendar.changed = self.number();
        }
        self.expected
            .calendars
            .insert(calendar.name.clone(), Arc::new(calendar));
    }

    fn drop_calendar(&mut self, name: &str) -> Result<()> {
        if let Some(((table, _), _)) = self.expected.uses.iter().find(|(_, used)| *used == name) {
            let table = self.table_by_id(*table).map(|state| state.meta().name.clone());
            return Err(Error::conflict(format!(
                "calendar {name:?} is in use by table {:?}: give the table another one first",
                table.unwrap_or_default()
            )));
        }
        match self.expected.calendars.remove(name) {
            Some(_) => Ok(()),
            None => Err(self.no_calendar(name)),
        }
    }

    fn use_calendar(&mut self, calendar_use: &CalendarUse) -> Result<()> {
        let key = (calendar_use.table, calendar_use.series);
        self.table_by_id(key.0).ok_or_else(|| gone(key.0))?;
        match &calendar_use.calendar {
            None => {
                self.expected.uses.remove(&key);
            }
            Some(name) if self.calendar(name).is_none() => return Err(self.no_calendar(name)),
            Some(name) => {
                self.expected.uses.insert(key, name.clone());
            }
        }
        Ok(())
    }

    /// The error of a calendar that is not there.
    pub(crate) fn no_calendar(&self, name: &str) -> Error {
        let names: Vec<_> = self
            .calendars()
            .map(|calendar| format!("{:?}", calendar.name))
            .collect();
        let there = match names.is_empty() {
            true => "there are none".to_owned(),
            false => format!("there are {}", names.join(", ")),
        };
        Error::not_found(format!("there is no calendar {name:?}; {there}"))
    }

    fn set_listing(&mut self, listing: ListingMeta) -> Result<()> {
        self.table_by_id(listing.table)
            .ok_or_else(|| gone(listing.table))?;
        let key = (listing.table, listing.series);
        if (listing.start, listing.end) == (i64::MIN, i64::MAX) {
            self.expected.listings.remove(&key);
        } else {
            self.expected.listings.insert(key, (listing.start, listing.end));
        }
        Ok(())
    }

    /// Puts what is about coverage into a checkpoint.
    pub(super) fn checkpoint_coverage(&self, checkpoint: &mut Checkpoint) {
        let files = self.tables().flat_map(|state| state.coverage());
        checkpoint.coverage = files.map(|file| CoverageRef::clone(file)).collect();
        let removed = self.removed_coverage.values();
        checkpoint.removed_coverage = removed.map(|removed| RemovedCoverage::clone(removed)).collect();
        checkpoint.calendars = self
            .calendars()
            .map(|calendar| CalendarMeta::clone(calendar))
            .collect();
        checkpoint.calendar_uses = self.calendar_uses().collect();
        let listings = self.expected.listings.iter();
        checkpoint.listings = listings
            .map(|((table, series), (start, end))| ListingMeta {
                table: *table,
                series: *series,
                start: *start,
                end: *end,
            })
            .collect();
    }

    /// Takes what is about coverage from a checkpoint.
    pub(super) fn restore_coverage(&mut self, checkpoint: &mut Checkpoint) -> Result<()> {
        for coverage in checkpoint.coverage.drain(..) {
            self.add_coverage(coverage)?;
        }
        for removed in checkpoint.removed_coverage.drain(..) {
            self.removed_coverage
                .insert(removed.coverage.file, Arc::new(removed));
        }
        checkpoint
            .calendars
            .drain(..)
            .for_each(|calendar| self.set_calendar(calendar));
        for calendar_use in &checkpoint.calendar_uses {
            self.use_calendar(calendar_use)?;
        }
        checkpoint
            .listings
            .iter()
            .try_for_each(|listing| self.set_listing(*listing))
    }
}
