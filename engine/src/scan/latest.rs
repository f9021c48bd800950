//! The last row of each series: looked for from the newest segments back, without reading what comes before it.
//!
//! - In each stretch of time a series is looked for in all of its segments: its run is found by the index, the end of the run by
//!   binary search. The first stretch that has a row ends the search.
//! - Rows of the latest time are merged as any scan merges them, so deletions, versions and the order of arrival count.
//! - Values are read of the rows that were found, and of few before them where a condition has to be tried.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use gapless_format::NULL_CODE;

use super::cluster::Cluster;
use super::merge::{Chunk, Merge};
use super::ordered::{OrderedBatch, OrderedScan, SeriesRun};
use super::output::read_passed;
use super::piece::Piece;
use super::rows::Rows;
use super::ties::Pick;
use crate::error::{Error, Result};
use crate::segment::{Segment, SegmentCache, Times};

/// Rows of a series that a condition is first tried on; then ever more.
const TRIED_FIRST: usize = 128;
const TRIED_MAX: usize = 1 << 16;

/// The last row of a series.
#[derive(Debug)]
struct Found {
    /// The number of the series in the scan.
    series: u32,
    segment: Arc<Segment>,
    row: u32,
}

impl OrderedScan {
    /// The last row of each of some series that the scan would give: the latest by time, of rows equal in time the last to arrive.
    /// A series without rows has none. Rows come by series, in as few batches as their number allows.
    ///
    /// [`Scan::up_to`](super::Scan::up_to) says at which time; the start of the scan's range is a horizon, before which nothing
    /// is looked for. What the answer costs depends on how far back the rows are, not on how many rows there are.
    ///
    /// # Errors
    /// As [`Scan::stream`](super::Scan::stream).
    pub fn latest(&self, series: Range<usize>) -> Result<Vec<OrderedBatch>> {
        let found = self.find_latest(series)?;
        let batches = found.chunks(self.plan.scan.batch_rows);
        batches.map(|found| self.gather(found)).collect()
    }

    fn find_latest(&self, series: Range<usize>) -> Result<Vec<Found>> {
        let codes = self.series.get(series.clone()).unwrap_or_default();
        let first = u32::try_from(series.start).unwrap_or(u32::MAX);
        // The series that are left, as (number, code).
        let mut left: Vec<(u32, u32)> = (first..)
            .zip(codes)
            .map(|(number, code)| (number, code.unwrap_or(NULL_CODE)))
            .collect();
        let mut found: Vec<Found> = Vec::with_capacity(left.len());
        for cluster in self.plan.clusters.iter().rev() {
            if left.is_empty() {
                break;
            }
            let before = found.len();
            let pieces = self.pieces(cluster, &left)?;
            for pieces in pieces.chunk_by(|(a, _), (b, _)| a == b) {
                if let (Some((series, _)), Some((segment, row))) = (pieces.first(), self.last_of(pieces)?) {
                    let series = *series;
                    found.push(Found { series, segment, row });
                }
            }
            // Both are ascending.
            let mut found = found.get(before..).unwrap_or_default().iter().peekable();
            left.retain(|(number, _)| found.next_if(|found| found.series == *number).is_none());
        }
        found.sort_unstable_by_key(|found| found.series);
        Ok(found)
    }

    /// The rows that a cluster has of some series, each piece with the number of its series: by number, then by commit.
    fn pieces(&self, cluster: &Cluster, series: &[(u32, u32)]) -> Result<Vec<(u32, Piece)>> {
        let plan = &self.plan;
        let has_series = plan.meta().series_column.is_some();
        let codes: Vec<u32> = series.iter().map(|(_, code)| *code).collect();
        let codes = has_series.then_some(codes.as_slice());
        let pruning = |code| cluster.contested.pruning(code);
        let mut pieces: Vec<(u32, Piece)> = Vec::new();
        for segment in &cluster.segments {
            let segment = plan.open(segment)?;
            let mut numbers = series.iter();
            for (code, piece) in plan.selector.runs(plan.cache(), &segment, codes, &pruning)? {
                // Runs come in the order of the codes that were asked for.
                if let Some((number, _)) = numbers.find(|(_, other)| *other == code) {
                    pieces.push((*number, piece));
                }
            }
        }
        pieces.sort_by_key(|(number, _)| *number);
        Ok(pieces)
    }

