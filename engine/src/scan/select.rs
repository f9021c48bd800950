//! Which rows of a segment a scan wants: runs of its series, cut to its time range, pruned by its condition.

use std::ops::Range;
use std::sync::Arc;

use gapless_format::{
    AttributeKind, Bound, ColumnMeta, ColumnSpec, ColumnType, Deletion, NULL_CODE, PAGE_ROWS, PageStats,
};
use roaring::RoaringBitmap;

use super::bind::Bind;
use super::deleted::left_of;
use super::piece::Piece;
use super::rows::Rows;
use crate::error::Result;
use crate::segment::{Segment, SegmentCache, Times};
use crate::table::types::unit_factor;

/// What may leave rows out before they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pruning {
    /// The whole condition.
    Condition,
    /// What the condition says of key columns. Other versions of a row agree on these and on nothing else, and only
    /// the version that counts is asked for the rest.
    Key,
}

/// Selects rows of segments.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) time: Range<i64>,
    pub(crate) condition: Option<Bind>,
    /// The part of the condition that reads key columns only.
    pub(crate) key_condition: Option<Bind>,
    /// The deletions that hide rows of the table.
    pub(crate) deletions: Vec<Arc<Deletion>>,
}

/// What is left out of one segment.
enum Filter<'a> {
    Nothing,
    /// All but these rows, which an index has found.
    Others(RoaringBitmap),
    /// Pages whose statistics exclude the condition.
    Pages(&'a Bind),
}

impl Selector {
    /// The rows of one series (of the whole table, without series) in a segment, in order of time.
    pub(crate) fn run(
        &self,
        cache: &SegmentCache,
        segment: &Arc<Segment>,
        code: Option<u32>,
        pruning: Pruning,
    ) -> Result<Option<Piece>> {
        let codes = code.map(|code| [code]);
        let codes = codes.as_ref().map(<[u32; 1]>::as_slice);
        let mut runs = self.runs(cache, segment, codes, &|_| pruning)?;
        Ok(runs.pop().map(|(_, piece)| piece))
    }

    /// The rows of all series, or of some, in a segment: each piece is one run cut to what is asked for.
    pub(crate) fn runs(
        &self,
        cache: &SegmentCache,
        segment: &Arc<Segment>,
        codes: Option<&[u32]>,
        pruning: &dyn Fn(u32) -> Pruning,
    ) -> Result<Vec<(u32, Piece)>> {
        let parts = self.parts(cache, segment, codes, pruning)?;
        Ok(parts
            .into_iter()
            .filter_map(|(code, parts)| Some((code, piece(segment, Rows::joined(parts)?))))
            .collect())
    }

