//! Coverage read off the rows: only where it is asked for, for data that was imported without any.
//!
//! A slot of the grid that has a row is taken for complete; that is all that rows can tell. Whether an empty slot was
//! never fetched or has nothing stays unknown.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use gapless_format::{CoverageKey, CoverageRecord, CoverageState, EditItem, NULL_CODE};

use super::file::write_coverage;
use super::intervals::{Grid, Intervals};
use super::merge::merge_files;
use crate::database::Snapshot;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Version;
use crate::scan::{Scan, fold_runs};
use crate::table::Table;

/// Who attests what was inferred.
const SOURCE: &str = "inferred";
/// Looks at the rows before it is given up, when they change each time.
const ATTEMPTS: usize = 5;
/// Times that are looked at together.
const BLOCK: usize = 256;

/// The slots of a grid that have rows, by series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InferredCoverage {
    /// The ranges of each series, by text; `None` for a table without series. Rows without a series are left out.
    pub series: Vec<(Option<String>, Intervals)>,
    /// Rows that were looked at.
    pub rows: u64,
    /// Those of them, of a series, that lie between two slots of the grid: where there are many, the interval is not theirs.
    pub off_grid: u64,
    /// The first of these, by time: its series and its time.
    pub first_off_grid: Option<(Option<String>, i64)>,
}

impl InferredCoverage {
    /// Ranges of all series.
    pub fn ranges(&self) -> usize {
        self.series.iter().map(|(_, ranges)| ranges.len()).sum()
    }
}

/// What the rows of a series say.
#[derive(Debug, Default)]
struct Found {
    slots: Vec<Range<i64>>,
    rows: u64,
    off_grid: u64,
    first_off_grid: Option<i64>,
}

impl Found {
    /// Takes ascending times.
    fn take(&mut self, grid: &Grid, times: &[i64]) {
        self.rows += times.len() as u64;
        let (off_grid, first) = push_runs(grid, times, &mut self.slots);
        self.off_grid += off_grid;
        self.first_off_grid = earlier(self.first_off_grid, first);
    }

    fn join(&mut self, other: Self) {
        self.slots.extend(other.slots);
        self.rows += other.rows;
        self.off_grid += other.off_grid;
        self.first_off_grid = earlier(self.first_off_grid, other.first_off_grid);
    }
}

/// The earlier of two times of which either may not be.
fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

impl Scan {
    /// The slots of a grid that have rows, by series: from the slot of a row to the next. A row between two slots counts
    /// for the earlier one. Reads the times alone, and what a condition needs, on all threads.
    ///
    /// # Errors
    /// `Invalid` for an interval below 1, or a scan with a limit; as [`Scan::stream`].
    pub fn infer_coverage(self, interval: i64) -> Result<InferredCoverage> {
        infer(self, interval).map(|(_, inferred)| inferred)
    }
}

/// As [`Scan::infer_coverage`], with the codes of the series.
fn infer(scan: Scan, interval: i64) -> Result<(Vec<Option<u32>>, InferredCoverage)> {
    let grid = Grid::new(interval)?;
    if scan.limit.is_some() {
        return Err(Error::invalid(
            "coverage is inferred of all rows of a scan: take the limit away, or give a range of time",
        ));
    }
    let snapshot = scan.snapshot.clone();
    let meta = scan.meta().clone();
    let join = |mut a: HashMap<u32, Found>, b: HashMap<u32, Found>| {
        for (code, found) in b {
            a.entry(code).or_default().join(found);
        }
        a
    };
    let found = fold_runs(
        scan,
        HashMap::<u32, Found>::new,
        |found, code, times| found.entry(code).or_default().take(&grid, times),
        join,
    )?;
    let mut named = match meta.series_column {
        None => {
            let all = found.into_values().next().unwrap_or_default();
            vec![(None, None, all)]
        }
        Some(_) => named(&snapshot, &meta, found)?,
    };
    let mut inferred = InferredCoverage::default();
    // Rows without a series are counted, and have no slots.
    named.retain(|(name, code, found)| {
        inferred.rows += found.rows;
        name.is_some() || code.is_none()
    });
    let mut codes = Vec::with_capacity(named.len());
    for (name, code, found) in named {
        inferred.off_grid += found.off_grid;
        if let Some(first) = found.first_off_grid
            && inferred
                .first_off_grid
                .as_ref()
                .is_none_or(|(_, before)| first < *before)
        {
            inferred.first_off_grid = Some((name.clone(), first));
        }
        codes.push(code);
        inferred.series.push((name, found.slots.into_iter().collect()));
    }
    Ok((codes, inferred))
}

/// A series by name and code, and what was found of it.
type Named = (Option<String>, Option<u32>, Found);

