//! What the damage of a segment means for its rows: which are lost, and of which series and times these were.
//!
//! - A page that cannot be read in one column loses its rows in all of them: half a row is none. A damaged index or file
//!   header loses none.
//! - Series and times of lost rows are taken from what is sound: the series and time pages of the same rows, the runs of
//!   the parted index, the rows before and after, the statistics in `segment.meta`. Where they are not known exactly, what
//!   is said is never less than what was there.
//! - Without the `segment.meta` that was committed nothing of a segment can be told from damage, so all of it is lost.
//!
//! This module reads and changes nothing; what is done about it is for `repair`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use arrow_buffer::ScalarBuffer;
use gapless_format::page::{page_count, page_rows};
use gapless_format::{
    AttributeKind, Bound, ColumnMeta, ColumnType, CoverageRef, FormatErrorKind, NULL_CODE, PartedIndex,
    SegmentMeta, SegmentRef, TableMeta, checksum,
};

use super::attribute::{self, IndexBody};
use super::column::Chunk;
use super::finding::{FindingKind, Sink};
use super::segment::Target;
use super::source::Source;
use super::symbols::Counts;
use crate::io::{RelPath, Storage};
use crate::manifest::Version;
use crate::segment::segment_path;
use crate::symbols::Domains;

/// Rows of a series in a range of time that cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostRange {
    /// The table.
    pub table: String,
    /// The series; `None` where there is none, and where any series may be concerned.
    pub series: Option<String>,
    /// Whether the rows have a null for their series. Coverage says nothing of such rows, so they are in no gap.
    pub is_null_series: bool,
    /// Least time of the lost rows, or less: nanoseconds since the epoch.
    pub start: i64,
    /// First time behind them, or later.
    pub end: i64,
    /// How many they are; `None` where lost rows cannot be told from those of other series.
    pub rows: Option<u64>,
}

/// Whose rows are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Those of a table without series, or perhaps of every one.
    Every,
    /// Those of one series.
    Code(u32),
    /// Those with a null for their series.
    Null,
}

impl Scope {
    fn of(code: u32) -> Self {
        match code {
            NULL_CODE => Self::Null,
            code => Self::Code(code),
        }
    }
}

/// Lost rows by series code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) scope: Scope,
    pub(crate) range: Range<i64>,
    pub(crate) rows: Option<u64>,
}

/// A damaged segment of the newest version.
#[derive(Debug, Clone)]
pub(crate) struct SegmentDamage {
    pub(crate) table: Arc<TableMeta>,
    pub(crate) reference: Arc<SegmentRef>,
    /// What was found.
    pub(crate) findings: Vec<String>,
    /// Its description; `None` when it is not the one that was committed.
    pub(crate) meta: Option<SegmentMeta>,
    /// Pages of which all columns can be read, ascending.
    pub(crate) sound: Vec<usize>,
    pub(crate) lost: Vec<Lost>,
    pub(crate) rows_lost: u64,
    /// Why it cannot be said what is damaged.
    pub(crate) refusal: Option<String>,
}

/// A damaged coverage file of the newest version.
#[derive(Debug, Clone)]
pub(crate) struct CoverageDamage {
    pub(crate) table: Arc<TableMeta>,
    pub(crate) reference: Arc<CoverageRef>,
    pub(crate) findings: Vec<String>,
    /// Why it cannot be said that it is damaged.
    pub(crate) refusal: Option<String>,
}

/// What stands against taking findings for damage.
pub(super) fn refusal_of(sink: &Sink) -> Option<String> {
    sink.has(FindingKind::Io).then(|| {
        "the operating system refuses to read it: see to that first, or move the unreadable file away if it is lost"
            .to_owned()
    })
}

