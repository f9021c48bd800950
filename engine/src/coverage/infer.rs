//! Coverage read off the rows: only where it is asked for, for data that was imported without any.
//!
//! A slot of the grid that has a row is taken for complete; that is all that rows can tell. Whether an empty slot was
//! never fetched or has nothing stays unknown.

use std::collections::HashMap;
use std::ops::Range;

use gapless_format::NULL_CODE;

use super::attest::Attestation;
use super::intervals::{Grid, Intervals};
use super::range::CoverageRange;
use crate::database::Snapshot;
use crate::error::{Error, Result};
use crate::scan::{Scan, fold_runs};
use crate::table::Table;

/// Who attests what was inferred.
const SOURCE: &str = "inferred";
/// Times that are looked at together.
const BLOCK: usize = 256;

/// The slots of a grid that have rows, by series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InferredCoverage {
    /// The ranges of each series, by text; `None` for a table without series. Rows without a series are left out.
    pub series: Vec<(Option<String>, Intervals)>,
    /// Rows that were looked at.
    pub rows: u64,
}

impl InferredCoverage {
    /// Ranges of all series.
    pub fn ranges(&self) -> usize {
        self.series.iter().map(|(_, ranges)| ranges.len()).sum()
    }
}

type Slots = HashMap<u32, Vec<Range<i64>>>;

impl Scan {
    /// The slots of a grid that have rows, by series: from the slot of a row to the next. A row between two slots counts
    /// for the earlier one. Reads the times alone, and what a condition needs, on all threads.
    ///
    /// # Errors
    /// `Invalid` for an interval below 1, or a scan with a limit; as [`Scan::stream`].
    pub fn infer_coverage(self, interval: i64) -> Result<InferredCoverage> {
        let grid = Grid::new(interval)?;
        if self.limit.is_some() {
            return Err(Error::invalid(
                "coverage is inferred of all rows of a scan: take the limit away, or give a range of time",
            ));
        }
        let snapshot = self.snapshot.clone();
        let meta = self.meta().clone();
        let join = |(mut a, rows): (Slots, u64), (b, more): (Slots, u64)| {
            for (code, ranges) in b {
                a.entry(code).or_default().extend(ranges);
            }
            (a, rows + more)
        };
        let (slots, rows) = fold_runs(
            self,
            || (Slots::new(), 0),
            |(slots, rows), code, times| {
                *rows += times.len() as u64;
                push_runs(&grid, times, slots.entry(code).or_default());
            },
            join,
        )?;
        let series = match meta.series_column {
            None => {
                let ranges = slots.into_values().flatten().collect();
                vec![(None, ranges)]
            }
            Some(_) => named(&snapshot, &meta, slots)?,
        };
        Ok(InferredCoverage { series, rows })
    }
}

/// The ranges by the names of the series.
fn named(
    snapshot: &Snapshot,
    meta: &gapless_format::TableMeta,
    slots: Slots,
) -> Result<Vec<(Option<String>, Intervals)>> {
    let domain = snapshot
        .engine()
        .domain(crate::database::series_domain(meta)?, snapshot.version())?;
    let mut series = Vec::with_capacity(slots.len());
    for (code, ranges) in slots {
        if code == NULL_CODE {
            continue;
        }
        let name = domain
            .symbol(code)
            .ok_or_else(|| Error::corrupt(format!("table {:?}: series {code} is no symbol", meta.name)))?;
        series.push((Some(name), ranges.into_iter().collect()));
    }
    series.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(series)
}

/// Appends the slots of ascending times as ranges.
fn push_runs(grid: &Grid, times: &[i64], out: &mut Vec<Range<i64>>) {
    let step = grid.step();
    let mut rest = times;
    while let Some(&first) = rest.first() {
        let slot = grid.floor(first);
        let rows = steady(rest, step);
        let last = rest.get(rows - 1).copied().unwrap_or(first);
        // Not a step from the slot: that of the first times of all begins before them.
        let range = slot..grid.ceil(last.saturating_add(1));
        match out.last_mut() {
            Some(before) if before.start <= range.start && range.start <= before.end => {
                before.end = before.end.max(range.end);
            }
            _ => out.push(range),
        }
        rest = rest.get(rows..).unwrap_or_default();
    }
}

/// How many times from the first on follow each other by exactly one step; at least one.
fn steady(times: &[i64], step: i64) -> usize {
    let mut rows = 1;
    // A block is compared as a whole, which the compiler makes wide; only the last one is looked at row by row.
    while let (Some(block), Some(next)) = (
        times.get(rows - 1..rows - 1 + BLOCK),
        times.get(rows..rows + BLOCK),
    ) {
        let breaks = block
            .iter()
            .zip(next)
            .fold(0, |breaks, (a, b)| breaks + i64::from(b.wrapping_sub(*a) != step));
        if breaks != 0 {
            break;
        }
        rows += BLOCK;
    }
    let rest = times.get(rows - 1..).unwrap_or_default();
    rows + rest
        .windows(2)
        .take_while(|pair| matches!(pair, [a, b] if b.wrapping_sub(*a) == step))
        .count()
}

impl Table {
    /// Attests as `complete`, from source `inferred`, every slot of a grid that has a row and of which nothing is known,
    /// as one atomic commit, durable when this returns. Of some series, or of all.
    ///
    /// # Errors
    /// `Invalid` for an interval below 1; `Corrupt`; `Io`. Nothing has changed then.
    pub fn infer_coverage(&self, interval: i64, series: Option<&[&str]>) -> Result<InferredCoverage> {
        let snapshot = self.database().snapshot()?;
        let mut scan = snapshot.scan(self.name())?;
        if let Some(series) = series {
            scan = scan.series(series.iter().copied());
        }
        let inferred = scan.infer_coverage(interval)?;
        let known = snapshot.coverage(self.name())?;
        let mut transaction = self.database().transaction()?;
        for (name, ranges) in &inferred.series {
            let said: Vec<CoverageRange> = known.ranges(name.as_deref(), interval, i64::MIN..i64::MAX)?;
            let said: Intervals = said.iter().map(|range| range.start..range.end).collect();
            for range in ranges.difference(&said).iter() {
                let mut attested = Attestation::new(range).interval(interval).source(SOURCE);
                attested.series.clone_from(name);
                transaction.attest(self.name(), attested)?;
            }
        }
        transaction.commit()?;
        Ok(inferred)
    }
}
