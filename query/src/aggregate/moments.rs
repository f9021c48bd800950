//! Variance, deviation, covariance and correlation.
//!
//! Sums of differences from a value of the group, in double-double. As that value is of the group, the sum of squares is at most
//! so many times greater than what the variance needs as there are rows: nothing of a double is lost to cancellation, whichever
//! value was taken.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use gapless_engine::Result;
use pulp::{Arch, Simd, WithSimd};

use super::accumulator::{
    Accumulator, Sequence, Span, grow, input, no_group, outside, same_kind, take_front,
};
use super::double_double::{Double, two_product, two_sum};
use super::native::{Floats, array};
use super::rows::Rows;
use super::vectors::{Doubles, Sums};

pub(super) const VAR: u8 = 0;
pub(super) const STD: u8 = 1;
pub(super) const COV: u8 = 2;
pub(super) const CORR: u8 = 3;

/// Sums of the differences of `a` and `b` from their pivots. Those that the aggregate does not need stay zero.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    rows: u64,
    pivot_a: f64,
    pivot_b: f64,
    a: Double,
    b: Double,
    ab: Double,
    aa: Double,
    bb: Double,
}

impl State {
    #[inline(always)]
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.a = self.a.add(other.a);
        self.b = self.b.add(other.b);
        self.ab = self.ab.add(other.ab);
        self.aa = self.aa.add(other.aa);
        self.bb = self.bb.add(other.bb);
    }

    /// The same rows by other pivots.
    fn moved(&self, pivot_a: f64, pivot_b: f64) -> Self {
        let by_a = two_sum(self.pivot_a, -pivot_a);
        let by_b = two_sum(self.pivot_b, -pivot_b);
        let rows = Double::of(self.rows as f64);
        // sum((x + s)(y + t)) = sum(xy) + t sum(x) + s sum(y) + n s t
        let cross = |xy: Double, x: Double, y: Double, s: Double, t: Double| {
            let both = t.multiply(x).add(s.multiply(y));
            xy.add(both).add(rows.multiply(s.multiply(t)))
        };
        Self {
            rows: self.rows,
            pivot_a,
            pivot_b,
            a: self.a.add(rows.multiply(by_a)),
            b: self.b.add(rows.multiply(by_b)),
            ab: cross(self.ab, self.a, self.b, by_a, by_b),
            aa: cross(self.aa, self.a, self.a, by_a, by_a),
            bb: cross(self.bb, self.b, self.b, by_b, by_b),
        }
    }

    /// Rows times the sum of the products of the differences from the means: exact where all is whole numbers.
    fn central(&self, products: Double, one: Double, other: Double) -> Double {
        let all = Double::of(self.rows as f64).multiply(products);
        all.add(one.multiply(other).negated())
    }

    fn result<const KIND: u8>(&self) -> Option<f64> {
        if self.rows < 2 {
            return None;
        }
        let rows = self.rows as f64;
        let sample = |central: Double| central.ratio(two_product(rows, rows - 1.0));
        let aa = || not_negative(self.central(self.aa, self.a, self.a));
        let bb = || not_negative(self.central(self.bb, self.b, self.b));
        let ab = || self.central(self.ab, self.a, self.b);
        Some(match KIND {
            VAR => sample(aa()),
            STD => sample(aa()).sqrt(),
            COV => sample(ab()),
            _ => correlation(ab().hi, aa().hi, bb().hi),
        })
    }
}

fn not_negative(number: Double) -> Double {
    if number.hi < 0.0 { Double::ZERO } else { number }
}

fn correlation(ab: f64, aa: f64, bb: f64) -> f64 {
    let product = aa * bb;
    let by = if product.is_normal() {
        product.sqrt()
    } else {
        aa.sqrt() * bb.sqrt()
    };
    (ab / by).clamp(-1.0, 1.0)
}

/// The kind is one of the constants above.
#[derive(Default)]
pub(super) struct Moments<const KIND: u8> {
    states: Vec<State>,
}

struct Update<'a, const KIND: u8> {
    a: &'a [f64],
    b: &'a [f64],
    rows: &'a Rows,
    spans: &'a [Span],
    states: &'a mut [State],
}

