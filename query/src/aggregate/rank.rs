//! Median and quantiles.

use std::cmp::Ordering;

use arrow_array::ArrayRef;
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;
use gapless_engine::Result;

use super::accumulator::{Accumulator, Sequence, Span, input, same_kind};
use super::log::{Log, each};
use super::native::{Floats, array, natives};
use super::rows::Rows;

/// What quantiles are taken of.
pub(super) trait Ranked: ArrowNativeType {
    /// The values of the rows that count; `f` gets them.
    fn values<R>(array: &ArrayRef, rows: &Rows, then: impl FnOnce(&[Self]) -> Result<R>) -> Result<R>;
    fn order(&self, other: &Self) -> Ordering;
    /// What lies between two at a part of the way.
    fn between(self, other: Self, part: f64) -> Self;
}

/// Numbers.
impl Ranked for f64 {
    fn values<R>(array: &ArrayRef, rows: &Rows, then: impl FnOnce(&[Self]) -> Result<R>) -> Result<R> {
        then(Floats::of(array, rows)?.values())
    }

    /// NaN is the greatest, whatever its sign.
    fn order(&self, other: &Self) -> Ordering {
        let by_nan = self.is_nan().cmp(&other.is_nan());
        by_nan.then_with(|| {
            if self.is_nan() {
                Ordering::Equal
            } else {
                self.total_cmp(other)
            }
        })
    }

    fn between(self, other: Self, part: f64) -> Self {
        let way = other - self;
        if part == 0.0 || self == other {
            self
        } else if way.is_finite() {
            self + way * part
        } else {
            self * (1.0 - part) + other * part
        }
    }
}

/// Times and durations.
impl Ranked for i64 {
    fn values<R>(array: &ArrayRef, rows: &Rows, then: impl FnOnce(&[Self]) -> Result<R>) -> Result<R> {
        then(&rows.dense(&natives::<Self>(array)?))
    }

    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    /// Rounded to the nearest.
    fn between(self, other: Self, part: f64) -> Self {
        let way = (i128::from(other) - i128::from(self)) as f64 * part;
        let at = i128::from(self) + way.round() as i128;
        Self::try_from(at).unwrap_or(other)
    }
}

/// A quantile; the median is the one of 0.5.
pub(super) struct Quantile<T> {
    at: f64,
    result: DataType,
    log: Log<T>,
}

impl<T: Ranked> Quantile<T> {
    pub(super) fn new(at: f64, result: DataType) -> Self {
        Self {
            at,
            result,
            log: Log::default(),
        }
    }

    fn of(&self, values: &mut [T]) -> Option<T> {
        let last = values.len().checked_sub(1)?;
        let exact = self.at * last as f64;
        let below = (exact.floor() as usize).min(last);
        let (_, low, above) = values.select_nth_unstable_by(below, T::order);
        let high = above.iter().copied().min_by(T::order).unwrap_or(*low);
        Some(low.between(high, exact - below as f64))
    }
}

impl<T: Ranked> Accumulator for Quantile<T> {
    fn grow(&mut self, groups: usize) {
        self.log.grow(groups);
    }

    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], _: &Sequence<'_>) -> Result<()> {
        let rows = Rows::of(inputs);
        T::values(input(inputs, 0)?, &rows, |values| {
            spans
                .iter()
                .try_for_each(|span| self.log.push(*span, values.get(rows.range(*span))))
        })
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()> {
        self.log
            .merge(&same_kind::<Self>(other)?.log, groups, |value| value)
    }

    fn emit(&mut self, count: usize) -> Result<ArrayRef> {
        let (mut values, ends) = self.log.take(count);
        let mut results = Vec::with_capacity(count);
        let mut there = Vec::with_capacity(count);
        each(&mut values, &ends, |values| {
            let result = self.of(values);
            there.push(result.is_some());
            results.push(result.unwrap_or_default());
        });
        array(results, there, &self.result)
    }

    fn bytes(&self) -> usize {
        self.log.bytes()
    }
}
