//! Sum and mean of floats.

use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use gapless_engine::Result;
use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};

use super::accumulator::{Accumulator, Sequence, Span, input, outside, same_kind};
use super::count::Counts;
use super::double_double::Double;
use super::native::{ToFloat, array, natives};
use super::prefix::Prefixes;
use super::rows::Rows;
use super::slide::{Fold, slide};
use super::totals::{Apart, Total, Totals};
use super::vectors;

/// Floats, which are added up as `f64`.
pub(super) trait Float: ToFloat {
    /// The values, where they are `f64` already.
    fn floats(values: &[Self]) -> Option<&[f64]>;

    fn sum<S: Simd>(simd: S, values: &[Self]) -> Double;
}

impl Float for f64 {
    fn floats(values: &[Self]) -> Option<&[f64]> {
        Some(values)
    }

    #[inline(always)]
    fn sum<S: Simd>(simd: S, values: &[Self]) -> Double {
        vectors::sum(simd, values)
    }
}

impl Float for f32 {
    fn floats(_: &[Self]) -> Option<&[f64]> {
        None
    }

    #[inline(always)]
    fn sum<S: Simd>(simd: S, values: &[Self]) -> Double {
        vectors::sum_of(simd, values, f64::from)
    }
}

/// The sum of floats, or their mean.
pub(super) struct FloatSum<N> {
    mean: bool,
    totals: Totals,
    counts: Counts,
    of: std::marker::PhantomData<fn() -> N>,
}

impl<N> FloatSum<N> {
    pub(super) fn new(mean: bool) -> Self {
        Self {
            mean,
            totals: Totals::default(),
            counts: Counts::default(),
            of: std::marker::PhantomData,
        }
    }
}

/// The loop over spans: all of it has the instructions of the processor.
struct Update<'a, N> {
    values: &'a [N],
    rows: &'a Rows,
    spans: &'a [Span],
    totals: &'a mut Totals,
    counts: &'a mut Counts,
}

impl<N: Float> WithSimd for Update<'_, N> {
    type Output = Result<()>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
        for span in self.spans {
            let Some(values) = self.values.get(self.rows.range(*span)) else {
                return Err(outside(*span));
            };
            self.counts.add(*span, values.len())?;
            if !self.totals.add(*span, N::sum(simd, values))? {
                let numbers = values.iter().map(|value| Double::of(value.float()));
                self.totals.add_each(span.group, numbers)?;
            }
        }
        Ok(())
    }
}

/// Terms that are added up over windows that slide.
pub(super) struct Terms<F> {
    term: F,
    /// Before which rows how many were not finite: NaN, infinite, negative infinite. Empty where all are finite.
    before: Vec<[u32; 3]>,
}

impl<F: Fn(usize) -> Double> Terms<F> {
    pub(super) fn new(rows: usize, term: F) -> Self {
        let mut before = Vec::new();
        if (0..rows).any(|row| !term(row).hi.is_finite()) {
            let mut counts = [0u32; 3];
            before.push(counts);
            before.extend((0..rows).map(|row| {
                let value = term(row).hi;
                counts[0] += u32::from(value.is_nan());
                counts[1] += u32::from(value == f64::INFINITY);
                counts[2] += u32::from(value == f64::NEG_INFINITY);
                counts
            }));
        }
        Self { term, before }
    }

    /// Terms that are known to be finite.
    fn finite_only(term: F) -> Self {
        Self {
            term,
            before: Vec::new(),
        }
    }

    fn not_finite(&self, window: &Range<usize>) -> Apart {
        let mut apart = Apart::default();
        if let (Some(start), Some(end)) = (self.before.get(window.start), self.before.get(window.end)) {
            apart.nan = end[0] > start[0];
            apart.infinite = end[1] > start[1];
            apart.negative_infinite = end[2] > start[2];
        }
        apart
    }

    /// Adds the terms of each window to its group.
    pub(super) fn slide(
        &self,
        windows: impl Iterator<Item = (u32, Range<usize>)>,
        totals: &mut Totals,
    ) -> Result<()> {
        slide(self, windows, |group, window, sum| {
            let apart = self.not_finite(&window);
            if apart.nan || apart.infinite || apart.negative_infinite {
                totals.note(group, &apart);
            }
            let span = Span {
                group,
                start: 0,
                end: 0,
            };
            if !totals.add(span, sum)? {
                totals.add_each(group, window.map(|row| self.finite(row)))?;
            }
            Ok(())
        })
    }

    #[inline(always)]
    fn finite(&self, row: usize) -> Double {
        let term = (self.term)(row);
        if term.hi.is_finite() { term } else { Double::ZERO }
    }
}

impl<F: Fn(usize) -> Double> Fold for Terms<F> {
    type Of = Double;
    const NONE: Double = Double::ZERO;

    #[inline(always)]
    fn push(&self, rows: Double, row: usize) -> Double {
        rows.gather(self.finite(row))
    }

