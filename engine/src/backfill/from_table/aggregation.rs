//! How the rows of a bar become one value.
//!
//! - Nulls are left out of every aggregation. A bar whose rows have only nulls has a null.
//! - Whole numbers and decimals are exact: they are summed as integers of 128 bits. Floating-point numbers are added in order of
//!   time, without correction. NaN counts as a value, but not for the least and the greatest.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type};
use arrow_array::{Array, ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;

use super::super::strategy::{BackfillError, BackfillErrorKind};

/// Digits of sums of whole numbers.
const DIGITS: u8 = 38;

/// How the rows of a bar become one value of a column.
///
/// ```
/// use gapless_engine::backfill::Aggregation;
/// let columns = [("open", Aggregation::first("price")), ("vwap", Aggregation::vwap("price", "size"))];
/// assert_eq!(columns[1].1.columns(), ["price", "size"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregation {
    how: How,
    columns: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    First,
    Last,
    Min,
    Max,
    Sum,
    Count,
    Rows,
    Mean,
    Vwap,
}

macro_rules! of_column {
    ($($(#[$doc:meta])* $name:ident => $how:ident;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(column: impl Into<String>) -> Self {
            Self { how: How::$how, columns: vec![column.into()] }
        })*
    };
}

impl Aggregation {
    of_column! {
        /// The first value; of equal times the one that arrived first.
        first => First;
        /// The last value; of equal times the one that arrived last.
        last => Last;
        /// The least value.
        min => Min;
        /// The greatest value.
        max => Max;
        /// The sum.
        sum => Sum;
        /// How many values there are.
        count => Count;
        /// The sum divided by the count.
        mean => Mean;
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows() -> Self {
        Self {
            how: How::Rows,
            columns: Vec::new(),
        }
    }

    /// The mean price, each weighed by its size: `sum(price * size) / sum(size)`; null when the sizes sum to zero.
    #[must_use]
    pub fn vwap(price: impl Into<String>, size: impl Into<String>) -> Self {
        Self {
            how: How::Vwap,
            columns: vec![price.into(), size.into()],
        }
    }

    /// The columns that it reads.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn fold(&self) -> Fold {
        Fold {
            how: self.how,
            ..Fold::default()
        }
    }

    /// Its columns in a batch, as numbers.
    pub(super) fn numbers(&self, batch: &RecordBatch) -> Result<Vec<Numbers>, BackfillError> {
        self.columns
            .iter()
            .map(|name| {
                let column = batch
                    .column_by_name(name)
                    .ok_or_else(|| refused(format!("the rows have no column {name:?}")))?;
                Numbers::new(name, column, self.how == How::Vwap)
            })
            .collect()
    }
}

fn refused(message: String) -> BackfillError {
    BackfillError::new(BackfillErrorKind::Permanent, message)
}

/// A column of numbers.
#[derive(Debug, Clone)]
pub(super) enum Numbers {
    Float(Float64Array),
    Exact(Decimal128Array),
}

/// A number: a float, or an integer of some 10^-scale.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Float(f64),
    Exact(i128, i8),
}

impl Number {
    fn to_f64(self) -> f64 {
        match self {
            Self::Float(value) => value,
            Self::Exact(value, scale) => value as f64 / 10_f64.powi(i32::from(scale)),
        }
    }

    fn plus(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Exact(a, scale), Self::Exact(b, _)) => Some(Self::Exact(a.checked_add(b)?, scale)),
            (a, b) => Some(Self::Float(a.to_f64() + b.to_f64())),
        }
    }

    fn is_below(self, other: Self) -> bool {
        match (self, other) {
            (Self::Exact(a, _), Self::Exact(b, _)) => a < b,
            (a, b) => a.to_f64() < b.to_f64(),
        }
    }

    fn is_nan(self) -> bool {
        matches!(self, Self::Float(value) if value.is_nan())
    }
}

impl Numbers {
    fn new(name: &str, column: &ArrayRef, as_float: bool) -> Result<Self, BackfillError> {
        let cast = |to: &DataType| {
            cast_with_options(column, to, &strict())
                .map_err(|error| refused(format!("column {name:?}: {error}")))
        };
        let data_type = column.data_type();
        let scale = match data_type {
            _ if as_float && data_type.is_numeric() => None,
            DataType::Decimal128(_, scale) => Some(*scale),
            data_type if data_type.is_integer() => Some(0),
            data_type if data_type.is_floating() => None,
            other => {
                return Err(refused(format!(
                    "column {name:?} has the type {other}: bars are made of numbers"
                )));
            }
        };
        Ok(match scale {
            None => Self::Float(cast(&DataType::Float64)?.as_primitive::<Float64Type>().clone()),
            Some(scale) => {
                let exact = cast(&DataType::Decimal128(DIGITS, scale))?;
                Self::Exact(exact.as_primitive::<Decimal128Type>().clone())
            }
        })
    }

