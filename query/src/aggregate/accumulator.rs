//! What every aggregate does with rows, group by group.
//!
//! - The results are the same whatever the batches, the spans and the order of merges look like.
//! - Groups are numbered from 0. `emit` takes the first ones away, the others move down.
//! - An accumulator is made for types, and takes arrays of these types alone.

use std::any::Any;
use std::ops::Range;

use arrow_array::ArrayRef;
use gapless_engine::{Error, Result};

/// Rows of a batch that belong to one group. Spans of one call may overlap and repeat groups; in most calls they do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The number of the group.
    pub group: u32,
    /// The first row.
    pub start: u32,
    /// The row after the last.
    pub end: u32,
}

impl Span {
    /// The rows.
    #[inline(always)]
    pub(crate) fn rows(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// By what `first` and `last` go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sequence<'a> {
    /// Rows come in order: what comes later is later.
    InOrder,
    /// Rows come in any order; the first has the least (time, rank), among equal ones the one that came first; last the
    /// greatest, among equal ones the one that came last.
    Placed {
        /// The time of each row.
        times: &'a [i64],
        /// What decides between rows of one time.
        ranks: &'a [u32],
    },
}

/// The state of an aggregate, of many groups.
pub(crate) trait Accumulator: Send + Any {
    /// Makes room for so many groups.
    fn grow(&mut self, groups: usize);

    /// Takes rows. `inputs` are the arguments' arrays, of equal length, of exactly the types given at creation; nothing for
    /// `count()`.
    ///
    /// # Errors
    /// `Internal` where a span is not within the arrays or its group has no room.
    fn update(&mut self, inputs: &[ArrayRef], spans: &[Span], sequence: &Sequence<'_>) -> Result<()>;

    /// As `update` for windows that slide: starts and ends both ascend from span to span, groups ascend by one, rows come in
    /// order.
    ///
    /// # Errors
    /// As `update`.
    fn slide(&mut self, inputs: &[ArrayRef], spans: &[Span]) -> Result<()> {
        self.update(inputs, spans, &Sequence::InOrder)
    }

    /// Takes the groups of another accumulator of the same kind: its group i goes to `groups[i]`; its rows come after those here.
    ///
    /// # Errors
    /// `Internal` for an accumulator of another kind or a group without room.
    fn merge(&mut self, other: Box<dyn Accumulator>, groups: &[u32]) -> Result<()>;

    /// The results of the first `count` groups, which are dropped: group `count` becomes group 0.
    ///
    /// # Errors
    /// `Invalid` where a result does not fit its type.
    fn emit(&mut self, count: usize) -> Result<ArrayRef>;

    /// Bytes held, about.
    fn bytes(&self) -> usize;
}

/// The other accumulator of a merge, of the kind that takes it.
pub(super) fn same_kind<A: Accumulator>(other: Box<dyn Accumulator>) -> Result<Box<A>> {
    let other: Box<dyn Any> = other;
    other
        .downcast()
        .map_err(|_| Error::internal("an accumulator was to be merged with one of another kind"))
}

/// The argument of a number.
pub(super) fn input(inputs: &[ArrayRef], at: usize) -> Result<&ArrayRef> {
    inputs
        .get(at)
        .ok_or_else(|| Error::internal(format!("an aggregate did not get its argument {at}")))
}

/// A span that no accumulator can take.
#[cold]
#[inline(never)]
pub(super) fn outside(span: Span) -> Error {
    Error::internal(format!(
        "rows {}..{} of group {} are not in the batch, or the group has no room",
        span.start, span.end, span.group
    ))
}

/// A group of a merge that has no room.
#[cold]
#[inline(never)]
pub(super) fn no_group(group: u32) -> Error {
    Error::internal(format!("there is no room for group {group} of a merge"))
}

/// The first `count` of the groups' states, which are dropped from them; groups without room have the state of no rows.
pub(super) fn take_front<T: Clone>(states: &mut Vec<T>, count: usize, none: T) -> Vec<T> {
    let rest = states.split_off(count.min(states.len()));
    let mut front = std::mem::replace(states, rest);
    front.resize(count, none);
    front
}

/// Makes a vector at least so long.
pub(super) fn grow<T: Clone>(states: &mut Vec<T>, groups: usize, none: T) {
    if states.len() < groups {
        states.resize(groups, none);
    }
}
