//! The mean of values by weight.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use gapless_engine::Result;
use pulp::{Arch, Simd, WithSimd};

use super::accumulator::{Accumulator, Sequence, Span, input, outside, same_kind};
use super::count::Counts;
use super::double_double::{Double, two_product};
use super::native::{Floats, array};
use super::rows::Rows;
use super::sum::{Terms, windows};
use super::totals::Totals;
use super::vectors;

/// `sum(value * weight) / sum(weight)`.
#[derive(Default)]
pub(super) struct Weighted {
    products: Totals,
    weights: Totals,
    counts: Counts,
}

struct Update<'a> {
    values: &'a [f64],
    weights: &'a [f64],
    rows: &'a Rows,
    spans: &'a [Span],
    into: &'a mut Weighted,
}

impl WithSimd for Update<'_> {
    type Output = Result<()>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
        for span in self.spans {
            let range = self.rows.range(*span);
            let (Some(values), Some(weights)) = (self.values.get(range.clone()), self.weights.get(range))
            else {
                return Err(outside(*span));
            };
            self.into.counts.add(*span, values.len())?;
            if !self
                .into
                .products
                .add(*span, vectors::sum_of_products(simd, values, weights))?
            {
                let products = values
                    .iter()
                    .zip(weights)
                    .map(|(value, weight)| product(*value, *weight));
                self.into.products.add_each(span.group, products)?;
            }
            if !self.into.weights.add(*span, vectors::sum(simd, weights))? {
                let weights = weights.iter().copied().map(Double::of);
                self.into.weights.add_each(span.group, weights)?;
            }
        }
        Ok(())
    }
}

/// A product of which only the first part may not be finite.
#[inline(always)]
fn product(value: f64, weight: f64) -> Double {
    let product = two_product(value, weight);
    if product.lo.is_finite() {
        product
    } else {
        Double::of(product.hi)
    }
}

impl Accumulator for Weighted {
    fn grow(&mut self, groups: usize) {
        self.products.grow(groups);
        self.weights.grow(groups);
        self.counts.grow(groups);
    }

    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], _: &Sequence<'_>) -> Result<()> {
        let rows = Rows::of(inputs);
        let values = Floats::of(input(inputs, 0)?, &rows)?;
        let weights = Floats::of(input(inputs, 1)?, &rows)?;
        Arch::new().dispatch(Update {
            values: values.values(),
            weights: weights.values(),
            rows: &rows,
            spans,
            into: self,
        })
    }

    fn slide(&mut self, inputs: &[ArrayRef], spans: &[Span]) -> Result<()> {
        let rows = Rows::of(inputs);
        let values = Floats::of(input(inputs, 0)?, &rows)?;
        let weights = Floats::of(input(inputs, 1)?, &rows)?;
        let (values, weights) = (values.values(), weights.values());
        let len = values.len().min(weights.len());
        let windows = windows(spans, &rows, len)?;
        for (span, (_, window)) in spans.iter().zip(&windows) {
            self.counts.add(*span, window.len())?;
        }
        let weight = |row: usize| weights.get(row).copied().unwrap_or_default();
        let term = |row: usize| product(values.get(row).copied().unwrap_or_default(), weight(row));
        Terms::new(len, term).slide(windows.iter().cloned(), &mut self.products)?;
        Terms::new(len, |row| Double::of(weight(row))).slide(windows.into_iter(), &mut self.weights)
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        self.counts.merge(&other.counts, groups)?;
        self.products.merge(&other.products, groups)?;
        self.weights.merge(&other.weights, groups)
    }

    fn emit(&mut self, count: usize) -> Result<ArrayRef> {
        let products = self.products.take(count);
        let weights = self.weights.take(count);
        let there = self.counts.take(count).iter().map(|count| *count > 0).collect();
        let mean = |(product, weight): (&super::totals::Total, &super::totals::Total)| {
            if weight.is_zero() {
                return f64::NAN;
            }
            product.ratio(*weight)
        };
        let means = products.iter().zip(&weights).map(mean).collect();
        array::<f64>(means, there, &DataType::Float64)
    }

    fn bytes(&self) -> usize {
        self.products.bytes() + self.weights.bytes() + self.counts.bytes()
    }
}
