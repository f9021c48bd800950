//! Groups of any keys, found by hash: each part on its own, then together.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, TimestampNanosecondArray, UInt32Array,
};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take;
use gapless_engine::{Error, Result};
use rayon::prelude::*;

use super::super::Planner;
use super::super::keys::{KeyBytes, Numbered, by_number};
use super::Aggregation;
use super::state::{Resolved, State};
use crate::aggregate::{Sequence, Span};
use crate::bucket::Bucket;
use crate::error::arrow_error;
use crate::expr::Bound;
use crate::memory::{Held, Memory};
use crate::source::{Layout, Rows, RowsIter, Source, times_of};

/// Groups of any keys.
pub(super) struct HashedGroups {
    input: Arc<dyn Source>,
    schema: SchemaRef,
    resolved: Arc<Resolved>,
    memory: Memory,
    keys: Vec<Bound>,
    bucket: Option<Bucket>,
    /// The column of times, where rows come without.
    time: Option<String>,
    /// Whether an aggregate goes by the times of rows; where rows have none, by their order.
    by_time: bool,
    /// Whether all rows of a group are in one part.
    by_part: bool,
}

impl HashedGroups {
    pub(super) fn new(aggregation: &Aggregation, input: Arc<dyn Source>, planner: &Planner) -> Result<Self> {
        let schema = input.schema();
        let time = aggregation.input.shape().time_name();
        let keys = aggregation.grouping.keys.iter();
        Ok(Self {
            schema: Arc::clone(&aggregation.shape.schema),
            resolved: Resolved::new(&aggregation.aggregates, schema)?,
            keys: keys
                .map(|(_, expr)| Bound::new(expr, schema))
                .collect::<Result<_>>()?,
            bucket: aggregation.grouping.bucket.clone(),
            time: time.map(str::to_string),
            by_time: aggregation.first_or_last() && time.is_some(),
            by_part: aggregation.series_key() == Some(0) && input.layout() == Layout::Series,
            memory: planner.memory.clone(),
            input,
        })
    }

    fn groups(&self) -> Result<Groups> {
        let types = self.keys.iter().map(|key| key.data_type().clone());
        let bucket = self.bucket.iter().map(|_| DataType::Int64);
        Groups::new(types.chain(bucket).collect(), &self.resolved, &self.memory)
    }

    /// The groups of a part.
    fn part(&self, mut groups: Groups, part: usize) -> Result<Groups> {
        for rows in self.input.open(part)? {
            self.take(&mut groups, &rows?)?;
            groups.hold()?;
        }
        Ok(groups)
    }

    fn take(&self, groups: &mut Groups, rows: &Rows) -> Result<()> {
        let times = match self.bucket.is_some() || self.by_time {
            true => times_of(rows, self.time.as_deref())?,
            false => rows.times.clone(),
        };
        let mut keys: Vec<ArrayRef> = self
            .keys
            .iter()
            .map(|key| key.evaluate(&rows.batch))
            .collect::<Result<_>>()?;
        if let Some(bucket) = &self.bucket {
            keys.push(Arc::new(starts(bucket, &times)));
        }
        let values = self.resolved.evaluate(&rows.batch)?;
        let ranks = self.by_time.then(|| ranks(rows));
        let placed = ranks.as_deref().map(|ranks| (times.as_ref(), ranks));
        groups.take(rows.len(), &keys, values, placed)
    }

    /// Groups as rows, by their keys.
    fn rows(&self, mut groups: Groups) -> Result<RecordBatch> {
        let count = groups.count();
        groups.state.grow(count);
        let order = UInt32Array::from(groups.keys.sorted());
        let mut columns = groups.bytes.columns(groups.keys.keys())?;
        if self.bucket.is_some()
            && let (Some(starts), Some(field)) = (columns.pop(), self.schema.fields().get(columns.len()))
        {
            let starts = starts.as_primitive::<Int64Type>().values().clone();
            let starts = TimestampNanosecondArray::new(starts, None);
            columns.push(match field.data_type() {
                DataType::Timestamp(_, Some(zone)) => Arc::new(starts.with_timezone(Arc::clone(zone))),
                _ => Arc::new(starts),
            });
        }
        columns.extend(groups.state.emit(count)?);
        if !groups.is_one {
            let sorted = columns.iter().map(|column| take(column, &order, None));
            columns = sorted
                .collect::<std::result::Result<_, _>>()
                .map_err(|error| arrow_error("groups", &error))?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal(format!("groups make no batch: {error}")))
    }

    fn all(&self) -> Result<RecordBatch> {
        let parts = (0..self.input.parts()).into_par_iter();
        let groups = parts
            .try_fold(
                || None,
                |groups: Option<Groups>, part| {
                    let groups = groups.map_or_else(|| self.groups(), Ok)?;
                    self.part(groups, part).map(Some)
                },
            )
            .try_reduce(
                || None,
                |a, b| match (a, b) {
                    (Some(a), Some(b)) => a.merged(b).map(Some),
                    (a, b) => Ok(a.or(b)),
                },
            )?;
        self.rows(groups.map_or_else(|| self.groups(), Ok)?)
    }
}

