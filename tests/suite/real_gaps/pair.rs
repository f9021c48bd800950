//! A table of real bars and its copy in a second database: holes are punched into the copy, filled from the original, and every
//! row is compared.
//!
//! - What must be missing after holes were punched is known from the times of the file alone.
//! - A failure prints its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Field, Schema};
use gapless::backfill::{Backfill, BackfillReport, GapOutcome, RowCounts};
use gapless::check::{CheckOptions, check_database};
use gapless::{Attestation, CoverageState, Database, PartitionUnit, Table, TableSpec, WriteOptions};

use super::twin::{self, Holes};
use crate::common::{DAY, HOUR, scratch};
use crate::real_data::{Imported, MINUTE};

/// What is known of the holes that the file has by nature, before others are punched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Natural {
    /// Nothing: they are gaps.
    Unknown,
    /// That there is nothing: they are covered as empty.
    Empty,
}

/// What must be missing after a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing: the source speaks for every slot, and its holes are covered as empty.
    Nothing,
    /// What was missing before holes were punched: the source speaks only for what it has.
    AsBefore,
}

pub struct Pair {
    pub original: Table,
    pub copy: Table,
    pub copy_database: Database,
    pub interval: i64,
    pub span: Range<i64>,
    /// The times of each series in the original.
    pub times: BTreeMap<String, Vec<i64>>,
    pub natural: Natural,
    /// What was missing before holes were punched.
    before: Holes,
    /// The ranges that were deleted.
    punched: Holes,
    /// What is missing since.
    missing: Holes,
    /// The times of the rows that were deleted.
    removed: BTreeMap<String, BTreeSet<i64>>,
    directory: tempfile::TempDir,
    seed: u64,
}

/// A small generator: the next number of a seed.
pub fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// From minutes to days, as many of each magnitude.
fn length(seed: &mut u64) -> i64 {
    let (from, to) = [
        (MINUTE, 15 * MINUTE),
        (15 * MINUTE, 2 * HOUR),
        (2 * HOUR, DAY),
        (DAY, 3 * DAY),
    ][random(seed) as usize % 4];
    from + (random(seed) % (to - from).cast_unsigned()).cast_signed()
}

fn column_name(table: &Table, id: u32) -> String {
    let meta = table.meta().expect("a table");
    meta.column(id).expect("a column").name.clone()
}

impl Pair {
    /// A covered original and a copy of it. An original that several pairs share is covered by the first of them.
    pub fn new(imported: &Imported, interval: i64, natural: Natural, seed: u64) -> Self {
        println!("natural holes {natural:?}, seed {seed}");
        let original = (*imported.table).clone();
        let meta = original.meta().expect("a table");
        let (directory, copy_database) = scratch();
        let schema = original.schema().expect("a schema");
        let mut spec =
            TableSpec::new("copy", schema.as_ref().clone()).time(column_name(&original, meta.time_column));
        if let Some(series) = meta.series_column {
            spec = spec.series(column_name(&original, series));
        }
        let copy = copy_database.create_table(&spec).expect("a copy");
        let options = WriteOptions {
            partition: Some(PartitionUnit::Month),
            ..WriteOptions::default()
        };
        let rows = original.scan().expect("a scan").stream().expect("rows");
        copy.write_with(rows, &options).expect("copied");
        let mut pair = Self {
            span: twin::span(&imported.stored.times, interval),
            times: imported.stored.times.clone(),
            original,
            copy,
            copy_database,
            interval,
            natural,
            before: Holes::new(),
            punched: Holes::new(),
            missing: Holes::new(),
            removed: BTreeMap::new(),
            directory,
            seed,
        };
        pair.cover(&pair.original);
        pair.cover(&pair.copy);
        pair.before = match natural {
            Natural::Unknown => pair.natural_holes(),
            Natural::Empty => Holes::new(),
        };
        twin::assert_same("before", &pair.gaps(), &pair.before);
        pair
    }

    /// Infers the coverage of a table, and attests as empty what is missing then.
    fn cover(&self, table: &Table) {
        table.infer_coverage(self.interval, None).expect("inferred");
        if self.natural == Natural::Unknown {
            return;
        }
        let interval = self.interval;
        let empty = twin::gaps(table, &self.span, interval);
        let said = empty.iter().flat_map(|(name, holes)| {
            holes.iter().map(move |hole| {
                let said = Attestation::new(hole.clone()).interval(interval);
                let said = said.state(CoverageState::Empty).source("a person");
                match name.is_empty() {
                    true => said,
                    false => said.series(name),
                }
            })
        });
        table.attest(said).expect("attested");
    }

    pub fn gaps(&self) -> Holes {
        twin::gaps(&self.copy, &self.span, self.interval)
    }

