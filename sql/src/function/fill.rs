//! What buckets without rows have: `locf`, `interpolate`, `is_filled`.
//!
//! These are names that a statement is written with. Where it groups by `time_bucket_gapfill`, a rule puts what fills the buckets in
//! their place; elsewhere they mean nothing, and that rule refuses them. So none of them is ever run.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, IntervalUnit};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::time_bucket::is_text;

/// Which of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FillKind {
    /// The last value before.
    Locf,
    /// The value on the line from the last value before to the first after.
    Interpolate,
    /// Whether the bucket had no row.
    IsFilled,
}

/// One of the functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct FillFunction {
    kind: FillKind,
    signature: Signature,
}

impl FillFunction {
    pub(super) fn new(kind: FillKind) -> Self {
        // Without columns it would be taken for a constant.
        let signature = match kind {
            FillKind::IsFilled => Signature::nullary(Volatility::Volatile),
            FillKind::Locf | FillKind::Interpolate => Signature::user_defined(Volatility::Immutable),
        };
        Self { kind, signature }
    }

    /// Which it is.
    pub(crate) const fn kind(&self) -> FillKind {
        self.kind
    }

    /// How it is written.
    pub(crate) const fn usage(&self) -> &'static str {
        match self.kind {
            FillKind::Locf => "locf(aggregate [, greatest age])",
            FillKind::Interpolate => "interpolate(aggregate)",
            FillKind::IsFilled => "is_filled()",
        }
    }
}

impl ScalarUDFImpl for FillFunction {
    fn name(&self) -> &'static str {
        match self.kind {
            FillKind::Locf => "locf",
            FillKind::Interpolate => "interpolate",
            FillKind::IsFilled => "is_filled",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let usage = self.usage();
        match (self.kind, types) {
            (FillKind::Locf, [value]) => Ok(vec![value.clone()]),
            (FillKind::Locf, [value, DataType::Interval(_)]) => Ok(vec![
                value.clone(),
                DataType::Interval(IntervalUnit::MonthDayNano),
            ]),
            (FillKind::Locf, [value, age]) if is_text(age) => Ok(vec![value.clone(), DataType::Utf8]),
            (FillKind::Locf, [_, other]) => {
                plan_err!("{usage}: the greatest age must be an INTERVAL or a text such as '5m', not {other}")
            }
            (FillKind::Locf, other) => plan_err!("{usage} takes 1 or 2 arguments, not {}", other.len()),
            (FillKind::Interpolate, [value]) => Ok(vec![value.clone()]),
            (FillKind::Interpolate, other) => plan_err!("{usage} takes 1 argument, not {}", other.len()),
            (FillKind::IsFilled, other) => plan_err!("{usage} takes no arguments, not {}", other.len()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{} gives its type with its field", self.usage())
    }

    /// Numbers on a line are floats.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let of = args.arg_fields.first().map(|field| field.data_type());
        let data_type = match (self.kind, of) {
            (FillKind::IsFilled, _) => DataType::Boolean,
            (_, None) => return plan_err!("{} takes an aggregate", self.usage()),
            (FillKind::Locf, Some(value)) => value.clone(),
            (FillKind::Interpolate, Some(float)) if float.is_floating() => float.clone(),
            (FillKind::Interpolate, Some(number)) if number.is_numeric() || number.is_null() => {
                DataType::Float64
            }
            (FillKind::Interpolate, Some(other)) => {
                return plan_err!(
                    "{}: {other} has no values on a line; carry the last one with locf(aggregate)",
                    self.usage()
                );
            }
        };
        let is_nullable = self.kind != FillKind::IsFilled;
        Ok(Arc::new(Field::new(self.name(), data_type, is_nullable)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} was left without buckets to fill", self.usage())
    }
}
