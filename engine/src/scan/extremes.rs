//! Rows of which only the least and the greatest values count: a page of which every row does is two rows, made of its statistics.

use std::sync::Arc;

use arrow_array::{ArrayRef, new_null_array};
use arrow_buffer::MutableBuffer;
use gapless_format::{Bound, ColumnSpec, ColumnType, PAGE_ROWS, page_rows};

use super::merge::Chunk;
use super::output::Output;
use super::piece::Piece;
use super::rows::Rows;
use crate::segment::{Segment, fixed_array};
use crate::table::types::storage_type;

/// Fewer rows than these are read sooner than replaced.
const ROWS_MIN: usize = 64;

/// A page of a segment, of which every row counts.
#[derive(Debug, Clone)]
pub(crate) struct WholePage {
    segment: Arc<Segment>,
    page: usize,
}

impl WholePage {
    /// The rows that stand for a page: its least and its greatest value.
    pub(crate) const ROWS: usize = 2;

    /// The page that a chunk is.
    fn of(chunk: &Chunk) -> Option<Self> {
        let Chunk::Slice(Piece {
            segment,
            rows: Rows::Range(rows),
        }) = chunk
        else {
            return None;
        };
        let page = rows.start as usize / PAGE_ROWS;
        let all = page_rows(page as u64, segment.rows() as u64);
        let is_whole = all == (u64::from(rows.start)..u64::from(rows.end)) && rows.len() >= ROWS_MIN;
        is_whole.then(|| Self {
            segment: Arc::clone(segment),
            page,
        })
    }

    /// The least and the greatest value of a column in its storage type; `None` where the statistics do not tell.
    pub(super) fn column(&self, spec: &ColumnSpec) -> Option<ArrayRef> {
        let nulls = || new_null_array(&storage_type(&spec.column_type), Self::ROWS);
        let Some(column) = self.segment.column(spec.column_id) else {
            return Some(nulls());
        };
        let stats = column.pages.get(self.page)?;
        let all = page_rows(self.page as u64, self.segment.rows() as u64);
        if u64::from(stats.null_count) == all.end - all.start {
            return Some(nulls());
        }
        if matches!(spec.column_type, ColumnType::Symbol { .. }) {
            // Codes do not go by the text that they stand for.
            return None;
        }
        let mut bytes = MutableBuffer::new(0);
        for bound in [stats.min, stats.max] {
            let bound = match bound {
                Bound::None if stats.has_nan => Bound::F64(f64::NAN),
                bound => bound,
            };
            extend(&mut bytes, bound, &spec.column_type)?;
        }
        // A column that was widened since has bounds of another type.
        let is_same = column.column_type == spec.column_type;
        let array = || fixed_array(&spec.column_type, bytes.into(), 0..Self::ROWS, None);
        is_same.then(array).flatten()
    }
}

/// Adds a bound as a value of a type; `None` where it may be none of the values.
fn extend(bytes: &mut MutableBuffer, bound: Bound, column_type: &ColumnType) -> Option<()> {
    let width = column_type.value_width()?;
    match bound {
        // Bounds do not tell the zeros apart.
        Bound::F64(0.0) | Bound::None => return None,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the bound is one of the values, which have this width"
        )]
        Bound::F64(value) if width == 4 => bytes.extend_from_slice(&(value as f32).to_le_bytes()),
        Bound::F64(value) => bytes.extend_from_slice(value.to_le_bytes().get(..width)?),
        Bound::I64(value) => bytes.extend_from_slice(value.to_le_bytes().get(..width)?),
        Bound::U64(value) => bytes.extend_from_slice(value.to_le_bytes().get(..width)?),
        Bound::I128(value) => bytes.extend_from_slice(value.to_le_bytes().get(..width)?),
    }
    Some(())
}

impl Output {
    /// Two rows instead of a whole page whose statistics tell what they are in every column.
    pub(super) fn reduced(&self, chunk: Chunk) -> Chunk {
        match WholePage::of(&chunk) {
            Some(page) if self.projection().iter().all(|spec| page.column(spec).is_some()) => {
                Chunk::Page(page, 0..WholePage::ROWS)
            }
            _ => chunk,
        }
    }
}
