//! The commit time of each row, in segments whose rows were committed at different times between which others were.
//!
//! It decides the order of rows that are equal in series and time, and which of them `keep` keeps. A segment without
//! the column is as a whole before or after every row that it could be compared with.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_buffer::ScalarBuffer;
use gapless_format::{COMMIT_COLUMN, ColumnSpec, ColumnType, TimeUnit};

use super::cache::SegmentCache;
use super::reader::Segment;
use crate::error::Result;

/// Name of the column's files; no column of a table may have it.
pub(crate) const COMMIT_COLUMN_NAME: &str = "#commit";

/// The column, as it is written behind those of the table.
pub(crate) fn commit_spec() -> ColumnSpec {
    ColumnSpec {
        column_id: COMMIT_COLUMN,
        name: COMMIT_COLUMN_NAME.to_owned(),
        column_type: ColumnType::Timestamp {
            unit: TimeUnit::Nanosecond,
            zone: None,
        },
        nullable: false,
        attributes: Vec::new(),
    }
}

impl Segment {
    /// The commit times of some rows; `None` when they are all [`gapless_format::SegmentRef::first_commit`] for
    /// whoever compares them.
    pub(crate) fn commits(
        &self,
        cache: &SegmentCache,
        rows: Range<usize>,
    ) -> Result<Option<ScalarBuffer<i64>>> {
        if self.column(COMMIT_COLUMN).is_none() {
            return Ok(None);
        }
        let array = self.read(cache, &commit_spec(), rows)?;
        Ok(Some(
            array.as_primitive::<TimestampNanosecondType>().values().clone(),
        ))
    }
}