    #[inline(always)]
    fn join(&self, one: Double, other: Double) -> Double {
        one.gather(other)
    }
}

fn are_finite(values: &[f64]) -> bool {
    // Not `all`: a loop without an exit becomes vector instructions.
    values
        .iter()
        .fold(true, |so_far, value| so_far & value.is_finite())
}

/// As [`Terms::slide`] for values that are finite and lie side by side: all of it has the instructions of the processor.
struct SlideFinite<'a> {
    values: &'a [f64],
    windows: &'a [(u32, Range<usize>)],
    totals: &'a mut Totals,
}

impl NullaryFnOnce for SlideFinite<'_> {
    type Output = Result<()>;

    #[inline(always)]
    fn call(self) -> Result<()> {
        let Self {
            values,
            mut windows,
            totals,
        } = self;
        let mut prefixes = Prefixes::default();
        while !windows.is_empty() {
            let (count, is_known) = prefixes.take(values, windows);
            let Some((own, others)) = windows.split_at_checked(count.max(1)) else {
                break;
            };
            windows = others;
            let term = |row: usize| Double::of(values.get(row).copied().unwrap_or_default());
            if !is_known {
                Terms::finite_only(term).slide(own.iter().cloned(), totals)?;
                continue;
            }
            for (group, window) in own {
                let span = Span {
                    group: *group,
                    start: 0,
                    end: 0,
                };
                let Some(sum) = prefixes.sum(window) else {
                    return Err(outside(span));
                };
                if !totals.add(span, sum)? {
                    totals.add_each(*group, window.clone().map(term))?;
                }
            }
        }
        Ok(())
    }
}

/// The means of sums: without the instruction that multiplies and adds at once, each is several calls.
struct Means<'a> {
    totals: &'a [Total],
    counts: &'a [i64],
}

impl NullaryFnOnce for Means<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn call(self) -> Vec<f64> {
        let mut means = vec![0.0; self.totals.len()];
        for ((mean, total), count) in means.iter_mut().zip(self.totals).zip(self.counts) {
            *mean = total.ratio(Total::of(Double::of(*count as f64)));
        }
        means
    }
}

/// The windows of a slide, which lie within so many rows.
pub(super) fn windows(spans: &[Span], rows: &Rows, len: usize) -> Result<Vec<(u32, Range<usize>)>> {
    let windows = spans.iter().map(|span| (span.group, rows.range(*span)));
    let windows: Vec<_> = windows.collect();
    // Checked apart: a vector whose making can fail is made one element after the other.
    let is_outside = |(_, range): &(u32, Range<usize>)| range.start > range.end || range.end > len;
    match windows.iter().position(is_outside).and_then(|at| spans.get(at)) {
        Some(span) => Err(outside(*span)),
        None => Ok(windows),
    }
}

impl<N: Float> Accumulator for FloatSum<N> {
    fn grow(&mut self, groups: usize) {
        self.totals.grow(groups);
        self.counts.grow(groups);
    }

    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], _: &Sequence<'_>) -> Result<()> {
        let rows = Rows::of(inputs);
        let values = natives::<N>(input(inputs, 0)?)?;
        Arch::new().dispatch(Update {
            values: &rows.dense(&values),
            rows: &rows,
            spans,
            totals: &mut self.totals,
            counts: &mut self.counts,
        })
    }

    fn slide(&mut self, inputs: &[ArrayRef], spans: &[Span]) -> Result<()> {
        let rows = Rows::of(inputs);
        let values = natives::<N>(input(inputs, 0)?)?;
        let values = &*rows.dense(&values);
        let windows = windows(spans, &rows, values.len())?;
        for (span, (_, window)) in spans.iter().zip(&windows) {
            self.counts.add(*span, window.len())?;
        }
        if let Some(floats) = N::floats(values).filter(|floats| are_finite(floats)) {
            return Arch::new().dispatch(SlideFinite {
                values: floats,
                windows: &windows,
                totals: &mut self.totals,
            });
        }
        let term = |row: usize| Double::of(values.get(row).map_or(0.0, |value| value.float()));
        Terms::new(values.len(), term).slide(windows.into_iter(), &mut self.totals)
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        self.counts.merge(&other.counts, groups)?;
        self.totals.merge(&other.totals, groups)
    }

    fn emit(&mut self, count: usize) -> Result<ArrayRef> {
        let totals = self.totals.take(count);
        let counts = self.counts.take(count);
        let values = match self.mean {
            true => Arch::new().dispatch(Means {
                totals: &totals,
                counts: &counts,
            }),
            false => totals.iter().map(|total| total.value()).collect(),
        };
        let there = counts.iter().map(|count| *count > 0).collect();
        array::<f64>(values, there, &DataType::Float64)
    }

    fn bytes(&self) -> usize {
        self.totals.bytes() + self.counts.bytes()
    }
}
