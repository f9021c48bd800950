//! `vwap(price, quantity)`: the mean of prices, weighted by quantities.
//!
//! Rows in which either is null do not count. Without any it is null; where the quantities come to nothing it is `NaN`, as the mean by
//! weight of the native operators is.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::filtered::filtered;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Vwap {
    signature: Signature,
}

impl Vwap {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Vwap {
    fn name(&self) -> &'static str {
        "vwap"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.len() != 2 {
            return plan_err!("vwap(price, quantity) takes 2 arguments, not {}", types.len());
        }
        match types.iter().find(|one| !one.is_numeric() && !one.is_null()) {
            Some(other) => plan_err!("vwap(price, quantity): {other} is no number"),
            None => Ok(vec![DataType::Float64; 2]),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |what: &str| Field::new(format!("{}[{what}]", args.name), DataType::Float64, true);
        Ok(vec![Arc::new(field("value")), Arc::new(field("quantity"))])
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(VwapAccumulator(Sums::default())))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(VwapGroups(Vec::new())))
    }
}

/// What was traded.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    value: f64,
    quantity: f64,
    /// Whether a row counted.
    is_any: bool,
}

impl Sums {
    fn add(&mut self, value: f64, quantity: f64) {
        self.value += value;
        self.quantity += quantity;
        self.is_any = true;
    }

    fn mean(self) -> Option<f64> {
        let mean = match self.quantity == 0.0 {
            true => f64::NAN,
            false => self.value / self.quantity,
        };
        self.is_any.then_some(mean)
    }

    /// Both sums; null where no row counted.
    fn parts(self) -> (Option<f64>, Option<f64>) {
        (
            self.is_any.then_some(self.value),
            self.is_any.then_some(self.quantity),
        )
    }
}

/// Two columns of floats, row by row; those in which either is null are left out.
fn pairs(columns: &[ArrayRef]) -> Result<impl Iterator<Item = (usize, f64, f64)>> {
    let [a, b] = columns else {
        return internal_err!("vwap takes 2 columns");
    };
    let (a, b) = (a.as_primitive::<Float64Type>(), b.as_primitive::<Float64Type>());
    let rows = a.iter().zip(b.iter()).enumerate();
    Ok(rows.filter_map(|(row, (a, b))| Some((row, a?, b?))))
}

/// Of one group.
#[derive(Debug)]
struct VwapAccumulator(Sums);

impl Accumulator for VwapAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        pairs(values)?.for_each(|(_, price, quantity)| self.0.add(price * quantity, quantity));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        pairs(states)?.for_each(|(_, value, quantity)| self.0.add(value, quantity));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.0.mean()))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (value, quantity) = self.0.parts();
        Ok(vec![value.into(), quantity.into()])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// Of many groups.
struct VwapGroups(Vec<Sums>);

impl VwapGroups {
    fn emit(&mut self, emit_to: EmitTo) -> Vec<Sums> {
        emit_to.take_needed(&mut self.0)
    }
}

impl GroupsAccumulator for VwapGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.0.resize(count, Sums::default());
        for (row, price, quantity) in pairs(&filtered(values, filter)?)? {
            let sums = groups.get(row).and_then(|group| self.0.get_mut(*group));
            if let Some(sums) = sums {
                sums.add(price * quantity, quantity);
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.0.resize(count, Sums::default());
        for (row, value, quantity) in pairs(values)? {
            if let Some(sums) = groups.get(row).and_then(|group| self.0.get_mut(*group)) {
                sums.add(value, quantity);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let means: Float64Array = self.emit(emit_to).into_iter().map(Sums::mean).collect();
        Ok(Arc::new(means))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = self.emit(emit_to);
        let values: Float64Array = sums.iter().map(|sums| sums.parts().0).collect();
        let quantities: Float64Array = sums.iter().map(|sums| sums.parts().1).collect();
        Ok(vec![Arc::new(values), Arc::new(quantities)])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let [price, _] = values else {
            return internal_err!("vwap takes 2 columns");
        };
        let mut sums = vec![None; price.len()];
        for (row, price, quantity) in pairs(&filtered(values, filter)?)? {
            if let Some(sum) = sums.get_mut(row) {
                *sum = Some((price * quantity, quantity));
            }
        }
        let values: Float64Array = sums.iter().map(|sum| sum.map(|(value, _)| value)).collect();
        let quantities: Float64Array = sums.iter().map(|sum| sum.map(|(_, quantity)| quantity)).collect();
        Ok(vec![Arc::new(values), Arc::new(quantities)])
    }

    fn size(&self) -> usize {
        self.0.capacity() * size_of::<Sums>()
    }
}
