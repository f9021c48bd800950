//! Where the windows of ascending times begin and end among ascending times.
//!
//! Both move up from row to row, mostly by a few rows. One row after the other, each step waits for the one before it; so the left
//! rows are cut into lanes, which are walked side by side.

use std::ops::Range;

use pulp::NullaryFnOnce;

use super::options::WindowJoin;
use crate::aggregate::Span;

/// Walks that are side by side.
const LANES: usize = 8;
/// Right rows that are looked at without a branch for each.
const NEAR: usize = 16;

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
        let empty = |group| Span {
            group,
            start: 0,
            end: 0,
        };
        let mut spans: Vec<Span> = (number(group)..).take(lefts.len()).map(empty).collect();
        Ends {
            window: self,
            lefts,
            rights,
            spans: &mut spans,
        }
        .find();
        // Times that do not fit: what begins after all time begins after all rows, what ends before all time has none.
        if self.start > 0 {
            let fit = lefts.partition_point(|left| left.checked_add(self.start).is_some());
            for span in spans.iter_mut().skip(fit) {
                span.start = number(rights.len());
            }
        }
        if self.end < 0 {
            let less = lefts.partition_point(|left| left.checked_add(self.end).is_none());
            spans.iter_mut().take(less).for_each(|span| span.end = 0);
        }
        if self.is_prevailing {
            for span in &mut spans {
                span.start = span.start.saturating_sub(1);
            }
        }
        spans
    }
}

fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Finds where windows begin and end: all of it has the instructions of the processor.
struct Ends<'a> {
    window: &'a WindowJoin,
    lefts: &'a [i64],
    rights: &'a [i64],
    spans: &'a mut [Span],
}

impl Ends<'_> {
    fn find(self) {
        // What comes after AVX2 brings nothing here: comparisons whose results are bits of a mask are put together one by one.
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            return v3.vectorize(self);
        }
        self.call();
    }
}

impl NullaryFnOnce for Ends<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self {
            window,
            lefts,
            rights,
            spans,
        } = self;
        let before = |right, limit| right < limit;
        count_each(lefts, window.start, rights, before, spans, |span, count| {
            span.start = count
        });
        let until = |right, limit| right <= limit;
        count_each(lefts, window.end, rights, until, spans, |span, count| {
            span.end = count
        });
    }
}

/// For each of some ascending times, moved by an offset, how many of the ascending right times pass; once one does not, none does.
#[inline(always)]
fn count_each(
    lefts: &[i64],
    offset: i64,
    rights: &[i64],
    passes: impl Fn(i64, i64) -> bool + Copy,
    spans: &mut [Span],
    set: impl Fn(&mut Span, u32),
) {
    let each = lefts.len() / LANES;
    let mut at = [0; LANES];
    if each > 0 {
        let lanes: [&[i64]; LANES] =
            std::array::from_fn(|lane| lefts.get(lane * each..(lane + 1) * each).unwrap_or_default());
        let mut rest = &mut *spans;
        let found: [&mut [Span]; LANES] = std::array::from_fn(|_| {
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
                set(&mut found[lane][row], number(at[lane]));
            }
        }
    }
    let (mut at, done) = (at[LANES - 1], each * LANES);
    for (left, span) in lefts.iter().zip(spans).skip(done) {
        at = advance(rights, at, left.saturating_add(offset), passes);
        set(span, number(at));
    }
}

/// The first place at or after `at` that does not pass; it is probably near.
#[inline(always)]
fn advance(rights: &[i64], at: usize, limit: i64, passes: impl Fn(i64, i64) -> bool + Copy) -> usize {
    let mut at = at;
    for _ in 0..4 {
        let Some(near) = rights.get(at..).and_then(|rights| rights.first_chunk::<NEAR>()) else {
            break;
        };
        let passing = count_near(near, limit, passes);
        at += passing;
        if passing < NEAR {
            return at;
        }
    }
    far(rights, at, limit, passes)
}

/// How many of a few rows pass. The sum over halves is what compilers make a count of bits from.
#[inline(always)]
fn count_near(near: &[i64; NEAR], limit: i64, passes: impl Fn(i64, i64) -> bool) -> usize {
    let mut sums: [i64; NEAR] = std::array::from_fn(|at| i64::from(passes(near[at], limit)));
    let mut width = NEAR / 2;
    while width > 0 {
        for at in 0..width {
            sums[at] += sums[at + width];
        }
        width /= 2;
    }
    sums[0] as usize
}

/// By steps that double, and then halve.
#[inline(never)]
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
            2 => i64::MIN..i64::MIN + 9
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
