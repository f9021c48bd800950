//! The coverage of a table at one moment: what is known, what is missing.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use gapless_format::{ColumnType, CoverageKey, NULL_CODE, TableMeta};
use parking_lot::Mutex;
use roaring::RoaringBitmap;

use super::gaps::{Expected, gaps_in, slots_of};
use super::intervals::{Grid, Intervals};
use super::query::{Completeness, Gap, GapQuery};
use super::range::CoverageRange;
use super::view::CoverageView;
use crate::calendar::Calendar;
use crate::database::Snapshot;
use crate::error::{Error, Result};
use crate::symbols::Domain;

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// What a snapshot knows of the ranges of a table. Nothing of it changes while it is held.
#[derive(Debug)]
pub struct TableCoverage {
    snapshot: Snapshot,
    meta: Arc<TableMeta>,
    view: CoverageView,
    /// The names of series; `None` for a table without series.
    domain: Option<Arc<Domain>>,
    /// Calendars that were read, by name.
    calendars: Mutex<HashMap<String, Arc<Calendar>>>,
}

impl TableCoverage {
    pub(crate) fn new(snapshot: &Snapshot, table: &str) -> Result<Self> {
        let meta = Arc::clone(snapshot.table(table)?.meta());
        let column = meta.series_column.and_then(|id| meta.column(id));
        let domain = match column.map(|column| &column.column_type) {
            Some(ColumnType::Symbol { domain }) => {
                let domain = snapshot.engine().domain(domain, snapshot.version())?;
                if snapshot.live().has_others(snapshot.engine()) {
                    domain.read_ahead()?; // Of series that other processes have streamed.
                }
                Some(domain)
            }
            _ => None,
        };
        Ok(Self {
            view: CoverageView::new(snapshot, meta.table)?,
            snapshot: snapshot.clone(),
            meta,
            domain,
            calendars: Mutex::default(),
        })
    }

    /// The snapshot that it is of.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The table's description.
    pub fn meta(&self) -> &Arc<TableMeta> {
        &self.meta
    }

    /// The intervals of which something is known, ascending, in nanoseconds; 0 is no grid.
    pub fn intervals(&self) -> Vec<i64> {
        let keys = self.view.keys();
        let intervals: BTreeSet<i64> = keys.iter().filter_map(|key| key.interval).collect();
        intervals.into_iter().collect()
    }

    /// What is known of a series in a range: disjoint, ascending, cut to the range. What is not in it is unknown. Neighbours
    /// in the same state from the same source are one. A series that the table does not have is one of which only what
    /// is said of every series is known.
    ///
    /// # Errors
    /// `Invalid` for a series of a table without any.
    pub fn ranges(
        &self,
        series: Option<&str>,
        interval: i64,
        range: Range<i64>,
    ) -> Result<Vec<CoverageRange>> {
        let key = self.key(series, interval)?;
        Ok(self.view.ranges(key, &range))
    }

    /// All that is known, by series (as text) and interval; a series of `None` stands for every series, an interval of
    /// `None` for every interval. What is known of one series in particular is laid over what is known of all.
    pub fn all_ranges(&self, range: Range<i64>) -> Vec<(Option<String>, Option<i64>, CoverageRange)> {
        let mut all = Vec::new();
        for key in self.view.keys() {
            let name = key.series.map(|code| self.name(code));
            let ranges = self.view.ranges(key, &range).into_iter();
            all.extend(ranges.map(|range| (name.clone(), key.interval, range)));
        }
        all.sort_by(|a, b| (&a.0, a.1, a.2.start).cmp(&(&b.0, b.1, b.2.start)));
        all
    }

    /// The gaps, by series (as text) and time. What is lost is one whatever the calendar and the life of its series say.
    ///
    /// # Errors
    /// `Invalid` for a range without end or one that ends before it begins, a series of a table without any, an interval that
    /// is no length of time, or none where the table has several; `Corrupt` for a damaged segment, when the series of the table
    /// are asked for.
    pub fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>> {
        let interval = self.interval(query)?;
        let grid = grid(interval)?;
        let mut gaps = Vec::new();
        self.each_series(query, |series, expected, covered| {
            let found = gaps_in(expected, covered, grid.as_ref());
            gaps.extend(found.into_iter().map(|range| Gap {
                series: series.map(str::to_owned),
                start: range.start,
                end: range.end,
                interval,
            }));
        })?;
        Ok(gaps)
    }

