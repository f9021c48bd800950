//! [`Query`]: what is asked of rows, step by step.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use gapless_engine::scan::{Batches as ScanBatches, Scan};
use gapless_engine::{Error, Result};

use crate::aggregate::Aggregate;
use crate::bucket::{Bucket, IntoBucket};
use crate::expr::Expr;
use crate::interrupt::Interrupt;
use crate::memory::Memory;
use crate::operator::{
    Aggregation, AsOf, AsOfJoin, Batches, ColumnSet, Concat, Fill, Filling, Filter, Grouping, HorizonJoin,
    HorizonRows, Input, Join, JoinedRows, Latest, Limit, Missing, Need, Over, Planner, Project, Rolling,
    RollingAggregation, ScanRows, SeriesFunction, Sort, SortKey, WindowJoin, WindowedRows,
};
use crate::source::{Gathered, Source, collect, gather};

/// Rows, and what is done with them. Nothing runs before [`collect`](Self::collect) or [`stream`](Self::stream); what is wrong with a
/// step is said there too.
///
/// Rows of a table come by series and time, and so do groups of series and bucket; groups of other keys come by their keys.
#[derive(Debug, Clone)]
pub struct Query {
    built: Result<Input>,
    memory: Option<u64>,
    interrupt: Option<Interrupt>,
}

impl From<Scan> for Query {
    fn from(scan: Scan) -> Self {
        Self::of(ScanRows::new(scan).map(|scan| Arc::new(scan) as Input))
    }
}

/// What a [`Query`] can be made of.
pub trait IntoQuery: Into<Query> {
    /// The query.
    fn query(self) -> Query {
        self.into()
    }

    /// As [`Query::bucket`].
    fn bucket(self, bucket: impl IntoBucket) -> Grouped {
        self.query().bucket(bucket)
    }

    /// As [`Query::group_by`].
    fn group_by<E: Into<Expr>>(self, keys: impl IntoIterator<Item = E>) -> Grouped {
        self.query().group_by(keys)
    }

    /// As [`Query::agg`].
    fn agg(self, aggregates: impl IntoIterator<Item = Aggregate>) -> Query {
        self.query().agg(aggregates)
    }

    /// As [`Query::latest`].
    fn latest(self, at: Option<i64>) -> Query {
        self.query().latest(at)
    }

    /// As [`Query::fill`].
    fn fill(self, fill: Fill) -> Query {
        self.query().fill(fill)
    }

    /// As [`Query::missing`].
    fn missing(self, every: impl IntoBucket, start: i64, end: i64) -> Query {
        self.query().missing(every, start, end)
    }

    /// As [`Query::with_column`].
    fn with_column(self, column: impl Into<Expr>) -> Query {
        self.query().with_column(column)
    }

    /// As [`Query::over`].
    fn over(self, functions: impl IntoIterator<Item = SeriesFunction>) -> Query {
        self.query().over(functions)
    }

    /// As [`Query::rolling`].
    fn rolling(self, rolling: Rolling) -> Rolled {
        self.query().rolling(rolling)
    }

    /// As [`Query::select`].
    fn select<E: Into<Expr>>(self, columns: impl IntoIterator<Item = E>) -> Query {
        self.query().select(columns)
    }
}

impl IntoQuery for Scan {}

impl From<Result<Scan>> for Query {
    fn from(scan: Result<Scan>) -> Self {
        scan.map_or_else(|error| Self::of(Err(error)), Self::from)
    }
}

/// What is wrong with the scan is said when the query runs.
impl IntoQuery for Result<Scan> {}

impl Query {
    fn of(built: Result<Input>) -> Self {
        Self {
            built,
            memory: None,
            interrupt: None,
        }
    }