    /// What the times of the file leave out.
    pub fn natural_holes(&self) -> Holes {
        let holes = |times: &Vec<i64>| twin::holes(times, &self.span, self.interval);
        let holes = self
            .times
            .iter()
            .map(|(name, times)| (name.clone(), holes(times)));
        twin::without_none(holes.collect())
    }

    /// Deletes random ranges of random series, on the grid or not, minutes to days long.
    pub fn punch(&mut self, count: usize) {
        let seed = &mut self.seed.clone();
        let names: Vec<String> = self.times.keys().cloned().collect();
        for _ in 0..count {
            let width = (self.span.end - self.span.start).cast_unsigned();
            // Some begin before the first row, some end after the last.
            let mut start = self.span.start - HOUR + (random(seed) % width).cast_signed();
            let mut end = start + length(seed);
            if random(seed).is_multiple_of(2) {
                start -= start.rem_euclid(self.interval);
                end += self.interval - end.rem_euclid(self.interval);
            }
            let of: Vec<&String> = match random(seed) % 8 {
                0 => names.iter().collect(),
                _ => vec![&names[random(seed) as usize % names.len()]],
            };
            let hole = start..end;
            match of.iter().any(|name| name.is_empty()) {
                true => self.copy.delete(hole.clone(), None),
                false => {
                    let of: Vec<&str> = of.iter().map(|name| name.as_str()).collect();
                    self.copy.delete(hole.clone(), Some(&of))
                }
            }
            .expect("deleted");
            for name in of {
                self.punched.entry(name.clone()).or_default().push(hole.clone());
                let times = &self.times[name];
                let first = times.partition_point(|time| *time < hole.start);
                let inside = times[first..].iter().take_while(|time| **time < hole.end);
                self.removed.entry(name.clone()).or_default().extend(inside);
            }
            match random(seed) % 16 {
                0 => self.copy_database.flush().expect("flushed"),
                1 => drop(self.copy_database.compact("copy").expect("compacted")),
                _ => {}
            }
        }
        assert!(self.removed_rows() > 0, "holes without rows");
        self.missing = self.expected_gaps();
        twin::assert_same("after holes were punched", &self.gaps(), &self.missing);
        let left = self.times.values().map(Vec::len).sum::<usize>() - self.removed_rows();
        assert_eq!(
            self.copy.scan().expect("a scan").count().expect("a count"),
            left as u64
        );
    }

    pub fn removed_rows(&self) -> usize {
        self.removed.values().map(BTreeSet::len).sum()
    }

    /// What must be missing while the holes are open: slots that begin in one, since nothing is known any more of what was
    /// deleted; and those that never had a row, if nothing was known of them.
    fn expected_gaps(&self) -> Holes {
        let of = |(name, times): (&String, &Vec<i64>)| {
            let punched = self.punched.get(name).map_or(&[][..], Vec::as_slice);
            let is_punched = |slot: &i64| punched.iter().any(|hole| hole.contains(slot));
            let slots = (self.span.start..self.span.end).step_by(self.interval as usize);
            let known: Vec<i64> = match self.natural {
                Natural::Empty => slots.filter(|slot| !is_punched(slot)).collect(),
                Natural::Unknown => times.iter().copied().filter(|time| !is_punched(time)).collect(),
            };
            (name.clone(), twin::holes(&known, &self.span, self.interval))
        };
        twin::without_none(self.times.iter().map(of).collect())
    }

    /// What is missing of a series before its first row or after its last one, of which whoever speaks for what lies between them
    /// says nothing.
    pub fn outside(&self, last_too: bool) -> Holes {
        let of = |(name, holes): (&String, &Vec<Range<i64>>)| {
            let times = &self.times[name];
            let (first, last) = (times[0], times[times.len() - 1]);
            let end = if last_too { last } else { last + self.interval };
            let parts = holes.iter().flat_map(|hole| {
                let parts = [hole.start..hole.end.min(first), hole.start.max(end)..hole.end];
                parts.into_iter().filter(|part| !part.is_empty())
            });
            (name.clone(), parts.collect())
        };
        twin::without_none(self.missing.iter().map(of).collect())
    }

    /// A job over the whole span.
    pub fn job<S: ?Sized>(&self, job: Backfill<S>) -> Backfill<S> {
        job.range(self.span.start, self.span.end).interval(self.interval)
    }

