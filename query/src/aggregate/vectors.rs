//! Sums in double-double, in the vectors of the processor.
//!
//! The compiler does not make vectors of these loops by itself where they are short, so they name the operations. The calls are
//! those of [`pulp::Simd`]: everything is `inline(always)` and has the instructions of whoever dispatched.

use pulp::Simd;

use super::double_double::{Double, fast_two_sum};

/// Values that are converted at once.
const BLOCK: usize = 64;

/// One where a value is, zero after it.
const ONES: [f64; 8] = [1.0; 8];

/// Sums, one per lane. `lo` collects what `hi` loses; it is not renormalised in between.
#[derive(Clone, Copy)]
pub(super) struct Sums<S: Simd> {
    hi: S::f64s,
    lo: S::f64s,
}

#[inline(always)]
fn two_sum<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> (S::f64s, S::f64s) {
    let hi = simd.add_f64s(a, b);
    let b_part = simd.sub_f64s(hi, a);
    let a_part = simd.sub_f64s(hi, b_part);
    let lo = simd.add_f64s(simd.sub_f64s(a, a_part), simd.sub_f64s(b, b_part));
    (hi, lo)
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    pub(super) fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self { hi: zero, lo: zero }
    }

    /// Adds a value to each lane.
    #[inline(always)]
    pub(super) fn add(&mut self, simd: S, values: S::f64s) {
        let (hi, lo) = two_sum(simd, self.hi, values);
        self.hi = hi;
        self.lo = simd.add_f64s(self.lo, lo);
    }

    /// Adds a number to each lane.
    #[inline(always)]
    pub(super) fn add_doubles(&mut self, simd: S, values: &Doubles<S>) {
        let (hi, lo) = two_sum(simd, self.hi, values.hi);
        self.hi = hi;
        self.lo = simd.add_f64s(self.lo, simd.add_f64s(lo, values.lo));
    }

    /// Adds a product to each lane.
    #[inline(always)]
    pub(super) fn add_products(&mut self, simd: S, a: S::f64s, b: S::f64s) {
        let hi = simd.mul_f64s(a, b);
        let lo = simd.mul_add_f64s(a, b, simd.neg_f64s(hi));
        self.add_doubles(simd, &Doubles { hi, lo });
    }

    /// Adds a product of numbers to each lane.
    #[inline(always)]
    pub(super) fn add_double_products(&mut self, simd: S, a: &Doubles<S>, b: &Doubles<S>) {
        let hi = simd.mul_f64s(a.hi, b.hi);
        let exact = simd.mul_add_f64s(a.hi, b.hi, simd.neg_f64s(hi));
        let cross = simd.mul_add_f64s(a.hi, b.lo, simd.mul_f64s(a.lo, b.hi));
        let lo = simd.add_f64s(exact, cross);
        self.add_doubles(simd, &Doubles { hi, lo });
    }

    /// Adds the sums of another to each lane.
    #[inline(always)]
    fn join(&mut self, simd: S, other: Self) {
        let Self { hi, lo } = other;
        self.add_doubles(simd, &Doubles { hi, lo });
    }

    /// The sum of the lanes, which are turned by half, a quarter and so on until each has all.
    #[inline(always)]
    pub(super) fn total(mut self, simd: S) -> Double {
        let mut width = S::F64_LANES / 2;
        while width > 0 {
            let turned = Self {
                hi: simd.rotate_right_f64s(self.hi, width),
                lo: simd.rotate_right_f64s(self.lo, width),
            };
            self.join(simd, turned);
            width /= 2;
        }
        fast_two_sum(lane(&self.hi), lane(&self.lo))
    }
}

#[inline(always)]
fn lane<V: bytemuck::Pod>(vector: &V) -> f64 {
    let lanes: &[f64] = bytemuck::cast_slice(std::slice::from_ref(vector));
    lanes.first().copied().unwrap_or_default()
}

/// Numbers, one per lane.
#[derive(Clone, Copy)]
pub(super) struct Doubles<S: Simd> {
    hi: S::f64s,
    lo: S::f64s,
}

impl<S: Simd> Doubles<S> {
    /// The exact differences of values from one.
    #[inline(always)]
    pub(super) fn differences(simd: S, values: S::f64s, from: f64) -> Self {
        let (hi, lo) = two_sum(simd, values, simd.splat_f64s(-from));
        Self { hi, lo }
    }

    /// Zero from a lane on: what a partial load leaves empty. What is not finite stays or becomes NaN.
    #[inline(always)]
    pub(super) fn until(self, simd: S, lanes: usize) -> Self {
        let ones = simd.partial_load_f64s(ONES.get(..lanes).unwrap_or(&ONES));
        Self {
            hi: simd.mul_f64s(self.hi, ones),
            lo: simd.mul_f64s(self.lo, ones),
        }
    }
}

/// The sum of values.
#[inline(always)]
pub(super) fn sum<S: Simd>(simd: S, values: &[f64]) -> Double {
    sums(simd, values).total(simd)
}

#[inline(always)]
fn sums<S: Simd>(simd: S, values: &[f64]) -> Sums<S> {
    let mut sums = Sums::new(simd);
    let (vectors, rest) = S::as_simd_f64s(values);
    // Four sums, so that no addition waits for the one before.
    let (fours, vectors) = vectors.as_chunks::<4>();
    if !fours.is_empty() {
        let mut others = [sums; 3];
        for [first, second, third, fourth] in fours {
            sums.add(simd, *first);
            let [one, two, three] = &mut others;
            one.add(simd, *second);
            two.add(simd, *third);
            three.add(simd, *fourth);
        }
        for other in others {
            sums.join(simd, other);
        }
    }
    for vector in vectors {
        sums.add(simd, *vector);
    }
    if !rest.is_empty() {
        sums.add(simd, simd.partial_load_f64s(rest));
    }
    sums
}

/// The sum of values that are converted, a block at a time: a block stays in the nearest cache.
#[inline(always)]
pub(super) fn sum_of<S: Simd, T: Copy>(simd: S, values: &[T], float: impl Fn(T) -> f64) -> Double {
    let mut total = Sums::new(simd);
    let mut block = [0.0; BLOCK];
    for values in values.chunks(BLOCK) {
        for (into, value) in block.iter_mut().zip(values) {
            *into = float(*value);
        }
        if let Some(block) = block.get(..values.len()) {
            total.join(simd, sums(simd, block));
        }
    }
    total.total(simd)
}

/// The sum of the products of values.
#[inline(always)]
pub(super) fn sum_of_products<S: Simd>(simd: S, a: &[f64], b: &[f64]) -> Double {
    let (a_vectors, a_rest) = S::as_simd_f64s(a);
    let (b_vectors, b_rest) = S::as_simd_f64s(b);
    let mut sums = Sums::new(simd);
    for (a, b) in a_vectors.iter().zip(b_vectors) {
        sums.add_products(simd, *a, *b);
    }
    if !a_rest.is_empty() {
        let (a, b) = (simd.partial_load_f64s(a_rest), simd.partial_load_f64s(b_rest));
        sums.add_products(simd, a, b);
    }
    sums.total(simd)
}
