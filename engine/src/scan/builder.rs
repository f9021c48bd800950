//! What to read: a table at a version, a time range, series, columns, a condition, an order.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use gapless_format::{ColumnSpec, PAGE_ROWS, SegmentRef, TableMeta};

use super::predicate::Predicate;
use super::stream::Batches;
use crate::coverage::{Gap, GapQuery, IntoInterval};
use crate::database::Snapshot;
use crate::error::{Error, Result};
use crate::manifest::TableState;

/// From this time on, the time after it is the end of time.
const LAST_WITH_END: i64 = i64::MAX - 1;

/// The order in which rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Order {
    /// By series (as text, null last), then time. Rows equal in both come as they arrived.
    #[default]
    Series,
    /// By time, then series. Rows equal in both come as they arrived.
    Time,
    /// As the segments lie: partition after partition, nothing is merged. The cheapest, and the one to aggregate over.
    Stored,
}

/// A read of one table, not yet run.
#[derive(Debug, Clone)]
pub struct Scan {
    pub(crate) snapshot: Snapshot,
    pub(crate) table: Arc<TableState>,
    pub(crate) time: Range<i64>,
    pub(crate) series: Option<Vec<String>>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) predicate: Option<Predicate>,
    pub(crate) order: Order,
    pub(crate) limit: Option<usize>,
    pub(crate) batch_rows: usize,
    /// The interval at which the range must be covered.
    pub(crate) required: Option<Result<i64>>,
}

impl Scan {
    pub(crate) fn new(snapshot: Snapshot, table: &str) -> Result<Self> {
        let table = Arc::clone(snapshot.table(table)?);
        Ok(Self {
            snapshot,
            table,
            time: i64::MIN..i64::MAX,
            series: None,
            columns: None,
            predicate: None,
            order: Order::default(),
            limit: None,
            batch_rows: PAGE_ROWS,
            required: None,
        })
    }

    /// The rows that some segments of a snapshot hold, and no others: neither other segments nor memtables are read.
    pub(crate) fn of_segments(
        snapshot: Snapshot,
        table: &Arc<TableState>,
        segments: &[Arc<SegmentRef>],
    ) -> Result<Self> {
        let mut scan = Self::new(snapshot.without_streams(), &table.meta().name)?;
        scan.table = Arc::new(table.with_only(segments)?);
        Ok(scan)
    }

    /// Only rows with `start <= time < end`, nanoseconds since the epoch. `i64::MAX` as the end means no end.
    #[must_use]
    pub fn between(mut self, start: i64, end: i64) -> Self {
        self.time = start..end;
        self
    }

    /// Of the rows asked for so far, only those at or before a time, nanoseconds since the epoch.
    #[must_use]
    pub fn up_to(mut self, at: i64) -> Self {
        // The end of time stands for no end in a range, so the last time before it needs a condition.
        match at {
            i64::MAX => return self,
            LAST_WITH_END.. => {
                let meta = self.meta();
                let time = meta.column(meta.time_column).map(|column| column.name.clone());
                return match time {
                    Some(time) => self.filter(super::predicate::col(time).le(at)),
                    None => self,
                };
            }
            at => self.time.end = self.time.end.min(at + 1),
        }
        self
    }

    /// Only rows of these series. A series that the table does not have gives no rows.
    #[must_use]
    pub fn series<S: Into<String>>(mut self, series: impl IntoIterator<Item = S>) -> Self {
        self.series = Some(series.into_iter().map(Into::into).collect());
        self
    }

    /// Only these columns, in this order.
    #[must_use]
    pub fn columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Only rows for which the condition is true; with an earlier one, for which both are.
    #[must_use]
    pub fn filter(mut self, predicate: Predicate) -> Self {
        self.predicate = Some(match self.predicate {
            Some(earlier) => earlier.and(predicate),
            None => predicate,
        });
        self
    }