    /// How much of what is expected is covered, by series and day (UTC).
    ///
    /// # Errors
    /// As [`TableCoverage::gaps`].
    pub fn completeness(&self, query: &GapQuery) -> Result<Vec<Completeness>> {
        let grid = grid(self.interval(query)?)?;
        let size = |ranges: &[Range<i64>]| match &grid {
            Some(grid) => ranges.iter().map(|range| grid.slots(range)).sum::<u64>(),
            None => ranges.iter().map(|range| range.end.abs_diff(range.start)).sum(),
        };
        let mut all = Vec::new();
        self.each_series(query, |series, expected, covered| {
            let missing: Intervals = gaps_in(expected, covered, grid.as_ref()).into_iter().collect();
            let expected: Intervals = expected.iter().cloned().collect();
            let mut day = query.range.start.div_euclid(DAY) * DAY;
            while day < query.range.end {
                let next = day.saturating_add(DAY);
                let (start, end) = (day.max(query.range.start), next.min(query.range.end));
                let wanted = size(expected.clip(&(start..end)).as_slice());
                all.push(Completeness {
                    series: series.map(str::to_owned),
                    start,
                    end,
                    expected: wanted,
                    covered: wanted - size(missing.clip(&(start..end)).as_slice()).min(wanted),
                });
                day = next;
            }
        })?;
        Ok(all)
    }

    /// The greatest time before which nothing is missing since the first that is covered, or since the series was listed;
    /// `None` where nothing is covered. It is at most `until`.
    ///
    /// # Errors
    /// As [`TableCoverage::gaps`].
    pub fn watermark(&self, series: Option<&str>, interval: i64, until: i64) -> Result<Option<i64>> {
        let key = self.key(series, interval)?;
        let mut covered = Vec::new();
        self.view.covered(key, &(i64::MIN..until), &mut covered);
        let (Some(first), Some(last)) = (covered.first(), covered.last()) else {
            return Ok(None);
        };
        let listed = key
            .series
            .and_then(|code| self.snapshot.version().listing(self.meta.table, code));
        let grid = grid(interval)?;
        let start = match listed {
            Some((listed, _)) if listed != i64::MIN => grid.map_or(listed, |grid| grid.floor(listed)),
            _ => first.start,
        };
        // What was lost was there, whether it was listed then or not.
        let lost = self.view.lost(key, &(i64::MIN..last.end.min(until)));
        let start = lost.first().map_or(start, |lost| lost.start.min(start));
        let range = start..until.min(last.end.max(start));
        let expected = self.expected_slots(key.series, grid.as_ref(), &range)?;
        let lost = self.lost_slots(key, grid.as_ref(), &range);
        let gaps = gaps_in(&with_lost(&expected, lost), &covered, grid.as_ref());
        Ok(Some(gaps.first().map_or(range.end, |gap| gap.start)))
    }

    /// Ranges in which rows of a series are expected: inside the asked one, its calendar and its life.
    ///
    /// # Errors
    /// `Corrupt` when the calendar cannot be read.
    pub fn expected_ranges(&self, series: Option<&str>, range: Range<i64>) -> Result<Vec<Range<i64>>> {
        let key = self.key(series, 0)?;
        let mut expected = Vec::new();
        self.expected(key.series, &range, &mut expected)?;
        Ok(expected)
    }

    /// As [`TableCoverage::expected_ranges`], on the grid of an interval: from the first slot of which a part is expected to
    /// the one after the last. A slot belongs to the range in which it begins.
    pub(crate) fn expected_on(
        &self,
        series: Option<&str>,
        interval: i64,
        range: &Range<i64>,
    ) -> Result<Vec<Range<i64>>> {
        let key = self.key(series, interval)?;
        self.expected_slots(key.series, grid(interval)?.as_ref(), range)
    }

    fn expected_slots(
        &self,
        series: Option<u32>,
        grid: Option<&Grid>,
        range: &Range<i64>,
    ) -> Result<Vec<Range<i64>>> {
        let mut expected = Vec::new();
        let Some(grid) = grid else {
            self.expected(series, range, &mut expected)?;
            return Ok(expected);
        };
        // The last slot may reach over the end of the range, and be expected for what it holds there.
        self.expected(series, &grid.align(range), &mut expected)?;
        Ok(slots_of(&expected, grid))
    }

