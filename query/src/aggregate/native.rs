//! Arrays as slices of what they hold, whatever the type means, and back.

use std::borrow::Cow;

use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType};
use gapless_engine::{Error, Result};

use super::rows::Rows;

/// The values of an array of numbers, times or decimals of this width.
pub(super) fn natives<N: ArrowNativeType>(array: &ArrayRef) -> Result<ScalarBuffer<N>> {
    let data = array.to_data();
    let width = data.data_type().primitive_width();
    match data.buffers().first() {
        Some(buffer) if width == Some(size_of::<N>()) => {
            Ok(ScalarBuffer::new(buffer.clone(), data.offset(), data.len()))
        }
        _ => Err(Error::internal(format!(
            "an aggregate was made for other values than {}",
            array.data_type()
        ))),
    }
}

/// An array of values; where one is not there it is null.
pub(super) fn array<N: ArrowNativeType>(values: Vec<N>, there: Vec<bool>, of: &DataType) -> Result<ArrayRef> {
    let nulls = there
        .contains(&false)
        .then(|| NullBuffer::new(BooleanBuffer::from(there)));
    let data = ArrayData::builder(of.clone())
        .len(values.len())
        .add_buffer(ScalarBuffer::from(values).into_inner())
        .nulls(nulls)
        .build()
        .map_err(|error| arrow(&error))?;
    Ok(make_array(data))
}

/// An error of a kernel of Arrow.
pub(super) fn arrow(error: &ArrowError) -> Error {
    Error::internal(format!("the result of an aggregate could not be made: {error}"))
}

/// Numbers that become `f64`. 64-bit integers are rounded.
pub(super) trait ToFloat: ArrowNativeType {
    fn float(self) -> f64;
}

macro_rules! to_float {
    ($($native:ty)*) => {
        $(impl ToFloat for $native {
            #[inline(always)]
            fn float(self) -> f64 {
                self as f64
            }
        })*
    };
}
to_float!(i8 i16 i32 i64 u8 u16 u32 u64 i128 f32 f64);

/// Calls a function for the native type of a type of numbers: `numbers!(data_type, N => expression of N, otherwise)`.
macro_rules! numbers {
    ($data_type:expr, $native:ident => $then:expr, $otherwise:expr) => {{
        use arrow_schema::DataType as D;
        macro_rules! case {
            ($of:ty) => {{
                type $native = $of;
                $then
            }};
        }
        match $data_type {
            D::Int8 => case!(i8),
            D::Int16 => case!(i16),
            D::Int32 => case!(i32),
            D::Int64 => case!(i64),
            D::UInt8 => case!(u8),
            D::UInt16 => case!(u16),
            D::UInt32 => case!(u32),
            D::UInt64 => case!(u64),
            D::Float32 => case!(f32),
            D::Float64 => case!(f64),
            _ => $otherwise,
        }
    }};
}
pub(super) use numbers;

/// The numbers of the rows that count as `f64`. 64-bit integers and decimals are rounded.
pub(super) fn floats(array: &ArrayRef, rows: &Rows) -> Result<Vec<f64>> {
    fn convert<N: ToFloat>(array: &ArrayRef, rows: &Rows, by: f64) -> Result<Vec<f64>> {
        let values = natives::<N>(array)?;
        Ok(match by == 1.0 {
            true => rows.converted(&values, ToFloat::float),
            false => rows.converted(&values, |value| value.float() / by),
        })
    }
    match array.data_type() {
        DataType::Duration(_) => convert::<i64>(array, rows, 1.0),
        DataType::Decimal128(_, scale) => convert::<i128>(array, rows, 10f64.powi(i32::from(*scale))),
        other => numbers!(
            other,
            N => convert::<N>(array, rows, 1.0),
            Err(Error::internal(format!("{other} is no type of numbers")))
        ),
    }
}

/// As [`floats`], without a copy where there is nothing to convert: keeps the buffer alive.
pub(super) struct Floats {
    buffer: ScalarBuffer<f64>,
    converted: Option<Vec<f64>>,
}

impl Floats {
    pub(super) fn of(array: &ArrayRef, rows: &Rows) -> Result<Self> {
        if array.data_type() != &DataType::Float64 {
            return Ok(Self {
                buffer: ScalarBuffer::from(Vec::new()),
                converted: Some(floats(array, rows)?),
            });
        }
        let buffer = natives(array)?;
        let converted = match rows.dense(&buffer) {
            Cow::Borrowed(_) => None,
            Cow::Owned(dense) => Some(dense),
        };
        Ok(Self { buffer, converted })
    }

    #[inline(always)]
    pub(super) fn values(&self) -> &[f64] {
        self.converted.as_deref().unwrap_or(&self.buffer)
    }
}
