//! Which rows of a segment a scan wants: runs of its series, cut to its time range, pruned by its condition.

use std::ops::Range;
use std::sync::Arc;

use gapless_format::{AttributeKind, ColumnMeta, NULL_CODE, PAGE_ROWS, PageStats};
use roaring::RoaringBitmap;

use super::bind::Bind;
use super::piece::{Piece, Rows};
use crate::error::Result;
use crate::segment::{Segment, SegmentCache, Times};

/// Selects rows of segments.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) time: Range<i64>,
    pub(crate) condition: Option<Bind>,
}

impl Selector {
    /// The rows of one series (of the whole table, without series) in a segment, in order of time.
    pub(crate) fn run(
        &self,
        cache: &SegmentCache,
        segment: &Arc<Segment>,
        code: Option<u32>,
    ) -> Result<Vec<Piece>> {
        if !self.overlaps(segment) || !has_series(segment, code) {
            return Ok(Vec::new());
        }
        let run = match code {
            None => 0..row_count(segment),
            Some(code) => match parted_run(cache, segment, code)? {
                Some(run) => run,
                None => return Ok(Vec::new()),
            },
        };
        self.pieces(cache, segment, run)
    }

    /// The rows of all series, or of some, in a segment: each piece is one run cut to the time range.
    pub(crate) fn runs(
        &self,
        cache: &SegmentCache,
        segment: &Arc<Segment>,
        codes: Option<&[u32]>,
    ) -> Result<Vec<(u32, Vec<Piece>)>> {
        if !self.overlaps(segment) {
            return Ok(Vec::new());
        }
        let runs: Vec<(u32, Range<u32>)> = match (segment.meta().series_column, codes) {
            (None, _) => vec![(NULL_CODE, 0..row_count(segment))],
            (Some(_), None) => all_runs(cache, segment)?,
            (Some(_), Some(codes)) => {
                let mut runs = Vec::new();
                for code in codes.iter().filter(|code| has_series(segment, Some(**code))) {
                    runs.extend(parted_run(cache, segment, *code)?.map(|run| (*code, run)));
                }
                runs
            }
        };
        runs.into_iter()
            .map(|(code, run)| Ok((code, self.pieces(cache, segment, run)?)))
            .collect()
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
        if codes.is_none() && self.covers(segment) {
            return Ok(self
                .prune(cache, segment, within)?
                .into_iter()
                .map(|rows| piece(segment, rows))
                .collect());
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut sorted = codes.map(<[u32]>::to_vec);
        if let Some(sorted) = &mut sorted {
            sorted.sort_unstable();
        }
        for (_, run) in self.runs(cache, segment, sorted.as_deref())? {
            for piece in run.into_iter().filter_map(|piece| cut(piece, &within)) {
                match pieces.last_mut() {
                    Some(last) if last.joins(&piece) => last.extend(&piece),
                    _ => pieces.push(piece),
                }
            }
        }
        Ok(pieces)
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

    fn pieces(&self, cache: &SegmentCache, segment: &Arc<Segment>, run: Range<u32>) -> Result<Vec<Piece>> {
        let cut = if self.covers(segment) {
            run
        } else {
            self.cut_to_time(cache, segment, run)?
        };
        Ok(self
            .prune(cache, segment, cut)?
            .into_iter()
            .map(|rows| piece(segment, rows))
            .collect())
    }

    fn cut_to_time(
        &self,
        cache: &SegmentCache,
        segment: &Arc<Segment>,
        run: Range<u32>,
    ) -> Result<Range<u32>> {
        let times = Times::new(cache, segment)?;
        let bound = |run: Range<u32>, time: i64| {
            let row = times.lower_bound(cache, &(run.start as usize..run.end as usize), time)?;
            Ok(u32::try_from(row).unwrap_or(u32::MAX))
        };
        let start = bound(run.clone(), self.time.start)?;
        let end = match self.time.end {
            i64::MAX => run.end,
            end => bound(start..run.end, end)?,
        };
        Ok(start..end)
    }

    /// Rows of a range for which the condition may hold, by indexes and page statistics.
    fn prune(&self, cache: &SegmentCache, segment: &Segment, range: Range<u32>) -> Result<Vec<Rows>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let Some(condition) = &self.condition else {
            return Ok(vec![Rows::Range(range)]);
        };
        for conjunct in condition.conjuncts() {
            if let Some(rows) = index_rows(cache, segment, conjunct)? {
                return Ok(rows_within(&rows, range));
            }
        }
        Ok(prune_pages(segment, condition, range))
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
        Rows::List(rows) => Rows::List(rows.into_iter().filter(|row| within.contains(row)).collect()),
    };
    let is_empty = match &rows {
        Rows::Range(range) => range.is_empty(),
        Rows::List(rows) => rows.is_empty(),
    };
    (!is_empty).then_some(Piece {
        segment: piece.segment,
        rows,
    })
}

fn has_series(segment: &Segment, code: Option<u32>) -> bool {
    match code {
        None => true,
        Some(NULL_CODE) => segment.meta().null_series,
        Some(code) => segment.meta().series.contains(code),
    }
}

fn series_column(segment: &Segment) -> Option<&ColumnMeta> {
    segment.column(segment.meta().series_column?)
}

fn parted_run(cache: &SegmentCache, segment: &Segment, code: u32) -> Result<Option<Range<u32>>> {
    let Some(column) = series_column(segment) else {
        return Ok(None);
    };
    segment.parted(cache, column, |index| index.find(u64::from(code)))
}

fn all_runs(cache: &SegmentCache, segment: &Segment) -> Result<Vec<(u32, Range<u32>)>> {
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

/// The rows that an index gives for a condition: all for which it holds, and perhaps a few more.
fn index_rows(cache: &SegmentCache, segment: &Segment, condition: &Bind) -> Result<Option<RoaringBitmap>> {
    let Some((spec, keys)) = condition.keys() else {
        return Ok(None);
    };
    let Some(column) = segment.column(spec.column_id) else {
        return Ok(None);
    };
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

/// Leaves out the pages whose statistics exclude the condition, and uses sorted columns by binary search on them.
fn prune_pages(segment: &Segment, condition: &Bind, range: Range<u32>) -> Vec<Rows> {
    let page_rows = u32::try_from(PAGE_ROWS).unwrap_or(u32::MAX);
    let total = row_count(segment);
    let mut kept: Vec<Range<u32>> = Vec::new();
    for page in range.start / page_rows..=(range.end - 1) / page_rows {
        let first = page.saturating_mul(page_rows);
        let rows_of_page = (total - first).min(page_rows);
        let stats_of = |column: u32| -> Option<PageStats> {
            segment
                .column(column)
                .and_then(|column| column.pages.get(page as usize))
                .cloned()
        };
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