    /// Everything in a segment in stored order, within some rows; runs that touch are one piece.
    pub(crate) fn stored(
        &self,
        cache: &SegmentCache,
        segment: &Arc<Segment>,
        codes: Option<&[u32]>,
        within: Range<u32>,
    ) -> Result<Vec<Piece>> {
        if !self.overlaps(segment) {
            return Ok(Vec::new());
        }
        if codes.is_none() && self.covers(segment) && self.deletions_of(segment).is_empty() {
            let filter = self.filter(cache, segment, Pruning::Condition)?;
            let rows = filtered(segment, &filter, within);
            return Ok(rows.into_iter().map(|rows| piece(segment, rows)).collect());
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut sorted = codes.map(<[u32]>::to_vec);
        if let Some(sorted) = &mut sorted {
            sorted.sort_unstable();
        }
        for (_, parts) in self.parts(cache, segment, sorted.as_deref(), &|_| Pruning::Condition)? {
            for piece in parts
                .into_iter()
                .filter_map(|rows| cut(piece(segment, rows), &within))
            {
                match pieces.last_mut() {
                    Some(last) if last.joins(&piece) => last.extend(&piece),
                    _ => pieces.push(piece),
                }
            }
        }
        Ok(pieces)
    }

    /// For each run, the rows that are asked for, live and not excluded.
    fn parts(
        &self,
        cache: &SegmentCache,
        segment: &Arc<Segment>,
        codes: Option<&[u32]>,
        pruning: &dyn Fn(u32) -> Pruning,
    ) -> Result<Vec<(u32, Vec<Rows>)>> {
        if !self.overlaps(segment) {
            return Ok(Vec::new());
        }
        let deletions = self.deletions_of(segment);
        let mut filters: [Option<Filter<'_>>; 2] = [None, None];
        let mut found = Vec::new();
        for (code, run) in runs_of(cache, segment, codes)? {
            let run = if self.covers(segment) {
                run
            } else {
                rows_between(cache, segment, &run, &self.time)?
            };
            if run.is_empty() {
                continue;
            }
            let left = if deletions.is_empty() {
                vec![run]
            } else {
                left_of(cache, segment, &deletions, code, run)?
            };
            let pruning = pruning(code);
            let slot = &mut filters[usize::from(pruning == Pruning::Key)];
            let filter = match slot {
                Some(filter) => filter,
                empty => empty.insert(self.filter(cache, segment, pruning)?),
            };
            let rows: Vec<Rows> = left
                .into_iter()
                .flat_map(|range| filtered(segment, filter, range))
                .collect();
            if !rows.is_empty() {
                found.push((code, rows));
            }
        }
        Ok(found)
    }

    fn overlaps(&self, segment: &Segment) -> bool {
        let (min, max) = (segment.meta().min_time, segment.meta().max_time);
        max >= self.time.start && (min < self.time.end || self.time.end == i64::MAX)
    }

    /// Whether all rows of a segment are in the time range.
    fn covers(&self, segment: &Segment) -> bool {
        let (min, max) = (segment.meta().min_time, segment.meta().max_time);
        min >= self.time.start && (max < self.time.end || self.time.end == i64::MAX)
    }

    /// What indexes and page statistics of a segment say of the condition.
    fn filter(&self, cache: &SegmentCache, segment: &Segment, pruning: Pruning) -> Result<Filter<'_>> {
        let condition = match pruning {
            Pruning::Condition => &self.condition,
            Pruning::Key => &self.key_condition,
        };
        let Some(condition) = condition else {
            return Ok(Filter::Nothing);
        };
        for conjunct in condition.conjuncts() {
            if let Some(rows) = index_rows(cache, segment, conjunct)? {
                return Ok(Filter::Others(rows));
            }
        }
        Ok(Filter::Pages(condition))
    }
}

/// Rows of a range for which the condition may hold.
fn filtered(segment: &Segment, filter: &Filter<'_>, range: Range<u32>) -> Vec<Rows> {
    if range.is_empty() {
        return Vec::new();
    }
    match filter {
        Filter::Nothing => vec![Rows::Range(range)],
        Filter::Others(rows) => rows_within(rows, range),
        Filter::Pages(condition) => prune_pages(segment, condition, range),
    }
}

/// The runs of all series, or of some, in a segment.
fn runs_of(cache: &SegmentCache, segment: &Segment, codes: Option<&[u32]>) -> Result<Vec<(u32, Range<u32>)>> {
    match (segment.meta().series_column, codes) {
        (None, _) => Ok(vec![(NULL_CODE, 0..row_count(segment))]),
        (Some(_), None) => all_runs(cache, segment),
        (Some(_), Some(codes)) => {
            let present: Vec<u32> = codes
                .iter()
                .copied()
                .filter(|code| has_series(segment, *code))
                .collect();
            match present.is_empty() {
                true => Ok(Vec::new()),
                false => parted_runs(cache, segment, &present),
            }
        }
    }
}

fn piece(segment: &Arc<Segment>, rows: Rows) -> Piece {
    Piece {
        segment: Arc::clone(segment),
        rows,
    }
}

fn row_count(segment: &Segment) -> u32 {
    u32::try_from(segment.meta().rows).unwrap_or(u32::MAX)
}

fn cut(piece: Piece, within: &Range<u32>) -> Option<Piece> {
    let rows = match piece.rows {
        Rows::Range(range) => Rows::Range(range.start.max(within.start)..range.end.min(within.end)),
        rows => Rows::List(
            (0..rows.len())
                .filter_map(|at| rows.get(at))
                .filter(|row| within.contains(row))
                .collect(),
        ),
    };
    (rows.len() > 0).then_some(Piece {
        segment: piece.segment,
        rows,
    })
}

/// Whether a segment has rows of a series.
pub(crate) fn has_series(segment: &Segment, code: u32) -> bool {
    match code {
        NULL_CODE => segment.meta().null_series,
        code => segment.meta().series.contains(code),
    }
}

fn series_column(segment: &Segment) -> Option<&ColumnMeta> {
    segment.column(segment.meta().series_column?)
}

fn parted_runs(cache: &SegmentCache, segment: &Segment, codes: &[u32]) -> Result<Vec<(u32, Range<u32>)>> {
    let Some(column) = series_column(segment) else {
        return Ok(Vec::new());
    };
    segment.parted(cache, column, |index| {
        let found = codes.iter().map(|code| (*code, index.find(u64::from(*code))));
        found.filter_map(|(code, run)| Some((code, run?))).collect()
    })
}

pub(super) fn all_runs(cache: &SegmentCache, segment: &Segment) -> Result<Vec<(u32, Range<u32>)>> {
    let Some(column) = series_column(segment) else {
        return Ok(Vec::new());
    };
    segment.parted(cache, column, |index| {
        index
            .iter()
            .map(|(key, run)| (u32::try_from(key).unwrap_or(NULL_CODE), run))
            .collect()
    })
}

/// The rows of a run whose times are in a range; `i64::MAX` as its end means no end.
pub(super) fn rows_between(
    cache: &SegmentCache,
    segment: &Arc<Segment>,
    run: &Range<u32>,
    time: &Range<i64>,
) -> Result<Range<u32>> {
    let times = Times::new(cache, segment)?;
    let bound = |run: Range<u32>, time: i64| {
        let row = times.lower_bound(cache, &(run.start as usize..run.end as usize), time)?;
        Ok(u32::try_from(row).unwrap_or(u32::MAX))
    };
    // A bound that no row lies beyond needs no search, and touches no page.
    let meta = segment.meta();
    let start = match time.start <= meta.min_time {
        true => run.start,
        false => bound(run.clone(), time.start)?,
    };
    let end = match time.end == i64::MAX || time.end > meta.max_time {
        true => run.end,
        false => bound(start..run.end, time.end)?,
    };
    Ok(start..end)
}

/// The rows that an index gives for a condition: all for which it holds, and perhaps a few more.
fn index_rows(cache: &SegmentCache, segment: &Segment, condition: &Bind) -> Result<Option<RoaringBitmap>> {
    let Some((spec, keys)) = condition.keys() else {
        return Ok(None);
    };
    let Some(column) = segment.column(spec.column_id) else {
        return Ok(None);
    };
    if !has_keys_of(&column.column_type, &spec.column_type) {
        return Ok(None);
    }
    let has = |kind: AttributeKind| column.attributes.iter().any(|attribute| attribute.kind == kind);
    let mut rows = RoaringBitmap::new();
    if has(AttributeKind::Unique) {
        segment.unique(cache, column, |index| {
            for key in &keys {
                rows.extend(index.find(*key));
            }
        })?;
    } else if has(AttributeKind::Grouped) {
        for key in &keys {
            if let Some(found) = segment.grouped(cache, column, |index| index.find(*key))? {
                rows |= found;
            }
        }
    } else if has(AttributeKind::Parted) {
        segment.parted(cache, column, |index| {
            for run in keys.iter().filter_map(|key| index.find(*key)) {
                rows.insert_range(run);
            }
        })?;
    } else {
        return Ok(None);
    }
    Ok(Some(rows))
}

/// Rows of a bitmap within a range: as ranges where they are dense, else one by one.
fn rows_within(rows: &RoaringBitmap, range: Range<u32>) -> Vec<Rows> {
    let count = rows.range_cardinality(range.clone()) as usize;
    if count == 0 {
        return Vec::new();
    }
    if count == range.len() {
        return vec![Rows::Range(range)];
    }
    let list: Vec<u32> = rows.range(range).collect();
    let runs: Vec<Range<u32>> = consecutive(&list);
    // Few long runs are cheaper as ranges: they are read without a copy.
    if runs.len() * 64 <= list.len() {
        return runs.into_iter().map(Rows::Range).collect();
    }
    vec![Rows::List(list)]
}

fn consecutive(list: &[u32]) -> Vec<Range<u32>> {
    list.chunk_by(|a, b| a + 1 == *b)
        .filter_map(|run| Some(*run.first()?..*run.last()? + 1))
        .collect()
}

/// The statistics of a page in the terms of its column's present type; a column that is missing is null.
fn page_stats(segment: &Segment, spec: &ColumnSpec, page: usize, rows: u32) -> Option<PageStats> {
    let Some(column) = segment.column(spec.column_id) else {
        return Some(PageStats {
            min: Bound::None,
            max: Bound::None,
            has_nan: false,
            null_count: rows,
            checksum: 0,
            offsets_checksum: 0,
            validity_checksum: 0,
        });
    };
    let mut stats = column.pages.get(page)?.clone();
    if let Some(factor) = unit_factor(&column.column_type, &spec.column_type) {
        for bound in [&mut stats.min, &mut stats.max] {
            *bound = match bound {
                Bound::I64(value) => value.checked_mul(factor).map_or(Bound::None, Bound::I64),
                _ => Bound::None,
            };
        }
    }
    Some(stats)
}

/// Whether an index of values of one type finds those of another, wider one.
fn has_keys_of(stored: &ColumnType, present: &ColumnType) -> bool {
    match (stored, present) {
        (ColumnType::Number(stored), ColumnType::Number(present)) => stored.is_float() == present.is_float(),
        (ColumnType::Decimal128 { scale, .. }, ColumnType::Decimal128 { scale: other, .. }) => scale == other,
        (ColumnType::Timestamp { unit, .. }, ColumnType::Timestamp { unit: other, .. }) => unit == other,
        (stored, present) => stored == present,
    }
}

/// Leaves out the pages whose statistics exclude the condition, and uses sorted columns by binary search on them.
fn prune_pages(segment: &Segment, condition: &Bind, range: Range<u32>) -> Vec<Rows> {
    let page_rows = u32::try_from(PAGE_ROWS).unwrap_or(u32::MAX);
    let total = row_count(segment);
    let mut kept: Vec<Range<u32>> = Vec::new();
    for page in range.start / page_rows..=(range.end - 1) / page_rows {
        let first = page.saturating_mul(page_rows);
        let rows_of_page = (total - first).min(page_rows);
        let stats_of = |spec: &ColumnSpec| page_stats(segment, spec, page as usize, rows_of_page);
        if !condition.may_hold(&stats_of, rows_of_page) {
            continue;
        }
        let part = range.start.max(first)..range.end.min(first.saturating_add(page_rows));
        match kept.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => kept.push(part),
        }
    }
    kept.into_iter().map(Rows::Range).collect()
}
