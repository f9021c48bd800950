//! Sum and mean of whole numbers: integers, durations, times, decimals. Exact inside, so no order matters and only a result can
//! overflow.

use std::marker::PhantomData;

use arrow_array::ArrayRef;
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;
use gapless_engine::{Error, Result};
use pulp::{Arch, NullaryFnOnce};

use super::accumulator::{
    Accumulator, Sequence, Span, grow, input, no_group, outside, same_kind, take_front,
};
use super::count::Counts;
use super::double_double::Double;
use super::native::{array, natives};
use super::rows::Rows;
use super::slide::{Fold, slide};
use super::sum::windows;

/// Rows whose parts cannot overflow 64 bits.
const PIECE: usize = 1 << 30;

/// `high * 2^64 + low`: holds the sum of any decimals.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wide {
    high: i128,
    low: i128,
}

impl Wide {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self {
            high: self.high.wrapping_add(other.high),
            low: self.low.wrapping_add(other.low),
        }
    }

    const fn of(low: i128) -> Self {
        Self { high: 0, low }
    }

    /// The number, where an `i128` holds it.
    fn value(self) -> Option<i128> {
        let high = self.high + (self.low >> 64);
        let low = self.low & i128::from(u64::MAX);
        high.checked_mul(1 << 64)?.checked_add(low)
    }

    fn double(self) -> Double {
        let high = Double::whole(self.high).scaled(2f64.powi(64));
        high.add(Double::whole(self.low))
    }
}

/// What is added up exactly.
pub(super) trait Whole: ArrowNativeType {
    fn sum(values: &[Self]) -> Wide;
    fn wide(self) -> Wide;
}

macro_rules! small {
    ($($native:ty)*) => {
        $(impl Whole for $native {
            #[inline(always)]
            fn sum(values: &[Self]) -> Wide {
                let pieces = values.chunks(PIECE);
                let sums = pieces.map(|piece| i128::from(piece.iter().map(|value| i64::from(*value)).sum::<i64>()));
                Wide::of(sums.sum())
            }

            #[inline(always)]
            fn wide(self) -> Wide {
                Wide::of(i128::from(self))
            }
        })*
    };
}
small!(i8 i16 i32 u8 u16 u32);

macro_rules! of_64_bits {
    ($($native:ty)*) => {
        $(impl Whole for $native {
            /// The halves are added apart, which needs no carry: vector instructions can do it.
            #[inline(always)]
            fn sum(values: &[Self]) -> Wide {
                let sum = |piece: &[Self]| {
                    let (mut high, mut low) = (0, 0u64);
                    for value in piece {
                        high += *value >> 32;
                        low += (*value as u64) & 0xffff_ffff;
                    }
                    i128::from(high) * (1 << 32) + i128::from(low)
                };
                Wide::of(values.chunks(PIECE).map(sum).sum())
            }

            #[inline(always)]
            fn wide(self) -> Wide {
                Wide::of(i128::from(self))
            }
        })*
    };
}
of_64_bits!(i64 u64);

impl Whole for i128 {
    #[inline(always)]
    fn sum(values: &[Self]) -> Wide {
        values
            .iter()
            .fold(Wide::default(), |sum, value| sum.add(value.wide()))
    }

    #[inline(always)]
    fn wide(self) -> Wide {
        Wide {
            high: self >> 64,
            low: self & Self::from(u64::MAX),
        }
    }
}

/// The sum of whole numbers, or their mean.
pub(super) struct WholeSum<N> {
    /// For messages.
    name: String,
    mean: bool,
    result: DataType,
    /// Decimal digits after the point, of the argument.
    scale: i8,
    sums: Vec<Wide>,
    counts: Counts,
    of: PhantomData<fn() -> N>,
}

impl<N> WholeSum<N> {
    pub(super) fn new(name: String, mean: bool, argument: &DataType, result: DataType) -> Self {
        Self {
            name,
            mean,
            result,
            scale: match argument {
                DataType::Decimal128(_, scale) => *scale,
                _ => 0,
            },
            sums: Vec::new(),
            counts: Counts::default(),
            of: PhantomData,
        }
    }

    fn fits<T>(&self, number: Option<T>) -> Result<T> {
        number.ok_or_else(|| {
            Error::invalid(format!(
                "{}: the result does not fit {}: aggregate fewer rows, or cast the argument to Float64",
                self.name, self.result
            ))
        })
    }

    fn whole(&self, sum: Wide, count: i64) -> Option<i128> {
        if !self.mean || count == 0 {
            return sum.value();
        }
        // Rounded to the nearest, halves up.
        let count = i128::from(count);
        let rounded = sum.value()?.checked_mul(2)?.checked_add(count)?;
        Some(rounded.div_euclid(2 * count))
    }