    /// Rows from elsewhere, in their order.
    pub fn batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self::of(Batches::new(schema, batches, None, None).map(|batches| Arc::new(batches) as Input))
    }

    /// Rows from elsewhere, with the column of their times and, where they have one, that of their series, for operators that go by
    /// these.
    pub fn timed_batches(
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        time: &str,
        series: Option<&str>,
    ) -> Self {
        Self::of(Batches::new(schema, batches, Some(time), series).map(|batches| Arc::new(batches) as Input))
    }

    /// A further step.
    fn then<O: crate::operator::Operator + 'static>(self, step: impl FnOnce(Input) -> Result<O>) -> Self {
        self.map(|input| Ok(Arc::new(step(input)?) as Input))
    }

    fn map(self, step: impl FnOnce(Input) -> Result<Input>) -> Self {
        Self {
            built: self.built.and_then(step),
            ..self
        }
    }

    /// Only rows for which a condition is true. What a scan can tell itself from times, series, indexes and statistics is not
    /// read.
    #[must_use]
    pub fn filter(self, condition: impl Into<Expr>) -> Self {
        self.map(|input| Filter::of(input, condition.into()))
    }

    /// Only these columns: names, or expressions with an [`alias`](Expr::alias).
    #[must_use]
    pub fn select<E: Into<Expr>>(self, columns: impl IntoIterator<Item = E>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.then(|input| Project::select(input, columns))
    }

    /// All columns and one more; one of the same name is replaced.
    #[must_use]
    pub fn with_column(self, column: impl Into<Expr>) -> Self {
        self.with_columns([column.into()])
    }

    /// All columns and some more, which are computed from the former; those of the same name are replaced.
    #[must_use]
    pub fn with_columns<E: Into<Expr>>(self, columns: impl IntoIterator<Item = E>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.then(|input| Project::with(input, columns))
    }

    /// Groups rows by buckets of their time: a length such as `"1m"`, or a [`Bucket`].
    pub fn bucket(self, bucket: impl IntoBucket) -> Grouped {
        Grouped::of(self).bucket(bucket)
    }

    /// Groups rows by columns or expressions. Null is a group of its own.
    pub fn group_by<E: Into<Expr>>(self, keys: impl IntoIterator<Item = E>) -> Grouped {
        Grouped::of(self).group_by(keys)
    }

    /// Aggregates over all rows: one row.
    #[must_use]
    pub fn agg(self, aggregates: impl IntoIterator<Item = Aggregate>) -> Self {
        Grouped::of(self).agg(aggregates)
    }

    /// To each row, the row of other rows that was there at its time, as [`AsOf`] says: its columns after those of the left row.
    #[must_use]
    pub fn asof_join(self, right: impl Into<Self>, options: AsOf) -> Self {
        self.then(|left| AsOfJoin::new(left, right.into().built?, options.checked()?))
    }

    /// To each row, the rows of other rows that are around it in time, as [`WindowJoin`] says, until aggregates say what is wanted of
    /// them.
    pub fn window_join(self, right: impl Into<Self>, window: WindowJoin) -> Windowed {
        Windowed {
            left: self,
            right: right.into(),
            window,
        }
    }

    /// To each row and each of some offsets, the other row that was there at that distance from its time, as [`HorizonJoin`] says:
    /// one row for each offset, with the columns of the left row, the column `offset`, and those of the other row.
    #[must_use]
    pub fn horizon_join(self, right: impl Into<Self>, options: HorizonJoin) -> Self {
        self.then(|left| HorizonRows::new(left, right.into().built?, options.checked()?))
    }

    /// To each row, the other rows that are equal to it in some columns, as [`Join`] says. The other rows are read into memory; these
    /// rows keep their order.
    #[must_use]
    pub fn join(self, right: impl Into<Self>, options: Join) -> Self {
        self.then(|left| JoinedRows::new(left, right.into().built?, options.checked()?))
    }

    /// The rows of several queries, one after the other. All must have the same columns, of the same types and in the same order.
    #[must_use]
    pub fn concat<Q: Into<Self>>(queries: impl IntoIterator<Item = Q>) -> Self {
        let inputs: Result<Vec<Input>> = queries.into_iter().map(|query| query.into().built).collect();
        Self::of(
            inputs
                .and_then(Concat::new)
                .map(|concat| Arc::new(concat) as Input),
        )
    }

    /// All columns, and functions over the rows of each series in order of time, such as [`delta`](crate::delta); they read the columns
    /// that were there before. A column of the same name is replaced. Rows come by series and time.
    #[must_use]
    pub fn over(self, functions: impl IntoIterator<Item = SeriesFunction>) -> Self {
        let functions = functions.into_iter().collect();
        self.then(|input| Over::new(input, functions))
    }

    /// Windows that slide over the rows of each series; [`Rolled::agg`] says what is wanted of each. Rows come by series and time.
    pub const fn rolling(self, rolling: Rolling) -> Rolled {
        Rolled { query: self, rolling }
    }

    /// The last row of each series at or before a time, nanoseconds since the epoch; at the end, where none is given. It sees rows
    /// at that very time; of rows equal in time it is the last to arrive. A series without such a row gives none, and rows
    /// without a series are one. The columns are those of the rows, which come by series.
    ///
    /// Of a scan it reads the rows it gives, and little else: from the end of the range back, until each series has one.
    #[must_use]
    pub fn latest(self, at: Option<i64>) -> Self {
        self.then(|input| Latest::new(input, at, None))
    }

    /// As [`latest`](Self::latest), of rows not older than `since`: a series that has been silent for longer is not looked for in
    /// all of the past.
    #[must_use]
    pub fn latest_since(self, since: i64, at: Option<i64>) -> Self {
        self.then(|input| Latest::new(input, at, Some(since)))
    }

    /// The longest runs of slots without a row between two times, nanoseconds since the epoch: of each series that was asked for, or
    /// else of each that has a row there. Slots are buckets of time; one of which any part lies in the range counts as a whole.
    ///
    /// The columns are that of the series, `start` and `end` of the run of slots, the end exclusive and both of the type of the time
    /// column, and `slots`, how many there are. Rows come by series and start. Of a scan only times are read, and what its
    /// conditions need; rows that its own range leaves out are not there.
    #[must_use]
    pub fn missing(self, every: impl IntoBucket, start: i64, end: i64) -> Self {
        let bucket = every.into_bucket();
        self.then(|input| Missing::new(input, bucket?, start, end))
    }

    /// Rows on a regular grid, as [`Fill`] says: one of each series in each slot of a range, with the start of the slot as its time.
    /// Of the series that a scan was asked for, all are given, whether they have rows or not; else those that have a row in the range.
    ///
    /// A row is in the slot that its time falls into; of several in one slot the last counts. A value that is null is filled as one
    /// that is not there; NaN is a value. What is filled with the previous value or in a line also knows what comes before the range,
    /// and in a line what comes after it: a scan is read beyond its own range for that, back to the last value of each column. (The
    /// range of the fill takes the place of the scan's; its conditions stay.) Other rows are only read as they come: those that they
    /// have before and after the range count.
    #[must_use]
    pub fn fill(self, fill: Fill) -> Self {
        self.then(|input| Filling::new(input, fill))
    }

    /// Rows in another order. Those that are equal in it keep their order; null comes last.
    #[must_use]
    pub fn order<K: Into<SortKey>>(self, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().map(Into::into).collect();
        self.then(|input| Sort::new(input, keys, None))
    }

    /// The `rows` rows with the greatest values of a column or expression, greatest first; nulls come last.
    #[must_use]
    pub fn top(self, rows: usize, by: impl Into<Expr>) -> Self {
        let keys = vec![SortKey::descending(by)];
        self.then(|input| Sort::new(input, keys, Some(rows)))
    }

    /// At most so many rows, the first in their order.
    #[must_use]
    pub fn limit(self, rows: usize) -> Self {
        self.map(|input| Limit::of(input, rows))
    }

    /// Lets the query hold no more than so many bytes of what grows with its rows: groups, rows that are put in order, the right side
    /// of a join by key. A query that would need more ends with an error instead. Batches on their way are not counted: a few for each
    /// thread.
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Lets the query be ended from another thread. It fails then with [`Interrupted`](gapless_engine::ErrorKind::Interrupted).
    #[must_use]
    pub fn interrupted_by(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = Some(interrupt.clone());
        self
    }

    /// The columns of the result.
    ///
    /// # Errors
    /// `Invalid` for a step that cannot be: an unknown column, a type that does not fit, two columns of one name.
    pub fn schema(&self) -> Result<SchemaRef> {
        self.built
            .as_ref()
            .map(|input| Arc::clone(&input.shape().schema))
            .map_err(Error::clone)
    }

    /// What the query will do, and what its scans touch and leave out.
    ///
    /// # Errors
    /// As [`collect`](Self::collect).
    pub fn explain(&self) -> Result<String> {
        crate::explain::explain(&self.pruned()?)
    }

    /// Runs the query on all threads and keeps all of its rows.
    ///
    /// # Errors
    /// As [`schema`](Self::schema), and `Corrupt` or `Io` of what is read.
    pub fn collect(self) -> Result<Vec<RecordBatch>> {
        let input = self.pruned()?;
        match (input.as_scan(), self.interrupt) {
            (Some(scan), None) => scan.clone().collect(),
            (Some(scan), Some(interrupt)) => {
                let batches = scan.clone().stream()?;
                batches.map(|batch| interrupt.check().and(batch)).collect()
            }
            (None, interrupt) => {
                let source = source(&input, self.memory, interrupt.unwrap_or_default())?;
                // On a thread of rayon's also where there is but one part, which may be shared by threads itself.
                rayon::scope(|_| collect(source.as_ref()))
            }
        }
    }

    /// Runs the query batch by batch: threads read on while batches wait to be taken, a few for each thread at most. Dropping the
    /// stream ends the query.
    ///
    /// # Errors
    /// As [`collect`](Self::collect).
    pub fn stream(self) -> Result<QueryBatches> {
        let input = self.pruned()?;
        let interrupt = self.interrupt.unwrap_or_default().inner();
        let rows = match input.as_scan() {
            Some(scan) => Stream::Scan(Box::new(scan.clone().stream()?)),
            None => Stream::Query(gather(source(&input, self.memory, interrupt.clone())?)),
        };
        Ok(QueryBatches {
            schema: Arc::clone(&input.shape().schema),
            rows,
            interrupt,
        })
    }

    /// The operators, which read no more columns than the result needs.
    fn pruned(&self) -> Result<Input> {
        let input = self.built.clone()?;
        let fields = input.shape().schema.fields().iter();
        let columns: ColumnSet = fields.map(|field| field.name().clone()).collect();
        if input.as_scan().is_some() {
            return Ok(input);
        }
        input.pruned(&columns)
    }
}

