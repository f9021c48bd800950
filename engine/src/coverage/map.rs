//! Statements in memory: persistent maps, so that a reader keeps the state of its moment at no cost.

use std::ops::Range;

use gapless_format::{CoverageKey, CoverageState};
use imbl::{OrdMap, Vector};

use super::range::CoverageRange;

/// The ranges of all keys of all tables, as one stream has stated them.
#[derive(Debug, Clone, Default)]
pub(crate) struct CoverageMap {
    keys: OrdMap<(u32, CoverageKey), RangeMap>,
    /// What was said of every series or of every interval, as it came.
    wild: Vector<Wild>,
    /// Whether something was said to be lost.
    has_lost: bool,
    /// The keys of which the newest commit says something, and that commit.
    touched: (i64, Vector<(u32, CoverageKey)>),
}

/// A statement about many keys.
#[derive(Debug, Clone)]
struct Wild {
    table: u32,
    key: CoverageKey,
    range: Range<i64>,
    commit: i64,
}

/// The ranges of one key: disjoint, by start.
#[derive(Debug, Clone, Default)]
pub(crate) struct RangeMap {
    ranges: OrdMap<i64, CoverageRange>,
}

impl CoverageMap {
    /// Takes a statement, which counts against all before. Neighbours that agree become one if
    /// both were committed after `join_after`, or always without. Returns the
    /// memory that came to it, about.
    pub(crate) fn cover(
        &mut self,
        table: u32,
        key: CoverageKey,
        range: CoverageRange,
        join_after: Option<i64>,
    ) -> usize {
        let mut bytes = 0;
        for narrower in self.touch(table, key, range.commit) {
            bytes += self.cover_one(table, narrower, range.clone(), join_after);
        }
        bytes + self.cover_one(table, key, range, join_after)
    }

    /// Of statements of one commit the later counts too. Where an earlier one is about other keys as well, that is said of
    /// the keys that both are about: of those, the narrower counts.
    fn touch(&mut self, table: u32, key: CoverageKey, commit: i64) -> Vec<CoverageKey> {
        if self.touched.0 != commit {
            self.touched = (commit, Vector::new());
        }
        if !is_wild(&key) {
            self.touched.1.push_back((table, key));
            return Vec::new(); // No key is narrower.
        }
        let earlier = self
            .touched
            .1
            .iter()
            .filter(|(id, other)| *id == table && meets(other, &key));
        let mut both: Vec<CoverageKey> = earlier
            .map(|(_, other)| CoverageKey {
                series: key.series.or(other.series),
                interval: key.interval.or(other.interval),
            })
            .filter(|both| *both != key)
            .collect();
        both.sort_unstable();
        both.dedup();
        if self.touched.1.last() != Some(&(table, key)) {
            self.touched.1.push_back((table, key));
        }
        both
    }

    fn cover_one(
        &mut self,
        table: u32,
        key: CoverageKey,
        range: CoverageRange,
        join_after: Option<i64>,
    ) -> usize {
        let is_wild = is_wild(&key);
        self.has_lost |= range.state == CoverageState::Lost;
        if is_wild {
            self.wild.push_back(Wild {
                table,
                key,
                range: range.start..range.end,
                commit: range.commit,
            });
        }
        let wild = &self.wild;
        let is_after = |range: &CoverageRange| join_after.is_none_or(|after| range.first_commit > after);
        let may_join = |a: &CoverageRange, b: &CoverageRange| {
            !is_wild && is_after(a) && is_after(b) && !separated(wild, (table, key), a, b)
        };
        self.keys.entry((table, key)).or_default().cover(range, &may_join)
    }

    /// Whether something is said of every series or of every interval.
    pub(crate) fn has_wildcards(&self) -> bool {
        !self.wild.is_empty()
    }

    /// Whether something was ever said to be lost.
    pub(crate) fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// Whether something is said of a table.
    pub(crate) fn has_table(&self, table: u32) -> bool {
        self.of_table(table).next().is_some()
    }

    /// The ranges of a key.
    pub(crate) fn get(&self, table: u32, key: CoverageKey) -> Option<&RangeMap> {
        self.keys.get(&(table, key))
    }