/// What was found by the names of the series, in their order, with their codes. Rows without a series have no name.
fn named(
    snapshot: &Snapshot,
    meta: &gapless_format::TableMeta,
    all: HashMap<u32, Found>,
) -> Result<Vec<Named>> {
    let domain = snapshot
        .engine()
        .domain(crate::database::series_domain(meta)?, snapshot.version())?;
    let mut series = Vec::with_capacity(all.len());
    for (code, found) in all {
        let name = match code {
            NULL_CODE => None,
            code => Some(domain.symbol(code).ok_or_else(|| {
                Error::corrupt(format!("table {:?}: series {code} is no symbol", meta.name))
            })?),
        };
        series.push((name, Some(code), found));
    }
    series.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(series)
}

/// Appends the slots of ascending times as ranges. Returns how many times are off the grid, and the first of them.
fn push_runs(grid: &Grid, times: &[i64], out: &mut Vec<Range<i64>>) -> (u64, Option<i64>) {
    let step = grid.step();
    let (mut off_grid, mut first_off_grid) = (0, None);
    let mut rest = times;
    while let Some(&first) = rest.first() {
        let slot = grid.floor(first);
        let rows = steady(rest, step);
        let last = rest.get(rows - 1).copied().unwrap_or(first);
        if slot != first {
            // So are all that follow in steps.
            off_grid += rows as u64;
            first_off_grid = first_off_grid.or(Some(first));
        }
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
    (off_grid, first_off_grid)
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

/// Which coverage is inferred, and of what.
///
/// ```
/// use gapless_engine::Inference;
/// let minutes = Inference::new(60_000_000_000).series(["AAPL"]).between(0, 86_400_000_000_000).on_grid_only();
/// ```
#[derive(Debug, Clone)]
pub struct Inference {
    interval: i64,
    series: Option<Vec<String>>,
    range: Option<(i64, i64)>,
    on_grid_only: bool,
}

impl Inference {
    /// On a grid with this step in nanoseconds, of all rows.
    #[must_use]
    pub fn new(interval: i64) -> Self {
        Self {
            interval,
            series: None,
            range: None,
            on_grid_only: false,
        }
    }

    /// Of rows of these series only.
    #[must_use]
    pub fn series<S: Into<String>>(mut self, series: impl IntoIterator<Item = S>) -> Self {
        self.series = Some(series.into_iter().map(Into::into).collect());
        self
    }

    /// Of rows from one time to another only.
    #[must_use]
    pub fn between(mut self, start: i64, end: i64) -> Self {
        self.range = Some((start, end));
        self
    }

    /// Nothing is attested when a row lies off the grid: the interval is not that of the rows then.
    #[must_use]
    pub fn on_grid_only(mut self) -> Self {
        self.on_grid_only = true;
        self
    }

    fn scan(&self, snapshot: &Snapshot, table: &str) -> Result<Scan> {
        let mut scan = snapshot.scan(table)?;
        if let Some(series) = &self.series {
            scan = scan.series(series.iter().map(String::as_str));
        }
        if let Some((start, end)) = self.range {
            scan = scan.between(start, end);
        }
        Ok(scan)
    }
}

impl Table {
    /// Attests as `complete`, from source `inferred`, every slot of a grid that has a row and of which nothing is known,
    /// as one atomic commit, durable when this returns. Of some series, or of all. Rows off the grid count for the slots that
    /// they lie in; [`InferredCoverage::off_grid`] says how many there are.
    ///
    /// What is said, and what is deleted, while this looks at the rows counts against what it attests.
    ///
    /// # Errors
    /// `Invalid` for an interval below 1; `Conflict` when rows are deleted or moved again and again while this looks at them;
    /// `Corrupt`; `Io`. Nothing has changed then.
    pub fn infer_coverage(&self, interval: i64, series: Option<&[&str]>) -> Result<InferredCoverage> {
        let all = Inference::new(interval);
        self.infer_coverage_by(&match series {
            Some(series) => all.series(series.iter().copied()),
            None => all,
        })
    }

    /// As [`Table::infer_coverage`], with more to choose.
    ///
    /// # Errors
    /// As [`Table::infer_coverage`].
    pub fn infer_coverage_by(&self, inference: &Inference) -> Result<InferredCoverage> {
        self.infer_with(inference, &|| {})
    }

    /// `meanwhile` is called between the look at the rows and the commit.
    pub(super) fn infer_with(&self, inference: &Inference, meanwhile: &dyn Fn()) -> Result<InferredCoverage> {
        self.database().engine().check_writable()?;
        let mut attempt = 1;
        loop {
            let looked = Looked::new(self, inference)?;
            meanwhile();
            let nothing = inference.on_grid_only && looked.inferred.off_grid > 0;
            if nothing {
                return Ok(looked.inferred);
            }
            match looked.commit(self, inference.interval) {
                Err(error) if error.kind() == ErrorKind::Conflict && attempt < ATTEMPTS => attempt += 1,
                committed => return committed.map(|()| looked.inferred),
            }
        }
    }
}

/// What was found at one moment.
struct Looked {
    /// All commits that were acknowledged before the look are older, all that come after it are newer.
    since: i64,
    snapshot: Snapshot,
    inferred: InferredCoverage,
    /// The codes of its series, in the same order.
    codes: Vec<Option<u32>>,
}

impl Looked {
    fn new(table: &Table, inference: &Inference) -> Result<Self> {
        let engine = table.database().engine();
        engine.clock().observe(engine.refresh()?.committed_at());
        let since = engine.clock().tick();
        let snapshot = table.database().snapshot()?;
        let (codes, inferred) = infer(inference.scan(&snapshot, table.name())?, inference.interval)?;
        Ok(Self {
            since,
            snapshot,
            inferred,
            codes,
        })
    }

    /// Commits what is not known, as a coverage file whose ranges are from the look to the commit: whatever else was said between
    /// claims less than `complete` or the same, so the overlay takes it. What was said before the look is known and left out;
    /// what is said after the commit is newer.
    ///
    /// # Errors
    /// `Conflict` when rows that were looked at have gone meanwhile.
    fn commit(&self, table: &Table, interval: i64) -> Result<()> {
        let engine = table.database().engine();
        let state = self.snapshot.table(table.name())?;
        let meta = state.meta();
        // Another process may have said something just before the look, which could not be seen yet.
        let newer = table.database().snapshot()?;
        self.check_rows(meta.table, &newer, newer.version())?;
        let known = [
            self.snapshot.coverage(table.name())?,
            newer.coverage(table.name())?,
        ];
        let now = engine.now_ns();
        let mut keys: Vec<(CoverageKey, Vec<CoverageRecord<'_>>)> = Vec::new();
        for ((name, ranges), code) in self.inferred.series.iter().zip(&self.codes) {
            let mut left = ranges.clone();
            for known in &known {
                let said = known.ranges(name.as_deref(), interval, i64::MIN..i64::MAX)?;
                left = left.difference(&said.iter().map(|range| range.start..range.end).collect());
            }
            let record = |range: Range<i64>| CoverageRecord {
                start: range.start,
                end: range.end,
                state: CoverageState::Complete,
                first_commit: self.since,
                commit: i64::MIN, // That of the file.
                rows: None,
                content: 0,
                fetched_at: now,
                source: SOURCE,
                batch: "",
            };
            let records: Vec<_> = left.iter().map(record).collect();
            if !records.is_empty() {
                let key = CoverageKey {
                    series: *code,
                    interval: Some(interval),
                };
                keys.push((key, records));
            }
        }
        if keys.is_empty() {
            return Ok(());
        }
        keys.sort_by_key(|(key, _)| *key);
        let domains = engine.sync_domains(meta)?;
        let new = write_coverage(engine, (meta.table, &meta.name), &keys)?;
        let committed = engine.commit(|version, now| {
            self.check_rows(meta.table, &newer, version)?;
            let mut items: Vec<EditItem> = domains.into_iter().map(EditItem::GrowDomain).collect();
            let mut file = new.reference().clone();
            (file.created, file.commit) = (version.number() + 1, now);
            items.push(EditItem::AddCoverage(file));
            Ok(items)
        });
        if committed.is_ok() || engine.manifest().check_poison().is_err() {
            new.keep(); // A commit that failed may have happened.
        }
        committed?;
        engine.background().start(engine);
        if let Err(error) = merge_files(engine, meta.table) {
            tracing::warn!(%error, "small coverage files stay until they are merged with others");
        }
        Ok(())
    }

    /// Refuses when rows that were looked at may be gone: a statement that takes back what was said of them may have been merged
    /// with others and left out, because there was nothing to take back yet.
    fn check_rows(&self, table: u32, newer: &Snapshot, version: &Version) -> Result<()> {
        let looked_at = self.snapshot.version();
        let before = looked_at.table_by_id(table);
        let now = version.table_by_id(table);
        let deleted = |version: &Version| -> HashSet<u64> {
            version
                .deletions(table)
                .map(|deletion| deletion.deletion)
                .collect()
        };
        let streamed = |snapshot: &Snapshot| -> HashSet<u64> {
            let deletions = snapshot.live().deletions(table);
            deletions.iter().map(|deletion| deletion.deletion).collect()
        };
        let mut known = deleted(looked_at);
        known.extend(streamed(&self.snapshot));
        let is_new = |deletion: &u64| !known.contains(deletion);
        let segments: HashSet<u64> = now
            .map(|state| state.segments().map(|segment| segment.segment).collect())
            .unwrap_or_default();
        let has_gone = before.is_some_and(|state| {
            now.is_none()
                || state
                    .segments()
                    .any(|segment| !segments.contains(&segment.segment))
        });
        let was_flushed = self.snapshot.live().rows(table)? > 0
            && looked_at.streams().any(|stream| {
                version
                    .stream(stream.stream)
                    .is_none_or(|now| now.checkpoint != stream.checkpoint)
            });
        let is_deleted = deleted(version).iter().any(is_new) || streamed(newer).iter().any(is_new);
        if has_gone || was_flushed || is_deleted {
            return Err(Error::conflict(
                "rows were deleted or moved while coverage was inferred of them: infer it again when less is written",
            ));
        }
        Ok(())
    }
}
