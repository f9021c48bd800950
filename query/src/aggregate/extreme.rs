//! The least and the greatest of numbers, times and booleans.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;
use gapless_engine::{Error, Result};
use pulp::{Arch, NullaryFnOnce};

use super::accumulator::{
    Accumulator, Sequence, Span, grow, input, no_group, outside, same_kind, take_front,
};
use super::lanes;
use super::native::{array, natives};
use super::rows::Rows;
use super::slide::{Fold, slide};
use super::sum::windows;

/// What has an order.
pub(super) trait Ordered: ArrowNativeType {
    /// Nothing is below it, except NaN.
    const LEAST: Self;
    /// Nothing is above it, except NaN.
    const GREATEST: Self;

    /// `best` as the loop over values found it, made what the order demands: the loop does not tell zeros apart, nor values
    /// that are all NaN from values as extreme as can be.
    #[inline(always)]
    fn settle<const MAX: bool>(best: Self, _values: &[Self]) -> Self {
        best
    }

    /// The better of two: NaN is worse than all, -0.0 less than 0.0.
    #[inline(always)]
    fn choose<const MAX: bool>(one: Self, other: Self) -> Self {
        better::<Self, MAX>(one, other)
    }
}

/// `one` where it is better, else `other`: one instruction.
#[inline(always)]
fn better<N: PartialOrd, const MAX: bool>(one: N, other: N) -> N {
    let wins = if MAX { one > other } else { one < other };
    if wins { one } else { other }
}

macro_rules! ordered {
    ($($native:ty)*) => {
        $(impl Ordered for $native {
            const LEAST: Self = Self::MIN;
            const GREATEST: Self = Self::MAX;
        })*
    };
}
ordered!(i8 i16 i32 i64 i128 u8 u16 u32 u64);

macro_rules! ordered_floats {
    ($($native:ty)*) => {
        $(impl Ordered for $native {
            const LEAST: Self = Self::NEG_INFINITY;
            const GREATEST: Self = Self::INFINITY;

            #[inline(always)]
            fn settle<const MAX: bool>(best: Self, values: &[Self]) -> Self {
                if best == 0.0 {
                    let wanted: Self = if MAX { 0.0 } else { -0.0 };
                    let wanted = wanted.to_bits();
                    return if any(values, |value| value.to_bits() == wanted) { Self::from_bits(wanted) } else { -Self::from_bits(wanted) };
                }
                let start = if MAX { Self::LEAST } else { Self::GREATEST };
                if best == start && !any(values, |value| value == start) { Self::NAN } else { best }
            }

            #[inline(always)]
            fn choose<const MAX: bool>(one: Self, other: Self) -> Self {
                if one.is_nan() || other.is_nan() {
                    return if one.is_nan() { other } else { one };
                }
                let wins = one.total_cmp(&other).is_gt() == MAX;
                if wins { one } else { other }
            }
        })*
    };
}
ordered_floats!(f32 f64);

/// Looks at many values before it decides: zeros can be frequent.
#[inline(always)]
fn any<N: Copy>(values: &[N], is: impl Fn(N) -> bool) -> bool {
    let among = |values: &[N]| values.iter().fold(false, |found, value| found | is(*value));
    values.chunks(256).any(among)
}

/// The least, or where `MAX` the greatest.
pub(super) struct Extreme<N, const MAX: bool> {
    of: DataType,
    best: Vec<N>,
    there: Vec<bool>,
}

impl<N: Ordered, const MAX: bool> Extreme<N, MAX> {
    /// What everything is better than.
    const START: N = if MAX { N::LEAST } else { N::GREATEST };

    pub(super) fn new(of: DataType) -> Self {
        Self {
            of,
            best: Vec::new(),
            there: Vec::new(),
        }
    }

    #[inline(always)]
    fn take(&mut self, group: u32, best: N) -> Option<()> {
        let at = group as usize;
        let (into, there) = (self.best.get_mut(at)?, self.there.get_mut(at)?);
        *into = if *there {
            N::choose::<MAX>(best, *into)
        } else {
            best
        };
        *there = true;
        Some(())
    }

