//! Differences and ratios of a value and the one before.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_cast::cast;
use arrow_schema::DataType;
use gapless_engine::{Error, Result};

use super::running::{Chunk, Running, other_type};
use super::shift::Previous;
use crate::error::arrow_error;

/// The greatest magnitude of a decimal of 38 digits.
pub(super) const DECIMAL_MAX: i128 = 10i128.pow(38) - 1;

/// What is made of a value and the one before.
pub(super) struct Change {
    pub(super) previous: Previous,
    pub(super) is_ratio: bool,
    pub(super) to: DataType,
    pub(super) text: Arc<str>,
}

impl Running for Change {
    fn take(&mut self, values: &ArrayRef, chunk: &Chunk<'_>) -> Result<ArrayRef> {
        let previous = self.previous.take(values, chunk)?;
        match self.is_ratio {
            true => ratio(values, &previous),
            false => difference(values, &previous, &self.to, &self.text),
        }
    }
}

type Native<T> = <T as ArrowPrimitiveType>::Native;

/// The values of both and where both are.
type Both<'a, T> = (
    &'a ScalarBuffer<Native<T>>,
    &'a ScalarBuffer<Native<T>>,
    Option<NullBuffer>,
);

fn both<'a, T: ArrowPrimitiveType>(values: &'a ArrayRef, previous: &'a ArrayRef) -> Result<Both<'a, T>> {
    let values = values.as_primitive_opt::<T>().ok_or_else(other_type)?;
    let previous = previous.as_primitive_opt::<T>().ok_or_else(other_type)?;
    let nulls = NullBuffer::union(values.nulls(), previous.nulls());
    Ok((values.values(), previous.values(), nulls))
}

fn each<T: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    values: &ArrayRef,
    previous: &ArrayRef,
    change: impl Fn(T::Native, T::Native) -> O::Native,
) -> Result<ArrayRef> {
    let (values, previous, nulls) = both::<T>(values, previous)?;
    let changes: Vec<O::Native> = values
        .iter()
        .zip(previous.iter())
        .map(|(value, before)| change(*value, *before))
        .collect();
    Ok(Arc::new(PrimitiveArray::<O>::new(changes.into(), nulls)))
}

/// Changes of which some may not fit; what a null hides does not count.
fn each_checked<T: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    values: &ArrayRef,
    previous: &ArrayRef,
    change: impl Fn(T::Native, T::Native) -> (O::Native, bool),
    text: &str,
) -> Result<PrimitiveArray<O>> {
    let (values, previous, nulls) = both::<T>(values, previous)?;
    let mut overflows = false;
    let pairs = || values.iter().zip(previous.iter());
    let changes: Vec<O::Native> = pairs()
        .map(|(value, before)| {
            let (change, overflow) = change(*value, *before);
            overflows |= overflow;
            change
        })
        .collect();
    if overflows {
        let is_valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let overflow = pairs()
            .enumerate()
            .find(|(row, (value, before))| is_valid(*row) && change(**value, **before).1);
        if let Some((_, (value, before))) = overflow {
            return Err(Error::invalid(format!(
                "{text}: {value:?} less {before:?} does not fit {}: cast the values to Float64",
                O::DATA_TYPE
            )));
        }
    }
    Ok(PrimitiveArray::<O>::new(changes.into(), nulls))
}

fn difference(values: &ArrayRef, previous: &ArrayRef, to: &DataType, text: &str) -> Result<ArrayRef> {
    macro_rules! narrow {
        ($T:ty) => {
            each::<$T, Int64Type>(values, previous, |value, before| {
                i64::from(value) - i64::from(before)
            })
        };
    }
    let of_i64 = |values: &ArrayRef, previous: &ArrayRef| {
        each_checked::<Int64Type, Int64Type>(values, previous, |a, b| a.overflowing_sub(b), text)
    };
    match values.data_type() {
        DataType::Int8 => narrow!(Int8Type),
        DataType::Int16 => narrow!(Int16Type),
        DataType::Int32 => narrow!(Int32Type),
        DataType::UInt8 => narrow!(UInt8Type),
        DataType::UInt16 => narrow!(UInt16Type),
        DataType::UInt32 => narrow!(UInt32Type),
        DataType::Int64 => Ok(Arc::new(of_i64(values, previous)?)),
        DataType::Timestamp(..) | DataType::Duration(_) => {
            let (values, previous) = (as_i64(values)?, as_i64(previous)?);
            let changes: ArrayRef = Arc::new(of_i64(&values, &previous)?);
            cast(&changes, to).map_err(|error| arrow_error(text, &error))
        }
        DataType::UInt64 => {
            let change = |a: u64, b: u64| {
                let change = a.wrapping_sub(b).cast_signed();
                (change, (a >= b) != (change >= 0))
            };
            let changes = each_checked::<UInt64Type, Int64Type>(values, previous, change, text)?;
            Ok(Arc::new(changes))
        }
        DataType::Decimal128(..) => {
            let change = |a: i128, b: i128| {
                let change = a.wrapping_sub(b);
                // Both are less than half of what fits.
                (change, change.unsigned_abs() > DECIMAL_MAX.unsigned_abs())
            };
            let changes = each_checked::<Decimal128Type, Decimal128Type>(values, previous, change, text)?;
            Ok(Arc::new(changes.with_data_type(to.clone())))
        }
        DataType::Float32 => each::<Float32Type, Float32Type>(values, previous, |a, b| a - b),
        DataType::Float64 => each::<Float64Type, Float64Type>(values, previous, |a, b| a - b),
        _ => Err(other_type()),
    }
}

/// The same numbers as plain integers; nothing is copied.
fn as_i64(values: &ArrayRef) -> Result<ArrayRef> {
    cast(values, &DataType::Int64).map_err(|error| arrow_error("differences", &error))
}

fn ratio(values: &ArrayRef, previous: &ArrayRef) -> Result<ArrayRef> {
    each::<Float64Type, Float64Type>(values, previous, |a, b| a / b)
}
