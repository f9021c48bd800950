//! New statements and small coverage files become one file.
//!
//! A file takes part when it has at most twice the ranges that have come together so far, so a range is written again a
//! few times only, and the number of files grows with the logarithm of that of the ranges.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use gapless_format::{CoverageKey, CoverageRecord, CoverageRef, CoverageState, EditItem};

use super::file::{NewCoverage, OpenCoverage, write_coverage};
use super::map::{CoverageMap, is_wild, meets, rank};
use super::overlay::{Span, overlay};
use super::range::CoverageRange;
use super::view::wider;
use crate::database::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::TableState;

/// How much larger than the others together a file may be to take part.
const GROWTH: u64 = 2;
/// Files of a table from which on they are merged without a flush.
const FILES_MAX: usize = 8;

/// A file that holds what others held.
#[derive(Debug)]
pub(crate) struct MergedCoverage {
    /// The new file; `None` when nothing is left to be said.
    pub(crate) new: Option<NewCoverage>,
    /// The files that it stands for.
    pub(crate) removed: Vec<u64>,
}

/// Writes new statements about a table, and those of small files, as one file. What was committed at `settled` or before
/// is all in files and in the new statements.
///
/// # Errors
/// `Corrupt` when a file is damaged; `Io`.
pub(crate) fn merge(
    engine: &Engine,
    state: &TableState,
    new: &CoverageMap,
    settled: i64,
) -> Result<MergedCoverage> {
    let table = state.meta().table;
    let mut keys: BTreeMap<CoverageKey, Vec<Vec<CoverageRange>>> = BTreeMap::new();
    let mut count = 0;
    for (key, ranges) in new.of_table(table) {
        let ranges: Vec<CoverageRange> = ranges.iter().cloned().collect();
        count += ranges.len() as u64;
        keys.entry(key).or_default().push(ranges);
    }
    let taken = small_files(state.coverage(), count);
    for file in &taken {
        let open = engine.coverage_file(state, file)?;
        for (key, places) in open.keys() {
            let ranges = places.clone().filter_map(|place| open.range(place)).collect();
            keys.entry(*key).or_default().push(ranges);
        }
    }
    let is_all = taken.len() == state.coverage().len();
    let left = state.coverage().iter().filter(|file| !taken.contains(file));
    let between = Between {
        wild: wild_of(&keys),
        left: left
            .map(|file| engine.coverage_file(state, file))
            .collect::<Result<_>>()?,
    };
    let laid_over = laid_over(keys, &between, settled, is_all);
    let new = match laid_over.is_empty() {
        true => None,
        false => Some(write(engine, state, &laid_over)?),
    };
    Ok(MergedCoverage {
        new,
        removed: taken.iter().map(|file| file.file).collect(),
    })
}

/// Merges the small coverage files of a table with each other when there are many, as one commit.
///
/// # Errors
/// `Corrupt` when a file is damaged; `Io`.
pub(crate) fn merge_files(engine: &Engine, table: u32) -> Result<()> {
    let version = engine.manifest().current();
    let Some(state) = version
        .table_by_id(table)
        .filter(|state| state.coverage().len() >= FILES_MAX)
    else {
        return Ok(());
    };
    let merged = merge(
        engine,
        state,
        &CoverageMap::default(),
        engine.settled(&version, 0),
    )?;
    let committed = engine.commit(|newest, now| {
        if newest
            .streams()
            .any(|stream| version.stream(stream.stream).is_none())
        {
            return Err(Error::conflict("another process has begun to stream"));
        }
        let removed = merged.removed.iter();
        let mut items: Vec<EditItem> = removed
            .map(|file| EditItem::RemoveCoverage { table, file: *file })
            .collect();
        items.extend(merged.new.as_ref().map(|new| {
            let mut file = new.reference().clone();
            (file.created, file.commit) = (newest.number() + 1, now);
            EditItem::AddCoverage(file)
        }));
        Ok(items)
    });
    match committed {
        // Somebody else has merged some of them meanwhile, or will do it next time.
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        Err(error) => {
            if engine.manifest().check_poison().is_err() {
                merged.new.into_iter().for_each(NewCoverage::keep); // The commit may have happened.
            }
            Err(error)
        }
        Ok(_) => {
            merged.new.into_iter().for_each(NewCoverage::keep);
            Ok(())
        }
    }
}

/// The files that become one with `count` new ranges.
fn small_files(files: &[Arc<CoverageRef>], count: u64) -> Vec<Arc<CoverageRef>> {
    let mut files = files.to_vec();
    files.sort_by_key(|file| file.ranges);
    let mut count = count.max(files.first().map_or(0, |file| file.ranges));
    files.retain(|file| {
        let takes_part = file.ranges <= GROWTH * count;
        if takes_part {
            count += file.ranges;
        }
        takes_part
    });
    files
}

type Keys = BTreeMap<CoverageKey, Vec<CoverageRange>>;

/// One list of ranges for each key.
fn laid_over(
    keys: BTreeMap<CoverageKey, Vec<Vec<CoverageRange>>>,
    between: &Between,
    settled: i64,
    is_all: bool,
) -> Keys {
    let mut out: Keys = keys
        .into_iter()
        .map(|(key, lists)| {
            let ranges = one(lists.into_iter().map(|list| (0, list)).collect());
            (key, joined(key, ranges, between, settled))
        })
        .collect();
    if is_all {
        apply_taken_back(&mut out, settled);
    }
    out.retain(|_, ranges| !ranges.is_empty());
    out
}