/// What runs of a query.
fn source(input: &Input, memory: Option<u64>, interrupt: Interrupt) -> Result<Arc<dyn Source>> {
    let planner = Planner {
        memory: memory.map_or_else(Memory::default, Memory::limited),
        interrupt,
        ..Planner::default()
    };
    let need = Need {
        ordered: true,
        times: false,
    };
    let source = input.source(&planner, need)?;
    planner.list.fix();
    Ok(source)
}

/// The batches of a query, in order.
pub struct QueryBatches {
    schema: SchemaRef,
    rows: Stream,
    interrupt: Interrupt,
}

enum Stream {
    Scan(Box<ScanBatches>),
    Query(Gathered),
    Ended,
}

impl std::fmt::Debug for QueryBatches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryBatches")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl QueryBatches {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Iterator for QueryBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.interrupt.check() {
            return match std::mem::replace(&mut self.rows, Stream::Ended) {
                Stream::Ended => None,
                _ => Some(Err(error)),
            };
        }
        match &mut self.rows {
            Stream::Scan(batches) => batches.next(),
            Stream::Query(batches) => batches.next(),
            Stream::Ended => None,
        }
    }
}

impl Drop for QueryBatches {
    /// Threads that still read for it stop.
    fn drop(&mut self) {
        self.interrupt.interrupt();
    }
}

