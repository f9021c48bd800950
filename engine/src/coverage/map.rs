//! Statements in memory: persistent maps, so that a reader keeps the state of its moment at no cost.

use gapless_format::CoverageKey;
use imbl::OrdMap;

use super::range::{CoverageRange, is_covered};

/// The ranges of all keys of all tables, as one stream has stated them.
#[derive(Debug, Clone, Default)]
pub(crate) struct CoverageMap {
    keys: OrdMap<(u32, CoverageKey), RangeMap>,
    /// Whether something is said of every series or of every interval.
    has_wildcards: bool,
    /// The newest commit, by table, that took back what other keys say.
    taken_back: OrdMap<u32, i64>,
}

/// The ranges of one key: disjoint, by start.
#[derive(Debug, Clone, Default)]
pub(crate) struct RangeMap {
    ranges: OrdMap<i64, CoverageRange>,
}

impl CoverageMap {
    /// Takes a statement, which counts against all before. It becomes one with neighbours that agree and were committed
    /// after `join_after`: of a range with an older commit nobody could say whether what came between counts against it.
    /// Returns the memory that came to it, about.
    pub(crate) fn cover(
        &mut self,
        table: u32,
        key: CoverageKey,
        range: CoverageRange,
        join_after: i64,
    ) -> usize {
        let taken_back = self.taken_back.get(&table).copied().unwrap_or(i64::MIN);
        if is_wild(&key) && !is_covered(range.state) {
            self.taken_back.insert(table, range.commit);
        }
        self.has_wildcards |= is_wild(&key);
        let ranges = self.keys.entry((table, key)).or_default();
        ranges.cover(range, join_after.max(taken_back))
    }

    /// Whether something is said of every series or of every interval.
    pub(crate) fn has_wildcards(&self) -> bool {
        self.has_wildcards
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

/// Whether a key stands for others.
pub(super) fn is_wild(key: &CoverageKey) -> bool {
    key.series.is_none() || key.interval.is_none()
}

impl RangeMap {
    fn cover(&mut self, mut range: CoverageRange, join_after: i64) -> usize {
        self.clear(range.start, range.end);
        let commit = range.commit;
        let is_near = |other: &CoverageRange| other.first_commit > join_after || other.first_commit == commit;
        if let Some(before) = self.ending_at(range.start)
            && before.joins(&range)
            && is_near(before)
        {
            let mut joined = before.clone();
            joined.join(&range);
            range = joined;
        }
        if let Some(after) = self.ranges.get(&range.end)
            && range.joins(after)
            && is_near(after)
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
