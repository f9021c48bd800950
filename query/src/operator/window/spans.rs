//! Where the windows of ascending times begin and end among ascending times.
//!
//! Both move up from row to row, mostly by a few rows. One row after the other, each step waits for the one before it; so the left
//! rows are cut into lanes, which are walked side by side.

use std::ops::Range;

use super::options::WindowJoin;
use crate::aggregate::Span;

/// Walks that are side by side.
const LANES: usize = 8;
/// Right rows that are looked at without a branch for each.
const NEAR: usize = 8;

impl WindowJoin {
    /// Where the window of a left row begins.
    pub(super) const fn start_of(&self, left: i64) -> i64 {
        left.saturating_add(self.start)
    }

    /// Where the window of a left row ends.
    pub(super) const fn end_of(&self, left: i64) -> i64 {
        left.saturating_add(self.end)
    }

    /// The right rows that windows of left rows from `first` to `last` can have.
    pub(super) fn range(&self, first: i64, last: i64, rights: &[i64]) -> Range<usize> {
        let (start, end) = (self.start_of(first), self.end_of(last));
        let low = rights.partition_point(|right| *right < start);
        let high = rights.partition_point(|right| *right <= end);
        low.saturating_sub(usize::from(self.is_prevailing))..high.max(low)
    }

    /// The windows of left rows in right rows of the series, of which all are given that a window can have. Groups are numbered from
    /// `group`.
    pub(super) fn spans(&self, lefts: &[i64], rights: &[i64], group: usize) -> Vec<Span> {
        let mut starts = vec![0; lefts.len()];
        let mut ends = vec![0; lefts.len()];
        count_each(
            lefts,
            self.start,
            rights,
            |right, limit| right < limit,
            &mut starts,
        );
        count_each(lefts, self.end, rights, |right, limit| right <= limit, &mut ends);
        // Times that do not fit: what begins after all time begins after all rows, what ends before all time has none.
        if self.start > 0 {
            let fit = lefts.partition_point(|left| left.checked_add(self.start).is_some());
            for start in starts.iter_mut().skip(fit) {
                *start = number(rights.len());
            }
        }
        if self.end < 0 {
            let less = lefts.partition_point(|left| left.checked_add(self.end).is_none());
            ends.iter_mut().take(less).for_each(|end| *end = 0);
        }
        let before = u32::from(self.is_prevailing);
        let windows = starts.iter().zip(&ends).zip(number(group)..);
        windows
            .map(|((start, end), group)| Span {
                group,
                start: start.saturating_sub(before),
                end: *end,
            })
            .collect()
    }
}

pub(super) fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// For each of some ascending times, moved by an offset, how many of the ascending right times pass; once one does not, none does.
fn count_each(
    lefts: &[i64],
    offset: i64,
    rights: &[i64],
    passes: impl Fn(i64, i64) -> bool + Copy,
    counts: &mut [u32],
) {
    let each = lefts.len() / LANES;
    let mut at = [0; LANES];
    if each > 0 {
        let lanes: [&[i64]; LANES] =
            std::array::from_fn(|lane| lefts.get(lane * each..(lane + 1) * each).unwrap_or_default());
        let mut rest = &mut *counts;
        let found: [&mut [u32]; LANES] = std::array::from_fn(|_| {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(each);
            rest = others;
            own
        });
        for (at, lane) in at.iter_mut().zip(lanes) {
            let limit = lane.first().map_or(i64::MIN, |left| left.saturating_add(offset));
            *at = rights.partition_point(|right| passes(*right, limit));
        }
        for row in 0..each {
            for lane in 0..LANES {
                let limit = lanes[lane][row].saturating_add(offset);
                at[lane] = advance(rights, at[lane], limit, passes);
                found[lane][row] = number(at[lane]);
            }
        }
    }
    let (mut at, done) = (at[LANES - 1], each * LANES);
    for (left, count) in lefts.iter().zip(counts).skip(done) {
        at = advance(rights, at, left.saturating_add(offset), passes);
        *count = number(at);
    }
}

/// The first place at or after `at` that does not pass; it is probably near.
#[inline(always)]
fn advance(rights: &[i64], at: usize, limit: i64, passes: impl Fn(i64, i64) -> bool + Copy) -> usize {
    let near = rights.get(at..).and_then(|rights| rights.first_chunk::<NEAR>());
    if let Some(near) = near {
        let count = count_near(near, limit, passes);
        if count < NEAR {
            return at + count;
        }
    }
    far(rights, at, limit, passes)
}

/// How many of a few rows pass: by halves, without a branch.
#[inline(always)]
fn count_near(near: &[i64; NEAR], limit: i64, passes: impl Fn(i64, i64) -> bool + Copy) -> usize {
    let mut count = 4 * usize::from(passes(near[3], limit));
    count += 2 * usize::from(passes(near[(count + 1) & 7], limit));
    count += usize::from(passes(near[count & 7], limit));
    count + usize::from(passes(near[count & 7], limit))
}

/// By steps that double, and then halve.
#[cold]
fn far(rights: &[i64], from: usize, limit: i64, passes: impl Fn(i64, i64) -> bool) -> usize {
    let (mut low, mut step) = (from, NEAR);
    while rights
        .get(low + step - 1)
        .is_some_and(|right| passes(*right, limit))
    {
        low += step;
        step *= 2;
    }
    let high = (low + step - 1).min(rights.len());
    low + rights
        .get(low..high)
        .map_or(0, |rights| rights.partition_point(|right| passes(*right, limit)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The windows, row by row, in integers that hold every time.
    fn twin(join: &WindowJoin, lefts: &[i64], rights: &[i64]) -> Vec<(usize, usize)> {
        let wide = |time: i64| i128::from(time);
        let window = |left: &i64| {
            let (start, end) = (wide(*left) + wide(join.start), wide(*left) + wide(join.end));
            let low = rights.iter().filter(|right| wide(**right) < start).count();
            let high = rights.iter().filter(|right| wide(**right) <= end).count();
            (low.saturating_sub(usize::from(join.is_prevailing)), high)
        };
        lefts.iter().map(window).collect()
    }

    fn time() -> impl Strategy<Value = i64> {
        prop_oneof![
            12 => -40i64..40,
            1 => Just(i64::MAX),
            1 => Just(i64::MIN),
            2 => any::<i64>(),
            2 => (i64::MAX - 9)..i64::MAX,
            2 => (i64::MIN..i64::MIN + 9)
        ]
    }

    fn sorted(rows: usize) -> impl Strategy<Value = Vec<i64>> {
        proptest::collection::vec(time(), 0..rows).prop_map(|mut times| {
            times.sort_unstable();
            times
        })
    }

    proptest! {
        #[test]
        fn windows_are_those_of_a_slow_twin(
            lefts in sorted(60),
            rights in sorted(200),
            offsets in (time(), time()),
            is_prevailing in any::<bool>(),
        ) {
            let (start, end) = (offsets.0.min(offsets.1), offsets.0.max(offsets.1));
            let mut join = WindowJoin::between(start, end);
            join.is_prevailing = is_prevailing;
            let spans = join.spans(&lefts, &rights, 7);
            let found: Vec<_> = spans.iter().map(|span| (span.start as usize, span.end as usize)).collect();
            prop_assert_eq!(found, twin(&join, &lefts, &rights));
            prop_assert!(spans.iter().zip(7..).all(|(span, group)| span.group == group));
        }
    }
}