impl<const KIND: u8> WithSimd for Update<'_, KIND> {
    type Output = Result<()>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
        for span in self.spans {
            let range = self.rows.range(*span);
            let arguments = (self.a.get(range.clone()), self.b.get(range));
            let (Some(a), Some(b)) = arguments else {
                return Err(outside(*span));
            };
            let Some(state) = self.states.get_mut(span.group as usize) else {
                return Err(outside(*span));
            };
            let (Some(first_a), Some(first_b)) = (a.first(), b.first()) else {
                continue;
            };
            if state.rows == 0 {
                (state.pivot_a, state.pivot_b) = (*first_a, *first_b);
            }
            state.add(&of_values::<S, KIND>(simd, a, b, state.pivot_a, state.pivot_b));
        }
        Ok(())
    }
}

#[inline(always)]
fn of_values<S: Simd, const KIND: u8>(simd: S, a: &[f64], b: &[f64], pivot_a: f64, pivot_b: f64) -> State {
    let mut sums = [Sums::new(simd); 5];
    let (a_vectors, a_rest) = S::as_simd_f64s(a);
    let (b_vectors, b_rest) = S::as_simd_f64s(b);
    for (a, b) in a_vectors.iter().zip(b_vectors) {
        let a = Doubles::differences(simd, *a, pivot_a);
        let b = Doubles::differences(simd, *b, pivot_b);
        add::<S, KIND>(simd, &mut sums, &a, &b);
    }
    if !a_rest.is_empty() {
        let a = of_rest(simd, a_rest, pivot_a);
        let b = of_rest(simd, b_rest, pivot_b);
        add::<S, KIND>(simd, &mut sums, &a, &b);
    }
    let [of_a, of_b, of_ab, of_aa, of_bb] = sums;
    State {
        rows: a.len() as u64,
        pivot_a,
        pivot_b,
        a: total(simd, true, of_a),
        b: total(simd, KIND >= COV, of_b),
        ab: total(simd, KIND >= COV, of_ab),
        aa: total(simd, KIND != COV, of_aa),
        bb: total(simd, KIND == CORR, of_bb),
    }
}

// No closures: one that is not inlined has not the instructions of the processor.
#[inline(always)]
fn of_rest<S: Simd>(simd: S, rest: &[f64], pivot: f64) -> Doubles<S> {
    Doubles::differences(simd, simd.partial_load_f64s(rest), pivot).until(simd, rest.len())
}

#[inline(always)]
fn total<S: Simd>(simd: S, needed: bool, sums: Sums<S>) -> Double {
    if needed { sums.total(simd) } else { Double::ZERO }
}

#[inline(always)]
fn add<S: Simd, const KIND: u8>(
    simd: S,
    [of_a, of_b, of_ab, of_aa, of_bb]: &mut [Sums<S>; 5],
    a: &Doubles<S>,
    b: &Doubles<S>,
) {
    of_a.add_doubles(simd, a);
    if KIND != COV {
        of_aa.add_double_products(simd, a, a);
    }
    if KIND >= COV {
        of_b.add_doubles(simd, b);
        of_ab.add_double_products(simd, a, b);
        if KIND == CORR {
            of_bb.add_double_products(simd, b, b);
        }
    }
}

impl<const KIND: u8> Accumulator for Moments<KIND> {
    fn grow(&mut self, groups: usize) {
        grow(&mut self.states, groups, State::default());
    }

    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], _: &Sequence<'_>) -> Result<()> {
        let rows = Rows::of(inputs);
        let a = Floats::of(input(inputs, 0)?, &rows)?;
        let b = match inputs.get(1) {
            Some(b) if KIND >= COV => Some(Floats::of(b, &rows)?),
            _ => None,
        };
        Arch::new().dispatch(Update::<KIND> {
            a: a.values(),
            b: b.as_ref().unwrap_or(&a).values(),
            rows: &rows,
            spans,
            states: &mut self.states,
        })
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        for (state, group) in other.states.iter().zip(groups) {
            let into = self
                .states
                .get_mut(*group as usize)
                .ok_or_else(|| no_group(*group))?;
            match (into.rows, state.rows) {
                (_, 0) => {}
                (0, _) => *into = *state,
                _ => into.add(&state.moved(into.pivot_a, into.pivot_b)),
            }
        }
        Ok(())
    }

    fn emit(&mut self, count: usize) -> Result<ArrayRef> {
        let states = take_front(&mut self.states, count, State::default());
        let results: Vec<Option<f64>> = states.iter().map(State::result::<KIND>).collect();
        let there = results.iter().map(Option::is_some).collect();
        let values = results.into_iter().map(Option::unwrap_or_default).collect();
        array::<f64>(values, there, &DataType::Float64)
    }

    fn bytes(&self) -> usize {
        self.states.capacity() * size_of::<State>()
    }
}
