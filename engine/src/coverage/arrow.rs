//! Coverage and gaps as Arrow, for programs that go on with them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, DurationNanosecondArray, RecordBatch, TimestampNanosecondArray, UInt64Array};
use arrow_schema::{Field, Schema};

use super::query::{Completeness, Gap, GapQuery};
use super::range::CoverageRange;
use super::table::TableCoverage;
use crate::error::{Error, Result};

impl TableCoverage {
    /// [`TableCoverage::all_ranges`] as rows: `series`, `interval` (0 for no grid), `start`, `end`, `state`, `source`, `batch`,
    /// `rows`, `fetched_at` and `commit`. Texts are dictionaries, times are in UTC, `end` is the first time after the range.
    /// A series that is null stands for every series, an interval that is null for every interval.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn arrow_ranges(&self, range: Range<i64>) -> Result<RecordBatch> {
        ranges_batch(&self.all_ranges(range))
    }

    /// [`TableCoverage::gaps`] as rows: `series`, `interval` (0 for no grid), `start` and `end`, the first time after it. The
    /// series are a dictionary, times are in UTC.
    ///
    /// # Errors
    /// As [`TableCoverage::gaps`].
    pub fn arrow_gaps(&self, query: &GapQuery) -> Result<RecordBatch> {
        gaps_batch(&self.gaps(query)?)
    }

    /// [`TableCoverage::completeness`] as rows: `series`, `start`, `end`, `expected` and `covered` (slots of the grid;
    /// nanoseconds without one).
    ///
    /// # Errors
    /// As [`TableCoverage::gaps`].
    pub fn arrow_completeness(&self, query: &GapQuery) -> Result<RecordBatch> {
        let all = self.completeness(query)?;
        let counts = |of: fn(&Completeness) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(all.iter().map(of)))
        };
        record_batch(vec![
            ("series", texts(all.iter().map(|day| day.series.as_deref())), true),
            ("start", times(all.iter().map(|day| day.start)), false),
            ("end", times(all.iter().map(|day| day.end)), false),
            ("expected", counts(|day| day.expected), false),
            ("covered", counts(|day| day.covered), false),
        ])
    }
}

/// Ranges of series and intervals as the rows of [`TableCoverage::arrow_ranges`].
///
/// # Errors
/// `Internal` only.
pub fn ranges_batch(all: &[(Option<String>, Option<i64>, CoverageRange)]) -> Result<RecordBatch> {
    let each = || all.iter().map(|(_, _, range)| range);
    record_batch(vec![
        (
            "series",
            texts(all.iter().map(|(series, _, _)| series.as_deref())),
            true,
        ),
        (
            "interval",
            lengths(all.iter().map(|(_, interval, _)| *interval)),
            true,
        ),
        ("start", times(each().map(|range| range.start)), false),
        ("end", times(each().map(|range| range.end)), false),
        (
            "state",
            texts(each().map(|range| Some(range.state.name()))),
            false,
        ),
        ("source", texts(each().map(|range| Some(&*range.source))), false),
        ("batch", texts(each().map(|range| Some(&*range.batch))), false),
        (
            "rows",
            Arc::new(each().map(|range| range.rows).collect::<UInt64Array>()),
            true,
        ),
        ("fetched_at", times(each().map(|range| range.fetched_at)), false),
        ("commit", times(each().map(|range| range.commit)), false),
    ])
}

/// Gaps as the rows of [`TableCoverage::arrow_gaps`].
///
/// # Errors
/// `Internal` only.
pub fn gaps_batch(gaps: &[Gap]) -> Result<RecordBatch> {
    let each = |of: fn(&Gap) -> i64| gaps.iter().map(of);
    record_batch(vec![
        (
            "series",
            texts(gaps.iter().map(|gap| gap.series.as_deref())),
            true,
        ),
        (
            "interval",
            lengths(gaps.iter().map(|gap| Some(gap.interval))),
            false,
        ),
        ("start", times(each(|gap| gap.start)), false),
        ("end", times(each(|gap| gap.end)), false),
    ])
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<UInt32Type>::new();
    builder.extend(values);
    Arc::new(builder.finish())
}

fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from_iter_values(values).with_timezone("UTC"))
}

fn lengths(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<DurationNanosecondArray>())
}

/// Columns with their names and whether they can be null.
fn record_batch(columns: Vec<(&str, ArrayRef, bool)>) -> Result<RecordBatch> {
    let field = |(name, array, nullable): &(&str, ArrayRef, bool)| {
        Field::new(*name, array.data_type().clone(), *nullable)
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array, _)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays)
        .map_err(|error| Error::internal(format!("coverage does not fit its own columns: {error}")))
}
