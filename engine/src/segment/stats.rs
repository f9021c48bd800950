//! Statistics of one page: least and greatest value, nulls, NaN.
//!
//! NaN takes no part in the bounds; strings, binaries and lists have none.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use gapless_format::{Bound, ColumnType};

use super::key::reinterpret;
use crate::error::Result;

/// Least and greatest value of a page, and whether it has a NaN.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) min: Bound,
    pub(crate) max: Bound,
    pub(crate) has_nan: bool,
}

impl Bounds {
    const NONE: Self = Self {
        min: Bound::None,
        max: Bound::None,
        has_nan: false,
    };
}

/// The bounds of a page of a column, of the kind that the format stores for its type.
pub(crate) fn bounds(page: &ArrayRef, column_type: &ColumnType) -> Result<Bounds> {
    let bounds = of_array(page)?;
    // Symbols travel as u32 codes, so the array alone does not say which kind of bound its integers have.
    let stored = |bound: Bound| match (bound, Bound::tag_for(column_type)) {
        (Bound::U64(value), 1) => i64::try_from(value).map_or(Bound::None, Bound::I64),
        (bound, _) => bound,
    };
    Ok(Bounds {
        min: stored(bounds.min),
        max: stored(bounds.max),
        has_nan: bounds.has_nan,
    })
}

fn of_array(page: &ArrayRef) -> Result<Bounds> {
    use DataType as T;
    Ok(match page.data_type() {
        T::Int8 => primitive::<Int8Type>(page, |v| Bound::I64(v.into())),
        T::Int16 => primitive::<Int16Type>(page, |v| Bound::I64(v.into())),
        T::Int32 => primitive::<Int32Type>(page, |v| Bound::I64(v.into())),
        T::Int64 => primitive::<Int64Type>(page, Bound::I64),
        T::UInt8 => primitive::<UInt8Type>(page, |v| Bound::U64(v.into())),
        T::UInt16 => primitive::<UInt16Type>(page, |v| Bound::U64(v.into())),
        T::UInt32 => primitive::<UInt32Type>(page, |v| Bound::U64(v.into())),
        T::UInt64 => primitive::<UInt64Type>(page, Bound::U64),
        T::Decimal128(..) => primitive::<Decimal128Type>(page, Bound::I128),
        T::Float32 => float32(page),
        T::Float64 => float64(page),
        T::Date32 | T::Time32(_) => of_array(&reinterpret::<Int32Type>(page)?)?,
        T::Time64(_) | T::Timestamp(..) | T::Duration(_) => of_array(&reinterpret::<Int64Type>(page)?)?,
        _ => Bounds::NONE,
    })
}

fn primitive<T: ArrowPrimitiveType>(page: &ArrayRef, bound: impl Fn(T::Native) -> Bound) -> Bounds
where
    T::Native: Ord,
{
    let array = page.as_primitive::<T>();
    if array.null_count() == 0 {
        let values = array.values();
        let Some(first) = values.first().copied() else {
            return Bounds::NONE;
        };
        let (min, max) = values
            .iter()
            .fold((first, first), |(min, max), v| (min.min(*v), max.max(*v)));
        return Bounds {
            min: bound(min),
            max: bound(max),
            has_nan: false,
        };
    }
    ordered(array.iter().flatten(), bound)
}

fn ordered<V: Ord + Copy>(mut values: impl Iterator<Item = V>, bound: impl Fn(V) -> Bound) -> Bounds {
    let Some(first) = values.next() else {
        return Bounds::NONE;
    };
    let (min, max) = values.fold((first, first), |(min, max), v| (min.min(v), max.max(v)));
    Bounds {
        min: bound(min),
        max: bound(max),
        has_nan: false,
    }
}

fn float32(page: &ArrayRef) -> Bounds {
    let array = page.as_primitive::<Float32Type>();
    if array.null_count() == 0 {
        return floats(array.values().iter().map(|v| f64::from(*v)));
    }
    floats(array.iter().flatten().map(f64::from))
}