    fn get(&self, row: usize) -> Option<Number> {
        match self {
            Self::Float(values) => values.is_valid(row).then(|| Number::Float(values.value(row))),
            Self::Exact(values) => values
                .is_valid(row)
                .then(|| Number::Exact(values.value(row), values.scale())),
        }
    }
}

fn strict() -> CastOptions<'static> {
    CastOptions {
        safe: false,
        ..CastOptions::default()
    }
}

/// The rows of a bar so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fold {
    how: How,
    value: Option<Number>,
    /// What a sum is divided by.
    weight: f64,
    count: i64,
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            how: How::Rows,
            value: None,
            weight: 0.0,
            count: 0,
        }
    }
}

impl Fold {
    /// Takes a row.
    pub(super) fn take(&mut self, columns: &[Numbers], row: usize) -> Result<(), BackfillError> {
        if self.how == How::Rows {
            self.count += 1;
            return Ok(());
        }
        let mut values = columns.iter().map(|column| column.get(row));
        let Some(Some(value)) = values.next() else {
            return Ok(());
        };
        let value = match (self.how, values.next()) {
            (How::Vwap, Some(Some(size))) => {
                self.weight += size.to_f64();
                Number::Float(value.to_f64() * size.to_f64())
            }
            (How::Vwap, _) => return Ok(()),
            _ => value,
        };
        self.count += 1;
        self.value = match (self.how, self.value) {
            (How::Min | How::Max, _) if value.is_nan() => self.value,
            (_, None) | (How::Last, _) => Some(value),
            (How::First | How::Count, before) => before,
            (How::Min, Some(before)) => Some(if value.is_below(before) { value } else { before }),
            (How::Max, Some(before)) => Some(if before.is_below(value) { value } else { before }),
            (_, Some(before)) => Some(
                before
                    .plus(value)
                    .ok_or_else(|| refused("a sum has more than 128 bits".to_owned()))?,
            ),
        };
        Ok(())
    }

    fn result(&self) -> Option<Number> {
        match self.how {
            How::Rows | How::Count => Some(Number::Exact(i128::from(self.count), 0)),
            How::Mean => self
                .value
                .map(|sum| Number::Float(sum.to_f64() / self.count as f64)),
            How::Vwap if self.weight == 0.0 => None,
            How::Vwap => self.value.map(|sum| Number::Float(sum.to_f64() / self.weight)),
            _ => self.value,
        }
    }
}

/// The values of a column of bars, in the type that the table has.
pub(super) fn column(name: &str, folds: &[Fold], to: &DataType) -> Result<ArrayRef, BackfillError> {
    let values: Vec<Option<Number>> = folds.iter().map(Fold::result).collect();
    let is_exact = values
        .iter()
        .flatten()
        .all(|value| matches!(value, Number::Exact(..)));
    let array: ArrayRef = match (is_exact, values.iter().flatten().next()) {
        (true, Some(Number::Exact(_, 0))) if to.is_integer() => {
            Arc::new(Int64Array::from_iter(integers(name, &values)?))
        }
        (true, Some(Number::Exact(_, scale))) => {
            let exact = values.iter().map(|value| match value {
                Some(Number::Exact(value, _)) => Some(*value),
                _ => None,
            });
            let array = Decimal128Array::from_iter(exact).with_precision_and_scale(DIGITS, *scale);
            Arc::new(array.map_err(|error| refused(format!("column {name:?}: {error}")))?)
        }
        _ => Arc::new(Float64Array::from_iter(
            values.iter().map(|value| value.map(Number::to_f64)),
        )),
    };
    cast_with_options(&array, to, &strict()).map_err(|error| refused(format!("column {name:?}: {error}")))
}

fn integers(name: &str, values: &[Option<Number>]) -> Result<Vec<Option<i64>>, BackfillError> {
    let integer = |value: &Option<Number>| match value {
        Some(Number::Exact(value, _)) => i64::try_from(*value).map(Some),
        _ => Ok(None),
    };
    values
        .iter()
        .map(|value| {
            integer(value).map_err(|_| refused(format!("column {name:?}: {value:?} has more than 64 bits")))
        })
        .collect()
}