/// Rows in groups: what they are grouped by, until aggregates say what is wanted of each.
#[derive(Debug, Clone)]
#[must_use]
pub struct Grouped {
    query: Query,
    keys: Vec<Expr>,
    bucket: Option<Result<Bucket>>,
}

impl Grouped {
    fn of(query: Query) -> Self {
        Self {
            query,
            keys: Vec::new(),
            bucket: None,
        }
    }

    /// Also by buckets of the time.
    pub fn bucket(self, bucket: impl IntoBucket) -> Self {
        Self {
            bucket: Some(bucket.into_bucket()),
            ..self
        }
    }

    /// Also by columns or expressions.
    pub fn group_by<E: Into<Expr>>(mut self, keys: impl IntoIterator<Item = E>) -> Self {
        self.keys.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Aggregates over each group: one row for each group that has rows. The columns are the keys, the start of the bucket under the
    /// name of the time column, and the aggregates; rows come by keys, then bucket.
    #[must_use]
    pub fn agg(self, aggregates: impl IntoIterator<Item = Aggregate>) -> Query {
        let aggregates = aggregates.into_iter().collect();
        let keys = self.keys.into_iter().map(|expr| (expr.name(), expr)).collect();
        let bucket = self.bucket.transpose();
        self.query.then(|input| {
            let grouping = Grouping {
                keys,
                bucket: bucket?,
            };
            Aggregation::new(input, grouping, aggregates)
        })
    }
}

/// Rows, each with the other rows in a window around its time, until aggregates say what is wanted of these.
#[derive(Debug, Clone)]
#[must_use]
pub struct Windowed {
    left: Query,
    right: Query,
    window: WindowJoin,
}

impl Windowed {
    /// Aggregates over each window, after the columns of the left row. A window without rows gives what the aggregates give for none:
    /// counts of 0, otherwise null. The result comes by series and time.
    #[must_use]
    pub fn agg(self, aggregates: impl IntoIterator<Item = Aggregate>) -> Query {
        let Self { left, right, window } = self;
        let aggregates = aggregates.into_iter().collect();
        left.then(|left| WindowedRows::new(left, right.built?, window.checked()?, aggregates))
    }
}

/// Rows with a window for each, until aggregates say what is wanted of it.
#[derive(Debug, Clone)]
#[must_use]
pub struct Rolled {
    query: Query,
    rolling: Rolling,
}

impl Rolled {
    /// All columns, and aggregates over the window of each row, under their names.
    #[must_use]
    pub fn agg(self, aggregates: impl IntoIterator<Item = Aggregate>) -> Query {
        let aggregates = aggregates.into_iter().collect();
        let rolling = self.rolling;
        self.query
            .then(|input| RollingAggregation::new(input, rolling, aggregates))
    }
}
