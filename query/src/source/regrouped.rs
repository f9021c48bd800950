//! Rows in any order, put in order by series and time.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_cast::cast;
use arrow_ord::sort::{SortColumn, lexsort_to_indices};
use arrow_schema::{DataType, SchemaRef, SortOptions};
use arrow_select::take::{take, take_record_batch};
use gapless_engine::Result;

use super::list::{Member, SeriesList};
use super::{Layout, Rows, RowsIter, SeriesRun, Source, keep, times_of};
use crate::error::arrow_error;
use crate::memory::Held;
use crate::operator::{BATCH_ROWS, Input, Need, Planner};

/// The rows of an input by series and time: as they come, or read and sorted where they do not come so.
pub(crate) fn ordered(input: &Input, planner: &Planner) -> Result<Arc<dyn Source>> {
    let need = Need {
        ordered: true,
        times: true,
    };
    if input.shape().is_ordered {
        return input.source(planner, need);
    }
    // The series of the rows must be known before the parts of the query are.
    let own = planner.apart();
    let source = input.source(&own, need)?;
    own.list.fix();
    let (rows, held) = keep(source.as_ref(), &own.memory, "rows that are put in order")?;
    let shape = input.shape();
    let rows = Regrouped::new(rows, shape.time_name(), shape.series_name(), &planner.list)?;
    Ok(Arc::new(Regrouped { _held: held, ..rows }))
}

/// Rows in memory, by series and time.
struct Regrouped {
    /// The memory of the rows.
    _held: Vec<Held>,
    batch: RecordBatch,
    times: ScalarBuffer<i64>,
    schema: SchemaRef,
    /// The rows of each of its series.
    rows: Arc<[Range<usize>]>,
    list: Arc<SeriesList>,
    member: Member,
}

impl Regrouped {
    fn new(
        batch: RecordBatch,
        time: Option<&str>,
        series: Option<&str>,
        list: &Arc<SeriesList>,
    ) -> Result<Self> {
        let failed = |error| arrow_error("rows by series and time", &error);
        let times = times_of(&Rows::plain(batch.clone()), time)?;
        let names: ArrayRef = match series.and_then(|name| batch.column_by_name(name)) {
            Some(column) => cast(column, &DataType::Utf8).map_err(failed)?,
            None => Arc::new(StringArray::new_null(batch.num_rows())),
        };
        let number: ArrayRef = Arc::new(UInt32Array::from_iter_values((0..).take(batch.num_rows())));
        let time: ArrayRef = Arc::new(Int64Array::new(times.clone(), None));
        let last = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let columns = [Arc::clone(&names), time, number].map(|values| SortColumn {
            values,
            options: Some(last),
        });
        let order = lexsort_to_indices(&columns, None).map_err(failed)?;
        let names = take(&names, &order, None).map_err(failed)?;
        let names = names.as_string::<i32>();
        let mut rows: Vec<Range<usize>> = Vec::new();
        for row in 0..names.len() {
            match rows.last_mut() {
                Some(last) if is_same(names, last.start, row) => last.end = row + 1,
                _ => rows.push(row..row + 1),
            }
        }
        let starts = UInt32Array::from_iter_values(
            rows.iter()
                .map(|rows| u32::try_from(rows.start).unwrap_or(u32::MAX)),
        );
        let distinct = take(names, &starts, None).map_err(failed)?;
        let weights = rows.iter().map(|rows| rows.len() as u64).collect();
        Ok(Self {
            _held: Vec::new(),
            member: list.join(distinct.as_string::<i32>().clone(), weights),
            times: order
                .values()
                .iter()
                .filter_map(|row| times.get(*row as usize))
                .copied()
                .collect(),
            batch: take_record_batch(&batch, &order).map_err(failed)?,
            schema: batch.schema(),
            rows: rows.into(),
            list: Arc::clone(list),
        })
    }
}

fn is_same(names: &StringArray, a: usize, b: usize) -> bool {
    match (names.is_null(a), names.is_null(b)) {
        (false, false) => names.value(a) == names.value(b),
        (a, b) => a && b,
    }
}

impl Source for Regrouped {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.list.part_count()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let (own, numbers) = self.list.members(self.member, part)?;
        let ranges = Arc::clone(&self.rows);
        let (batch, times) = (self.batch.clone(), self.times.clone());
        let rows = own.flat_map(move |series| {
            let number = match &numbers {
                Some(numbers) => numbers.get(series).copied(),
                None => u32::try_from(series).ok(),
            };
            let of_series = ranges.get(series).cloned().unwrap_or_default();
            let (batch, times) = (batch.clone(), times.clone());
            of_series.clone().step_by(BATCH_ROWS).map(move |start| {
                let len = BATCH_ROWS.min(of_series.end - start);
                Ok(Rows {
                    batch: batch.slice(start, len),
                    times: times.slice(start, len),
                    runs: vec![SeriesRun {
                        series: number.unwrap_or(u32::MAX),
                        rows: 0..len,
                    }],
                })
            })
        });
        Ok(Box::new(rows))
    }
}