/// Where all older statements are here, those that take others back do so now and are not needed any more.
fn apply_taken_back(keys: &mut Keys, settled: i64) {
    let is_done = |range: &CoverageRange| range.state == CoverageState::Unknown && range.commit <= settled;
    let wild: Keys = keys
        .iter()
        .filter(|(key, _)| is_wild(key))
        .map(|(key, ranges)| {
            (
                *key,
                ranges.iter().filter(|range| is_done(range)).cloned().collect(),
            )
        })
        .collect();
    for (key, ranges) in keys.iter_mut() {
        let wider = wild
            .iter()
            .filter(|(other, _)| *other != key && includes(other, key));
        for (other, taken_back) in wider.filter(|(_, taken_back)| !taken_back.is_empty()) {
            *ranges = one(vec![
                (rank(key), std::mem::take(ranges)),
                (rank(other), taken_back.clone()),
            ]);
        }
    }
    // What is said of every series stays where it is, so what takes it back for one of them stays too.
    let wild: Keys = keys
        .iter()
        .filter(|(key, _)| is_wild(key))
        .map(|(key, ranges)| (*key, ranges.clone()))
        .collect();
    for (key, ranges) in keys.iter_mut() {
        let above = || {
            wild.iter()
                .filter(|(other, _)| *other != key && !includes(key, other) && meets(key, other))
        };
        let is_needed = |range: &CoverageRange| {
            let said = above().flat_map(|(_, ranges)| ranges);
            is_wild(key)
                && said
                    .filter(|other| other.state != CoverageState::Unknown)
                    .any(|other| other.start < range.end && range.start < other.end)
        };
        ranges.retain(|range| !is_done(range) || is_needed(range));
    }
}

/// Whether what is said of `wide` is about all of `narrow`.
fn includes(wide: &CoverageKey, narrow: &CoverageKey) -> bool {
    (wide.series.is_none() || wide.series == narrow.series)
        && (wide.interval.is_none() || wide.interval == narrow.interval)
}

/// Lists of ranges laid over each other, each with how narrow its key is.
fn one(lists: Vec<(u8, Vec<CoverageRange>)>) -> Vec<CoverageRange> {
    let mut lists = lists;
    if lists.len() <= 1 {
        return lists.pop().map(|(_, list)| list).unwrap_or_default();
    }
    let mut result: Vec<Span> = Vec::new();
    for (number, (rank, list)) in lists.iter().enumerate() {
        let spans: Vec<Span> = list
            .iter()
            .enumerate()
            .map(|(place, range)| Span {
                start: range.start,
                end: range.end,
                state: range.state,
                first_commit: range.first_commit,
                commit: range.commit,
                rank: *rank,
                origin: (number as u32, place as u32),
            })
            .collect();
        result = overlay(&result, &spans);
    }
    let range_of = |span: &Span| lists.get(span.origin.0 as usize)?.1.get(span.origin.1 as usize);
    result
        .iter()
        .filter_map(|span| range_of(span).map(|range| range.cut(span.start, span.end)))
        .collect()
}

/// What is said of every series or of every interval.
fn wild_of(keys: &BTreeMap<CoverageKey, Vec<Vec<CoverageRange>>>) -> Vec<(CoverageKey, CoverageRange)> {
    let wild = keys.iter().filter(|(key, _)| is_wild(key));
    wild.flat_map(|(key, lists)| lists.iter().flatten().map(|range| (*key, range.clone())))
        .collect()
}

/// What may have been said between two neighbours that agree.
struct Between {
    /// What is said of every series or of every interval in what becomes one file.
    wild: Vec<(CoverageKey, CoverageRange)>,
    /// The files that stay as they are.
    left: Vec<Arc<OpenCoverage>>,
}

impl Between {
    /// Whether anything about them was committed after the first of two neighbours of a key and before the last.
    fn separates(&self, key: CoverageKey, a: &CoverageRange, b: &CoverageRange) -> bool {
        let (first, last) = (a.first_commit.min(b.first_commit), a.commit.max(b.commit));
        let time = a.start..b.end;
        let wild = self.wild.iter().filter(|(other, _)| meets(other, &key));
        wild.filter(|(_, said)| said.start < time.end && time.start < said.end)
            .any(|(_, said)| said.commit >= first && said.first_commit <= last)
            || self
                .left
                .iter()
                .any(|file| file.was_told(key, &time, first, last))
    }
}

impl OpenCoverage {
    /// Whether something was said of a key in a time range, from one commit to another.
    fn was_told(&self, key: CoverageKey, time: &Range<i64>, first: i64, last: i64) -> bool {
        let keys = wider(key).filter(|_| self.has_wildcards).chain([key]);
        keys.flat_map(|key| self.find(key, time)).any(|place| {
            let (oldest, newest) = self.commits(place);
            newest >= first && oldest <= last
        })
    }
}

/// Neighbours that agree become one, where no statement about them was or can be committed between theirs. What is said
/// of many keys stays apart: something may have been said of one of them between.
fn joined(
    key: CoverageKey,
    ranges: Vec<CoverageRange>,
    between: &Between,
    settled: i64,
) -> Vec<CoverageRange> {
    if is_wild(&key) {
        return ranges;
    }
    let mut out: Vec<CoverageRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(last)
                if last.joins(&range)
                    && last.commit.max(range.commit) <= settled
                    && !between.separates(key, last, &range) =>
            {
                last.join(&range);
            }
            _ => out.push(range),
        }
    }
    out
}

fn write(engine: &Engine, state: &TableState, keys: &Keys) -> Result<NewCoverage> {
    let records: Vec<(CoverageKey, Vec<CoverageRecord<'_>>)> = keys
        .iter()
        .map(|(key, ranges)| (*key, ranges.iter().map(CoverageRange::record).collect()))
        .collect();
    write_coverage(engine, (state.meta().table, &state.meta().name), &records)
}