    /// The keys of a table, ascending.
    pub(crate) fn of_table(&self, table: u32) -> impl Iterator<Item = (CoverageKey, &RangeMap)> {
        let least = CoverageKey {
            series: None,
            interval: None,
        };
        let from = self.keys.range((table, least)..);
        from.take_while(move |((id, _), _)| *id == table)
            .map(|((_, key), ranges)| (*key, ranges))
    }

    /// The tables of which something is stated.
    pub(crate) fn tables(&self) -> Vec<u32> {
        let mut tables: Vec<u32> = self.keys.keys().map(|(table, _)| *table).collect();
        tables.dedup();
        tables
    }
}

/// Whether something about more keys was said after one of two ranges and before the other: as one range they could not be
/// told to be older or newer.
fn separated(wild: &Vector<Wild>, key: (u32, CoverageKey), a: &CoverageRange, b: &CoverageRange) -> bool {
    let first = a.first_commit.min(b.first_commit);
    let (start, end) = (a.start.min(b.start), a.end.max(b.end));
    let since = wild.iter().rev().take_while(|said| said.commit >= first);
    since.into_iter().any(|said| {
        let overlaps = said.range.start < end && start < said.range.end;
        said.table == key.0 && meets(&said.key, &key.1) && overlaps
    })
}

/// How narrow a key is: of statements of one commit the narrower counts.
pub(super) fn rank(key: &CoverageKey) -> u8 {
    u8::from(key.series.is_some()) + u8::from(key.interval.is_some())
}

/// Whether something is said of both.
pub(super) fn meets(a: &CoverageKey, b: &CoverageKey) -> bool {
    (a.series.is_none() || b.series.is_none() || a.series == b.series)
        && (a.interval.is_none() || b.interval.is_none() || a.interval == b.interval)
}

/// Whether a key stands for others.
pub(super) fn is_wild(key: &CoverageKey) -> bool {
    key.series.is_none() || key.interval.is_none()
}

impl RangeMap {
    fn cover(
        &mut self,
        mut range: CoverageRange,
        may_join: &dyn Fn(&CoverageRange, &CoverageRange) -> bool,
    ) -> usize {
        self.clear(range.start, range.end);
        if let Some(before) = self.ending_at(range.start)
            && before.joins(&range)
            && may_join(before, &range)
        {
            let mut joined = before.clone();
            joined.join(&range);
            range = joined;
        }
        if let Some(after) = self.ranges.get(&range.end)
            && range.joins(after)
            && may_join(&range, after)
        {
            let after = after.clone();
            self.ranges.remove(&after.start);
            range.join(&after);
        }
        let bytes = range.memory_bytes();
        let before = self.ranges.insert(range.start, range);
        bytes - before.map_or(0, |before| before.memory_bytes()).min(bytes)
    }

    /// Takes away what lies in `start..end`.
    fn clear(&mut self, start: i64, end: i64) {
        let first = self
            .ranges
            .get_prev(&start)
            .filter(|(_, range)| range.end > start);
        let first = first.map_or(start, |(first, _)| *first);
        let overlapping: Vec<CoverageRange> = self
            .ranges
            .range(first..end)
            .map(|(_, range)| range.clone())
            .collect();
        for range in overlapping {
            self.ranges.remove(&range.start);
            if range.start < start {
                self.ranges.insert(range.start, range.cut(range.start, start));
            }
            if range.end > end {
                self.ranges.insert(end, range.cut(end, range.end));
            }
        }
    }

    fn ending_at(&self, time: i64) -> Option<&CoverageRange> {
        let (_, before) = self.ranges.get_prev(&time)?;
        (before.end == time).then_some(before)
    }

    /// The ranges that overlap `start..end`, whole.
    pub(crate) fn overlapping(&self, start: i64, end: i64) -> impl Iterator<Item = &CoverageRange> {
        let first = self
            .ranges
            .get_prev(&start)
            .filter(|(_, range)| range.end > start);
        let first = first.map_or(start, |(first, _)| *first);
        self.ranges.range(first..end).map(|(_, range)| range)
    }

    /// All ranges.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CoverageRange> {
        self.ranges.values()
    }
}