impl Source for HashedGroups {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Plain
    }

    fn parts(&self) -> usize {
        match self.by_part {
            true => self.input.parts(),
            false => 1,
        }
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let batch = match self.by_part {
            true => self.rows(self.part(self.groups()?, part)?)?,
            false => self.all()?,
        };
        Ok(Box::new(std::iter::once(Ok(Rows::plain(batch)))))
    }
}

/// Groups, and what they have so far.
struct Groups {
    bytes: KeyBytes,
    keys: Numbered,
    /// Whether there are no keys: then all rows are one group, also when there are none.
    is_one: bool,
    state: State,
    held: Held,
}

impl Groups {
    fn new(types: Vec<DataType>, resolved: &Arc<Resolved>, memory: &Memory) -> Result<Self> {
        Ok(Self {
            is_one: types.is_empty(),
            bytes: KeyBytes::new(types)?,
            keys: Numbered::default(),
            state: State::new(resolved)?,
            held: memory.held(),
        })
    }

    fn hold(&mut self) -> Result<()> {
        self.held.set(self.keys.bytes() + self.state.bytes(), "groups")
    }

    fn count(&self) -> usize {
        match self.is_one {
            true => 1,
            false => self.keys.len(),
        }
    }

    fn take(
        &mut self,
        rows: usize,
        keys: &[ArrayRef],
        mut values: Vec<ArrayRef>,
        placed: Option<(&[i64], &[u32])>,
    ) -> Result<()> {
        let sequence = |placed| match placed {
            Some((times, ranks)) => Sequence::Placed { times, ranks },
            None => Sequence::InOrder,
        };
        let all = Span {
            group: 0,
            start: 0,
            end: u32::try_from(rows).unwrap_or(u32::MAX),
        };
        if self.is_one {
            return self.state.update(&values, &[all], 1, &sequence(placed));
        }
        let numbers = self.keys.number_rows(&self.bytes.rows(keys)?);
        let count = self.keys.len();
        if numbers.is_sorted() {
            let spans: Vec<Span> = spans(&numbers);
            return self.state.update(&values, &spans, count, &sequence(placed));
        }
        let (order, spans) = by_group(&numbers, count);
        let taken = values.iter().map(|values| take(values, &order, None));
        values = taken
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| arrow_error("groups", &error))?;
        let Some((times, ranks)) = placed else {
            return self.state.update(&values, &spans, count, &Sequence::InOrder);
        };
        let at = order.values().iter().map(|row| *row as usize);
        let times: Vec<i64> = at.clone().filter_map(|row| times.get(row)).copied().collect();
        let ranks: Vec<u32> = at.filter_map(|row| ranks.get(row)).copied().collect();
        self.state
            .update(&values, &spans, count, &sequence(Some((&times, &ranks))))
    }

    fn merged(mut self, other: Self) -> Result<Self> {
        let numbers = match self.is_one {
            true => vec![0],
            false => self.keys.merge(&other.keys),
        };
        let count = self.count();
        let mut theirs = other.state;
        theirs.grow(numbers.len());
        self.state.merge(theirs, &numbers, count)?;
        self.hold()?;
        Ok(self)
    }
}

/// Runs of equal numbers.
fn spans(numbers: &[u32]) -> Vec<Span> {
    let mut at = 0;
    let runs = numbers.chunk_by(|a, b| a == b);
    let span = |run: &[u32]| {
        let start = at;
        at += u32::try_from(run.len()).unwrap_or(u32::MAX);
        Span {
            group: run.first().copied().unwrap_or_default(),
            start,
            end: at,
        }
    };
    runs.map(span).collect()
}

/// Rows group by group, each group's in their order, and where they are then.
fn by_group(numbers: &[u32], count: usize) -> (UInt32Array, Vec<Span>) {
    // Few rows of very many groups are sorted: what is counted is every group.
    let order = match count <= 4 * numbers.len() {
        true => by_number(numbers, count).0,
        false => {
            let mut order: Vec<u32> = (0..).take(numbers.len()).collect();
            order.sort_by_key(|row| numbers.get(*row as usize));
            order
        }
    };
    let sorted: Vec<u32> = order
        .iter()
        .filter_map(|row| numbers.get(*row as usize))
        .copied()
        .collect();
    (UInt32Array::from(order), spans(&sorted))
}

/// Where the bucket of each time begins.
fn starts(bucket: &Bucket, times: &[i64]) -> Int64Array {
    let mut open = None;
    let start = |time: &i64| {
        let range = match open.take() {
            Some(range) if std::ops::Range::contains(&range, time) => range,
            before => bucket.range_after(before.as_ref(), *time),
        };
        let start = range.start;
        open = Some(range);
        start
    };
    times.iter().map(start).collect::<Vec<_>>().into()
}

/// The place of each row's series.
fn ranks(rows: &Rows) -> Vec<u32> {
    let mut ranks = Vec::with_capacity(rows.len());
    for run in &rows.runs {
        ranks.resize(run.rows.end, run.series);
    }
    ranks.resize(rows.len(), 0);
    ranks
}
