//! Loops over values in independent lanes, which the compiler turns into vector instructions.
//!
//! Everything here is `inline(always)`: it takes the instruction set of the function that [`pulp::Arch::dispatch`] calls, one
//! per kind of processor. A dispatch is done once per call with all spans, not per span.

use super::double_double::{Double, fast_two_sum, two_product, two_sum};

/// Lanes of long spans: so many that the compiler makes a loop of vectors over them, and no addition waits for the one before.
const LONG: usize = 64;
/// Lanes of short spans, and of loops that hold several sums.
pub(super) const SHORT: usize = 8;

/// Sums, one per lane. `lo` collects what `hi` loses; it is not renormalised in between.
#[derive(Clone, Copy)]
pub(super) struct Sums<const N: usize> {
    hi: [f64; N],
    lo: [f64; N],
}

impl<const N: usize> Sums<N> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            hi: [0.0; N],
            lo: [0.0; N],
        }
    }

    /// Adds a value to each lane.
    #[inline(always)]
    pub(super) fn add(&mut self, values: &[f64; N]) {
        for lane in 0..N {
            let sum = two_sum(self.hi[lane], values[lane]);
            self.hi[lane] = sum.hi;
            self.lo[lane] += sum.lo;
        }
    }

    /// Adds a number to each lane.
    #[inline(always)]
    pub(super) fn add_doubles(&mut self, values: &Doubles<N>) {
        for lane in 0..N {
            let sum = two_sum(self.hi[lane], values.hi[lane]);
            self.hi[lane] = sum.hi;
            self.lo[lane] += sum.lo + values.lo[lane];
        }
    }

    /// Adds a product to each lane.
    #[inline(always)]
    pub(super) fn add_products(&mut self, a: &[f64; N], b: &[f64; N]) {
        for lane in 0..N {
            let product = two_product(a[lane], b[lane]);
            let sum = two_sum(self.hi[lane], product.hi);
            self.hi[lane] = sum.hi;
            self.lo[lane] += sum.lo + product.lo;
        }
    }

    /// Adds a product of numbers to each lane.
    #[inline(always)]
    pub(super) fn add_double_products(&mut self, a: &Doubles<N>, b: &Doubles<N>) {
        for lane in 0..N {
            let product = two_product(a.hi[lane], b.hi[lane]);
            let cross = a.hi[lane].mul_add(b.lo[lane], a.lo[lane] * b.hi[lane]);
            let sum = two_sum(self.hi[lane], product.hi);
            self.hi[lane] = sum.hi;
            self.lo[lane] += sum.lo + (product.lo + cross);
        }
    }

    /// The sum of the lanes.
    #[inline(always)]
    pub(super) fn total(mut self) -> Double {
        let mut width = N / 2;
        while width > 0 {
            for lane in 0..width {
                let sum = two_sum(self.hi[lane], self.hi[lane + width]);
                self.hi[lane] = sum.hi;
                self.lo[lane] = (self.lo[lane] + self.lo[lane + width]) + sum.lo;
            }
            width /= 2;
        }
        fast_two_sum(self.hi[0], self.lo[0])
    }
}

/// Numbers, one per lane.
#[derive(Clone, Copy)]
pub(super) struct Doubles<const N: usize> {
    hi: [f64; N],
    lo: [f64; N],
}

impl<const N: usize> Doubles<N> {
    /// The exact differences of values from one.
    #[inline(always)]
    pub(super) fn differences(values: &[f64; N], from: f64) -> Self {
        let mut differences = Self {
            hi: [0.0; N],
            lo: [0.0; N],
        };
        for lane in 0..N {
            let difference = two_sum(values[lane], -from);
            differences.hi[lane] = difference.hi;
            differences.lo[lane] = difference.lo;
        }
        differences
    }
}

/// The rest of a slice that fills no lanes, filled up.
#[inline(always)]
pub(super) fn padded<const N: usize>(rest: &[f64], with: f64) -> [f64; N] {
    let mut lanes = [with; N];
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = *value;
    }
    lanes
}

/// The sum of values.
#[inline(always)]
pub(super) fn sum<T: Copy>(values: &[T], float: impl Fn(T) -> f64 + Copy) -> Double {
    if values.len() < 2 * LONG {
        return sum_in::<T, SHORT>(values, float);
    }
    sum_in::<T, LONG>(values, float)
}

#[inline(always)]
fn sum_in<T: Copy, const N: usize>(values: &[T], float: impl Fn(T) -> f64 + Copy) -> Double {
    let mut sums = Sums::<N>::new();
    let (chunks, rest) = values.as_chunks::<N>();
    for chunk in chunks {
        // Not by `map`, which the compiler does not turn into vectors.
        for lane in 0..N {
            let sum = two_sum(sums.hi[lane], float(chunk[lane]));
            sums.hi[lane] = sum.hi;
            sums.lo[lane] += sum.lo;
        }
    }
    if !rest.is_empty() {
        sums.add(&rest_of::<T, N>(values, rest, float));
    }
    sums.total()
}

/// The rest that fills no lanes. Of values that fill some the last ones are read, and those that were in a chunk are made zero:
/// that takes no loop over single values.
#[inline(always)]
fn rest_of<T: Copy, const N: usize>(values: &[T], rest: &[T], float: impl Fn(T) -> f64 + Copy) -> [f64; N] {
    let Some(last) = values.last_chunk::<N>() else {
        let mut lanes = [0.0; N];
        for (lane, value) in lanes.iter_mut().zip(rest) {
            *lane = float(*value);
        }
        return lanes;
    };
    let mut lanes = last.map(float);
    let done = N - rest.len();
    for (at, lane) in lanes.iter_mut().enumerate() {
        *lane = if at < done { 0.0 } else { *lane };
    }
    lanes
}

/// The sum of the products of values.
#[inline(always)]
pub(super) fn sum_of_products(a: &[f64], b: &[f64]) -> Double {
    let mut sums = Sums::<SHORT>::new();
    let (a_chunks, a_rest) = a.as_chunks::<SHORT>();
    let (b_chunks, b_rest) = b.as_chunks::<SHORT>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        sums.add_products(a, b);
    }
    if !a_rest.is_empty() {
        let identity = |value| value;
        sums.add_products(&rest_of(a, a_rest, identity), &rest_of(b, b_rest, identity));
    }
    sums.total()
}

/// The best of values, `start` where there are none or none is better than it. `better(x, y)` is `x` where that is better than
/// `y`, and `y` otherwise; it may see a value twice.
#[inline(always)]
pub(super) fn best<T: Copy>(values: &[T], start: T, better: impl Fn(T, T) -> T + Copy) -> T {
    if values.len() < SHORT {
        return values.iter().fold(start, |best, value| better(*value, best));
    }
    if values.len() < LONG {
        return best_in::<T, SHORT>(values, start, better);
    }
    best_in::<T, LONG>(values, start, better)
}

#[inline(always)]
fn best_in<T: Copy, const N: usize>(values: &[T], start: T, better: impl Fn(T, T) -> T + Copy) -> T {
    let mut lanes = [start; N];
    let last = values.last_chunk::<N>();
    for chunk in values.as_chunks::<N>().0.iter().chain(last) {
        for lane in 0..N {
            lanes[lane] = better(chunk[lane], lanes[lane]);
        }
    }
    let mut width = N / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = better(lanes[lane + width], lanes[lane]);
        }
        width /= 2;
    }
    lanes[0]
}