    /// The last row of the pieces of one series that the scan would give.
    fn last_of(&self, pieces: &[(u32, Piece)]) -> Result<Option<(Arc<Segment>, u32)>> {
        let plan = &self.plan;
        let has_condition = plan.output.has_condition();
        let is_in_order = matches!(pieces, [(_, only)] if plan.ties.is_settled(only));
        if let ([(_, only)], true, false) = (pieces, is_in_order, has_condition) {
            let row = only.rows.len().checked_sub(1).and_then(|at| only.rows.get(at));
            return Ok(row.map(|row| (Arc::clone(&only.segment), row)));
        }
        let mut search = Search::new(plan.cache(), pieces, !is_in_order)?;
        let mut rows = if has_condition { TRIED_FIRST } else { 1 };
        while let Some(window) = search.back(plan.cache(), rows)? {
            let mut merge = Merge::new(plan.cache(), &plan.ties, window, plan.scan.batch_rows)?;
            let mut found = None;
            while let Some(chunk) = merge.next_chunk(plan.cache())? {
                let passing = plan.output.passing(plan.cache(), std::slice::from_ref(&chunk))?;
                let last = match passing {
                    None => chunk.len().checked_sub(1),
                    Some(passing) => passing.values().set_indices().last(),
                };
                if let Some(last) = last {
                    found = Some(stored_row(&chunk, last)?);
                }
            }
            if found.is_some() {
                return Ok(found);
            }
            rows = (rows * 4).min(TRIED_MAX);
        }
        Ok(None)
    }

    /// Rows of any segments, one of each series, as a batch.
    fn gather(&self, found: &[Found]) -> Result<OrderedBatch> {
        let (cache, output) = (self.plan.cache(), &self.plan.output);
        let chunk = [chunk_of(found)];
        let times = read_passed(cache, &self.time, &chunk, None)?
            .as_primitive::<TimestampNanosecondType>()
            .values()
            .clone();
        let run = |(at, found): (usize, &Found)| SeriesRun {
            series: found.series,
            rows: at..at + 1,
        };
        Ok(OrderedBatch {
            batch: output.passed(cache, &chunk, None)?,
            times,
            runs: found.iter().enumerate().map(run).collect(),
        })
    }
}

/// Rows as a chunk, in their order: each segment is read once, and only where they are.
fn chunk_of(found: &[Found]) -> Chunk {
    let mut places: hashbrown::HashMap<u64, usize> = hashbrown::HashMap::new();
    let mut segments: Vec<(&Arc<Segment>, Vec<u32>)> = Vec::new();
    let mut of_segment: Vec<usize> = Vec::with_capacity(found.len());
    for row in found {
        let place = *places.entry(row.segment.reference().segment).or_insert_with(|| {
            segments.push((&row.segment, Vec::new()));
            segments.len() - 1
        });
        if let Some((_, rows)) = segments.get_mut(place) {
            rows.push(row.row);
        }
        of_segment.push(place);
    }
    segments.iter_mut().for_each(|(_, rows)| rows.sort_unstable());
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let pick = |(found, place): (&Found, usize)| -> Pick {
        let rows = segments.get(place).map_or(&[][..], |(_, rows)| rows.as_slice());
        let at = rows.binary_search(&found.row).unwrap_or_else(|at| at);
        (number(place), number(at))
    };
    let picks: Vec<Pick> = found.iter().zip(of_segment).map(pick).collect();
    let pieces = segments.into_iter().map(|(segment, rows)| Piece {
        segment: Arc::clone(segment),
        rows: Rows::List(rows),
    });
    let mut pieces: Vec<Piece> = pieces.collect();
    if pieces.len() == 1
        && picks.is_sorted()
        && let Some(only) = pieces.pop()
    {
        return Chunk::Slice(only);
    }
    Chunk::Picks(pieces, picks)
}

