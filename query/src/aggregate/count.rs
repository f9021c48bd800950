//! How many rows there are, or how many have a value.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use gapless_engine::Result;

use super::accumulator::{Accumulator, Sequence, Span, grow, no_group, outside, same_kind, take_front};
use super::rows::Rows;

/// Rows of groups.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<i64>);

impl Counts {
    pub(super) fn grow(&mut self, groups: usize) {
        grow(&mut self.0, groups, 0);
    }

    #[inline(always)]
    pub(super) fn add(&mut self, span: Span, rows: usize) -> Result<()> {
        let Some(count) = self.0.get_mut(span.group as usize) else {
            return Err(outside(span));
        };
        *count += rows as i64;
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Self, groups: &[u32]) -> Result<()> {
        for (count, group) in other.0.iter().zip(groups) {
            *self.0.get_mut(*group as usize).ok_or_else(|| no_group(*group))? += count;
        }
        Ok(())
    }

    /// The counts of the first groups, which are dropped.
    pub(super) fn take(&mut self, count: usize) -> Vec<i64> {
        take_front(&mut self.0, count, 0)
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<i64>()
    }
}

/// `count()` without an argument, `count_of` with one.
#[derive(Debug, Default)]
pub(super) struct Count(Counts);

impl Accumulator for Count {
    fn grow(&mut self, groups: usize) {
        self.0.grow(groups);
    }

    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], _: &Sequence<'_>) -> Result<()> {
        let rows = Rows::of(inputs);
        let len = inputs.first().map_or(u32::MAX as usize, |array| array.len());
        for span in spans {
            if span.start > span.end || span.end as usize > len {
                return Err(outside(*span));
            }
            self.0.add(*span, rows.range(*span).len())?;
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()> {
        self.0.merge(&same_kind::<Self>(other)?.0, groups)
    }

    fn emit(&mut self, count: usize) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(self.0.take(count))))
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }
}
