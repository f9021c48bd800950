//! What is known of a scan's rows before it runs.

use std::ops::Range;

use arrow_schema::{DataType, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use gapless_engine::{Result, Snapshot};

use super::split::{Extent, extents};
use super::wanted::Wanted;

/// Rows in a time range, and when the first and the last of them is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    rows: Precision<usize>,
    first: Precision<i64>,
    last: Precision<i64>,
}

impl Known {
    /// Of the rows that are wanted, in a part of the time.
    ///
    /// What the manifest says is exact where no deletion, no key and no condition hides rows and no segment lies half in the range.
    pub(super) fn of(snapshot: &Snapshot, table: &str, wanted: &Wanted, time: &Range<i64>) -> Result<Self> {
        let extents = extents(snapshot, table)?;
        let inside: Vec<&Extent> = extents.iter().filter(|extent| !extent.is_outside(time)).collect();
        let is_whole = inside.iter().all(|extent| extent.is_in(time));
        let is_exact = is_whole && wanted.is_time_only() && !snapshot.hides_rows(table)?;
        let rows: u64 = inside.iter().map(|extent| extent.rows_in(time)).sum();
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let first = inside.iter().map(|extent| extent.min).min();
        let last = inside.iter().map(|extent| extent.max).max();
        let (first, last) = (
            first.map(|first| first.max(time.start)),
            last.map(|last| last.min(time.end)),
        );
        // Of no time at all there is no first.
        let is_some = first <= last;
        Ok(Self {
            rows: precision(Some(rows), is_exact),
            first: precision(first.filter(|_| is_some), is_exact),
            last: precision(last.filter(|_| is_some), is_exact),
        })
    }

    /// Whether it is no estimate.
    pub(super) const fn is_exact(&self) -> bool {
        matches!(self.rows, Precision::Exact(_))
    }

    /// For columns that are read, of which one may be the time; of at most `fetch` rows.
    pub(super) fn statistics(
        &self,
        schema: &Schema,
        time: Option<usize>,
        fetch: Option<usize>,
    ) -> Statistics {
        let mut statistics = Statistics::new_unknown(schema);
        statistics.num_rows = match fetch {
            Some(fetch) => limited(&self.rows, fetch),
            None => self.rows,
        };
        let columns = schema.fields().iter().zip(&mut statistics.column_statistics);
        for (at, (field, column)) in columns.enumerate() {
            if !field.is_nullable() {
                column.null_count = Precision::Exact(0);
            }
            if time == Some(at) {
                self.describe_time(column, field.data_type(), fetch.is_none());
            }
        }
        statistics
    }

    fn describe_time(&self, column: &mut ColumnStatistics, data_type: &DataType, is_whole: bool) {
        let DataType::Timestamp(_, zone) = data_type else {
            return;
        };
        let instant = |ns: &i64| ScalarValue::TimestampNanosecond(Some(*ns), zone.clone());
        let bound = |bound: &Precision<i64>| match bound {
            Precision::Exact(ns) if is_whole => Precision::Exact(instant(ns)),
            Precision::Exact(ns) | Precision::Inexact(ns) => Precision::Inexact(instant(ns)),
            Precision::Absent => Precision::Absent,
        };
        column.min_value = bound(&self.first);
        column.max_value = bound(&self.last);
    }
}

fn precision<T: Clone + PartialEq + Eq + PartialOrd + std::fmt::Debug>(
    value: Option<T>,
    is_exact: bool,
) -> Precision<T> {
    match value {
        Some(value) if is_exact => Precision::Exact(value),
        Some(value) => Precision::Inexact(value),
        None => Precision::Absent,
    }
}

fn limited(rows: &Precision<usize>, fetch: usize) -> Precision<usize> {
    match rows {
        Precision::Exact(rows) => Precision::Exact((*rows).min(fetch)),
        Precision::Inexact(rows) => Precision::Inexact((*rows).min(fetch)),
        Precision::Absent => Precision::Inexact(fetch),
    }
}