    /// What is lost of a key in a range, on the grid as [`TableCoverage::expected_on`].
    fn lost_slots(&self, key: CoverageKey, grid: Option<&Grid>, range: &Range<i64>) -> Vec<Range<i64>> {
        match grid {
            None => self.view.lost(key, range),
            Some(grid) => slots_of(&self.view.lost(key, &grid.align(range)), grid),
        }
    }

    /// The parts of a range in which a series is covered.
    pub(crate) fn covered(&self, series: Option<u32>, interval: i64, range: &Range<i64>) -> Intervals {
        let mut covered = Vec::new();
        let key = CoverageKey {
            series,
            interval: Some(interval),
        };
        self.view.covered(key, range, &mut covered);
        covered.into_iter().collect()
    }

    /// The series of the table: those that have rows, of which something is known, or that are listed; by text. Where what
    /// is said of every series leaves something to be fetched (a segment is lost whole, and nobody knows whose rows were in it),
    /// every symbol that the series column may have is one.
    ///
    /// # Errors
    /// `Corrupt` for a damaged segment; `Io`.
    pub fn series(&self) -> Result<Vec<String>> {
        let codes = self.codes(&(i64::MIN..i64::MAX), None)?;
        let mut names: Vec<String> = codes.iter().map(|code| self.name(*code)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The interval that a query means: its own, or the one that the table's coverage has; 0 where there is none.
    ///
    /// # Errors
    /// `Invalid` for one that is no length of time, or for none where the table has several.
    pub fn interval(&self, query: &GapQuery) -> Result<i64> {
        match &query.interval {
            Some(Ok(interval)) if *interval >= 0 => return Ok(*interval),
            Some(Ok(interval)) => {
                return Err(Error::invalid(format!(
                    "interval {interval} ns: give a positive one, or 0 for no grid"
                )));
            }
            Some(Err(error)) => return Err(error.clone()),
            None => {}
        }
        match self.intervals().as_slice() {
            [] => Ok(0),
            [only] => Ok(*only),
            several => {
                let texts: Vec<String> = several.iter().map(|ns| super::duration_text(*ns)).collect();
                Err(Error::invalid(format!(
                    "table {:?} has coverage at {}: say which interval is meant",
                    self.meta.name,
                    texts.join(", ")
                )))
            }
        }
    }

    /// Calls `visit` with each series of a query, what is expected of it and what is covered.
    fn each_series(
        &self,
        query: &GapQuery,
        mut visit: impl FnMut(Option<&str>, &[Range<i64>], &[Range<i64>]),
    ) -> Result<()> {
        let interval = self.interval(query)?;
        let range = &query.range;
        if range.start > range.end {
            return Err(Error::invalid(format!(
                "gaps from {} to {}: the range ends before it begins",
                super::instant(range.start),
                super::instant(range.end)
            )));
        }
        if range.start == i64::MIN || range.end == i64::MAX {
            return Err(Error::invalid(
                "gaps of a range without a beginning or an end: give both, since what is expected has no end either",
            ));
        }
        let grid = grid(interval)?;
        let (mut expected, mut covered) = (Expected::default(), Vec::new());
        let mut of_key = |name: Option<&str>, series: Option<u32>| {
            let wanted = expected.of(self.calendar_name(series), self.listing(series), || {
                self.expected_slots(series, grid.as_ref(), range)
            })?;
            covered.clear();
            let key = CoverageKey {
                series,
                interval: Some(interval),
            };
            self.view.covered(key, range, &mut covered);
            let lost = self.lost_slots(key, grid.as_ref(), range);
            visit(name, &with_lost(wanted, lost), &covered);
            Ok::<_, Error>(())
        };
        match (&query.series, &self.domain) {
            (None, None) => of_key(None, None),
            (Some(_), None) => Err(self.has_no_series()),
            (Some(names), Some(domain)) => {
                let texts: Vec<&str> = names.iter().map(String::as_str).collect();
                let codes = domain.find(&texts);
                let mut named: Vec<(&str, Option<u32>)> = texts.into_iter().zip(codes).collect();
                named.sort_unstable();
                named.dedup();
                // Of a series that is not there only what is said of every series is known.
                named
                    .into_iter()
                    .try_for_each(|(name, code)| of_key(Some(name), Some(code.unwrap_or(NULL_CODE))))
            }
            (None, Some(_)) => {
                let mut named: Vec<(String, u32)> = self
                    .codes(range, Some(interval))?
                    .into_iter()
                    .map(|code| (self.name(code), code))
                    .collect();
                named.sort_unstable();
                named
                    .into_iter()
                    .try_for_each(|(name, code)| of_key(Some(&name), Some(code)))
            }
        }
    }

    fn key(&self, series: Option<&str>, interval: i64) -> Result<CoverageKey> {
        let series = match (series, &self.domain) {
            (Some(_), None) => return Err(self.has_no_series()),
            (Some(name), Some(domain)) => Some(
                domain
                    .find(&[name])
                    .first()
                    .copied()
                    .flatten()
                    .unwrap_or(NULL_CODE),
            ),
            (None, _) => None,
        };
        Ok(CoverageKey {
            series,
            interval: Some(interval),
        })
    }

    fn has_no_series(&self) -> Error {
        Error::invalid(format!(
            "table {:?} has no series column, so no series can be asked for",
            self.meta.name
        ))
    }

    fn name(&self, code: u32) -> String {
        let symbol = self.domain.as_ref().and_then(|domain| domain.symbol(code));
        symbol.unwrap_or_default()
    }

    /// The codes of all series of a range, at an interval or at any.
    fn codes(&self, range: &Range<i64>, interval: Option<i64>) -> Result<BTreeSet<u32>> {
        let mut codes = self.codes_with_rows()?;
        codes.extend(self.view.keys().iter().filter_map(|key| key.series));
        codes.extend(
            self.snapshot
                .version()
                .listings(self.meta.table)
                .map(|(code, _)| code),
        );
        if let Some(domain) = &self.domain
            && self.view.leaves_all_open(interval, range)
        {
            domain.for_each(|code, _| {
                codes.insert(code);
            });
        }
        codes.remove(NULL_CODE);
        Ok(codes.into_iter().collect())
    }

    fn codes_with_rows(&self) -> Result<RoaringBitmap> {
        let engine = self.snapshot.engine();
        let mut codes = RoaringBitmap::new();
        if let Some(state) = self.snapshot.version().table_by_id(self.meta.table) {
            for segment in state.segments() {
                codes |= &engine.cache().segment(&self.meta.name, segment)?.meta().series;
            }
        }
        for block in self
            .snapshot
            .live()
            .blocks(self.meta.table, &(i64::MIN..i64::MAX))?
        {
            codes |= &block.segment()?.meta().series;
        }
        Ok(codes)
    }

    fn calendar_name(&self, series: Option<u32>) -> Option<&str> {
        let calendar = self.snapshot.version().calendar_of(self.meta.table, series)?;
        Some(&calendar.name)
    }

    fn listing(&self, series: Option<u32>) -> Option<(i64, i64)> {
        self.snapshot.version().listing(self.meta.table, series?)
    }

    fn expected(&self, series: Option<u32>, range: &Range<i64>, out: &mut Vec<Range<i64>>) -> Result<()> {
        let version = self.snapshot.version();
        let (first, last) = self.listing(series).unwrap_or((i64::MIN, i64::MAX));
        let range = range.start.max(first)..range.end.min(last);
        if range.start >= range.end {
            return Ok(());
        }
        let Some(meta) = version.calendar_of(self.meta.table, series) else {
            out.push(range);
            return Ok(());
        };
        let known = self.calendars.lock().get(&meta.name).cloned();
        let calendar = match known {
            Some(calendar) => calendar,
            None => {
                let read = Calendar::from_text(&meta.text)
                    .map_err(|error| error.context(format!("calendar {:?}", meta.name)))?;
                let read = Arc::new(read);
                self.calendars.lock().insert(meta.name.clone(), Arc::clone(&read));
                read
            }
        };
        out.extend(calendar.open_between(&range).iter());
        Ok(())
    }
}

/// What is expected, and what is lost: that is wanted whatever else is expected.
fn with_lost(expected: &[Range<i64>], lost: Vec<Range<i64>>) -> Cow<'_, [Range<i64>]> {
    if lost.is_empty() {
        return Cow::Borrowed(expected);
    }
    let all: Intervals = expected.iter().cloned().chain(lost).collect();
    Cow::Owned(all.into())
}

/// The grid of an interval; `None` for none.
fn grid(interval: i64) -> Result<Option<Grid>> {
    match interval {
        0 => Ok(None),
        interval => Grid::new(interval).map(Some),
    }
}