/// Finds out what a segment with errors has lost; `sink` has these errors.
pub(super) fn survey(source: &Source<'_>, target: &Target, symbols: &Counts, sink: &Sink) -> SegmentDamage {
    let reference = &target.reference;
    let mut damage = SegmentDamage {
        table: Arc::clone(&target.table),
        reference: Arc::clone(reference),
        findings: sink.texts(),
        meta: None,
        sound: Vec::new(),
        lost: vec![Lost {
            scope: Scope::Every,
            range: reference.min_time..reference.max_time.saturating_add(1),
            rows: Some(reference.rows),
        }],
        rows_lost: reference.rows,
        refusal: refusal_of(sink),
    };
    let Ok(path) = segment_path(&target.table.name, reference.partition, &reference.directory) else {
        return damage;
    };
    let meta = match committed_meta(source, &path, reference) {
        Ok(meta) => meta,
        Err(newer) => {
            damage.refusal = damage.refusal.or(newer);
            return damage;
        }
    };
    // Rows that contradict their table are not put into another segment of it.
    if sink.has(FindingKind::ColumnMismatch) || sink.has(FindingKind::Null) {
        return damage;
    }
    let survey = Survey::new(source, &path, target, symbols, &meta);
    let pages = survey.pages();
    damage.lost = survey.lost(&pages);
    damage.rows_lost = 0;
    for (page, facts) in pages.iter().enumerate() {
        match facts.is_sound {
            true => damage.sound.push(page),
            false => damage.rows_lost += len(&page_rows(page as u64, meta.rows)),
        }
    }
    damage.meta = Some(meta);
    damage
}

/// `segment.meta`, if it is the one that was committed; else perhaps why it is not for this version to say.
fn committed_meta(
    source: &Source<'_>,
    path: &RelPath,
    reference: &SegmentRef,
) -> Result<SegmentMeta, Option<String>> {
    let file = path.join("segment.meta").map_err(|_| None)?;
    let bytes = source.whole(&file, &Sink::default()).ok_or(None)?;
    if bytes.len() as u64 != reference.meta_len || checksum(&bytes) != reference.meta_checksum {
        return Err(None);
    }
    let meta = SegmentMeta::decode(&bytes).map_err(|error| {
        let is_newer = error.kind == FormatErrorKind::Unsupported;
        is_newer.then(|| format!("{file} is of a newer version of gapless: {}", error.message))
    })?;
    match meta.segment == reference.segment && meta.rows == reference.rows {
        true => Ok(meta),
        false => Err(None),
    }
}

fn len(rows: &Range<u64>) -> u64 {
    rows.end.saturating_sub(rows.start)
}

/// The columns of a page that say whose its rows are and when.
struct Keys {
    times: Option<ScalarBuffer<i64>>,
    codes: Option<ScalarBuffer<u32>>,
}

/// What is known of a page.
#[derive(Debug, Default, Clone)]
struct PageFacts {
    is_sound: bool,
    /// Series and time of the first and of the last row, as far as they are known.
    first: (Option<u32>, Option<i64>),
    last: (Option<u32>, Option<i64>),
}

struct Survey<'a> {
    meta: &'a SegmentMeta,
    target: &'a Target,
    chunks: Vec<(&'a ColumnMeta, Chunk<'a>, Option<u32>)>,
    /// The parted index of the series column.
    index: Option<IndexBody>,
}

