//! Sums of windows as differences of prefix sums, of which none is rounded.
//!
//! All values are multiples of the last bit of the least of them. A prefix is kept as its rounded sum and the sum of the rounding
//! errors; as long as neither that sum nor its differences need more than 53 of these bits, nothing is lost, and a window costs the
//! same however many rows it has. Values of a few rows span few powers of two; where they span too many, the caller sums otherwise.

use std::ops::Range;

use super::double_double::{Double, two_sum};

/// Rows whose prefixes are kept at a time, where windows are not longer: they stay in the second cache.
const ROWS: usize = 16_384;
/// Of longer windows, how many follow each other in the prefixes that are kept.
const WINDOWS: usize = 4;
/// Powers of two that the values may span, with the logarithm of their count twice: 53 bits, of which differences need two.
const BITS: i32 = 51;
/// Sums from here on are left to others, which know what to do when they overflow.
const POWER_MAX: i32 = 900;

/// The prefix sums of some rows.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    /// The sum before each row, and after the last; not normalised.
    sums: Vec<Double>,
    first: usize,
}

impl Prefixes {
    /// Takes the rows of the first windows, as many as fit; gives how many windows these are, and whether their sums are known.
    #[inline(always)]
    pub(super) fn take(&mut self, values: &[f64], windows: &[(u32, Range<usize>)]) -> (usize, bool) {
        let Some((_, window)) = windows.first() else {
            return (0, true);
        };
        let mut end = window.end;
        let reach = window.start + ROWS.max(WINDOWS * window.len());
        let fits = |(_, next): &&(u32, Range<usize>)| next.start >= window.start && next.end <= reach;
        let count = windows
            .iter()
            .take_while(fits)
            .inspect(|(_, next)| end = end.max(next.end))
            .count();
        let values = values.get(window.start..end).unwrap_or_default();
        if !are_exact(values) {
            return (count, false);
        }
        self.first = window.start;
        self.sums.clear();
        self.sums.resize(values.len() + 1, Double::ZERO);
        let mut sum = Double::ZERO;
        for (after, value) in self.sums.iter_mut().skip(1).zip(values) {
            sum = sum.gather(Double::of(*value));
            *after = sum;
        }
        (count, true)
    }

    /// The sum of the rows of a window.
    #[inline(always)]
    pub(super) fn sum(&self, window: &Range<usize>) -> Option<Double> {
        let start = self.sums.get(window.start.checked_sub(self.first)?)?;
        let end = self.sums.get(window.end.checked_sub(self.first)?)?;
        let difference = two_sum(end.hi, -start.hi);
        Some(two_sum(difference.hi, difference.lo + (end.lo - start.lo)))
    }
}

/// Whether no prefix sum of finite values is rounded.
#[inline(always)]
fn are_exact(values: &[f64]) -> bool {
    // Sizes compare as their bits do. A zero is a multiple of everything: less one, it is the greatest of all.
    let (least, greatest) = values.iter().fold((u64::MAX, 0), |(least, greatest), value| {
        let size = value.to_bits() & (u64::MAX >> 1);
        (size.wrapping_sub(1).min(least), size.max(greatest))
    });
    let (least, greatest) = (f64::from_bits(least.wrapping_add(1)), f64::from_bits(greatest));
    if greatest == 0.0 {
        return true;
    }
    let rows = values.len().next_power_of_two().trailing_zeros() as i32;
    least.is_normal()
        && power(greatest) + rows < POWER_MAX
        && power(greatest) - power(least) + 2 * rows <= BITS
}

/// The power of two of a normal number.
fn power(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sum of halves of some power of two, as a whole number of them.
    fn exact(values: &[f64], unit: f64) -> i128 {
        values.iter().map(|value| (value / unit) as i128).sum()
    }

    proptest! {
        #[test]
        fn a_sum_is_exact_or_refused(
            numbers in prop::collection::vec((-(1i64 << 53)..1 << 53, 0..8u32), 1..300),
            cuts in prop::collection::vec((0..300usize, 0..300usize), 1..20),
        ) {
            // Multiples of 2^-20 that span up to 61 powers of two.
            let unit = 2f64.powi(-20);
            let values: Vec<f64> = numbers.iter().map(|(number, zeros)| (*number >> (zeros * 6)) as f64 * unit).collect();
            let mut windows: Vec<Range<usize>> = cuts
                .iter()
                .map(|(a, b)| (*a.min(b)).min(values.len())..(*a.max(b)).min(values.len()))
                .collect();
            windows.sort_by_key(|window| (window.start, window.end));
            let windows: Vec<(u32, Range<usize>)> = (0..).zip(windows).collect();
            let (mut prefixes, mut at) = (Prefixes::default(), 0);
            while at < windows.len() {
                let (count, is_known) = prefixes.take(&values, &windows[at..]);
                prop_assert!(count > 0);
                for (_, window) in windows[at..at + count].iter().filter(|_| is_known) {
                    let sum = prefixes.sum(window).expect("a window of these rows");
                    let found = exact(&[sum.hi], unit) + exact(&[sum.lo], unit);
                    prop_assert_eq!(found, exact(&values[window.clone()], unit));
                    prop_assert_eq!(sum.hi + sum.lo, sum.hi, "not normalised");
                }
                at += count;
            }
        }
    }

    #[test]
    fn values_that_span_too_much_are_refused() {
        assert!(are_exact(&[100.25; 10_000]));
        assert!(are_exact(&[0.0, -0.0]));
        assert!(are_exact(&[1e-3, -1e3, 0.0]));
        assert!(!are_exact(&[1e300, 1e-10]));
        assert!(!are_exact(&[1e300, 1e300]));
        assert!(!are_exact(&[f64::MIN_POSITIVE / 2.0]));
    }
}