    fn float(&self, sum: Wide, count: i64) -> f64 {
        let by = Double::of(count as f64).multiply(Double::of(10f64.powi(i32::from(self.scale))));
        sum.double().ratio(by)
    }

    fn results(&self, sums: &[Wide], counts: &[i64]) -> Result<ArrayRef> {
        let there: Vec<bool> = counts.iter().map(|count| *count > 0).collect();
        let groups = || sums.iter().zip(counts);
        let whole = |(sum, count): (&Wide, &i64)| self.whole(*sum, *count);
        match self.result {
            DataType::Float64 => {
                let means = groups().map(|(sum, count)| self.float(*sum, *count));
                array::<f64>(means.collect(), there, &self.result)
            }
            DataType::UInt64 => {
                let sums =
                    groups().map(|group| self.fits(whole(group).and_then(|sum| u64::try_from(sum).ok())));
                array(sums.collect::<Result<Vec<u64>>>()?, there, &self.result)
            }
            DataType::Decimal128(..) => {
                let digits = |sum: &i128| sum.unsigned_abs() < 10u128.pow(38);
                let sums = groups().map(|group| self.fits(whole(group).filter(digits)));
                array(sums.collect::<Result<Vec<i128>>>()?, there, &self.result)
            }
            _ => {
                let sums =
                    groups().map(|group| self.fits(whole(group).and_then(|sum| i64::try_from(sum).ok())));
                array(sums.collect::<Result<Vec<i64>>>()?, there, &self.result)
            }
        }
    }
}

struct Update<'a, N> {
    values: &'a [N],
    rows: &'a Rows,
    spans: &'a [Span],
    sums: &'a mut [Wide],
    counts: &'a mut Counts,
}

impl<N: Whole> NullaryFnOnce for Update<'_, N> {
    type Output = Result<()>;

    #[inline(always)]
    fn call(self) -> Result<()> {
        for span in self.spans {
            let values = self.values.get(self.rows.range(*span));
            let (Some(values), Some(sum)) = (values, self.sums.get_mut(span.group as usize)) else {
                return Err(outside(*span));
            };
            *sum = sum.add(N::sum(values));
            self.counts.add(*span, values.len())?;
        }
        Ok(())
    }
}

/// Exact sums can be joined in any way.
struct Values<'a, N>(&'a [N]);

impl<N: Whole> Fold for Values<'_, N> {
    type Of = Wide;
    const NONE: Wide = Wide { high: 0, low: 0 };

    fn push(&self, rows: Wide, row: usize) -> Wide {
        self.0.get(row).map_or(rows, |value| rows.add(value.wide()))
    }

    fn join(&self, one: Wide, other: Wide) -> Wide {
        one.add(other)
    }
}

impl<N: Whole> Accumulator for WholeSum<N> {
    fn grow(&mut self, groups: usize) {
        grow(&mut self.sums, groups, Wide::default());
        self.counts.grow(groups);
    }

    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], _: &Sequence<'_>) -> Result<()> {
        let rows = Rows::of(inputs);
        let values = natives::<N>(input(inputs, 0)?)?;
        Arch::new().dispatch(Update {
            values: &rows.dense(&values),
            rows: &rows,
            spans,
            sums: &mut self.sums,
            counts: &mut self.counts,
        })
    }

    fn slide(&mut self, inputs: &[ArrayRef], spans: &[Span]) -> Result<()> {
        let rows = Rows::of(inputs);
        let values = natives::<N>(input(inputs, 0)?)?;
        let values = &*rows.dense(&values);
        let windows = windows(spans, &rows, values.len())?;
        slide(&Values(values), windows.into_iter(), |group, window, sum| {
            let into = self.sums.get_mut(group as usize).ok_or_else(|| no_group(group))?;
            *into = into.add(sum);
            let span = Span {
                group,
                start: 0,
                end: 0,
            };
            self.counts.add(span, window.len())
        })
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        for (sum, group) in other.sums.iter().zip(groups) {
            let into = self
                .sums
                .get_mut(*group as usize)
                .ok_or_else(|| no_group(*group))?;
            *into = into.add(*sum);
        }
        self.counts.merge(&other.counts, groups)
    }

    fn emit(&mut self, count: usize) -> Result<ArrayRef> {
        let sums = take_front(&mut self.sums, count, Wide::default());
        let counts = self.counts.take(count);
        self.results(&sums, &counts)
    }

    fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<Wide>() + self.counts.bytes()
    }
}
