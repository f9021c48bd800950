//! The time column of a segment, by page: searched and read without touching more pages than needed.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_buffer::ScalarBuffer;
use gapless_format::{Bound, ColumnMeta, Encoding, PAGE_ROWS, VectorKind};

use super::cache::SegmentCache;
use super::reader::{Segment, native_slice};
use super::vector::Vector;
use crate::error::{Error, Result};

/// The times of a segment's rows. Pages are verified, and decoded where they are encoded, when they are read.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    segment: Arc<Segment>,
    /// All of them, when the column is plain or in memory, and what verifies them where that is needed.
    plain: Option<(ScalarBuffer<i64>, Option<Arc<Vector>>)>,
}

impl Times {
    pub(crate) fn new(cache: &SegmentCache, segment: &Arc<Segment>) -> Result<Self> {
        let column = time_column(segment)?;
        let memory = segment.in_memory_column(column.column_id).transpose()?;
        let plain = match (memory, column.encoding) {
            (Some(times), _) => {
                let times = times.as_primitive_opt::<TimestampNanosecondType>();
                let times = times.ok_or_else(|| Error::internal("times of a block are no nanoseconds"))?;
                Some((times.values().clone(), None))
            }
            (None, Encoding::Paged) => None,
            (None, Encoding::Plain) => {
                let vector = segment.vector(cache, column, VectorKind::Values)?;
                let values = native_slice::<i64>(vector.body(), &(0..segment.rows()))
                    .ok_or_else(|| Error::corrupt(format!("{} ends before its rows do", vector.path())))?;
                Some((values, Some(vector)))
            }
        };
        Ok(Self {
            segment: Arc::clone(segment),
            plain,
        })
    }

    /// The times of the first of some rows: up to the last of them or to the end of their page.
    pub(crate) fn run(&self, cache: &SegmentCache, rows: Range<usize>) -> Result<ScalarBuffer<i64>> {
        let total = self.segment.rows();
        let page = rows.start / PAGE_ROWS;
        let first = page * PAGE_ROWS;
        let end = rows.end.min(first + PAGE_ROWS);
        if rows.start >= end || end > total {
            return Err(Error::internal("times outside of a segment"));
        }
        let column = time_column(&self.segment)?;
        if let Some((values, _)) = &self.plain {
            self.verify(rows.start..end)?;
            return Ok(values.slice(rows.start, end - rows.start));
        }
        let decoded = self.segment.decoded_page(cache, column, page)?;
        let times = decoded.array().as_primitive_opt::<TimestampNanosecondType>();
        let times = times
            .ok_or_else(|| Error::corrupt(format!("{}: times are no nanoseconds", self.segment.path())))?;
        Ok(times.values().slice(rows.start - first, end - rows.start))
    }

    /// The times of some rows: a slice of the map where the column is plain, else a copy.
    pub(crate) fn span(&self, cache: &SegmentCache, rows: Range<usize>) -> Result<ScalarBuffer<i64>> {
        if let Some((values, _)) = &self.plain {
            self.verify(rows.clone())?;
            return Ok(values.slice(rows.start, rows.len()));
        }
        let mut times = Vec::with_capacity(rows.len());
        while rows.start + times.len() < rows.end {
            times.extend_from_slice(&self.run(cache, rows.start + times.len()..rows.end)?);
        }
        Ok(times.into())
    }

    /// Verifies the pages of some rows of a plain column.
    fn verify(&self, rows: Range<usize>) -> Result<()> {
        let Some((_, Some(vector))) = &self.plain else {
            return Ok(());
        };
        let column = time_column(&self.segment)?;
        let total = self.segment.rows();
        vector.verify(
            rows,
            |page| column.pages.get(page).map(|stats| stats.checksum),
            |page| page * PAGE_ROWS * 8..((page + 1) * PAGE_ROWS).min(total) * 8,
        )
    }

    /// The time of one row.
    pub(crate) fn get(&self, cache: &SegmentCache, row: usize) -> Result<i64> {
        let run = self.run(cache, row..row + 1)?;
        run.first()
            .copied()
            .ok_or_else(|| Error::internal("times outside of a segment"))
    }

    /// The first of some rows, which are in order of time, whose time is not less than `time`.
    ///
    /// Page statistics narrow the search to one page, so that no other page of the times is touched.
    pub(crate) fn lower_bound(&self, cache: &SegmentCache, rows: &Range<usize>, time: i64) -> Result<usize> {
        let Range {
            start: mut low,
            end: mut high,
        } = rows.clone();
        // Pages that lie inside the rows as a whole: their statistics are those of the rows.
        let first = low.div_ceil(PAGE_ROWS);
        let inside = time_column(&self.segment)?
            .pages
            .get(first..high / PAGE_ROWS)
            .unwrap_or_default();
        let less = inside.partition_point(|page| matches!(page.max, Bound::I64(max) if max < time));
        let below = inside.partition_point(|page| matches!(page.min, Bound::I64(min) if min < time));
        if less > 0 {
            low = (first + less) * PAGE_ROWS;
        }
        if below < inside.len() {
            high = (first + below) * PAGE_ROWS;
        }
        if below > 0 {
            low = low.max((first + below - 1) * PAGE_ROWS);
        }
        if less < inside.len() {
            high = high.min((first + less + 1) * PAGE_ROWS);
        }
        while low < high {
            if low / PAGE_ROWS == (high - 1) / PAGE_ROWS {
                let run = self.run(cache, low..high)?;
                return Ok(low + run.partition_point(|found| *found < time));
            }
            // Rows of two pages and not one whole page, or of pages with the same time.
            let last = (high - 1) / PAGE_ROWS * PAGE_ROWS;
            let middle = (low + (last - low) / 2) / PAGE_ROWS * PAGE_ROWS + PAGE_ROWS;
            let middle = middle.min(last);
            if self.get(cache, middle - 1)? < time {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

fn time_column(segment: &Segment) -> Result<&ColumnMeta> {
    segment
        .column(segment.meta().time_column)
        .ok_or_else(|| Error::corrupt(format!("{} has no time column", segment.path())))
}
