//! The u64 by which indexes find a value: the value itself where it fits, else a hash of it.
//!
//! Equal values have equal keys. Of types wider than eight bytes, different values may share a key, so whoever
//! finds rows by key compares the values too.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use gapless_format::checksum;

use crate::error::{Error, Result};

/// The key of each row, in order; `None` for null.
pub(crate) fn keys(array: &ArrayRef) -> Result<Vec<Option<u64>>> {
    use DataType as T;
    Ok(match array.data_type() {
        T::Boolean => array
            .as_boolean()
            .iter()
            .map(|value| value.map(u64::from))
            .collect(),
        T::Int8 => integers::<Int8Type>(array, |v| i64::from(v).cast_unsigned()),
        T::Int16 => integers::<Int16Type>(array, |v| i64::from(v).cast_unsigned()),
        T::Int32 => integers::<Int32Type>(array, |v| i64::from(v).cast_unsigned()),
        T::Int64 => integers::<Int64Type>(array, i64::cast_unsigned),
        T::UInt8 => integers::<UInt8Type>(array, u64::from),
        T::UInt16 => integers::<UInt16Type>(array, u64::from),
        T::UInt32 => integers::<UInt32Type>(array, u64::from),
        T::UInt64 => integers::<UInt64Type>(array, |v| v),
        T::Float32 => integers::<Float32Type>(array, |v| float_key(f64::from(v))),
        T::Float64 => integers::<Float64Type>(array, float_key),
        T::Decimal128(..) => integers::<Decimal128Type>(array, |v| checksum(&v.to_le_bytes())),
        T::Utf8 => array
            .as_string::<i32>()
            .iter()
            .map(|v| v.map(|v| checksum(v.as_bytes())))
            .collect(),
        T::Binary => array.as_binary::<i32>().iter().map(|v| v.map(checksum)).collect(),
        T::Date32 | T::Time32(_) => keys(&reinterpret::<Int32Type>(array)?)?,
        T::Time64(_) | T::Timestamp(..) | T::Duration(_) => keys(&reinterpret::<Int64Type>(array)?)?,
        other => {
            return Err(Error::unsupported(format!(
                "values of type {other} have no index key"
            )));
        }
    })
}

/// A temporal array as the integers it is made of; no value is copied.
pub(crate) fn reinterpret<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<ArrayRef> {
    let data = array
        .to_data()
        .into_builder()
        .data_type(T::DATA_TYPE)
        .build()
        .map_err(|error| {
            Error::internal(format!(
                "{} is not laid out as {}: {error}",
                array.data_type(),
                T::DATA_TYPE
            ))
        })?;
    Ok(arrow_array::make_array(data))
}

/// The key of a float: one for all NaN, one for both zeros.
pub(crate) fn float_key(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

fn integers<T: ArrowPrimitiveType>(array: &ArrayRef, key: impl Fn(T::Native) -> u64) -> Vec<Option<u64>> {
    array
        .as_primitive::<T>()
        .iter()
        .map(|value| value.map(&key))
        .collect()
}
