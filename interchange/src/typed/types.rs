//! Which Arrow types are taken, and as what.

use arrow_schema::{DataType, Field, TimeUnit};

use crate::type_name::{TypeName, symbol_type};

/// The type as which a column of `data_type` is stored, or why it is refused.
pub(crate) fn stored_type(data_type: &DataType) -> Result<DataType, String> {
    use DataType as D;
    Ok(match data_type {
        D::Null | D::Utf8 | D::LargeUtf8 | D::Utf8View => D::Utf8,
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => D::Binary,
        D::Float16 => D::Float32,
        D::Decimal32(precision, scale) | D::Decimal64(precision, scale) if *scale >= 0 => {
            D::Decimal128(*precision, *scale)
        }
        D::Decimal128(_, scale) if *scale >= 0 => data_type.clone(),
        D::Date64 => D::Timestamp(TimeUnit::Millisecond, None),
        D::Dictionary(_, value) if is_text(value) => symbol_type(),
        D::Dictionary(_, value) => stored_type(value)?,
        D::List(item) | D::LargeList(item) if item.data_type().is_numeric() => {
            D::List(number_item(item)?.into())
        }
        D::FixedSizeList(item, length) if item.data_type().is_numeric() => {
            D::FixedSizeList(number_item(item)?.into(), *length)
        }
        D::Boolean | D::Float32 | D::Float64 | D::Date32 => data_type.clone(),
        D::Time32(_) | D::Time64(_) | D::Timestamp(..) | D::Duration(_) => data_type.clone(),
        integer if integer.is_integer() => integer.clone(),
        other => return Err(format!("columns of the Arrow type {other} are not taken")),
    })
}

fn number_item(item: &Field) -> Result<Field, String> {
    Ok(Field::new(
        "item",
        stored_type(item.data_type())?,
        item.is_nullable(),
    ))
}

/// Whether values of `data_type` are text.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

/// The name of a stored type that text can hold too.
pub fn type_name_of(data_type: &DataType) -> Option<TypeName> {
    Some(match data_type {
        DataType::Boolean => TypeName::Bool,
        DataType::Int8 => TypeName::I8,
        DataType::Int16 => TypeName::I16,
        DataType::Int32 => TypeName::I32,
        DataType::Int64 => TypeName::I64,
        DataType::UInt8 => TypeName::U8,
        DataType::UInt16 => TypeName::U16,
        DataType::UInt32 => TypeName::U32,
        DataType::UInt64 => TypeName::U64,
        DataType::Float32 => TypeName::F32,
        DataType::Float64 => TypeName::F64,
        DataType::Decimal128(precision, scale) => TypeName::Decimal {
            precision: *precision,
            scale: *scale,
        },
        DataType::Date32 => TypeName::Date,
        DataType::Time32(unit) | DataType::Time64(unit) => TypeName::Time(*unit),
        DataType::Timestamp(unit, _) => TypeName::Timestamp(*unit),
        DataType::Duration(unit) => TypeName::Duration(*unit),
        DataType::Dictionary(..) => TypeName::Symbol,
        DataType::Utf8 => TypeName::Utf8,
        DataType::Binary => TypeName::Binary,
        _ => return None,
    })
}