impl<'a> Survey<'a> {
    fn new(
        source: &'a Source<'a>,
        path: &RelPath,
        target: &'a Target,
        symbols: &Counts,
        meta: &'a SegmentMeta,
    ) -> Self {
        let silent = Sink::default();
        let chunk = |column: &'a ColumnMeta| {
            let symbols = match &column.column_type {
                ColumnType::Symbol { domain } => symbols.get(domain).copied(),
                _ => None,
            };
            let chunk = Chunk::open(source, path, meta.segment, meta.rows, column, &silent);
            (column, chunk, symbols)
        };
        let series = meta.series_column.and_then(|id| meta.column(id));
        let index = series.and_then(|column| {
            let mut attributes = column.attributes.iter();
            let parted = attributes.find(|attribute| attribute.kind == AttributeKind::Parted)?;
            attribute::load(source, path, meta.segment, meta.rows, column, parted, &silent)
        });
        Self {
            chunks: meta.columns.iter().map(chunk).collect(),
            meta,
            target,
            index,
        }
    }

    fn runs(&self) -> Option<PartedIndex<'_>> {
        self.index.as_ref()?.runs(self.meta.rows)
    }

    fn rows(&self, page: usize) -> Range<u64> {
        page_rows(page as u64, self.meta.rows)
    }

    /// Reads a page of every column. Whether all of them are sound, and the keys as far as they are.
    fn read(&self, page: usize) -> (bool, Keys) {
        let mut keys = Keys {
            times: None,
            codes: None,
        };
        let mut is_sound = true;
        for (column, chunk, symbols) in &self.chunks {
            let sink = Sink::default();
            let array = chunk.page(page, &sink);
            if let Some(array) = &array {
                chunk.check_values(page, array, *symbols, &sink);
            }
            let Some(array) = array.filter(|_| !sink.has(FindingKind::SymbolCode)) else {
                is_sound = false;
                continue;
            };
            if column.column_id == self.meta.time_column {
                let times = array.as_primitive_opt::<TimestampNanosecondType>();
                keys.times = times.map(|times| times.values().clone());
            }
            if Some(column.column_id) == self.meta.series_column {
                let codes = array.as_primitive_opt::<UInt32Type>();
                keys.codes = codes.map(|codes| codes.values().clone());
            }
        }
        (is_sound && keys.times.is_some(), keys)
    }

    /// Looks at every page.
    fn pages(&self) -> Vec<PageFacts> {
        let count = usize::try_from(page_count(self.meta.rows)).unwrap_or(usize::MAX);
        let mut before: Option<(u32, i64)> = None;
        (0..count)
            .map(|page| {
                let (is_sound, keys) = self.read(page);
                let in_order = is_sound.then(|| self.order(&keys, before)).flatten();
                before = in_order.or(before);
                let rows = self.rows(page);
                PageFacts {
                    is_sound: in_order.is_some(),
                    first: self.key_of(&keys, &rows, rows.start),
                    last: self.key_of(&keys, &rows, rows.end.saturating_sub(1)),
                }
            })
            .collect()
    }

    /// The last series and time of a page whose rows are in order, follow those before and are of the partition.
    fn order(&self, keys: &Keys, before: Option<(u32, i64)>) -> Option<(u32, i64)> {
        let partition = self.target.reference.partition;
        let times = keys.times.as_ref()?;
        let mut last = before;
        for (at, time) in times.iter().enumerate() {
            let code = match &keys.codes {
                Some(codes) => *codes.get(at)?,
                None => NULL_CODE,
            };
            if last.is_some_and(|last| last > (code, *time)) || !partition.contains(*time) {
                return None;
            }
            last = Some((code, *time));
        }
        last
    }

    /// Series and time of a row of a page, as far as they are known.
    fn key_of(&self, keys: &Keys, page: &Range<u64>, row: u64) -> (Option<u32>, Option<i64>) {
        let at = usize::try_from(row - page.start).unwrap_or(usize::MAX);
        let time = keys.times.as_ref().and_then(|times| times.get(at).copied());
        let code = match (&keys.codes, self.runs()) {
            (Some(codes), _) => codes.get(at).copied(),
            (None, Some(runs)) => {
                let row = u32::try_from(row).unwrap_or(u32::MAX);
                let mut all = runs.iter();
                all.find_map(|(key, rows)| rows.contains(&row).then(|| u32::try_from(key).ok()))
                    .flatten()
            }
            (None, None) if self.meta.series_column.is_none() => Some(NULL_CODE),
            (None, None) => None,
        };
        (code, time)
    }

    /// What the pages that are not sound have held.
    fn lost(&self, pages: &[PageFacts]) -> Vec<Lost> {
        let mut all: Vec<Lost> = Vec::new();
        // What the pages just before have lost: it goes on where no sound row lies between.
        let mut open: Vec<Lost> = Vec::new();
        for (page, facts) in pages.iter().enumerate() {
            if facts.is_sound {
                all.append(&mut open);
                continue;
            }
            let before = page.checked_sub(1).and_then(|before| pages.get(before));
            let found = self.lost_of(page, before, pages.get(page + 1));
            let mut next = Vec::with_capacity(found.len());
            for lost in found {
                match open.iter().position(|other| other.scope == lost.scope) {
                    Some(at) => next.push(joined(open.swap_remove(at), lost)),
                    None => next.push(lost),
                }
            }
            all.append(&mut open);
            open = next;
        }
        all.append(&mut open);
        all.sort_by_key(|lost| (lost.scope, lost.range.start));
        all
    }

    /// What one page has held.
    fn lost_of(&self, page: usize, before: Option<&PageFacts>, after: Option<&PageFacts>) -> Vec<Lost> {
        let rows = self.rows(page);
        let (_, keys) = self.read(page);
        let bounds = self.time_bounds(page, &keys);
        let Some(runs) = self.runs_of(&rows, &keys) else {
            let codes = self.possible_codes(page, before, after);
            let alone = codes.len() == 1;
            return codes
                .into_iter()
                .map(|code| Lost {
                    scope: Scope::of(code),
                    range: bounds.clone(),
                    rows: alone.then(|| len(&rows)),
                })
                .collect();
        };
        runs.into_iter()
            .map(|(code, run)| {
                let inside = usize::try_from(run.start - rows.start).unwrap_or(usize::MAX)
                    ..usize::try_from(run.end - rows.start).unwrap_or(usize::MAX);
                let times = keys.times.as_ref().and_then(|times| times.get(inside));
                let range = match times {
                    Some(times) => span(times).unwrap_or_else(|| bounds.clone()),
                    None => {
                        let is_same =
                            |facts: &&PageFacts, key: fn(&PageFacts) -> Option<u32>| key(facts) == Some(code);
                        let start = before
                            .filter(|facts| run.start == rows.start && is_same(facts, |facts| facts.last.0))
                            .and_then(|facts| facts.last.1);
                        let end = after
                            .filter(|facts| run.end == rows.end && is_same(facts, |facts| facts.first.0))
                            .and_then(|facts| facts.first.1);
                        // Several rows may have one time.
                        let start = start.map_or(bounds.start, |start| start.max(bounds.start));
                        let end = end.map_or(bounds.end, |end| end.saturating_add(1).min(bounds.end));
                        start..end.max(start.saturating_add(1))
                    }
                };
                Lost {
                    scope: match self.meta.series_column {
                        None => Scope::Every,
                        Some(_) => Scope::of(code),
                    },
                    range,
                    rows: Some(len(&run)),
                }
            })
            .collect()
    }

    /// A range that has all times of a page.
    fn time_bounds(&self, page: usize, keys: &Keys) -> Range<i64> {
        if let Some(range) = keys.times.as_ref().and_then(|times| span(times)) {
            return range;
        }
        let column = self.meta.column(self.meta.time_column);
        let stats = column.and_then(|column| column.pages.get(page));
        let (min, max) = match stats.map(|stats| (stats.min, stats.max)) {
            Some((Bound::I64(min), Bound::I64(max))) if min <= max => (min, max),
            _ => (self.meta.min_time, self.meta.max_time),
        };
        min..max.saturating_add(1)
    }

    /// The runs of series in some rows; `None` where neither the rows nor the index say.
    fn runs_of(&self, rows: &Range<u64>, keys: &Keys) -> Option<Vec<(u32, Range<u64>)>> {
        if self.meta.series_column.is_none() {
            return Some(vec![(NULL_CODE, rows.clone())]);
        }
        if let Some(codes) = &keys.codes {
            let mut start = rows.start;
            let run = |run: &[u32]| {
                let first = start;
                start += run.len() as u64;
                (run.first().copied().unwrap_or(NULL_CODE), first..start)
            };
            return Some(codes.chunk_by(|a, b| a == b).map(run).collect());
        }
        let runs = self.runs()?;
        let inside = runs.iter().filter_map(|(key, run)| {
            let run = u64::from(run.start).max(rows.start)..u64::from(run.end).min(rows.end);
            (run.start < run.end).then(|| Some((u32::try_from(key).ok()?, run)))
        });
        inside.collect()
    }

    /// The series that a page may have held, by its statistics and the pages beside it.
    fn possible_codes(&self, page: usize, before: Option<&PageFacts>, after: Option<&PageFacts>) -> Vec<u32> {
        let column = self.meta.series_column.and_then(|id| self.meta.column(id));
        let stats = column.and_then(|column| column.pages.get(page));
        let (mut least, mut greatest, mut nulls) = (0, NULL_CODE - 1, self.meta.null_series);
        if let Some(stats) = stats {
            let code = |bound| match bound {
                Bound::U64(code) => u32::try_from(code).ok(),
                _ => None,
            };
            least = code(stats.min).unwrap_or(least);
            greatest = code(stats.max).unwrap_or(greatest);
            nulls &= stats.null_count > 0;
        }
        // Series ascend in a segment.
        least = before
            .and_then(|facts| facts.last.0)
            .map_or(least, |code| code.max(least));
        greatest = after
            .and_then(|facts| facts.first.0)
            .map_or(greatest, |code| code.min(greatest));
        let mut codes: Vec<u32> = self.meta.series.range(least..=greatest.max(least)).collect();
        codes.extend(nulls.then_some(NULL_CODE));
        codes
    }
}

