//! New statements and small coverage files become one file.
//!
//! A file takes part when it has at most twice the ranges that have come together so far, so a range is written again a
//! few times only, and the number of files grows with the logarithm of that of the ranges.

use std::collections::BTreeMap;
use std::sync::Arc;

use gapless_format::{CoverageKey, CoverageRecord, CoverageRef, CoverageState, EditItem};

use super::file::{NewCoverage, write_coverage};
use super::map::{CoverageMap, is_wild};
use super::overlay::{Span, overlay};
use super::range::{CoverageRange, is_covered};
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
    let is_taken = |file: &&Arc<CoverageRef>| taken.iter().any(|other| other.file == file.file);
    let others = state.coverage().iter().filter(|file| !is_taken(file));
    let others = others.map(|file| file.commit).max();
    let laid_over = laid_over(keys, settled, others);
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

/// One list of ranges for each key. `others` is the newest commit of files that are not here.
fn laid_over(
    keys: BTreeMap<CoverageKey, Vec<Vec<CoverageRange>>>,
    settled: i64,
    others: Option<i64>,
) -> Keys {
    let seams = Seams {
        settled,
        others: others.unwrap_or(i64::MIN),
        taken_back: taken_back(&keys),
    };
    let mut out: Keys = keys
        .into_iter()
        .map(|(key, lists)| (key, joined(one(lists), &seams)))
        .collect();
    if others.is_none() {
        apply_taken_back(&mut out, settled);
    }
    out.retain(|_, ranges| !ranges.is_empty());
    out
}

/// The commits that have taken back what other keys say, ascending.
fn taken_back(keys: &BTreeMap<CoverageKey, Vec<Vec<CoverageRange>>>) -> Vec<i64> {
    let wild = keys.iter().filter(|(key, _)| is_wild(key));
    let ranges = wild.flat_map(|(_, lists)| lists.iter().flatten());
    let mut commits: Vec<i64> = ranges
        .filter(|range| !is_covered(range.state))
        .map(|range| range.commit)
        .collect();
    commits.sort_unstable();
    commits.dedup();
    commits
}

/// Where ranges must stay apart: of a range with an older and a newer commit nobody could say whether a statement that was
/// committed between them counts against it.
struct Seams {
    /// Up to here everything is known.
    settled: i64,
    /// Files that are not here may have statements up to here.
    others: i64,
    taken_back: Vec<i64>,
}

impl Seams {
    fn part(&self, a: &CoverageRange, b: &CoverageRange) -> bool {
        let (oldest, newest) = (a.first_commit.min(b.first_commit), a.commit.max(b.commit));
        if oldest == newest {
            return false;
        }
        let next = self.taken_back.partition_point(|commit| *commit < oldest);
        newest > self.settled
            || oldest <= self.others
            || self.taken_back.get(next).is_some_and(|commit| *commit < newest)
    }
}

/// Where all older statements are here, those that take others back do so now and are not needed any more.
fn apply_taken_back(keys: &mut Keys, settled: i64) {
    let is_done = |range: &CoverageRange| range.state == CoverageState::Unknown && range.commit <= settled;
    let wild: Keys = keys
        .iter()
        .filter(|(key, _)| key.series.is_none() || key.interval.is_none())
        .map(|(key, ranges)| {
            (
                *key,
                ranges.iter().filter(|range| is_done(range)).cloned().collect(),
            )
        })
        .collect();
    for (key, ranges) in keys.iter_mut() {
        for (other, taken_back) in &wild {
            let is_wider = other != key
                && (other.series.is_none() || other.series == key.series)
                && (other.interval.is_none() || other.interval == key.interval);
            if is_wider && !taken_back.is_empty() {
                *ranges = one(vec![std::mem::take(ranges), taken_back.clone()]);
            }
        }
        ranges.retain(|range| !is_done(range));
    }
}

/// Lists of ranges laid over each other.
fn one(lists: Vec<Vec<CoverageRange>>) -> Vec<CoverageRange> {
    let mut lists = lists;
    if lists.len() <= 1 {
        return lists.pop().unwrap_or_default();
    }
    let mut result: Vec<Span> = Vec::new();
    for (number, list) in lists.iter().enumerate() {
        let spans: Vec<Span> = list
            .iter()
            .enumerate()
            .map(|(place, range)| Span {
                start: range.start,
                end: range.end,
                state: range.state,
                first_commit: range.first_commit,
                commit: range.commit,
                origin: (number as u32, place as u32),
            })
            .collect();
        result = overlay(&result, &spans);
    }
    let range_of = |span: &Span| lists.get(span.origin.0 as usize)?.get(span.origin.1 as usize);
    result
        .iter()
        .filter_map(|span| range_of(span).map(|range| range.cut(span.start, span.end)))
        .collect()
}

/// Neighbours that agree become one, where no statement can have been committed between them, or come that was.
fn joined(ranges: Vec<CoverageRange>, seams: &Seams) -> Vec<CoverageRange> {
    let mut out: Vec<CoverageRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(last) if last.joins(&range) && !seams.part(last, &range) => last.join(&range),
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