    /// Every row is as in the original, and what is missing is what should be.
    pub fn assert_filled(&self, report: &BackfillReport, left: Left) {
        self.assert_same_rows();
        let expected = match left {
            Left::Nothing => Holes::new(),
            Left::AsBefore => self.before.clone(),
        };
        twin::assert_same("after the fill", &self.gaps(), &expected);
        let rows = RowCounts {
            inserted: self.removed_rows() as u64,
            ..RowCounts::default()
        };
        assert_eq!(report.rows(), rows);
        for gap in &report.gaps {
            let is_right = match gap.outcome {
                GapOutcome::Filled => gap.rows.inserted > 0,
                GapOutcome::Empty => gap.rows.inserted == 0,
                GapOutcome::Partial | GapOutcome::Failed(_) => left == Left::AsBefore,
                _ => false,
            };
            assert!(is_right, "{gap:?}");
        }
        if left == Left::Nothing {
            assert!(report.is_complete());
            self.assert_natural_holes_are_empty();
        }
        self.copy_database.flush().expect("flushed");
        self.copy_database.compact("copy").expect("compacted");
        twin::assert_same("after a compaction", &self.gaps(), &expected);
        self.assert_same_rows();
        let path = self.directory.path().join("test.db");
        let report = check_database(&path, &CheckOptions::default()).expect("a check");
        assert!(report.is_clean(), "{:?}", report.findings);
    }

    /// A hole that the file has by nature is covered as empty, but for what was asked for together with rows beside it: that is
    /// complete with them.
    fn assert_natural_holes_are_empty(&self) {
        let coverage = self.copy.coverage().expect("coverage");
        for (name, holes) in self.natural_holes() {
            let series = (!name.is_empty()).then_some(name.as_str());
            let none = BTreeSet::new();
            let removed = self.removed.get(&name).unwrap_or(&none);
            let with_rows = self.missing.get(&name).into_iter().flatten();
            let with_rows: Vec<_> = with_rows
                .filter(|gap| removed.range((*gap).clone()).next().is_some())
                .collect();
            for hole in holes {
                let known = coverage
                    .ranges(series, self.interval, hole.clone())
                    .expect("ranges");
                let mut end = hole.start;
                for range in &known {
                    // A hole that was punched between two slots leaves the time to the next slot unknown.
                    let slot = end + (self.interval - end.rem_euclid(self.interval)) % self.interval;
                    assert!(range.start <= slot, "{name:?} {hole:?}: {known:?}");
                    end = range.end;
                    let own = range.start.max(hole.start)..range.end.min(hole.end);
                    let is_right = match range.state {
                        CoverageState::Empty => true,
                        CoverageState::Complete => with_rows
                            .iter()
                            .any(|gap| gap.start <= own.start && own.end <= gap.end),
                        _ => false,
                    };
                    assert!(is_right, "{name:?} {hole:?}: {known:?}");
                }
                assert!(end + self.interval > hole.end, "{name:?} {hole:?}: {known:?}");
            }
        }
    }

    pub fn assert_same_rows(&self) {
        let (original, copy) = (rows(&self.original), rows(&self.copy));
        assert_eq!(copy.num_rows(), original.num_rows());
        assert_eq!(copy.schema(), original.schema());
        for (at, field) in original.schema().fields().iter().enumerate() {
            let (found, expected) = (copy.column(at), original.column(at));
            if found == expected {
                continue;
            }
            let differs = |row: &usize| found.slice(*row, 1) != expected.slice(*row, 1);
            let row = (0..found.len()).find(differs);
            panic!("column {:?} differs in row {row:?}", field.name());
        }
    }
}

/// All rows by series and time, symbols as text.
pub fn rows(table: &Table) -> RecordBatch {
    let scan = table.scan().expect("a scan");
    let schema = scan.schema().expect("a schema");
    let batches = scan.collect().expect("rows");
    let all = arrow_select::concat::concat_batches(&schema, &batches).expect("one batch");
    let text = |field: &Field, array: &arrow_array::ArrayRef| match field.data_type() {
        DataType::Dictionary(..) => {
            let text = arrow_cast::cast(array, &DataType::Utf8).expect("text");
            (field.clone().with_data_type(DataType::Utf8), text)
        }
        _ => (field.clone(), Arc::clone(array)),
    };
    let columns = schema.fields().iter().zip(all.columns());
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.map(|(field, array)| text(field, array)).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("a batch")
}

/// The name of the time column, the times, and the names of the series of rows.
pub fn keys(table: &Table, rows: &RecordBatch) -> (Vec<i64>, Option<arrow_array::StringArray>) {
    let meta = table.meta().expect("a table");
    let times = &rows[column_name(table, meta.time_column).as_str()];
    let times = times.as_primitive::<arrow_array::types::TimestampNanosecondType>();
    let series = meta.series_column.map(|series| {
        let names = &rows[column_name(table, series).as_str()];
        names.as_string::<i32>().clone()
    });
    (times.values().to_vec(), series)
}
