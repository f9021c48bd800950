//! `sum`, which refuses a sum of integers that does not fit instead of going on from the other end, as the native operators do.
//!
//! Of other types than integers, and of different values only, it is DataFusion's.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, Int64Array, UInt64Array};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature,
};
use gapless_engine::Error;

use super::filtered::filtered;
use crate::error::to_datafusion;

/// What a sum is kept as: more than any number of rows can come to.
const WIDE: DataType = DataType::Decimal128(38, 0);

/// The function, around DataFusion's.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    inner: Arc<AggregateUDF>,
}

impl Sum {
    pub(super) fn new() -> Self {
        Self {
            inner: datafusion::functions_aggregate::sum::sum_udaf(),
        }
    }
}

const fn is_whole(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int64 | DataType::UInt64)
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        match is_whole(args.return_type()) && !args.is_distinct {
            true => Ok(vec![Arc::new(Field::new(
                format!("{}[sum]", args.name),
                WIDE,
                true,
            ))]),
            false => self.inner.state_fields(args),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match is_whole(args.return_type()) && !args.is_distinct {
            true => Ok(Box::new(One::new(args.return_type()))),
            false => self.inner.accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match is_whole(args.return_type()) && !args.is_distinct {
            true => Ok(Box::new(Groups::new(args.return_type()))),
            false => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match is_whole(args.return_type()) && !args.is_distinct {
            true => Ok(Box::new(One::new(args.return_type()))),
            false => self.inner.create_sliding_accumulator(args),
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

/// The values of a column with their rows; nulls are left out.
fn each(columns: &[ArrayRef], mut take: impl FnMut(usize, i128)) -> Result<()> {
    let [column] = columns else {
        return internal_err!("sum takes 1 column, not {}", columns.len());
    };
    macro_rules! of_type {
        ($type:ty) => {{
            let values = column.as_primitive::<$type>().iter().enumerate();
            values.for_each(|(row, value)| value.into_iter().for_each(|value| take(row, i128::from(value))));
        }};
    }
    match column.data_type() {
        DataType::Int64 => of_type!(Int64Type),
        DataType::UInt64 => of_type!(UInt64Type),
        DataType::Decimal128(..) => of_type!(Decimal128Type),
        other => return internal_err!("sum of whole numbers of {other}"),
    }
    Ok(())
}

/// A sum as a value of its type.
fn fitting<T: TryFrom<i128>>(sum: i128, data_type: &DataType) -> Result<T> {
    T::try_from(sum).map_err(|_| {
        to_datafusion(Error::invalid(format!(
            "sum: the result, {sum}, does not fit {data_type}: aggregate fewer rows, or cast the argument to DOUBLE"
        )))
    })
}

/// Of many groups.
#[derive(Debug)]
struct Groups {
    data_type: DataType,
    sums: Vec<Option<i128>>,
}

impl Groups {
    fn new(data_type: &DataType) -> Self {
        Self {
            data_type: data_type.clone(),
            sums: Vec::new(),
        }
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.sums.resize(count, None);
        each(&filtered(values, filter)?, |row, value| {
            let sum = groups.get(row).and_then(|group| self.sums.get_mut(*group));
            if let Some(sum) = sum {
                *sum = Some(sum.unwrap_or(0) + value);
            }
        })
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.update_batch(values, groups, None, count)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums).into_iter();
        let of = &self.data_type;
        Ok(match of {
            DataType::UInt64 => {
                let sums = sums.map(|sum| sum.map(|sum| fitting(sum, of)).transpose());
                Arc::new(sums.collect::<Result<UInt64Array>>()?)
            }
            _ => {
                let sums = sums.map(|sum| sum.map(|sum| fitting(sum, of)).transpose());
                Arc::new(sums.collect::<Result<Int64Array>>()?)
            }
        })
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums: Decimal128Array = emit_to.take_needed(&mut self.sums).into_iter().collect();
        Ok(vec![Arc::new(sums.with_data_type(WIDE))])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut sums = vec![None; values.first().map_or(0, |values| values.len())];
        each(&filtered(values, filter)?, |row, value| {
            if let Some(sum) = sums.get_mut(row) {
                *sum = Some(value);
            }
        })?;
        Ok(vec![Arc::new(Decimal128Array::from(sums).with_data_type(WIDE))])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Option<i128>>()
    }
}

/// Of one group, or of a window whose rows come and go.
#[derive(Debug)]
struct One {
    data_type: DataType,
    sum: i128,
    /// Values that were added.
    values: i128,
}

impl One {
    fn new(data_type: &DataType) -> Self {
        Self {
            data_type: data_type.clone(),
            sum: 0,
            values: 0,
        }
    }

    fn total(&self) -> Option<i128> {
        (self.values > 0).then_some(self.sum)
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each(values, |_, value| {
            self.sum += value;
            self.values += 1;
        })
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each(values, |_, value| {
            self.sum -= value;
            self.values -= 1;
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let total = self.total();
        Ok(match &self.data_type {
            of @ DataType::UInt64 => ScalarValue::UInt64(total.map(|sum| fitting(sum, of)).transpose()?),
            of => ScalarValue::Int64(total.map(|sum| fitting(sum, of)).transpose()?),
        })
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128(self.total(), 38, 0)])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