/// From the least of some times to behind the greatest.
fn span(times: &[i64]) -> Option<Range<i64>> {
    let (min, max) = (times.iter().min()?, times.iter().max()?);
    Some(*min..max.saturating_add(1))
}

/// Neighbours of one series between which no sound row lies.
fn joined(a: Lost, b: Lost) -> Lost {
    Lost {
        scope: a.scope,
        range: a.range.start.min(b.range.start)..a.range.end.max(b.range.end),
        rows: a.rows.zip(b.rows).map(|(a, b)| a + b),
    }
}

/// Lost rows with the names of their series.
pub(crate) fn lost_ranges(
    storage: &Arc<dyn Storage>,
    database: Option<u128>,
    version: &Version,
    segments: &[SegmentDamage],
) -> Vec<LostRange> {
    let domains = Domains::new(Arc::clone(storage), database.unwrap_or_default());
    let mut all: Vec<LostRange> = Vec::new();
    for damage in segments {
        let table = &damage.table;
        let column = table.series_column.and_then(|id| table.column(id));
        let domain = match column.map(|column| &column.column_type) {
            Some(ColumnType::Symbol { domain }) => {
                let found = domains.get(domain);
                if let Err(error) = found.load(version.domain(domain)) {
                    tracing::warn!(%error, "the names of series cannot be read");
                }
                Some(found)
            }
            _ => None,
        };
        // A name that cannot be read is still told from others.
        let name = |code| {
            let name = domain.as_ref().and_then(|domain| domain.symbol(code));
            name.unwrap_or_else(|| format!("#{code}"))
        };
        all.extend(damage.lost.iter().map(|lost| LostRange {
            table: table.name.clone(),
            series: match lost.scope {
                Scope::Code(code) => Some(name(code)),
                Scope::Every | Scope::Null => None,
            },
            is_null_series: lost.scope == Scope::Null,
            start: lost.range.start,
            end: lost.range.end,
            rows: lost.rows,
        }));
    }
    all.sort();
    all
}
