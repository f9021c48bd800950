//! Exponential moving averages.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array};
use gapless_engine::Result;

use super::function::Decay;
use super::running::{Chunk, Running, other_type, valid};

/// An average that forgets.
pub(super) struct Ema<W> {
    weight: W,
    /// Of the values so far, if there are any, and the time of the last one.
    state: Option<(f64, i64)>,
}

/// The weight of a value.
pub(super) trait Weight: Send {
    /// Whether times matter.
    const TIMED: bool;

    /// Of a value some nanoseconds after the last one.
    fn of(&self, ns: i64) -> f64;
}

/// The same weight for all.
#[derive(Debug)]
pub(super) struct Constant(f64);

impl Weight for Constant {
    const TIMED: bool = false;

    #[inline(always)]
    fn of(&self, _ns: i64) -> f64 {
        self.0
    }
}

/// A weight that grows with the time since the last value.
#[derive(Debug)]
pub(super) struct ByTime {
    half_life: f64,
}

impl Weight for ByTime {
    const TIMED: bool = true;

    #[inline(always)]
    fn of(&self, ns: i64) -> f64 {
        // Of a row at the same time exactly 0.
        1.0 - (-(ns as f64) / self.half_life).exp2()
    }
}

/// What computes an average.
pub(super) fn ema(decay: Decay) -> Box<dyn Running> {
    let constant = |alpha: f64| {
        Box::new(Ema {
            weight: Constant(alpha),
            state: None,
        })
    };
    match decay {
        Decay::Alpha(alpha) => constant(alpha),
        Decay::Span(span) => constant(2.0 / (span + 1.0)),
        Decay::HalfLife(rows) => constant(1.0 - (-1.0 / rows).exp2()),
        Decay::Time(ns) => Box::new(Ema {
            weight: ByTime { half_life: ns as f64 },
            state: None,
        }),
    }
}

impl<W: Weight> Ema<W> {
    /// The averages after values, each with its time; there was one before. A function of its own, in which the state stays in
    /// registers.
    #[inline(never)]
    fn extend(
        weight: &W,
        (mut average, mut last): (f64, i64),
        values: impl Iterator<Item = (f64, i64)>,
        averages: &mut Vec<f64>,
    ) -> (f64, i64) {
        averages.extend(values.map(|(value, time)| {
            let alpha = weight.of(time.saturating_sub(last));
            (average, last) = ((1.0 - alpha) * average + alpha * value, time);
            average
        }));
        (average, last)
    }
}

impl<W: Weight> Running for Ema<W> {
    fn take(&mut self, values: &ArrayRef, chunk: &Chunk<'_>) -> Result<ArrayRef> {
        let values = values.as_primitive_opt::<Float64Type>().ok_or_else(other_type)?;
        let mut averages = Vec::with_capacity(values.len());
        for run in chunk.runs {
            let state = self.state.filter(|_| run.goes_on);
            let of_run = values.values().get(run.rows.clone()).ok_or_else(other_type)?;
            let times = chunk.times.get(run.rows.clone()).unwrap_or_default();
            let pairs = |from: usize| {
                let rest = of_run.get(from..).unwrap_or_default().iter().enumerate();
                rest.map(move |(at, value)| match W::TIMED {
                    true => (*value, times.get(from + at).copied().unwrap_or_default()),
                    false => (*value, 0),
                })
            };
            self.state = match (values.nulls(), state) {
                (None, Some(state)) => Some(Self::extend(&self.weight, state, pairs(0), &mut averages)),
                (None, None) => pairs(0).next().map(|first| {
                    averages.push(first.0);
                    Self::extend(&self.weight, first, pairs(1), &mut averages)
                }),
                (Some(nulls), state) => {
                    let valid = valid(nulls, &run.rows);
                    self.with_nulls(state, pairs(0).zip(valid), &mut averages)
                }
            };
        }
        Ok(Arc::new(Float64Array::new(
            averages.into(),
            values.nulls().cloned(),
        )))
    }
}

impl<W: Weight> Ema<W> {
    #[inline(never)]
    fn with_nulls(
        &self,
        mut state: Option<(f64, i64)>,
        values: impl Iterator<Item = ((f64, i64), bool)>,
        averages: &mut Vec<f64>,
    ) -> Option<(f64, i64)> {
        averages.extend(values.map(|((value, time), is_valid)| {
            if is_valid {
                state = Some(match state {
                    None => (value, time),
                    Some((average, last)) => {
                        let alpha = self.weight.of(time.saturating_sub(last));
                        ((1.0 - alpha) * average + alpha * value, time)
                    }
                });
            }
            state.map_or(0.0, |(average, _)| average)
        }));
        state
    }
}
