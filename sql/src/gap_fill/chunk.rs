//! Rows that are given: where each of their values comes from, until there are enough for a batch.

use std::sync::Arc;

use arrow_array::types::TimestampNanosecondType;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, PrimitiveArray, RecordBatch, TimestampNanosecondArray,
    new_null_array,
};
use arrow_cast::cast;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::interleave::interleave;
use datafusion::common::Result;

use super::loaded::{Loaded, Place, Role};

/// Rows of a batch that is given.
const ROWS_MAX: usize = 8192;
/// Where a value is that no row has.
const NO_ROW: (usize, usize) = (0, 0);

/// Rows to be given.
#[derive(Debug)]
pub(super) struct Chunk {
    schema: SchemaRef,
    columns: Vec<Values>,
    /// Batches that values come from; in an array of values they are after what no row has.
    sources: Vec<Arc<Loaded>>,
    is_filled: Vec<bool>,
    /// Whether a last column says which rows were filled.
    is_flagged: bool,
}

/// The values of one column.
#[derive(Debug)]
enum Values {
    /// Where they are: in which batch, in which row. What no row has is the one value of an array of its own.
    Picks(ArrayRef, Vec<(usize, usize)>),
    Times(Vec<Option<i64>>),
    Numbers(Vec<Option<f64>>),
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// That of a row.
    Of(&'a Place),
    /// What the column is where there is no row.
    NoRow,
    Time(Option<i64>),
    Number(Option<f64>),
}

impl Chunk {
    pub(super) fn new(roles: &[Role], schema: SchemaRef, is_flagged: bool) -> Self {
        let columns = roles.iter().zip(schema.fields()).map(|(role, field)| match role {
            Role::Bucket => Values::Times(Vec::new()),
            Role::Line => Values::Numbers(Vec::new()),
            Role::Default(Some(value)) => Values::Picks(Arc::clone(value), Vec::new()),
            Role::Default(None) | Role::Key | Role::Locf(_) => {
                Values::Picks(new_null_array(field.data_type(), 1), Vec::new())
            }
        });
        Self {
            columns: columns.collect(),
            schema,
            sources: Vec::new(),
            is_filled: Vec::new(),
            is_flagged,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_filled.len() >= ROWS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_filled.is_empty()
    }

    /// Adds a row, of one value for each column.
    pub(super) fn add<'a>(&mut self, is_filled: bool, value: impl Fn(usize) -> Value<'a>) {
        self.is_filled.push(is_filled);
        let Self { columns, sources, .. } = self;
        for (at, column) in columns.iter_mut().enumerate() {
            match (column, value(at)) {
                (Values::Times(times), Value::Time(time)) => times.push(time),
                (Values::Times(times), _) => times.push(None),
                (Values::Numbers(numbers), Value::Number(number)) => numbers.push(number),
                (Values::Numbers(numbers), _) => numbers.push(None),
                (Values::Picks(_, picks), Value::Of(place)) => {
                    picks.push((1 + source(sources, &place.of), place.row));
                }
                (Values::Picks(_, picks), _) => picks.push(NO_ROW),
            }
        }
    }

    /// The rows as a batch; there are none afterwards.
    pub(super) fn take(&mut self) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        let types = self.schema.fields().iter().map(|field| field.data_type());
        for (at, (values, data_type)) in self.columns.iter_mut().zip(types).enumerate() {
            columns.push(values.take(at, &self.sources, data_type)?);
        }
        let is_filled = std::mem::take(&mut self.is_filled);
        if self.is_flagged {
            columns.push(Arc::new(BooleanArray::from(is_filled)));
        }
        self.sources.clear();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// The place of a batch among those that values come from. It is mostly the last one.
fn source(sources: &mut Vec<Arc<Loaded>>, wanted: &Arc<Loaded>) -> usize {
    match sources.iter().rposition(|other| Arc::ptr_eq(other, wanted)) {
        Some(at) => at,
        None => {
            sources.push(Arc::clone(wanted));
            sources.len() - 1
        }
    }
}

impl Values {
    fn take(&mut self, column: usize, sources: &[Arc<Loaded>], data_type: &DataType) -> Result<ArrayRef> {
        match self {
            Self::Picks(no_row, picks) => {
                let of_batches = sources.iter().map(|source| source.batch.column(column).as_ref());
                let arrays: Vec<&dyn Array> = [no_row.as_ref()].into_iter().chain(of_batches).collect();
                Ok(interleave(&arrays, &std::mem::take(picks))?)
            }
            Self::Times(times) => {
                let times: TimestampNanosecondArray = std::mem::take(times).into_iter().collect();
                let times: PrimitiveArray<TimestampNanosecondType> = times.with_data_type(data_type.clone());
                Ok(Arc::new(times))
            }
            Self::Numbers(numbers) => {
                let numbers: Float64Array = std::mem::take(numbers).into_iter().collect();
                Ok(cast(&(Arc::new(numbers) as ArrayRef), data_type)?)
            }
        }
    }
}