    fn values(&self, array: &ArrayRef) -> Result<ScalarBuffer<N>> {
        if self.of != DataType::Boolean {
            return natives(array);
        }
        let booleans = array.as_boolean_opt().ok_or_else(|| {
            Error::internal(format!(
                "an aggregate of booleans was given {}",
                array.data_type()
            ))
        })?;
        let number = |value: bool| if value { N::usize_as(1) } else { N::usize_as(0) };
        Ok(booleans.values().iter().map(number).collect())
    }
}

struct Update<'a, N, const MAX: bool> {
    values: &'a [N],
    rows: &'a Rows,
    spans: &'a [Span],
    into: &'a mut Extreme<N, MAX>,
}

impl<N: Ordered, const MAX: bool> NullaryFnOnce for Update<'_, N, MAX> {
    type Output = Result<()>;

    #[inline(always)]
    fn call(self) -> Result<()> {
        for span in self.spans {
            let Some(values) = self.values.get(self.rows.range(*span)) else {
                return Err(outside(*span));
            };
            if values.is_empty() {
                continue;
            }
            let best = lanes::best(values, Extreme::<N, MAX>::START, better::<N, MAX>);
            let best = N::settle::<MAX>(best, values);
            self.into.take(span.group, best).ok_or_else(|| outside(*span))?;
        }
        Ok(())
    }
}

struct Values<'a, N, const MAX: bool>(&'a [N]);

impl<N: Ordered, const MAX: bool> Fold for Values<'_, N, MAX> {
    type Of = Option<N>;
    const NONE: Option<N> = None;

    #[inline(always)]
    fn push(&self, rows: Option<N>, row: usize) -> Option<N> {
        self.join(rows, self.0.get(row).copied())
    }

    #[inline(always)]
    fn join(&self, one: Option<N>, other: Option<N>) -> Option<N> {
        match (one, other) {
            (Some(one), Some(other)) => Some(N::choose::<MAX>(one, other)),
            (one, other) => one.or(other),
        }
    }
}

impl<N: Ordered, const MAX: bool> Accumulator for Extreme<N, MAX> {
    fn grow(&mut self, groups: usize) {
        grow(&mut self.best, groups, Self::START);
        grow(&mut self.there, groups, false);
    }

    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], _: &Sequence<'_>) -> Result<()> {
        let rows = Rows::of(inputs);
        let values = self.values(input(inputs, 0)?)?;
        Arch::new().dispatch(Update {
            values: &rows.dense(&values),
            rows: &rows,
            spans,
            into: self,
        })
    }

    fn slide(&mut self, inputs: &[ArrayRef], spans: &[Span]) -> Result<()> {
        let rows = Rows::of(inputs);
        let values = self.values(input(inputs, 0)?)?;
        let values = &*rows.dense(&values);
        let windows = windows(spans, &rows, values.len())?;
        slide(
            &Values::<N, MAX>(values),
            windows.into_iter(),
            |group, _, best| match best {
                Some(best) => self.take(group, best).ok_or_else(|| no_group(group)),
                None => Ok(()),
            },
        )
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        for ((best, there), group) in other.best.iter().zip(&other.there).zip(groups) {
            if *there {
                self.take(*group, *best).ok_or_else(|| no_group(*group))?;
            }
        }
        Ok(())
    }

    fn emit(&mut self, count: usize) -> Result<ArrayRef> {
        let best = take_front(&mut self.best, count, Self::START);
        let there = take_front(&mut self.there, count, false);
        if self.of == DataType::Boolean {
            let values = BooleanBuffer::from_iter(best.iter().map(|value| *value != N::usize_as(0)));
            return Ok(Arc::new(BooleanArray::new(values, Some(NullBuffer::from(there)))));
        }
        array(best, there, &self.of)
    }

    fn bytes(&self) -> usize {
        self.best.capacity() * size_of::<N>() + self.there.capacity()
    }
}
