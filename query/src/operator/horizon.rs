//! Horizon join: to each row, the rows of others that were there at some offsets from its time.

use std::sync::Arc;

use arrow_array::{ArrayRef, DurationNanosecondArray, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use gapless_engine::coverage::{IntoInterval, duration_text};
use gapless_engine::{Error, Result};

use super::asof::{AsOf, Finder, Matched, Matches, Right, right_columns};
use super::sides::{RightColumns, check_sides};
use super::{BATCH_ROWS, ColumnSet, Input, Need, Operator, Planner, Shape};
use crate::error::arrow_error;
use crate::source::{Layout, Rows, RowsIter, SeriesRun, Source, ordered};

/// The column of offsets.
const OFFSET: &str = "offset";

/// What a horizon join is asked for: offsets from the times of the left rows. At each the last right row at or before it counts, of
/// the same series (where the right rows have no series, of all); of rows equal in time the last. It is a row that is matched, not each
/// value: what is null in it stays null. Without a match the right columns are null.
///
/// ```
/// use gapless_query::HorizonJoin;
/// let join = HorizonJoin::offsets(["-1s", "0s", "1s"]).tolerance("5s");
/// assert_eq!(join.to_string(), "at -1s, 0s, 1s, backward, within 5s");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct HorizonJoin {
    offsets: Vec<i64>,
    as_of: AsOf,
    error: Option<Error>,
}

impl HorizonJoin {
    /// Rows at these offsets: nanoseconds, durations or text such as `"-1s"`. Rows of the result come in the order of the left rows,
    /// those of each in the order that is given here.
    pub fn offsets<I: IntoInterval>(offsets: impl IntoIterator<Item = I>) -> Self {
        let offsets: Result<Vec<i64>> = offsets.into_iter().map(I::into_interval).collect();
        let (offsets, error) = match offsets {
            Ok(offsets) => (offsets, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Self {
            offsets,
            as_of: AsOf::backward(),
            error,
        }
    }

    /// As [`AsOf::columns`].
    pub fn columns<S: Into<String>>(self, columns: impl IntoIterator<Item = S>) -> Self {
        Self {
            as_of: self.as_of.columns(columns),
            ..self
        }
    }

    /// As [`AsOf::tolerance`], from the row's time plus the offset.
    pub fn tolerance(self, tolerance: impl IntoInterval) -> Self {
        Self {
            as_of: self.as_of.tolerance(tolerance),
            ..self
        }
    }

    /// As [`AsOf::by`].
    pub fn by<S: Into<String>>(self, columns: impl IntoIterator<Item = S>) -> Self {
        Self {
            as_of: self.as_of.by(columns),
            ..self
        }
    }

    /// As [`AsOf::of_sides`].
    fn of_sides(self, left: &Shape, right: &Shape) -> Result<Self> {
        Ok(Self {
            as_of: self.as_of.of_sides(left, right)?,
            ..self
        })
    }

    /// The options, if all of them are right.
    pub(crate) fn checked(self) -> Result<Self> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.offsets.is_empty() {
            return Err(Error::invalid("a horizon join needs an offset, such as \"0s\""));
        }
        Ok(Self {
            as_of: self.as_of.checked()?,
            ..self
        })
    }
}

impl std::fmt::Display for HorizonJoin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let offsets: Vec<String> = self.offsets.iter().map(|offset| duration_text(*offset)).collect();
        write!(f, "at {}, {}", offsets.join(", "), self.as_of)
    }
}

/// A horizon join.
#[derive(Debug, Clone)]
pub(crate) struct HorizonRows {
    left: Input,
    right: Input,
    options: HorizonJoin,
    columns: RightColumns,
    shape: Shape,
}

impl HorizonRows {
    pub(crate) fn new(left: Input, right: Input, options: HorizonJoin) -> Result<Self> {
        check_sides("a horizon join", left.shape(), right.shape())?;
        let options = options.of_sides(left.shape(), right.shape())?;
        if left.shape().schema.field_with_name(OFFSET).is_ok() {
            return Err(Error::invalid(format!(
                "the left rows of a horizon join have a column {OFFSET:?}, which the result has too: rename it with select() before"
            )));
        }
        let repeated = repeated(left.shape());
        let columns = right_columns(&repeated.schema, right.shape(), &options.as_of)?;
        let shape = Shape {
            schema: columns.schema(&repeated.schema, &right.shape().schema, true)?,
            ..repeated
        };
        Ok(Self {
            left,
            right,
            options,
            columns,
            shape,
        })
    }
}

/// The left columns and the offset.
fn repeated(left: &Shape) -> Shape {
    let fields = left.schema.fields().iter().map(|field| field.as_ref().clone());
    let offset = Field::new(OFFSET, DataType::Duration(TimeUnit::Nanosecond), false);
    Shape {
        schema: Arc::new(Schema::new(fields.chain([offset]).collect::<Vec<_>>())),
        is_ordered: true,
        ..left.clone()
    }
}

