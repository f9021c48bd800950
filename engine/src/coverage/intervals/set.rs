//! A set of instants as sorted ranges.

use std::ops::Range;

use super::{Grid, subtract_into};

/// A set of instants: sorted, disjoint, half-open ranges, none empty and none touching another.
///
/// There is one such list for each set, so two sets are equal when their lists are. All operations on two sets are one
/// walk over both lists.
///
/// ```
/// use gapless_engine::coverage::intervals::Intervals;
/// let asked = Intervals::single(0..100);
/// let held: Intervals = [40..60, 0..10, 10..20].into_iter().collect();
/// assert_eq!(held.as_slice(), [0..20, 40..60]);
/// assert_eq!(asked.difference(&held).as_slice(), [20..40, 60..100]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Intervals {
    ranges: Vec<Range<i64>>,
}

impl Intervals {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The set of one range; the empty set if the range is empty.
    #[must_use]
    pub fn single(range: Range<i64>) -> Self {
        std::iter::once(range).collect()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of ranges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// The ranges in order of time.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range<i64>> + DoubleEndedIterator + Clone + '_ {
        self.ranges.iter().cloned()
    }

    /// The ranges in order of time.
    #[must_use]
    pub fn as_slice(&self) -> &[Range<i64>] {
        &self.ranges
    }

    /// Whether it holds the instant. A range that ends at `i64::MAX` holds `i64::MAX`.
    #[must_use]
    pub fn contains(&self, t: i64) -> bool {
        self.around(t)
            .is_some_and(|range| t < range.end || range.end == i64::MAX)
    }

    /// Whether it holds every instant of the range; it does if the range is empty.
    #[must_use]
    pub fn covers(&self, range: &Range<i64>) -> bool {
        range.is_empty() || self.around(range.start).is_some_and(|held| range.end <= held.end)
    }

    /// The last range that starts at or before `t`.
    fn around(&self, t: i64) -> Option<&Range<i64>> {
        let after = self.ranges.partition_point(|range| range.start <= t);
        self.ranges.get(after.checked_sub(1)?)
    }

    /// From the first start to the last end; `None` if it is empty.
    #[must_use]
    pub fn bounds(&self) -> Option<Range<i64>> {
        Some(self.ranges.first()?.start..self.ranges.last()?.end)
    }

    /// Nanoseconds in all ranges together.
    #[must_use]
    pub fn total(&self) -> u64 {
        // Disjoint ranges of i64 are at most 2^64 - 1 long together.
        self.ranges
            .iter()
            .map(|range| range.end.abs_diff(range.start))
            .sum()
    }

    /// Adds a range. Amortised constant time if it starts at or after the start of the last one; linear otherwise.
    pub fn push(&mut self, range: Range<i64>) {
        if range.is_empty() {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if range.start < last.start => self.insert(range),
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => self.ranges.push(range),
        }
    }

    /// Adds a range that is not empty anywhere.
    fn insert(&mut self, range: Range<i64>) {
        let first = self.ranges.partition_point(|held| held.end < range.start);
        let after = self.ranges.partition_point(|held| held.start <= range.end);
        let joined = self.ranges[first..after].iter().fold(range, |joined, held| {
            joined.start.min(held.start)..joined.end.max(held.end)
        });
        self.ranges.splice(first..after, [joined]);
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return if self.is_empty() {
                other.clone()
            } else {
                self.clone()
            };
        }
        let mut out = Self {
            ranges: Vec::with_capacity(self.len() + other.len()),
        };
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.start <= b.start => left.next(),
                (Some(_), None) => left.next(),
                _ => right.next(),
            };
            match next {
                Some(range) => out.push(range),
                None => return out,
            }
        }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut ranges = Vec::with_capacity(self.len().min(other.len()));
        let (mut left, mut right) = (self.ranges.as_slice(), other.ranges.as_slice());
        while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
            let both = a.start.max(b.start)..a.end.min(b.end);
            if !both.is_empty() {
                ranges.push(both);
            }
            if a.end <= b.end {
                left = left_rest;
            } else {
                right = right_rest;
            }
        }
        Self { ranges }
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut ranges = Vec::with_capacity(self.len());
        subtract_into(&mut ranges, &self.ranges, other.iter());
        Self { ranges }
    }

    /// What is in this set and in the range.
    #[must_use]
    pub fn clip(&self, range: &Range<i64>) -> Self {
        if range.is_empty() {
            return Self::new();
        }
        let first = self.ranges.partition_point(|held| held.end <= range.start);
        let after = self.ranges.partition_point(|held| held.start < range.end);
        // A gap of the set may hold the whole range: then `first` is `after`.
        let mut ranges = self.ranges[first..after].to_vec();
        if let Some(held) = ranges.first_mut() {
            held.start = held.start.max(range.start);
        }
        if let Some(held) = ranges.last_mut() {
            held.end = held.end.min(range.end);
        }
        Self { ranges }
    }

    /// The ranges of the grid's slots: each end goes up to the next slot, ranges that then hold none vanish.
    ///
    /// Both sets hold the same slots.
    #[must_use]
    pub fn on_grid(&self, grid: &Grid) -> Self {
        self.ranges.iter().map(|range| grid.align(range)).collect()
    }
}

impl FromIterator<Range<i64>> for Intervals {
    /// Takes ranges in any order; they may overlap and be empty. Sorts only if they are not sorted.
    fn from_iter<I: IntoIterator<Item = Range<i64>>>(iter: I) -> Self {
        let mut ranges: Vec<_> = iter.into_iter().filter(|range| !range.is_empty()).collect();
        if !ranges.is_sorted_by_key(|range| range.start) {
            ranges.sort_unstable_by_key(|range| range.start);
        }
        ranges.dedup_by(|next, kept| {
            let joins = next.start <= kept.end;
            if joins {
                kept.end = kept.end.max(next.end);
            }
            joins
        });
        Self { ranges }
    }
}

impl From<Intervals> for Vec<Range<i64>> {
    fn from(intervals: Intervals) -> Self {
        intervals.ranges
    }
}
