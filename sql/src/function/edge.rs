//! `first(value, ts)` and `last(value, ts)`: the value of the earliest or of the latest row.
//!
//! - Rows whose value or whose time is null do not count.
//! - Of rows equal in time, `first` takes the first and `last` the last, in the order in which they come.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, PrimitiveArray, downcast_primitive};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::filtered::filtered;

/// Which row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Edge {
    /// The earliest.
    First,
    /// The latest.
    Last,
}

impl Edge {
    const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
        }
    }

    /// Whether a row counts rather than one that came before it.
    const fn takes(self, time: i64, instead_of: i64) -> bool {
        match self {
            Self::First => time < instead_of,
            Self::Last => time >= instead_of,
        }
    }

    /// The row that counts, if there is one.
    fn row(self, values: &dyn Array, times: &Int64Array) -> Option<usize> {
        let mut found: Option<(usize, i64)> = None;
        for (row, time) in times.iter().enumerate() {
            if let Some(time) = time.filter(|_| values.is_valid(row))
                && found.is_none_or(|(_, best)| self.takes(time, best))
            {
                found = Some((row, time));
            }
        }
        found.map(|(row, _)| row)
    }
}

/// One of the two functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct EdgeFunction {
    edge: Edge,
    signature: Signature,
}

impl EdgeFunction {
    pub(super) fn new(edge: Edge) -> Self {
        Self {
            edge,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for EdgeFunction {
    fn name(&self) -> &str {
        self.edge.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.edge.name();
        match types {
            [value, time @ (DataType::Timestamp(..) | DataType::Int64)] => {
                Ok(vec![value.clone(), time.clone()])
            }
            [value, DataType::Date32] => {
                let time = DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, None);
                Ok(vec![value.clone(), time])
            }
            [_, other] => plan_err!("{name}(value, time): {other} is no time"),
            _ => plan_err!("{name}(value, time) takes 2 arguments, not {}", types.len()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(value) => Ok(value.clone()),
            None => plan_err!("{}(value, time) takes 2 arguments", self.edge.name()),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Arc::new(Field::new(
                format!("{}[value]", args.name),
                args.return_type().clone(),
                true,
            )),
            Arc::new(Field::new(format!("{}[time]", args.name), DataType::Int64, true)),
        ])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(EdgeAccumulator {
            edge: self.edge,
            value: ScalarValue::try_from(args.return_type())?,
            time: None,
        }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        args.return_type().is_primitive()
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = args.return_type();
        macro_rules! of_type {
            ($type:ty) => {
                Ok(Box::new(EdgeGroups::<$type>::new(
                    self.edge,
                    data_type.clone(),
                )))
            };
        }
        downcast_primitive! {
            data_type => (of_type),
            other => internal_err!("{} of {other} by group", self.edge.name())
        }
    }
}

/// Times as numbers, whatever their unit is.
fn numbers(times: &ArrayRef) -> Result<Int64Array> {
    match times.data_type() {
        DataType::Int64 => Ok(times.as_primitive::<Int64Type>().clone()),
        _ => Ok(arrow_cast::cast(times, &DataType::Int64)?
            .as_primitive::<Int64Type>()
            .clone()),
    }
}

/// Of one group.
#[derive(Debug)]
struct EdgeAccumulator {
    edge: Edge,
    value: ScalarValue,
    time: Option<i64>,
}

impl EdgeAccumulator {
    fn take(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let [values, times] = columns else {
            return internal_err!("{} takes 2 columns", self.edge.name());
        };
        let times = numbers(times)?;
        let Some(row) = self.edge.row(values, &times) else {
            return Ok(());
        };
        let time = times.value(row);
        if self.time.is_none_or(|best| self.edge.takes(time, best)) {
            self.value = ScalarValue::try_from_array(values, row)?.compacted();
            self.time = Some(time);
        }
        Ok(())
    }
}

impl Accumulator for EdgeAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.take(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::Int64(self.time)])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }
}

/// Of many groups, of values of one primitive type.
struct EdgeGroups<T: ArrowPrimitiveType> {
    edge: Edge,
    data_type: DataType,
    values: Vec<T::Native>,
    /// The time of each value; where there is none, there is no value.
    times: Vec<Option<i64>>,
}

impl<T: ArrowPrimitiveType> EdgeGroups<T> {
    fn new(edge: Edge, data_type: DataType) -> Self {
        Self {
            edge,
            data_type,
            values: Vec::new(),
            times: Vec::new(),
        }
    }

    fn take(
        &mut self,
        columns: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        let columns = filtered(columns, filter)?;
        let [values, times] = columns.as_slice() else {
            return internal_err!("{} takes 2 columns", self.edge.name());
        };
        let (values, times) = (values.as_primitive::<T>(), numbers(times)?);
        self.values.resize(count, T::Native::default());
        self.times.resize(count, None);
        for ((group, value), time) in groups.iter().zip(values).zip(&times) {
            let (Some(value), Some(time)) = (value, time) else {
                continue;
            };
            if let (Some(held), Some(best)) = (self.values.get_mut(*group), self.times.get_mut(*group))
                && best.is_none_or(|best| self.edge.takes(time, best))
            {
                (*held, *best) = (value, Some(time));
            }
        }
        Ok(())
    }

    fn emit(&mut self, emit_to: EmitTo) -> (ArrayRef, Int64Array) {
        let times: Int64Array = emit_to.take_needed(&mut self.times).into_iter().collect();
        let values = emit_to.take_needed(&mut self.values);
        let values = PrimitiveArray::<T>::new(values.into(), times.nulls().cloned());
        (Arc::new(values.with_data_type(self.data_type.clone())), times)
    }
}

impl<T: ArrowPrimitiveType> GroupsAccumulator for EdgeGroups<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.take(values, groups, filter, count)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.take(values, groups, None, count)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit_to).0)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (values, times) = self.emit(emit_to);
        Ok(vec![values, Arc::new(times)])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let columns = filtered(values, filter)?;
        let [values, times] = columns.as_slice() else {
            return internal_err!("{} takes 2 columns", self.edge.name());
        };
        Ok(vec![Arc::clone(values), Arc::new(numbers(times)?)])
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>() + self.times.capacity() * size_of::<Option<i64>>()
    }
}