fn float64(page: &ArrayRef) -> Bounds {
    let array = page.as_primitive::<Float64Type>();
    if array.null_count() == 0 {
        return floats_fast(array.values());
    }
    floats(array.iter().flatten())
}

/// Eight accumulators let the compiler keep the comparisons in vector registers.
fn floats_fast(values: &[f64]) -> Bounds {
    const LANES: usize = 8;
    let (mut min, mut max, mut nan) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES], [false; LANES]);
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            let v = chunk[lane];
            min[lane] = if v < min[lane] { v } else { min[lane] };
            max[lane] = if v > max[lane] { v } else { max[lane] };
            nan[lane] |= v.is_nan();
        }
    }
    let has_nan = nan.contains(&true) || rest.iter().any(|v| v.is_nan());
    let least = min.iter().chain(rest).copied().fold(f64::INFINITY, f64::min);
    let greatest = max.iter().chain(rest).copied().fold(f64::NEG_INFINITY, f64::max);
    float_bounds(least, greatest, has_nan, values.is_empty())
}

fn floats(values: impl Iterator<Item = f64>) -> Bounds {
    let (mut min, mut max, mut has_nan, mut empty) = (f64::INFINITY, f64::NEG_INFINITY, false, true);
    for v in values {
        empty = false;
        has_nan |= v.is_nan();
        min = min.min(v);
        max = max.max(v);
    }
    float_bounds(min, max, has_nan, empty)
}

/// Zero has two signs that compare equal: bounds are widened so that both are inside.
fn float_bounds(min: f64, max: f64, has_nan: bool, empty: bool) -> Bounds {
    if empty || min > max {
        return Bounds {
            has_nan,
            ..Bounds::NONE
        };
    }
    let min = if min == 0.0 { -0.0 } else { min };
    let max = if max == 0.0 { 0.0 } else { max };
    Bounds {
        min: Bound::F64(min),
        max: Bound::F64(max),
        has_nan,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, Int64Array};

    use super::*;

    #[test]
    fn nan_takes_no_part_in_the_bounds() {
        let page: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 2.0, -1.0, f64::NAN]));
        assert_eq!(
            of_array(&page).expect("floats have bounds"),
            Bounds {
                min: Bound::F64(-1.0),
                max: Bound::F64(2.0),
                has_nan: true
            }
        );
        let only_nan: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN; 9]));
        assert_eq!(
            of_array(&only_nan).expect("floats have bounds"),
            Bounds {
                has_nan: true,
                ..Bounds::NONE
            }
        );
    }

    #[test]
    fn nulls_take_no_part_in_the_bounds() {
        let page: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(5), Some(-7)]));
        assert_eq!(
            of_array(&page).expect("integers have bounds"),
            Bounds {
                min: Bound::I64(-7),
                max: Bound::I64(5),
                has_nan: false
            }
        );
    }

    #[test]
    fn bounds_are_of_the_kind_that_the_format_takes_for_the_type() {
        use arrow_array::{BooleanArray, UInt8Array, UInt32Array};
        use gapless_format::Number;
        let kinds = |page: ArrayRef, column_type: ColumnType| {
            let bounds = bounds(&page, &column_type).expect("the type is stored");
            (bounds.min, Bound::tag_for(&column_type))
        };
        let codes: ArrayRef = Arc::new(UInt32Array::from(vec![7, 9]));
        let symbol = ColumnType::Symbol { domain: "d".into() };
        assert_eq!(kinds(Arc::clone(&codes), symbol), (Bound::U64(7), 2));
        assert_eq!(kinds(codes, ColumnType::Number(Number::U32)), (Bound::I64(7), 1));
        let bytes: ArrayRef = Arc::new(UInt8Array::from(vec![200]));
        assert_eq!(kinds(bytes, ColumnType::Number(Number::U8)), (Bound::I64(200), 1));
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
        assert_eq!(kinds(flags, ColumnType::Bool), (Bound::None, 0));
    }
}
