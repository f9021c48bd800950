//! Columns of any width as chunks of one native type.
//!
//! A kernel is then one loop for each operator. A column of the very type is read where it lies; another is converted chunk by chunk into a
//! buffer that stays in the nearest cache.

use arrow_array::Array;
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;
use pulp::{Arch, NullaryFnOnce};

use super::node::{Error, Operand, Result};

/// Values of one chunk; whole words of a bitmap.
pub(super) const CHUNK: usize = 1024;

/// Fills a chunk from a row on; whether a value did not fit.
type Convert<T> = Box<dyn Fn(usize, &mut [T]) -> bool>;

enum Source<T: ArrowNativeType> {
    Whole(ScalarBuffer<T>),
    /// The buffer holds the value.
    One,
    Convert(Convert<T>),
}

/// The values of an operand as `T`.
pub(super) struct Feed<T: ArrowNativeType> {
    source: Source<T>,
    buffer: Vec<T>,
    /// Whether the one value did not fit.
    overflows: bool,
}

impl<T: ArrowNativeType> Feed<T> {
    fn whole(values: ScalarBuffer<T>, is_scalar: bool) -> Self {
        if is_scalar {
            let value = values.first().copied().unwrap_or_default();
            return Self::one(value, false);
        }
        Self {
            source: Source::Whole(values),
            buffer: Vec::new(),
            overflows: false,
        }
    }

    fn one(value: T, overflows: bool) -> Self {
        Self {
            source: Source::One,
            buffer: vec![value; CHUNK],
            overflows,
        }
    }

    fn converted(convert: Convert<T>, is_scalar: bool) -> Self {
        if is_scalar {
            let mut value = [T::default()];
            let overflows = convert(0, &mut value);
            let [value] = value;
            return Self::one(value, overflows);
        }
        Self {
            source: Source::Convert(convert),
            buffer: vec![T::default(); CHUNK],
            overflows: false,
        }
    }

    /// The values from a row on, at most a chunk, and whether one did not fit.
    pub(super) fn chunk(&mut self, start: usize, len: usize) -> (&[T], bool) {
        match &self.source {
            Source::Whole(values) => (&values[start..start + len], false),
            Source::One => (&self.buffer[..len], self.overflows),
            Source::Convert(convert) => {
                let chunk = &mut self.buffer[..len];
                let overflows = convert(start, chunk);
                (chunk, overflows)
            }
        }
    }
}

/// The chunks of so many rows: where each begins and how long it is.
pub(super) fn chunks(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows)
        .step_by(CHUNK)
        .map(move |start| (start, CHUNK.min(rows - start)))
}

/// The values as they lie in memory, whatever they mean.
fn values<T: ArrowNativeType>(array: &dyn Array) -> Result<ScalarBuffer<T>> {
    let data = array.to_data();
    let buffer = data.buffers().first();
    let buffer =
        buffer.ok_or_else(|| Error::internal(format!("{} is read as a number", array.data_type())))?;
    Ok(ScalarBuffer::new(buffer.clone(), data.offset(), data.len()))
}

/// Runs for the values of an array in their native type.
macro_rules! with_native {
    ($array:expr, $native:ident, $values:ident => $body:expr) => {{
        macro_rules! case {
            ($type:ty) => {{
                type $native = $type;
                let $values = values::<$type>($array)?;
                $body
            }};
        }
        use DataType as T;
        match $array.data_type() {
            T::Int8 => case!(i8),
            T::Int16 => case!(i16),
            T::Int32 | T::Date32 | T::Time32(_) => case!(i32),
            T::Int64 | T::Timestamp(..) | T::Duration(_) | T::Time64(_) => case!(i64),
            T::UInt8 => case!(u8),
            T::UInt16 => case!(u16),
            T::UInt32 => case!(u32),
            T::UInt64 => case!(u64),
            T::Float32 => case!(f32),
            T::Float64 => case!(f64),
            T::Decimal128(..) => case!(i128),
            other => Err(Error::internal(format!("{other} is read as a number"))),
        }
    }};
}