    /// The order in which rows come.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// At most this many rows, the first in the order.
    #[must_use]
    pub fn limit(mut self, rows: usize) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Rows in one batch at most; 65,536 unless told otherwise.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }

    /// The time range asked for.
    pub fn time_range(&self) -> Range<i64> {
        self.time.clone()
    }

    /// The series asked for; `None` for all.
    pub fn series_asked(&self) -> Option<&[String]> {
        self.series.as_deref()
    }

    /// The condition on rows.
    pub const fn condition(&self) -> Option<&Predicate> {
        self.predicate.as_ref()
    }

    /// The order asked for, and the greatest number of rows.
    pub const fn order_and_limit(&self) -> (Order, Option<usize>) {
        (self.order, self.limit)
    }

    /// Refuses to run unless the whole range is covered, of every series that is asked for, at an interval: nanoseconds, a
    /// duration or text such as `"1m"`; 0 for rows on no grid.
    #[must_use]
    pub fn require_coverage(mut self, interval: impl IntoInterval) -> Self {
        self.required = Some(interval.into_interval());
        self
    }

    /// The gaps of what is asked for, at an interval: of the same snapshot as the rows.
    ///
    /// # Errors
    /// As [`crate::TableCoverage::gaps`].
    pub fn uncovered(&self, interval: impl IntoInterval) -> Result<Vec<Gap>> {
        let mut query = GapQuery::new(self.time.start, self.time.end).interval(interval);
        query.series.clone_from(&self.series);
        self.snapshot.coverage(&self.meta().name)?.gaps(&query)
    }

    /// Refuses a range that is not covered, if that was asked for.
    ///
    /// # Errors
    /// `Gaps`, listing them.
    pub(crate) fn check_coverage(&self) -> Result<()> {
        let Some(interval) = &self.required else {
            return Ok(());
        };
        let gaps = self.uncovered(interval.clone()?)?;
        match gaps.is_empty() {
            true => Ok(()),
            false => Err(Error::uncovered(&self.meta().name, gaps)),
        }
    }

    /// The table's description at the scanned version.
    pub fn meta(&self) -> &Arc<TableMeta> {
        self.table.meta()
    }

    /// The schema of the batches.
    ///
    /// # Errors
    /// `Invalid` when a column is asked for that the table does not have.
    pub fn schema(&self) -> Result<SchemaRef> {
        super::output::schema(&self.projection()?)
    }

    /// The columns to hand out.
    pub(crate) fn projection(&self) -> Result<Vec<ColumnSpec>> {
        match &self.columns {
            None => Ok(self.meta().columns.clone()),
            Some(names) => names.iter().map(|name| self.column(name).cloned()).collect(),
        }
    }

    /// A column of the table by name.
    pub(crate) fn column(&self, name: &str) -> Result<&ColumnSpec> {
        self.meta()
            .columns
            .iter()
            .find(|column| column.name == name)
            .ok_or_else(|| {
                let names: Vec<_> = self
                    .meta()
                    .columns
                    .iter()
                    .map(|column| format!("{:?}", column.name))
                    .collect();
                Error::invalid(format!(
                    "table {:?} has no column {name:?}; its columns are {}",
                    self.meta().name,
                    names.join(", ")
                ))
            })
    }

    /// Runs the scan: batches one by one, in order, with bounded memory.
    ///
    /// # Errors
    /// `Invalid` for a column that is not there or a value that does not fit it; while streaming, `Corrupt` naming
    /// file, page and rows, or `Io`.
    pub fn stream(self) -> Result<Batches> {
        Batches::new(self)
    }

    /// Runs the scan and keeps all batches.
    ///
    /// # Errors
    /// As [`Scan::stream`].
    pub fn collect(self) -> Result<Vec<RecordBatch>> {
        self.stream()?.collect()
    }

    /// Counts the rows.
    ///
    /// # Errors
    /// As [`Scan::stream`].
    pub fn count(self) -> Result<u64> {
        super::fold::count(self)
    }

    /// The last `rows` rows by time, in order of time.
    ///
    /// # Errors
    /// As [`Scan::stream`].
    pub fn last(self, rows: usize) -> Result<Vec<RecordBatch>> {
        super::last::last(self, rows)
    }

    /// Folds all rows on all threads, in no order: each thread starts with `start()`, takes batches with `take`, and
    /// the threads' results are joined with `join`. Batches are zero-copy where nothing was filtered out of them.
    ///
    /// # Errors
    /// As [`Scan::stream`], and what `take` says.
    pub fn fold<T: Send>(
        self,
        start: impl Fn() -> T + Sync + Send,
        take: impl Fn(T, RecordBatch) -> Result<T> + Sync + Send,
        join: impl Fn(T, T) -> T + Sync + Send,
    ) -> Result<T> {
        super::fold::fold(self, start, take, join)
    }

    /// What the scan will touch, and what it leaves out by time, series and statistics.
    ///
    /// # Errors
    /// As [`Scan::stream`].
    pub fn explain(self) -> Result<super::Explain> {
        super::explain::explain(self)
    }
}
