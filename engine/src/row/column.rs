//! One column of rows that are being collected.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, make_array};
use gapless_format::{ColumnSpec, ColumnType, NULL_CODE, Number};

use crate::error::{Error, Result};
use crate::table::types::storage_type;

/// Values of one column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) spec: ColumnSpec,
    values: Values,
}

/// Builders by how a value is stored.
#[derive(Debug)]
enum Values {
    Bool(BooleanBuilder),
    I8(PrimitiveBuilder<Int8Type>),
    I16(PrimitiveBuilder<Int16Type>),
    I32(PrimitiveBuilder<Int32Type>),
    I64(PrimitiveBuilder<Int64Type>),
    U8(PrimitiveBuilder<UInt8Type>),
    U16(PrimitiveBuilder<UInt16Type>),
    U32(PrimitiveBuilder<UInt32Type>),
    U64(PrimitiveBuilder<UInt64Type>),
    F32(PrimitiveBuilder<Float32Type>),
    F64(PrimitiveBuilder<Float64Type>),
    Decimal(PrimitiveBuilder<Decimal128Type>),
    Symbol(PrimitiveBuilder<UInt32Type>),
    Utf8(StringBuilder),
    Binary(BinaryBuilder),
}

/// A value of one row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Decimal(i128),
    Code(u32),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Column {
    /// # Errors
    /// `Unsupported` for lists.
    pub(super) fn new(spec: &ColumnSpec) -> Result<Self> {
        let values = match &spec.column_type {
            ColumnType::Bool => Values::Bool(BooleanBuilder::new()),
            ColumnType::Number(number) => number_values(*number),
            ColumnType::Decimal128 { .. } => Values::Decimal(PrimitiveBuilder::new()),
            ColumnType::Symbol { .. } => Values::Symbol(PrimitiveBuilder::new()),
            ColumnType::Utf8 => Values::Utf8(StringBuilder::new()),
            ColumnType::Binary => Values::Binary(BinaryBuilder::new()),
            ColumnType::FixedList { .. } | ColumnType::List(_) => {
                return Err(Error::unsupported(format!(
                    "column {:?} is {}: the row writer takes no lists; append batches instead",
                    spec.name,
                    spec.column_type.name()
                )));
            }
            // Dates and times are integers of their width.
            other if other.value_width() == Some(4) => Values::I32(PrimitiveBuilder::new()),
            _ => Values::I64(PrimitiveBuilder::new()),
        };
        Ok(Self {
            spec: spec.clone(),
            values,
        })
    }

    pub(super) fn is_symbol(&self) -> bool {
        matches!(self.values, Values::Symbol(_))
    }

    /// Appends a value; false when the column does not take it.
    #[inline]
    pub(super) fn push(&mut self, cell: Cell<'_>) -> bool {
        macro_rules! integer {
            ($builder:expr, $value:expr) => {
                match $value.try_into() {
                    Ok(value) => $builder.append_value(value),
                    Err(_) => return false,
                }
            };
        }
        match (&mut self.values, cell) {
            (Values::F64(builder), Cell::Float(value)) => builder.append_value(value),
            (Values::I64(builder), Cell::Integer(value)) => builder.append_value(value),
            (Values::Symbol(builder), Cell::Code(code)) => builder.append_value(code),
            (_, Cell::Null) => self.push_null(),
            (Values::I32(builder), Cell::Integer(value)) => integer!(builder, value),
            (Values::I16(builder), Cell::Integer(value)) => integer!(builder, value),
            (Values::I8(builder), Cell::Integer(value)) => integer!(builder, value),
            (Values::U64(builder), Cell::Integer(value)) => integer!(builder, value),
            (Values::U32(builder), Cell::Integer(value)) => integer!(builder, value),
            (Values::U16(builder), Cell::Integer(value)) => integer!(builder, value),
            (Values::U8(builder), Cell::Integer(value)) => integer!(builder, value),
            (Values::U64(builder), Cell::Unsigned(value)) => builder.append_value(value),
            (Values::F32(builder), Cell::Float(value)) => {
                // Only what is exact: a price must not change by being written.
                let narrow = value as f32;
                if f64::from(narrow) != value && !value.is_nan() {
                    return false;
                }
                builder.append_value(narrow);
            }
            (Values::Bool(builder), Cell::Bool(value)) => builder.append_value(value),
            (Values::Decimal(builder), Cell::Decimal(value)) => builder.append_value(value),
            (Values::Utf8(builder), Cell::Text(value)) => builder.append_value(value),
            (Values::Binary(builder), Cell::Bytes(value)) => builder.append_value(value),
            _ => return false,
        }
        true
    }

    pub(super) fn push_null(&mut self) {
        match &mut self.values {
            Values::Bool(builder) => builder.append_null(),
            Values::I8(builder) => builder.append_null(),
            Values::I16(builder) => builder.append_null(),
            Values::I32(builder) => builder.append_null(),
            Values::I64(builder) => builder.append_null(),
            Values::U8(builder) => builder.append_null(),
            Values::U16(builder) => builder.append_null(),
            Values::U32(builder) => builder.append_null(),
            Values::U64(builder) => builder.append_null(),
            Values::F32(builder) => builder.append_null(),
            Values::F64(builder) => builder.append_null(),
            Values::Decimal(builder) => builder.append_null(),
            Values::Symbol(builder) => builder.append_null(),
            Values::Utf8(builder) => builder.append_null(),
            Values::Binary(builder) => builder.append_null(),
        }
    }

    /// The values so far in the column's storage type; the column is empty afterwards.
    pub(super) fn take(&mut self) -> Result<ArrayRef> {
        let array: ArrayRef = match &mut self.values {
            Values::Bool(builder) => Arc::new(builder.finish()),
            Values::I8(builder) => Arc::new(builder.finish()),
            Values::I16(builder) => Arc::new(builder.finish()),
            Values::I32(builder) => Arc::new(builder.finish()),
            Values::I64(builder) => Arc::new(builder.finish()),
            Values::U8(builder) => Arc::new(builder.finish()),
            Values::U16(builder) => Arc::new(builder.finish()),
            Values::U32(builder) => Arc::new(builder.finish()),
            Values::U64(builder) => Arc::new(builder.finish()),
            Values::F32(builder) => Arc::new(builder.finish()),
            Values::F64(builder) => Arc::new(builder.finish()),
            Values::Decimal(builder) => Arc::new(builder.finish()),
            Values::Symbol(builder) => return Ok(with_null_codes(&builder.finish())),
            Values::Utf8(builder) => Arc::new(builder.finish()),
            Values::Binary(builder) => Arc::new(builder.finish()),
        };
        let to = storage_type(&self.spec.column_type);
        if *array.data_type() == to {
            return Ok(array);
        }
        // The same bytes under the column's own type: a time, a date, a decimal of some precision.
        let data = array.to_data().into_builder().data_type(to).build();
        data.map(make_array)
            .map_err(|error| Error::internal(format!("column {:?}: {error}", self.spec.name)))
    }
}

fn number_values(number: Number) -> Values {
    match number {
        Number::I8 => Values::I8(PrimitiveBuilder::new()),
        Number::I16 => Values::I16(PrimitiveBuilder::new()),
        Number::I32 => Values::I32(PrimitiveBuilder::new()),
        Number::I64 => Values::I64(PrimitiveBuilder::new()),
        Number::U8 => Values::U8(PrimitiveBuilder::new()),
        Number::U16 => Values::U16(PrimitiveBuilder::new()),
        Number::U32 => Values::U32(PrimitiveBuilder::new()),
        Number::U64 => Values::U64(PrimitiveBuilder::new()),
        Number::F32 => Values::F32(PrimitiveBuilder::new()),
        Number::F64 => Values::F64(PrimitiveBuilder::new()),
    }
}

/// Behind a null symbol stands the null code.
fn with_null_codes(codes: &arrow_array::UInt32Array) -> ArrayRef {
    if codes.null_count() == 0 {
        return Arc::new(codes.clone());
    }
    let values: Vec<u32> = codes.iter().map(|code| code.unwrap_or(NULL_CODE)).collect();
    Arc::new(arrow_array::UInt32Array::new(
        values.into(),
        codes.nulls().cloned(),
    ))
}