fn convert<S: ArrowNativeType, T: ArrowNativeType>(
    values: ScalarBuffer<S>,
    is_scalar: bool,
    one: impl Fn(S) -> (T, bool) + 'static,
) -> Feed<T> {
    let run = move |start: usize, chunk: &mut [T]| {
        Arch::new().dispatch(Each {
            from: &values[start..],
            to: chunk,
            one: &one,
        })
    };
    Feed::converted(Box::new(run), is_scalar)
}

/// The loop over the values of a chunk; whether one did not fit.
struct Each<'a, S, T, F> {
    from: &'a [S],
    to: &'a mut [T],
    one: &'a F,
}

impl<S: Copy, T, F: Fn(S) -> (T, bool)> NullaryFnOnce for Each<'_, S, T, F> {
    type Output = bool;

    #[inline(always)]
    fn call(self) -> bool {
        let mut overflows = false;
        for (to, from) in self.to.iter_mut().zip(self.from) {
            let (value, over) = (self.one)(*from);
            *to = value;
            overflows |= over;
        }
        overflows
    }
}

/// A type in which kernels compute.
pub(super) trait Native: ArrowNativeType {
    /// The values times a factor, which floats do without.
    fn feed(operand: &Operand, factor: i64) -> Result<Feed<Self>>;
}

impl Native for f64 {
    fn feed(operand: &Operand, _: i64) -> Result<Feed<Self>> {
        let (array, is_scalar) = (operand.array.as_ref(), operand.is_scalar);
        if *array.data_type() == DataType::Float64 {
            return Ok(Feed::whole(values(array)?, is_scalar));
        }
        with_native!(array, Native, values => Ok(convert(values, is_scalar, |value: Native| (value as f64, false))))
    }
}

impl Native for f32 {
    fn feed(operand: &Operand, _: i64) -> Result<Feed<Self>> {
        Ok(Feed::whole(values(operand.array.as_ref())?, operand.is_scalar))
    }
}

impl Native for i128 {
    fn feed(operand: &Operand, factor: i64) -> Result<Feed<Self>> {
        let (array, is_scalar) = (operand.array.as_ref(), operand.is_scalar);
        let factor = i128::from(factor);
        with_native!(array, Native, values => Ok(convert(values, is_scalar, move |value: Native| {
            (value as i128).overflowing_mul(factor)
        })))
    }
}

macro_rules! integer_feed {
    ($type:ty, $own:pat) => {
        impl Native for $type {
            fn feed(operand: &Operand, factor: i64) -> Result<Feed<Self>> {
                let (array, is_scalar) = (operand.array.as_ref(), operand.is_scalar);
                if factor != 1 {
                    return with_native!(array, Native, values => Ok(convert(values, is_scalar, move |value: Native| {
                        let (value, over) = (value as i128).overflowing_mul(i128::from(factor));
                        (value as $type, over || <$type>::try_from(value).is_err())
                    })));
                }
                if matches!(array.data_type(), $own) {
                    return Ok(Feed::whole(values(array)?, is_scalar));
                }
                // Only of the other sign a value can be too great; the comparison is constant for all others.
                with_native!(array, Native, values => Ok(convert(values, is_scalar, |value: Native| {
                    (value as $type, (value as $type) as i128 != value as i128)
                })))
            }
        }
    };
}

integer_feed!(
    i64,
    DataType::Int64 | DataType::Timestamp(..) | DataType::Duration(_) | DataType::Time64(_)
);
integer_feed!(u64, DataType::UInt64);

/// Where all operands have a value.
pub(super) fn valid(operands: &[&Operand], rows: usize) -> Option<NullBuffer> {
    let mut all: Option<NullBuffer> = None;
    for operand in operands {
        let Some(nulls) = operand.array.logical_nulls() else {
            continue;
        };
        if operand.is_scalar {
            if nulls.is_null(0) {
                return Some(NullBuffer::new_null(rows));
            }
            continue;
        }
        all = NullBuffer::union(all.as_ref(), Some(&nulls));
    }
    all.filter(|nulls| nulls.null_count() > 0)
}