/// Where a row of a merged chunk is stored.
fn stored_row(chunk: &Chunk, at: usize) -> Result<(Arc<Segment>, u32)> {
    let found = match chunk {
        Chunk::Slice(piece) => Some((piece, at)),
        Chunk::Picks(pieces, picks) => picks.get(at).and_then(|(number, at)| {
            let piece = pieces.get(*number as usize)?;
            Some((piece, *at as usize))
        }),
        Chunk::Runs(pieces, runs) => {
            let mut left = at;
            let run = runs.iter().find(|run| {
                let is_in = left < run.len();
                left -= if is_in { 0 } else { run.len() };
                is_in
            });
            run.and_then(|run| Some((pieces.get(run.piece as usize)?, run.start as usize + left)))
        }
        Chunk::Kept(..) | Chunk::Page(..) => None,
    };
    let stored = found.and_then(|(piece, at)| Some((Arc::clone(&piece.segment), piece.rows.get(at)?)));
    stored.ok_or_else(|| Error::internal("a merged row is in no segment"))
}

/// Pieces of one series, gone through from their end.
struct Search<'a> {
    pieces: &'a [(u32, Piece)],
    /// Their times, where rows must be compared.
    times: Vec<Times>,
    /// Where the rows end that were not looked at.
    ends: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(cache: &SegmentCache, pieces: &'a [(u32, Piece)], by_time: bool) -> Result<Self> {
        let times = pieces.iter().filter(|_| by_time);
        Ok(Self {
            times: times
                .map(|(_, piece)| Times::new(cache, &piece.segment))
                .collect::<Result<_>>()?,
            ends: pieces.iter().map(|(_, piece)| piece.rows.len()).collect(),
            pieces,
        })
    }

    /// The next rows back, at least one: of each piece those from a time on, which is that of its `rows`th row from the end in
    /// the piece that goes on the latest. `None` when all were looked at. Rows of one time are never in two windows.
    fn back(&mut self, cache: &SegmentCache, rows: usize) -> Result<Option<Vec<(u32, Piece)>>> {
        if self.ends.iter().all(|end| *end == 0) {
            return Ok(None);
        }
        let starts = match self.times.is_empty() {
            true => self.ends.iter().map(|end| end.saturating_sub(rows)).collect(),
            false => self.starts(cache, rows)?,
        };
        let within = self.pieces.iter().zip(starts.iter().zip(&self.ends));
        let window = within
            .map(|((place, piece), (start, end))| (*place, piece.slice(*start..*end)))
            .collect();
        self.ends = starts;
        Ok(Some(window))
    }

    fn starts(&self, cache: &SegmentCache, rows: usize) -> Result<Vec<usize>> {
        let mut from = i64::MIN;
        for (piece, end) in self.ends.iter().enumerate().filter(|(_, end)| **end > 0) {
            from = from.max(self.time(cache, piece, end.saturating_sub(rows))?);
        }
        let pieces = self.ends.iter().enumerate();
        pieces
            .map(|(piece, end)| self.first_at(cache, piece, *end, from))
            .collect()
    }

    fn time(&self, cache: &SegmentCache, piece: usize, at: usize) -> Result<i64> {
        let outside = || Error::internal("a row outside of its piece");
        let row = self.pieces.get(piece).and_then(|(_, piece)| piece.rows.get(at));
        let times = self.times.get(piece).ok_or_else(outside)?;
        times.get(cache, row.ok_or_else(outside)? as usize)
    }

    /// The first position before `end` whose time is not less than `from`; it is probably near.
    fn first_at(&self, cache: &SegmentCache, piece: usize, end: usize, from: i64) -> Result<usize> {
        let (mut low, mut high, mut step) = (0, end, 1);
        while high > low {
            let probe = high - step.min(high - low);
            if self.time(cache, piece, probe)? < from {
                low = probe + 1;
                break;
            }
            (high, step) = (probe, step * 2);
        }
        while high > low {
            let middle = low + (high - low) / 2;
            match self.time(cache, piece, middle)? < from {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }
}