impl Operator for HorizonRows {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.left, &self.right]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let kept = self.columns.kept(columns);
        let (left, right) = kept.pruned(columns, &self.left, &self.right, &self.options.as_of.by)?;
        let shape = Shape {
            schema: kept.schema(&repeated(left.shape()).schema, &right.shape().schema, true)?,
            ..self.shape.clone()
        };
        Ok(Arc::new(Self {
            left,
            right,
            options: self.options.clone(),
            columns: kept,
            shape,
        }))
    }

    fn source(&self, planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        let left = ordered(&self.left, planner)?;
        let right = Right::new(&self.right, planner)?;
        Ok(Arc::new(Repeated {
            schema: Arc::clone(&self.shape.schema),
            columns: self.columns.places(right.schema())?,
            options: Arc::new(self.options.clone()),
            left,
            right,
        }))
    }

    fn describe(&self) -> String {
        format!("horizon join {}: {}", self.options, self.columns.text())
    }
}

struct Repeated {
    left: Arc<dyn Source>,
    right: Right,
    schema: SchemaRef,
    /// Places of the right columns.
    columns: Arc<[usize]>,
    options: Arc<HorizonJoin>,
}

impl Source for Repeated {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.left.parts()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let finder = |offset: &i64| {
            let finder = Finder::open(&self.right, part, self.left.schema(), &self.options.as_of)?;
            Ok((*offset, finder))
        };
        Ok(Box::new(Reader {
            left: Some(self.left.open(part)?),
            rows: None,
            finders: self.options.offsets.iter().map(finder).collect::<Result<_>>()?,
            right_schema: Arc::clone(self.right.schema()),
            columns: Arc::clone(&self.columns),
            schema: Arc::clone(&self.schema),
            options: Arc::clone(&self.options),
        }))
    }
}

/// The left rows, some at a time, each as often as there are offsets.
struct Reader {
    left: Option<RowsIter>,
    /// What is left of a batch of left rows.
    rows: Option<Rows>,
    /// The right rows, read once for each offset: how far apart these are does not change what is held of them.
    finders: Vec<(i64, Finder)>,
    right_schema: SchemaRef,
    columns: Arc<[usize]>,
    schema: SchemaRef,
    options: Arc<HorizonJoin>,
}

impl Reader {
    fn next_rows(&mut self) -> Result<Option<Rows>> {
        let rows = match (self.rows.take(), &mut self.left) {
            (Some(rows), _) => rows,
            (None, Some(left)) => match left.next().transpose()? {
                Some(rows) => rows,
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        let count = (BATCH_ROWS / self.finders.len()).max(1);
        if rows.len() <= count {
            return self.repeat(&rows).map(Some);
        }
        self.rows = Some(rows.slice(count..rows.len()));
        self.repeat(&rows.slice(0..count)).map(Some)
    }

    fn repeat(&mut self, rows: &Rows) -> Result<Rows> {
        let failed = |error| arrow_error("horizon join", &error);
        let times = self.finders.len();
        let of_lefts = (0u32..).take(rows.len());
        let repeated =
            UInt32Array::from_iter_values(of_lefts.flat_map(|row| std::iter::repeat_n(row, times)));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for column in rows.batch.columns() {
            columns.push(take(column, &repeated, None).map_err(failed)?);
        }
        let offsets = self.finders.iter().map(|(offset, _)| *offset).cycle();
        let offsets = offsets.take(repeated.values().len());
        columns.push(Arc::new(DurationNanosecondArray::from_iter_values(offsets)));
        columns.extend(self.matched(rows)?);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::internal(format!("a horizon join makes no batch: {error}")))?;
        let run = |run: &SeriesRun| SeriesRun {
            series: run.series,
            rows: run.rows.start * times..run.rows.end * times,
        };
        Ok(Rows {
            batch,
            runs: rows.runs.iter().map(run).collect(),
            times: rows
                .times
                .iter()
                .flat_map(|time| std::iter::repeat_n(*time, times))
                .collect(),
        })
    }

    /// The right columns, for each left row those of all offsets.
    fn matched(&mut self, rows: &Rows) -> Result<Vec<ArrayRef>> {
        let mut by_offset: Vec<Vec<ArrayRef>> = Vec::with_capacity(self.finders.len());
        for (offset, finder) in &mut self.finders {
            let moved = Rows {
                times: rows
                    .times
                    .iter()
                    .map(|time| time.saturating_add(*offset))
                    .collect(),
                ..rows.clone()
            };
            let mut matches = Matches::with_capacity(rows.len());
            for run in &moved.runs {
                finder.find(run, &moved, &self.options.as_of, &mut matches)?;
            }
            let batches = finder.batches();
            let matched = Matched::new(&matches, &batches);
            let column = |place: &usize| matched.column(*place, self.right_schema.field(*place).data_type());
            by_offset.push(self.columns.iter().map(column).collect::<Result<_>>()?);
            finder.forget();
        }
        if by_offset.len() == 1 {
            return Ok(by_offset.pop().unwrap_or_default());
        }
        let numbers = 0..by_offset.len();
        let places: Vec<(usize, usize)> = (0..rows.len())
            .flat_map(|row| numbers.clone().map(move |number| (number, row)))
            .collect();
        let woven = |at: usize| {
            let arrays: Vec<_> = by_offset.iter().filter_map(|columns| columns.get(at)).collect();
            let arrays: Vec<&dyn arrow_array::Array> = arrays.iter().map(|array| array.as_ref()).collect();
            interleave(&arrays, &places).map_err(|error| arrow_error("horizon join", &error))
        };
        (0..self.columns.len()).map(woven).collect()
    }
}

impl Iterator for Reader {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_rows().transpose();
        if matches!(next, Some(Err(_))) {
            (self.left, self.rows) = (None, None);
        }
        next
    }
}
