//! A constant in the type of its column.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray, UInt64Array,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;
use gapless_engine::scan::Literal;
use gapless_engine::{Error, Result};

/// A constant as one row of a column. It has to be a value of the column's type, not one that is cut or rounded to be.
pub(super) fn array(column: &str, value: &Literal, data_type: &DataType) -> Result<ArrayRef> {
    let refused = || {
        Error::invalid(format!(
            "column {column:?} is {data_type}, which has no value {value:?}: fill it with one of its own"
        ))
    };
    let is_text = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    };
    let fits = match (value, data_type) {
        (Literal::Bool(_), DataType::Boolean) => true,
        (Literal::Text(_), DataType::Dictionary(_, values)) => is_text(values),
        (Literal::Text(_), other) => is_text(other),
        (Literal::Binary(_), DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => true,
        (Literal::I64(_) | Literal::U64(_), other) => other.is_numeric() || other.is_temporal(),
        (Literal::F64(_), other) => other.is_floating() || other.is_decimal(),
        (Literal::I128(_), other) => matches!(other, DataType::Decimal128(..)),
        _ => false,
    };
    if !fits {
        return Err(refused());
    }
    let given: ArrayRef = match value {
        Literal::Bool(value) => Arc::new(BooleanArray::from(vec![*value])),
        Literal::I64(value) => Arc::new(Int64Array::from(vec![*value])),
        Literal::U64(value) => Arc::new(UInt64Array::from(vec![*value])),
        Literal::F64(value) => Arc::new(Float64Array::from(vec![*value])),
        Literal::I128(value) => {
            let array = Decimal128Array::from(vec![*value]);
            return Ok(Arc::new(array.with_data_type(data_type.clone())));
        }
        Literal::Text(value) => Arc::new(StringArray::from(vec![value.as_str()])),
        Literal::Binary(value) => Arc::new(BinaryArray::from(vec![value.as_slice()])),
    };
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    // A raw number of a date or time goes by its own width.
    let cast = |array: &ArrayRef, to: &DataType| cast_with_options(array, to, &options);
    let narrow = matches!(data_type, DataType::Date32 | DataType::Time32(_)).then_some(DataType::Int32);
    let made = match narrow {
        Some(narrow) => cast(&given, &narrow).and_then(|array| cast(&array, data_type)),
        None => cast(&given, data_type),
    };
    let made = made.map_err(|_| refused())?;
    let is_whole = matches!(value, Literal::I64(_) | Literal::U64(_)) || data_type.is_decimal();
    if is_whole && data_type.is_numeric() {
        let back = cast(&made, given.data_type()).map_err(|_| refused())?;
        if back.to_data() != given.to_data() {
            return Err(refused());
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_values_of_their_columns_or_refused() {
        let symbol = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
        for (value, data_type) in [
            (Literal::from(0i64), DataType::Float64),
            (Literal::from(0i64), DataType::Decimal128(10, 2)),
            (Literal::from(255u8), DataType::UInt8),
            (Literal::from(1.5), DataType::Float32),
            (Literal::from(f64::NAN), DataType::Float64),
            (Literal::from("a"), symbol.clone()),
            (Literal::from(true), DataType::Boolean),
            (Literal::from(3i64), DataType::Date32),
        ] {
            let made = array("c", &value, &data_type).expect("a constant");
            assert_eq!(
                (made.len(), made.null_count(), made.data_type()),
                (1, 0, &data_type)
            );
        }
        for (value, data_type) in [
            (Literal::from(256i64), DataType::UInt8),
            (Literal::from(1.5), DataType::Int64),
            (Literal::from("1"), DataType::Int64),
            (Literal::from(1i64), DataType::Utf8),
            (Literal::from(1i64), symbol),
            (Literal::from(1i64), DataType::Boolean),
        ] {
            assert!(array("c", &value, &data_type).is_err(), "{value:?} {data_type}");
        }
    }
}
