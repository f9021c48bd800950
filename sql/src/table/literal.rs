//! Literals of SQL as the values that the engine compares columns with.

use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use gapless_engine::scan::Literal;
use gapless_engine::table::arrow_type;
use gapless_format::{ColumnSpec, ColumnType, Number};

/// The value as the engine compares it with a column; `None` for null and for what the engine would not compare as SQL does.
pub(super) fn literal(value: &ScalarValue, column: &ColumnSpec) -> Option<Literal> {
    use ScalarValue as S;
    if let S::Dictionary(_, inner) = value {
        return literal(inner, column);
    }
    match (&column.column_type, value) {
        (ColumnType::Bool, S::Boolean(value)) => value.map(Literal::Bool),
        (ColumnType::Number(number), value) if number.is_float() => float(value).map(Literal::F64),
        (ColumnType::Number(_), value) => integer(value),
        (ColumnType::Utf8 | ColumnType::Symbol { .. }, value) => text(value).map(Literal::Text),
        (ColumnType::Binary, S::Binary(value) | S::LargeBinary(value) | S::BinaryView(value)) => {
            value.clone().map(Literal::Binary)
        }
        (ColumnType::Date, S::Date32(days)) => days.map(|days| Literal::I64(days.into())),
        (ColumnType::Decimal128 { scale, .. }, S::Decimal128(value, _, other)) if scale == other => {
            value.map(Literal::I128)
        }
        (ColumnType::Time(_) | ColumnType::Timestamp { .. } | ColumnType::Duration(_), value) => {
            same_instants(&value.data_type(), &arrow_type(&column.column_type)).then(|| units(value))?
        }
        _ => None,
    }
}

fn float(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Float32(value) => value.map(f64::from),
        ScalarValue::Float64(value) => *value,
        _ => None,
    }
}

fn integer(value: &ScalarValue) -> Option<Literal> {
    use ScalarValue as S;
    match value {
        S::Int8(value) => value.map(Literal::from),
        S::Int16(value) => value.map(Literal::from),
        S::Int32(value) => value.map(Literal::from),
        S::Int64(value) => value.map(Literal::from),
        S::UInt8(value) => value.map(Literal::from),
        S::UInt16(value) => value.map(Literal::from),
        S::UInt32(value) => value.map(Literal::from),
        S::UInt64(value) => value.map(Literal::from),
        _ => None,
    }
}

fn text(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Utf8(value) | ScalarValue::LargeUtf8(value) | ScalarValue::Utf8View(value) => {
            value.clone()
        }
        _ => None,
    }
}

/// Units of a time, a timestamp or a duration.
fn units(value: &ScalarValue) -> Option<Literal> {
    use ScalarValue as S;
    match value {
        S::Time32Second(value) | S::Time32Millisecond(value) => value.map(Literal::from),
        S::Time64Microsecond(value) | S::Time64Nanosecond(value) => value.map(Literal::from),
        S::TimestampSecond(value, _)
        | S::TimestampMillisecond(value, _)
        | S::TimestampMicrosecond(value, _)
        | S::TimestampNanosecond(value, _) => value.map(Literal::from),
        S::DurationSecond(value)
        | S::DurationMillisecond(value)
        | S::DurationMicrosecond(value)
        | S::DurationNanosecond(value) => value.map(Literal::from),
        _ => None,
    }
}

/// Whether the same number means the same in both types. The zone of a timestamp is how it is shown, if there is one.
fn same_instants(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::Timestamp(a, zone), DataType::Timestamp(b, other)) => {
            a == b && zone.is_some() == other.is_some()
        }
        (a, b) => a == b,
    }
}

/// Whether a cast of a column changes neither the order of its values nor which of them are equal, so that the column may be
/// compared with a literal of the cast's type instead.
pub(super) fn is_harmless_cast(column: &ColumnSpec, to: &DataType) -> bool {
    let is_text = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    };
    match (&column.column_type, to) {
        (ColumnType::Symbol { .. }, DataType::Dictionary(_, values)) => is_text(values),
        (ColumnType::Symbol { .. } | ColumnType::Utf8, to) => is_text(to),
        (ColumnType::Number(Number::F32), DataType::Float64) => true,
        (ColumnType::Number(number), to) if !number.is_float() => holds_all(*number, to),
        (ColumnType::Timestamp { zone, .. }, DataType::Timestamp(unit, other)) => {
            let same = DataType::Timestamp(*unit, zone.as_deref().map(Into::into));
            zone.is_some() == other.is_some() && arrow_type(&column.column_type) == same
        }
        _ => false,
    }
}

/// Whether an integer type has every value of another.
fn holds_all(number: Number, to: &DataType) -> bool {
    let bits = number.width() * 8;
    match to {
        DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let wide = to.primitive_width().unwrap_or_default() * 8;
            if number.is_unsigned() {
                bits < wide
            } else {
                bits <= wide
            }
        }
        DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            number.is_unsigned() && bits <= to.primitive_width().unwrap_or_default() * 8
        }
        _ => false,
    }
}
