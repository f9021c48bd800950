//! `min` and `max`, which skip `NaN` unless there is nothing else, as the native operators do.
//!
//! DataFusion's own depend on the order of rows where there is a `NaN`, and give a large number where all values are infinite. Of other
//! types than floats they are DataFusion's.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use arrow_select::nullif::nullif;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature, StatisticsArgs,
};

use super::filtered::filtered;

/// One of the two functions, around DataFusion's.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Extreme {
    inner: Arc<AggregateUDF>,
    is_max: bool,
}

impl Extreme {
    pub(super) fn min() -> Self {
        Self {
            inner: datafusion::functions_aggregate::min_max::min_udaf(),
            is_max: false,
        }
    }

    pub(super) fn max() -> Self {
        Self {
            inner: datafusion::functions_aggregate::min_max::max_udaf(),
            is_max: true,
        }
    }
}

const fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64)
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match args.return_type() {
            DataType::Float32 => Ok(Box::new(One(Groups::<Float32Type>::new(self.is_max)))),
            DataType::Float64 => Ok(Box::new(One(Groups::<Float64Type>::new(self.is_max)))),
            _ => self.inner.accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_type() {
            DataType::Float32 => Ok(Box::new(Groups::<Float32Type>::new(self.is_max))),
            DataType::Float64 => Ok(Box::new(Groups::<Float64Type>::new(self.is_max))),
            _ => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match args.return_type() {
            DataType::Float32 => Ok(Box::new(Sliding::<Float32Type>::new(self, args)?)),
            DataType::Float64 => Ok(Box::new(Sliding::<Float64Type>::new(self, args)?)),
            _ => self.inner.create_sliding_accumulator(args),
        }
    }

    // `is_descending` is not said: a limit to the greatest groups would compare floats in DataFusion's way.

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn value_from_stats(&self, args: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.inner.value_from_stats(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    /// The maximum of `NaN` and then of numbers becomes less, as SQL sorts.
    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        match is_float(data_type) {
            true => SetMonotonicity::NotMonotonic,
            false => self.inner.inner().set_monotonicity(data_type),
        }
    }
}

/// A type of floats.
trait Float: ArrowPrimitiveType + Debug + Send + Sync {
    fn is_nan(value: Self::Native) -> bool;
    /// Zeros are told apart by their signs.
    fn is_less(one: Self::Native, other: Self::Native) -> bool;
    fn nan() -> Self::Native;
    fn scalar(value: Option<Self::Native>) -> ScalarValue;
}

macro_rules! float {
    ($arrow:ty, $native:ty, $scalar:ident) => {
        impl Float for $arrow {
            fn is_nan(value: $native) -> bool {
                value.is_nan()
            }

            fn is_less(one: $native, other: $native) -> bool {
                one.total_cmp(&other).is_lt()
            }

            fn nan() -> $native {
                <$native>::NAN
            }

            fn scalar(value: Option<$native>) -> ScalarValue {
                ScalarValue::$scalar(value)
            }
        }
    };
}
float!(Float32Type, f32, Float32);
float!(Float64Type, f64, Float64);

/// Of many groups.
#[derive(Debug)]
struct Groups<T: Float> {
    is_max: bool,
    values: Vec<Option<T::Native>>,
}

impl<T: Float> Groups<T> {
    fn new(is_max: bool) -> Self {
        Self {
            is_max,
            values: Vec::new(),
        }
    }

    /// Whether a value takes the place of another.
    fn takes(&self, value: T::Native, instead_of: T::Native) -> bool {
        match (T::is_nan(value), T::is_nan(instead_of)) {
            (true, _) => false,
            (false, true) => true,
            (false, false) if self.is_max => T::is_less(instead_of, value),
            (false, false) => T::is_less(value, instead_of),
        }
    }

    fn add(&mut self, group: usize, value: T::Native) {
        // Of all the bits that a NaN may have, the result has always the same.
        let value = if T::is_nan(value) { T::nan() } else { value };
        let takes = match self.values.get(group) {
            Some(Some(best)) => self.takes(value, *best),
            Some(None) => true,
            None => false,
        };
        if let Some(best) = self.values.get_mut(group).filter(|_| takes) {
            *best = Some(value);
        }
    }

    fn emit(&mut self, emit_to: EmitTo) -> ArrayRef {
        let values: PrimitiveArray<T> = emit_to.take_needed(&mut self.values).into_iter().collect();
        Arc::new(values)
    }
}

fn only(columns: &[ArrayRef]) -> Result<&ArrayRef> {
    match columns {
        [column] => Ok(column),
        _ => internal_err!("min and max take 1 column, not {}", columns.len()),
    }
}

impl<T: Float> GroupsAccumulator for Groups<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.values.resize(count, None);
        let values = filtered(values, filter)?;
        for (group, value) in groups.iter().zip(only(&values)?.as_primitive::<T>()) {
            if let Some(value) = value {
                self.add(*group, value);
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.update_batch(values, groups, None, count)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit_to))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.emit(emit_to)])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        filtered(values, filter)
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<Option<T::Native>>()
    }
}

/// Of one group.
#[derive(Debug)]
struct One<T: Float>(Groups<T>);

impl<T: Float> One<T> {
    fn value(&self) -> ScalarValue {
        T::scalar(self.0.values.first().copied().flatten())
    }
}

impl<T: Float> Accumulator for One<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.values.resize(1, None);
        let values = only(values)?.as_primitive::<T>();
        values.iter().flatten().for_each(|value| self.0.add(0, value));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value()])
    }

    fn size(&self) -> usize {
        size_of_val(self) + GroupsAccumulator::size(&self.0)
    }
}

/// Of a window whose rows come and go: DataFusion's, of the numbers, and how often `NaN` is among the rows.
#[derive(Debug)]
struct Sliding<T: Float> {
    numbers: Box<dyn Accumulator>,
    nans: usize,
    _type: std::marker::PhantomData<T>,
}

impl<T: Float> Sliding<T> {
    fn new(function: &Extreme, args: AccumulatorArgs<'_>) -> Result<Self> {
        Ok(Self {
            numbers: function.inner.create_sliding_accumulator(args)?,
            nans: 0,
            _type: std::marker::PhantomData,
        })
    }

    /// The values with null in the place of `NaN`, and how many there were of these.
    fn numbers(values: &[ArrayRef]) -> Result<(ArrayRef, usize)> {
        let values = only(values)?.as_primitive::<T>();
        let is_nan = |row: usize| values.is_valid(row) && T::is_nan(values.value(row));
        let nans = BooleanBuffer::collect_bool(values.len(), is_nan);
        let count = nans.count_set_bits();
        Ok((nullif(values, &BooleanArray::new(nans, None))?, count))
    }

    fn value(&self, number: ScalarValue) -> ScalarValue {
        match number.is_null() && self.nans > 0 {
            true => T::scalar(Some(T::nan())),
            false => number,
        }
    }
}

impl<T: Float> Accumulator for Sliding<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (numbers, nans) = Self::numbers(values)?;
        self.nans += nans;
        self.numbers.update_batch(&[numbers])
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (numbers, nans) = Self::numbers(values)?;
        self.nans = self.nans.saturating_sub(nans);
        self.numbers.retract_batch(&[numbers])
    }

    fn supports_retract_batch(&self) -> bool {
        self.numbers.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let number = self.numbers.evaluate()?;
        Ok(self.value(number))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.numbers.size()
    }
}
