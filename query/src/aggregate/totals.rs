//! Float sums of groups, the same in any order, whatever is added.
//!
//! - What is finite is added in double-double. What is not, or overflows, is rare and kept apart: which of NaN and the
//!   infinities occurred, and the sum of the greatest values scaled down, so an intermediate sum never overflows.

use hashbrown::HashMap;

use super::accumulator::{Span, no_group, outside, take_front};
use super::double_double::Double;
use gapless_engine::Result;

/// From here on values are added scaled down.
const BIG: f64 = f64::from_bits((1023 + 900) << 52);
const DOWN: f64 = f64::from_bits((1023 - 200) << 52);
const UP: f64 = f64::from_bits((1023 + 200) << 52);

/// What a sum in double-double does not hold.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Apart {
    pub nan: bool,
    pub infinite: bool,
    pub negative_infinite: bool,
    /// The sum of great values, times `DOWN`.
    big: Double,
}

impl Apart {
    /// Notes a value that is not finite.
    pub(super) fn note(&mut self, value: f64) {
        self.nan |= value.is_nan();
        self.infinite |= value == f64::INFINITY;
        self.negative_infinite |= value == f64::NEG_INFINITY;
    }

    fn join(&mut self, other: &Self) {
        self.nan |= other.nan;
        self.infinite |= other.infinite;
        self.negative_infinite |= other.negative_infinite;
        self.big = self.big.add(other.big);
    }

    /// The value of a sum that is not finite.
    fn not_finite(&self) -> Option<f64> {
        match (self.nan, self.infinite, self.negative_infinite) {
            (false, false, false) => None,
            (false, true, false) => Some(f64::INFINITY),
            (false, false, true) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }
}

/// A sum as a number times a power of two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Total {
    number: Double,
    power: f64,
}

impl Total {
    /// The sum, rounded.
    pub(super) fn value(self) -> f64 {
        self.number.hi * self.power
    }

    pub(super) fn is_zero(self) -> bool {
        self.number.hi == 0.0
    }

    /// The quotient of two sums.
    #[inline(always)]
    pub(super) fn ratio(self, by: Self) -> f64 {
        self.number.ratio(by.number) * (self.power / by.power)
    }

    pub(super) const fn of(number: Double) -> Self {
        Self { number, power: 1.0 }
    }
}

/// The sums of groups.
#[derive(Debug, Default)]
pub(super) struct Totals {
    sums: Vec<Double>,
    apart: HashMap<u32, Apart>,
}

impl Totals {
    pub(super) fn grow(&mut self, groups: usize) {
        super::accumulator::grow(&mut self.sums, groups, Double::ZERO);
    }

    /// Adds to a group, where the sum is finite; `false` where it is not, and then nothing was added.
    #[inline(always)]
    pub(super) fn add(&mut self, span: Span, number: Double) -> Result<bool> {
        let Some(sum) = self.sums.get_mut(span.group as usize) else {
            return Err(outside(span));
        };
        let both = sum.add(number);
        if !both.is_finite() {
            return Ok(false);
        }
        *sum = both;
        Ok(true)
    }

    /// Adds numbers of which some or their sum may not be finite.
    #[cold]
    #[inline(never)]
    pub(super) fn add_each(&mut self, group: u32, numbers: impl Iterator<Item = Double>) -> Result<()> {
        let Some(sum) = self.sums.get_mut(group as usize) else {
            return Err(no_group(group));
        };
        let apart = self.apart.entry(group).or_default();
        for number in std::iter::once(std::mem::take(sum)).chain(numbers) {
            if !number.hi.is_finite() {
                apart.note(number.hi);
            } else if number.hi.abs() >= BIG {
                apart.big = apart.big.add(number.scaled(DOWN));
            } else {
                *sum = sum.add(number);
            }
            if sum.hi.abs() >= BIG {
                apart.big = apart.big.add(std::mem::take(sum).scaled(DOWN));
            }
        }
        Ok(())
    }

    /// Notes values that are not finite.
    pub(super) fn note(&mut self, group: u32, apart: &Apart) {
        self.apart.entry(group).or_default().join(apart);
    }

    pub(super) fn merge(&mut self, other: &Self, groups: &[u32]) -> Result<()> {
        for (from, (number, group)) in other.sums.iter().zip(groups).enumerate() {
            let span = Span {
                group: *group,
                start: 0,
                end: 0,
            };
            if !self.add(span, *number)? {
                self.add_each(*group, std::iter::once(*number))?;
            }
            if let Some(apart) = u32::try_from(from).ok().and_then(|from| other.apart.get(&from)) {
                self.note(*group, apart);
            }
        }
        Ok(())
    }

    /// The sums of the first groups, which are dropped.
    pub(super) fn take(&mut self, count: usize) -> Vec<Total> {
        let sums = take_front(&mut self.sums, count, Double::ZERO);
        if self.apart.is_empty() {
            return sums.into_iter().map(Total::of).collect();
        }
        let apart = std::mem::take(&mut self.apart);
        let mut totals: Vec<Total> = sums.into_iter().map(Total::of).collect();
        for (group, apart) in apart {
            match totals.get_mut(group as usize) {
                Some(total) => *total = complete(total.number, &apart),
                None => {
                    let moved = u32::try_from(group as usize - count);
                    moved.map(|group| self.apart.insert(group, apart)).ok();
                }
            }
        }
        totals
    }

    pub(super) fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<Double>() + self.apart.capacity() * size_of::<(u32, Apart)>()
    }
}

fn complete(sum: Double, apart: &Apart) -> Total {
    match apart.not_finite() {
        Some(value) => Total::of(Double::of(value)),
        None if apart.big.hi == 0.0 => Total::of(sum),
        None => Total {
            number: apart.big.add(sum.scaled(DOWN)),
            power: UP,
        },
    }
}
