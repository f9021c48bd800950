//! The real files of `shared/data`, imported as `gapless import` does it and compared with what their README says.
//!
//! - What is compared: rows, first and last time, rows by series, disorder, equal times, equal rows, gaps, nulls; and
//!   that a fingerprint over every value of every row is the same in the database as in the files.
//! - The folder is not part of a clone: without it (`GAPLESS_SHARED`, else `../shared/data`) the tests say so and pass.
//! - All files are imported in the dev profile too, about 21 million rows in less than a minute; `cargo xtask real-data`
//!   does the same in release.
//!
//! Long because every file has its own figures.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType, UInt32Type};
use arrow_array::{Array, ArrayRef, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, TimeUnit};
use gapless::check::{CheckOptions, check_database};
use gapless::{Database, Error, PartitionUnit, Table, TableSpec, WriteOptions};
use gapless_interchange::{ReadOptions, Source, plan};

use crate::common::{DAY, HOUR, SECOND};

pub const MINUTE: i64 = 60 * SECOND;

pub fn data() -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("GAPLESS_SHARED").map_or_else(default, PathBuf::from);
    let folder = if folder.join("data").is_dir() {
        folder.join("data")
    } else {
        folder
    };
    if folder.join("README.md").is_file() {
        return Some(folder);
    }
    println!("skipped: there is no {} (set GAPLESS_SHARED)", folder.display());
    None
}

/// A hash of each row: all values to the last bit, whatever the batch or the dictionary.
fn row_hashes(batch: &RecordBatch) -> Vec<u64> {
    let mut hashes = vec![0x9e37_79b9_7f4a_7c15u64; batch.num_rows()];
    for array in batch.columns() {
        mix(&mut hashes, array);
    }
    hashes
}

fn mix(hashes: &mut [u64], array: &ArrayRef) {
    const NULL: u64 = 0x6e75_6c6c;
    let step = |hash: &mut u64, value: u64| {
        *hash = (*hash ^ value)
            .wrapping_mul(0x2545_f491_4f6c_dd1d)
            .rotate_left(29)
    };
    let text = |text: &str| gapless_format::checksum(text.as_bytes());
    let mut each = |value: &dyn Fn(usize) -> u64| {
        for (row, hash) in hashes.iter_mut().enumerate() {
            step(hash, if array.is_null(row) { NULL } else { value(row) });
        }
    };
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let values = array.as_primitive::<TimestampNanosecondType>().values();
            each(&|row| values[row].cast_unsigned());
        }
        DataType::Int64 => {
            let values = array.as_primitive::<Int64Type>().values();
            each(&|row| values[row].cast_unsigned());
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            each(&|row| values[row].to_bits());
        }
        DataType::Boolean => each(&|row| array.as_boolean().value(row).into()),
        DataType::Utf8 => each(&|row| text(array.as_string::<i32>().value(row))),
        DataType::Dictionary(..) => {
            let dictionary = array.as_dictionary::<UInt32Type>();
            let values = dictionary.values().as_string::<i32>();
            let hashes: Vec<u64> = values.iter().map(|value| value.map_or(NULL, text)).collect();
            each(&|row| hashes[dictionary.keys().value(row) as usize]);
        }
        other => panic!("no hash for {other}"),
    }
}

/// What passed by on the way into the database, in the order of the files.
#[derive(Default)]
struct Passed {
    rows: u64,
    fingerprint: u64,
    /// Rows whose time is lower than the row before, of their series.
    out_of_order: u64,
    last: BTreeMap<String, i64>,
    nulls: BTreeMap<String, u64>,
    sums: BTreeMap<String, f64>,
}

impl Passed {
    fn take(&mut self, batch: &RecordBatch, time: &str, series: Option<&str>) {
        self.rows += batch.num_rows() as u64;
        self.fingerprint = row_hashes(batch)
            .into_iter()
            .fold(self.fingerprint, u64::wrapping_add);
        let times = column(batch, time)
            .as_primitive::<TimestampNanosecondType>()
            .values();
        for (start, end, name) in runs(batch, series) {
            let last = self.last.entry(name).or_insert(i64::MIN);
            for time in &times[start..end] {
                self.out_of_order += u64::from(time < last);
                *last = *time;
            }
        }
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            *self.nulls.entry(field.name().clone()).or_default() += array.null_count() as u64;
            *self.sums.entry(field.name().clone()).or_default() += sum(array);
        }
    }
}

fn sum(array: &ArrayRef) -> f64 {
    match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().sum(),
        DataType::Int64 => array
            .as_primitive::<Int64Type>()
            .iter()
            .flatten()
            .map(|value| value as f64)
            .sum(),
        _ => 0.0,
    }
}

pub fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    batch
        .column_by_name(name)
        .unwrap_or_else(|| panic!("there is no column {name}"))
}

/// Runs of rows of one series: first row, row after the last, name.
fn runs(batch: &RecordBatch, series: Option<&str>) -> Vec<(usize, usize, String)> {
    let Some(series) = series else {
        return vec![(0, batch.num_rows(), String::new())];
    };
    let dictionary = column(batch, series).as_dictionary::<UInt32Type>();
    let names = dictionary.values().as_string::<i32>();
    let mut at = 0;
    let run = |run: &[u32]| {
        at += run.len();
        (at - run.len(), at, names.value(run[0] as usize).to_owned())
    };
    assert_eq!(dictionary.null_count(), 0, "every row has a series");
    dictionary
        .keys()
        .values()
        .chunk_by(|a, b| a == b)
        .map(run)
        .collect()
}

/// What the database holds, read in order of series and time.
#[derive(Default)]
pub struct Stored {
    rows: u64,
    fingerprint: u64,
    /// The times of each series, ascending.
    pub times: BTreeMap<String, Vec<i64>>,
    /// Rows beyond the first that are equal in every column.
    exact_duplicates: u64,
    sums: BTreeMap<String, f64>,
}

impl Stored {
    fn read(table: &Table, time: &str, series: Option<&str>) -> Self {
        let mut stored = Self::default();
        let mut group: (String, i64, HashSet<u64>) = (String::new(), i64::MIN, HashSet::new());
        for batch in table.scan().expect("a scan").stream().expect("batches") {
            let batch = batch.expect("a batch");
            let hashes = row_hashes(&batch);
            let times = column(&batch, time)
                .as_primitive::<TimestampNanosecondType>()
                .values();
            stored.rows += batch.num_rows() as u64;
            stored.fingerprint = hashes.iter().copied().fold(stored.fingerprint, u64::wrapping_add);
            for (start, end, name) in runs(&batch, series) {
                for row in start..end {
                    if group.0 != name || group.1 != times[row] {
                        group = (name.clone(), times[row], HashSet::new());
                    }
                    stored.exact_duplicates += u64::from(!group.2.insert(hashes[row]));
                }
                stored.times.entry(name).or_default().extend(&times[start..end]);
            }
            for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                *stored.sums.entry(field.name().clone()).or_default() += sum(array);
            }
        }
        stored
    }

    pub fn series(&self, name: &str) -> &[i64] {
        self.times.get(name).map_or(&[], Vec::as_slice)
    }

    /// All times, ascending.
    fn all(&self) -> Vec<i64> {
        let mut all: Vec<i64> = self.times.values().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    fn counts(&self) -> BTreeMap<&str, usize> {
        self.times
            .iter()
            .map(|(name, times)| (name.as_str(), times.len()))
            .collect()
    }

    pub fn span(&self) -> (i64, i64) {
        let all = self.all();
        (all[0], all[all.len() - 1])
    }

    /// Rows beyond the first with the same time in their series.
    fn equal_times(&self) -> usize {
        self.times
            .values()
            .map(|times| steps(times).filter(|step| *step == 0).count())
            .sum()
    }
}

fn steps(times: &[i64]) -> impl Iterator<Item = i64> + '_ {
    times.windows(2).map(|pair| pair[1] - pair[0])
}

/// Gaps at a native interval: how many, how many rows are missing, the longest step.
pub fn gaps(times: &[i64], interval: i64) -> (usize, i64, i64) {
    let wide = || steps(times).filter(|step| *step > interval);
    (
        wide().count(),
        wide().map(|step| step / interval - 1).sum(),
        steps(times).max().unwrap_or_default(),
    )
}

fn longer(times: &[i64], than: i64) -> usize {
    steps(times).filter(|step| *step > than).count()
}

/// A table in a directory that goes with it.
pub struct Scratch {
    table: Table,
    pub database: Database,
    _directory: tempfile::TempDir,
}

impl std::ops::Deref for Scratch {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.table
    }
}

/// An imported file.
pub struct Imported {
    pub table: Scratch,
    passed: Passed,
    pub stored: Stored,
}

/// Imports files into a new database in one commit and checks what holds for all of them.
pub fn import(names: &[&str], options: &ReadOptions) -> Option<Imported> {
    import_prepared(names, options, Ok)
}

/// As [`import`]; `prepare` changes each batch on the way.
fn import_prepared(
    names: &[&str],
    options: &ReadOptions,
    prepare: impl Fn(RecordBatch) -> gapless::Result<RecordBatch>,
) -> Option<Imported> {
    let data = data()?;
    let started = Instant::now();
    let files: Vec<PathBuf> = names.iter().map(|name| data.join(name)).collect();
    let plan = plan(&files, options).unwrap_or_else(|error| panic!("{error}"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("real.db");
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .without_sync()
        .open()
        .expect("a new database");
    let mut spec = TableSpec::new("real", plan.schema.as_ref().clone()).time(&plan.time);
    if let Some(series) = &plan.series {
        spec = spec.series(series);
    }
    let table = db.create_table(&spec).expect("a table of the plan's schema");
    let mut passed = Passed::default();
    let source = Source::open(&plan, options).expect("the files open");
    let batches = source.map(|batch| {
        let batch = prepare(batch.map_err(|error| Error::invalid(error.to_string()))?)?;
        passed.take(&batch, &plan.time, plan.series.as_deref());
        Ok::<_, Error>(batch)
    });
    // Slow data by the month, or ten years of one sensor are thousands of directories in this test.
    let unit = if files[0].to_string_lossy().contains("tick") || names[0].starts_with("us_equity") {
        PartitionUnit::Day
    } else {
        PartitionUnit::Month
    };
    let options = WriteOptions {
        partition: Some(unit),
        ..WriteOptions::default()
    };
    let report = table
        .write_with(batches, &options)
        .unwrap_or_else(|error| panic!("{}: {error}", names[0]));
    let imported = started.elapsed();
    let stored = Stored::read(&table, &plan.time, plan.series.as_deref());
    assert_eq!(report.rows, passed.rows);
    assert_eq!(stored.rows, passed.rows);
    assert_eq!(
        stored.fingerprint, passed.fingerprint,
        "{}: a value has changed",
        names[0]
    );
    for (name, sum) in &passed.sums {
        let found = stored.sums[name];
        assert!(
            (found - sum).abs() <= 1e-9 * sum.abs().max(1.0),
            "the sum of {name} is {found}, not {sum}"
        );
    }
    for (name, times) in &stored.times {
        assert!(times.is_sorted(), "{name} is not in order of time");
    }
    let report = check_database(&path, &CheckOptions::default()).expect("a check");
    assert!(report.is_clean(), "{}: {:?}", names[0], report.findings);
    println!(
        "{} ({} files): {} rows, {} segments, imported in {imported:.1?}, all in {:.1?}",
        names[0],
        names.len(),
        stored.rows,
        db.version()
            .expect("a version")
            .table("real")
            .expect("the table")
            .segment_count(),
        started.elapsed()
    );
    let table = Scratch {
        table,
        database: db,
        _directory: directory,
    };
    Some(Imported {
        table,
        passed,
        stored,
    })
}

pub fn series(column: &str) -> ReadOptions {
    ReadOptions {
        series: Some(column.into()),
        ..ReadOptions::default()
    }
}

pub fn types(options: ReadOptions, types: &[(&str, &str)]) -> ReadOptions {
    let types = types
        .iter()
        .map(|(name, given)| ((*name).to_owned(), given.parse().expect("a type")));
    ReadOptions {
        types: types.collect(),
        ..options
    }
}

pub fn time(column: &str, zone: Option<&str>) -> ReadOptions {
    ReadOptions {
        time: Some(column.into()),
        zone: zone.map(Into::into),
        ..ReadOptions::default()
    }
}

pub fn named(columns: &[&str]) -> ReadOptions {
    let names = columns.iter().map(|name| (*name).to_owned()).collect();
    ReadOptions {
        column_names: Some(names),
        ..ReadOptions::default()
    }
}

/// A time in nanoseconds from its ISO text, such as `2014-05-01T05:00:01.787Z`, read with no help of the code under test.
pub fn at(text: &str) -> i64 {
    let (date, clock) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let part = |text: &str| text.parse::<i64>().expect("digits");
    let date: Vec<i64> = date.split('-').map(part).collect();
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let clock: Vec<i64> = clock.split(':').map(part).collect();
    let nanoseconds = part(&format!("{fraction:0<9}"));
    // Days from the civil date: years begin in March, so that the leap day is the last.
    let (year, month) = if date[1] > 2 {
        (date[0], date[1] - 3)
    } else {
        (date[0] - 1, date[1] + 9)
    };
    let days =
        year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + date[2] - 1 - 719_468;
    let seconds = clock
        .iter()
        .chain([&0, &0])
        .take(3)
        .fold(0, |seconds, part| seconds * 60 + part);
    days * DAY + seconds * SECOND + nanoseconds
}

#[test]
fn the_readers_of_this_test_know_their_calendar() {
    assert_eq!(at("1970-01-01T00:00:00.000000001"), 1);
    assert_eq!(at("2018-01-01T00:00:02.610"), 1_514_764_802_610_000_000);
    assert_eq!(at("2024-02-29") - at("2024-02-28T23:59"), MINUTE);
}

/// Longest step inside the regular session, 13:30 to 20:00 UTC.
fn silence(stored: &Stored, day: &str) -> (String, f64) {
    let (open, close) = (at(day) + 13 * HOUR + 30 * MINUTE, at(day) + 20 * HOUR);
    let longest = |times: &[i64]| {
        let inside: Vec<i64> = times
            .iter()
            .copied()
            .filter(|time| (open..=close).contains(time))
            .collect();
        steps(&inside).max().unwrap_or_default()
    };
    let by_series = stored.times.iter().map(|(name, times)| (longest(times), name));
    let (longest, name) = by_series.max().expect("a series");
    (name.clone(), longest as f64 / 1e9)
}

#[test]
fn us_equity_trades() {
    let days = [
        (
            "07",
            388_417,
            [25_351, 88_172, 24_293, 250_601],
            180_485,
            63_010,
            ("AIG", 64.0),
        ),
        (
            "08",
            654_140,
            [43_342, 125_872, 33_381, 451_545],
            314_415,
            102_458,
            ("AIG", 47.5),
        ),
        (
            "09",
            641_559,
            [52_008, 122_832, 27_042, 439_677],
            316_345,
            104_811,
            ("IBM", 69.5),
        ),
        (
            "10",
            661_332,
            [54_318, 124_567, 22_415, 460_032],
            323_435,
            111_105,
            ("IBM", 51.0),
        ),
    ];
    // Conditions are hexadecimal; a sample of digits only would make them integers.
    let options = types(series("sym"), &[("cond", "symbol")]);
    for (day, rows, counts, equal_times, exact, (name, seconds)) in days {
        let file = format!("us_equity/us_equity_trades_201310{day}.csv.zst");
        let Some(Imported { passed, stored, .. }) = import(&[&file], &options) else {
            return;
        };
        assert_eq!((stored.rows, passed.out_of_order), (rows, 0));
        let expected = ["AIG", "BAC", "IBM", "SPY"].into_iter().zip(counts).collect();
        assert_eq!(stored.counts(), expected);
        assert_eq!(
            (stored.equal_times(), stored.exact_duplicates),
            (equal_times, exact)
        );
        let (found, silence) = silence(&stored, &format!("2013-10-{day}"));
        assert!(
            found == name && (silence - seconds).abs() < 0.051,
            "{found} {silence}"
        );
        let (first, last) = stored.span();
        assert!(first >= at(&format!("2013-10-{day}T08:00")) && last < at(&format!("2013-10-{day}")) + DAY);
    }
    let files = days.map(|(day, ..)| format!("us_equity/us_equity_trades_201310{day}.csv.zst"));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let Some(Imported { passed, stored, .. }) = import(&files, &options) else {
        return;
    };
    assert_eq!((stored.rows, passed.out_of_order), (2_345_448, 0));
}

#[test]
fn us_equity_quotes() {
    let days = [
        (
            "07",
            1_665_857,
            [1_079_935, 476_855, 109_067],
            (832_930, 832_927),
            445_495,
            ("IBM", 29.9),
        ),
        (
            "08",
            1_819_986,
            [1_118_140, 576_096, 125_750],
            (909_993, 909_993),
            500_489,
            ("IBM", 24.6),
        ),
        (
            "09",
            2_204_384,
            [1_424_012, 644_880, 135_492],
            (1_102_192, 1_102_192),
            610_664,
            ("IBM", 30.7),
        ),
        (
            "10",
            2_101_888,
            [1_424_680, 571_780, 105_428],
            (1_050_944, 1_050_944),
            680_482,
            ("IBM", 26.7),
        ),
    ];
    let options = types(series("sym"), &[("cond", "symbol")]);
    for (day, rows, counts, empty, exact, (name, seconds)) in days {
        let file = format!("us_equity/us_equity_quotes_201310{day}.csv.zst");
        let Some(Imported { passed, stored, .. }) = import(&[&file], &options) else {
            return;
        };
        assert_eq!((stored.rows, passed.out_of_order), (rows, 0));
        assert_eq!(
            stored.counts(),
            ["AIG", "BAC", "IBM"].into_iter().zip(counts).collect()
        );
        assert_eq!((passed.nulls["bid"], passed.nulls["ask"]), empty);
        assert_eq!(stored.exact_duplicates, exact);
        let (found, silence) = silence(&stored, &format!("2013-10-{day}"));
        assert!(
            found == name && (silence - seconds).abs() < 0.051,
            "{found} {silence}"
        );
    }
}

fn hours(step: i64) -> f64 {
    (step as f64 / HOUR as f64 * 100.0).round() / 100.0
}

#[test]
fn fx_ticks_and_bars() {
    let file = "fx/eurusd_fxcm_ticks_20140501-15.csv.zst";
    let Some(Imported { passed, stored, .. }) = import(&[file], &series("sym")) else {
        return;
    };
    let times = stored.series("EURUSD");
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (1_144_807, 0, 0)
    );
    assert_eq!(
        stored.span(),
        (at("2014-05-01T05:00:01.787"), at("2014-05-16T04:59:59.718"))
    );
    assert_eq!((longer(times, MINUTE), longer(times, HOUR)), (509, 2));
    assert!((hours(gaps(times, MINUTE).2) - 46.0).abs() < 0.06);

    let file = "fx/eurusd_oanda_ticks_20140501-15.csv.gz";
    let Some(Imported { passed, stored, .. }) = import(&[file], &series("sym")) else {
        return;
    };
    let times = stored.series("EURUSD");
    assert_eq!((stored.rows, passed.out_of_order), (532_903, 0));
    assert_eq!((stored.equal_times(), stored.exact_duplicates), (4_494, 12));
    assert_eq!(
        stored.span(),
        (at("2014-05-01T00:00:00.292"), at("2014-05-15T23:59:56.324"))
    );
    assert_eq!((longer(times, MINUTE), longer(times, HOUR)), (972, 2));
    assert!((hours(gaps(times, MINUTE).2) - 48.0).abs() < 0.06);

    let file = "fx/xauusd_oanda_ticks_20140501-09.parquet";
    let Some(Imported { passed, stored, .. }) = import(&[file], &series("sym")) else {
        return;
    };
    let times = stored.series("XAUUSD");
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (1_312_635, 0, 0)
    );
    assert_eq!(
        stored.span(),
        (at("2014-05-01T00:00:00.043142"), at("2014-05-09T20:59:58.844513"))
    );
    assert_eq!((longer(times, MINUTE), longer(times, HOUR)), (133, 1));
    assert!((hours(gaps(times, MINUTE).2) - 49.0).abs() < 0.06);

    let file = "fx/gbpusd_fxcm_m1_bid_201202.csv.gz";
    let Some(Imported { passed, stored, .. }) = import(&[file], &ReadOptions::default()) else {
        return;
    };
    let (count, missing, longest) = gaps(stored.series(""), MINUTE);
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (30_117, 0, 0)
    );
    assert_eq!((count, missing, hours(longest)), (111, 11_644, 48.05));
    assert_eq!(stored.span(), (at("2012-02-01"), at("2012-03-01")));
}

#[test]
fn bitmex_trades() {
    let file = "crypto/bitmex_xbtusd_trades_201801.csv.gz";
    let options = ReadOptions {
        time_unit: Some(TimeUnit::Millisecond),
        ..ReadOptions::default()
    };
    let Some(Imported {
        table,
        passed,
        stored,
        ..
    }) = import(&[file], &options)
    else {
        return;
    };
    assert_eq!((stored.rows, passed.out_of_order), (1_000_000, 0));
    assert_eq!(
        stored.span(),
        (at("2018-01-01T00:00:02.610"), at("2018-01-05T03:13:32.822"))
    );
    assert_eq!((stored.equal_times(), stored.exact_duplicates), (669_230, 86_943));
    let longest = gaps(stored.series(""), SECOND).2;
    assert!((longest as f64 / 1e9 - 42.5).abs() < 0.051);
    let sells = table
        .scan()
        .expect("a scan")
        .filter(gapless::scan::col("size").lt(0));
    assert_eq!(sells.count().expect("a count"), 499_466);
}

/// Rows whose `column` is lower than in the row before, in the order of the table's time; rows without are passed over.
fn backwards(table: &Table, column_name: &str) -> usize {
    let scan = table
        .scan()
        .expect("a scan")
        .order(gapless::scan::Order::Time)
        .columns([column_name]);
    let (mut last, mut count) = (i64::MIN, 0);
    for batch in scan.collect().expect("rows") {
        for value in column(&batch, column_name)
            .as_primitive::<Int64Type>()
            .iter()
            .flatten()
        {
            count += usize::from(value < last);
            last = value;
        }
    }
    count
}

#[test]
fn the_capture_of_binance_by_the_receive_clock() {
    // Without a series the order of arrival stays, which is what the README counts.
    let keep = [("event_ms", "i64"), ("trade_ms", "i64")];
    let file = "crypto/binance_feed_trades_20240808.csv.gz";
    let Some(Imported {
        table,
        passed,
        stored,
        ..
    }) = import(&[file], &types(time("recv_ns", None), &keep))
    else {
        return;
    };
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (78_638, 0, 12)
    );
    let (first, last) = stored.span();
    assert_eq!(
        (first / MINUTE, last / MINUTE),
        (at("2024-08-08T23:54") / MINUTE, at("2024-08-09T00:05") / MINUTE)
    );
    assert_eq!(backwards(&table, "trade_ms"), 2_287);
    let mut ids = HashSet::new();
    for batch in table
        .scan()
        .expect("a scan")
        .columns(["market", "sym", "trade_id"])
        .collect()
        .expect("rows")
    {
        ids.extend(row_hashes(&batch));
    }
    assert_eq!(ids.len(), 78_638, "no trade id is there twice");

    let keep = [("event_ms", "i64"), ("txn_ms", "i64")];
    let file = "crypto/binance_feed_bbo_20240808.csv.gz";
    let Some(Imported {
        table,
        passed,
        stored,
        ..
    }) = import(&[file], &types(time("recv_ns", None), &keep))
    else {
        return;
    };
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (335_931, 0, 74)
    );
    assert_eq!(backwards(&table, "txn_ms"), 13_385);
    let spot = gapless::scan::col("market").eq("spot");
    let is_null = gapless::scan::col("txn_ms")
        .is_null()
        .and(gapless::scan::col("event_ms").is_null());
    let count = |condition| {
        table
            .scan()
            .expect("a scan")
            .filter(condition)
            .count()
            .expect("a count")
    };
    assert_eq!(count(spot.clone()), passed.nulls["txn_ms"]);
    assert_eq!(count(spot.and(is_null)), passed.nulls["event_ms"]);
}

/// The raw feed is `<recv_ns> <json>`, and the JSON has no spaces: a CSV with a space for a comma and no header.
#[test]
fn the_raw_feed_as_a_table_of_times_and_messages() {
    let options = ReadOptions {
        format: Some("csv".parse().expect("a format")),
        delimiter: Some(b' '),
        header: false,
        time: Some("recv_ns".into()),
        ..named(&["recv_ns", "message"])
    };
    let options = types(options, &[("message", "utf8")]);
    let file = "crypto/binance_usdm_btcusdt_rawfeed_20240808.ndjson.gz";
    let Some(Imported {
        table,
        passed,
        stored,
        ..
    }) = import(&[file], &options)
    else {
        return;
    };
    assert_eq!((stored.rows, passed.out_of_order), (93_954, 0));
    let (first, last) = stored.span();
    assert_eq!(
        (first / SECOND, last / SECOND),
        (
            at("2024-08-08T23:54:15") / SECOND,
            at("2024-08-08T23:59:59") / SECOND
        )
    );
    let longest = gaps(stored.series(""), SECOND).2;
    assert!((longest as f64 / 1e9 - 0.345).abs() < 0.0006, "{longest}");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut chain, mut breaks) = (None, 0);
    for batch in table.scan().expect("a scan").collect().expect("rows") {
        for message in column(&batch, "message").as_string::<i32>().iter().flatten() {
            let field = |name: &str| {
                let rest = message.split_once(&format!("\"{name}\":"))?.1;
                Some(rest.split([',', '}']).next()?.trim_matches('"').to_owned())
            };
            let kind = field("e").unwrap_or_else(|| "snapshot".into());
            if kind == "depthUpdate" {
                breaks += usize::from(chain.is_some() && chain != field("pu"));
                chain = field("u");
            }
            *counts.entry(kind).or_default() += 1;
        }
    }
    let expected = [
        ("bookTicker", 66_089),
        ("depthUpdate", 6_551),
        ("snapshot", 1),
        ("trade", 21_313),
    ];
    assert_eq!(
        counts,
        expected.map(|(kind, count)| (kind.to_owned(), count)).into()
    );
    assert_eq!(breaks, 0, "the chain of pu and u");
}

#[test]
fn xrpeth_trades_from_arrays() {
    let options = named(&["ts_ms", "id", "type", "side", "price", "amount", "cost"]);
    let options = types(options, &[("id", "utf8"), ("type", "symbol")]);
    let Some(Imported {
        table,
        passed,
        stored,
        ..
    }) = import(&["crypto/binance_xrpeth_trades_201910.json.gz"], &options)
    else {
        return;
    };
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (12_477, 0, 2_490)
    );
    let (first, last) = stored.span();
    assert_eq!(
        (first / SECOND, last / SECOND),
        (
            at("2019-10-11T00:00:11") / SECOND,
            at("2019-10-13T11:19:28") / SECOND
        )
    );
    assert_eq!(gaps(stored.series(""), SECOND).2 / SECOND, 494);
    assert_eq!(passed.nulls["type"], 12_477);
    let mut ids = HashSet::new();
    for batch in table
        .scan()
        .expect("a scan")
        .columns(["id"])
        .collect()
        .expect("rows")
    {
        ids.extend(row_hashes(&batch));
    }
    assert_eq!(ids.len(), 12_477);
}

/// Arrays without names, whose prices may all be whole.
pub fn bitfinex() -> ReadOptions {
    let bar = ["open", "close", "high", "low", "volume"].map(|name| (name, "f64"));
    types(named(&["ts_ms", "open", "close", "high", "low", "volume"]), &bar)
}

/// Arrays without names.
pub fn freqtrade() -> ReadOptions {
    named(&["ts_ms", "open", "high", "low", "close", "volume"])
}

/// Arrays without names, with prices as text.
pub fn klines() -> ReadOptions {
    let prices = ["o", "h", "l", "c", "v"];
    let others = ["end_ms", "quote", "trades", "buy", "buy_quote", "ignored"];
    let columns = [&["ts_ms"], &prices[..], &others].concat();
    types(named(&columns), &prices.map(|name| (name, "f64")))
}

#[test]
fn bitfinex_bars_with_their_long_holes() {
    let files = [
        (
            "btcusd_1m_2014-2016",
            943_727,
            ("2014-01-01T00:02", "2016-12-31T23:58"),
            (196_118, 634_510),
            17,
        ),
        (
            "ethusd_1m_2016-2017",
            500_132,
            ("2016-03-09T16:04", "2017-12-31T23:59"),
            (70_242, 453_624),
            308,
        ),
        (
            "ltcusd_1m_2013-2016",
            317_002,
            ("2013-05-19T15:23", "2016-12-31T22:54"),
            (135_755, 1_587_130),
            3_268,
        ),
    ];
    let options = bitfinex();
    for (name, rows, (first, last), expected, over_an_hour) in files {
        let file = format!("bars/bitfinex_{name}.ndjson.zst");
        let Some(Imported { passed, stored, .. }) = import(&[&file], &options) else {
            return;
        };
        let times = stored.series("");
        let (count, missing, _) = gaps(times, MINUTE);
        assert_eq!(
            (stored.rows, passed.out_of_order, stored.equal_times()),
            (rows, 0, 0),
            "{name}"
        );
        assert_eq!(stored.span(), (at(first), at(last)), "{name}");
        assert_eq!(
            ((count, missing), longer(times, HOUR)),
            (expected, over_an_hour),
            "{name}"
        );
        let hole = |inside: &str| {
            let next = times.partition_point(|time| *time < at(inside));
            (times[next - 1], times[next])
        };
        if name.starts_with("btc") {
            assert_eq!(hole("2014-12-01").0, at("2014-11-21T23:03"));
            // The README names the first minute that is missing here, and above the last that is there.
            assert_eq!(hole("2015-05-15").0, at("2015-05-01T03:59"));
        }
        // The README says about 15:53, which is that of bitcoin; ether has a bar at 14:23.
        let (closed, open) = hole("2016-08-05");
        assert!(
            closed <= at("2016-08-02T18:02") && open >= at("2016-08-10T14:23"),
            "{name}: from {closed} to {open}"
        );
    }
}

#[test]
fn bars_of_bitmex_freqtrade_and_binance() {
    let file = "bars/bitmex_xbtusd_1m_2016H1.ndjson.zst";
    let Some(Imported {
        table,
        passed,
        stored,
        ..
    }) = import(&[file], &series("symbol"))
    else {
        return;
    };
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (262_080, 0, 0)
    );
    assert_eq!(stored.span(), (at("2016-01-01"), at("2016-06-30T23:59")));
    assert_eq!(gaps(&stored.all(), MINUTE).0, 0);
    assert_eq!(passed.nulls["vwap"], 195_299);
    let quiet = gapless::scan::col("trades")
        .eq(0)
        .and(gapless::scan::col("vwap").is_null());
    assert_eq!(
        table
            .scan()
            .expect("a scan")
            .filter(quiet)
            .count()
            .expect("a count"),
        195_299
    );

    let Some(Imported { passed, stored, .. }) =
        import(&["bars/freqtrade_10pairs_5m_201801.csv.gz"], &series("sym"))
    else {
        return;
    };
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (57_546, 0, 0)
    );
    assert_eq!(stored.span(), (at("2018-01-10T04:55"), at("2018-01-30T04:50")));
    assert_eq!(stored.times.len(), 10);
    for (name, times) in &stored.times {
        let (count, missing, longest) = gaps(times, 5 * MINUTE);
        let expected = match name.split('/').next() {
            Some("ADA") => (5, 40),
            Some("TRX") => (6, 6),
            Some("DASH" | "XMR" | "ZEC") => (2, 2),
            _ => (0, 0),
        };
        assert_eq!((count, missing), expected, "{name}");
        assert!(
            !name.starts_with("ADA") || longest == 2 * HOUR + 50 * MINUTE,
            "{longest}"
        );
    }

    let Some(Imported { passed, stored, .. }) =
        import(&["bars/freqtrade_unittest_btc_1m_201711.json.gz"], &freqtrade())
    else {
        return;
    };
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (13_681, 0, 0)
    );
    assert_eq!(stored.span(), (at("2017-11-04T23:02"), at("2017-11-14T22:59")));
    assert_eq!(gaps(stored.series(""), MINUTE), (538, 717, 8 * MINUTE));

    for (name, interval, first, last) in [
        ("1m", MINUTE, "2024-09-04T02:27", "2024-09-04T19:06"),
        ("5m", 5 * MINUTE, "2024-09-01T07:55", "2024-09-04T19:10"),
    ] {
        let file = format!("bars/binance_klines_raw_btcusdt_{name}.json.gz");
        let Some(Imported { passed, stored, .. }) = import(&[&file], &klines()) else {
            return;
        };
        assert_eq!(
            (
                stored.rows,
                passed.out_of_order,
                gaps(stored.series(""), interval).0
            ),
            (1_000, 0, 0)
        );
        assert_eq!(stored.span(), (at(first), at(last)));
        assert!(
            stored.sums["c"] / 1_000.0 > 50_000.0,
            "prices in text are numbers now"
        );
    }
}

#[test]
fn futures_orders_and_bars() {
    let file = "futures/cme_esh4_mbo_20231225.csv.gz";
    let Some(Imported {
        table,
        passed,
        stored,
        ..
    }) = import(&[file], &time("ts_recv_ns", None))
    else {
        return;
    };
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (68_792, 0, 21_848)
    );
    assert_eq!(
        stored.span(),
        (at("2023-12-25"), at("2023-12-25T23:59:59.446821072"))
    );
    assert_eq!(stored.exact_duplicates, 12);
    // The snapshot of midnight is one silence before the session, which the README leaves out.
    let session = &stored.series("")[8_725..];
    assert_eq!(gaps(session, SECOND).2 / SECOND, 993);
    let first = table
        .scan()
        .expect("a scan")
        .limit(1)
        .collect()
        .expect("the first row");
    let event = column(&first[0], "ts_event_ns");
    let event = match event.data_type() {
        DataType::Int64 => event.as_primitive::<Int64Type>().value(0),
        _ => event.as_primitive::<TimestampNanosecondType>().value(0),
    };
    assert_eq!(event / SECOND, at("2023-12-24T13:00:05") / SECOND);
    let snapshot = stored
        .series("")
        .iter()
        .filter(|time| **time == at("2023-12-25"))
        .count();
    assert_eq!(snapshot, 8_725);

    let file = "futures/cme_6eh4_1m_202401.csv.gz";
    let Some(Imported { passed, stored, .. }) = import(&[file], &time("timestamp_utc", Some("UTC"))) else {
        return;
    };
    let (count, missing, longest) = gaps(stored.series(""), MINUTE);
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (29_996, 0, 0)
    );
    assert_eq!((count, missing, hours(longest).round()), (375, 13_263, 49.0));
    assert_eq!(stored.span(), (at("2024-01-01T23:01"), at("2024-01-31T23:59")));
}

/// The clock has no jump in spring: it is French winter time all the year.
pub fn household() -> ReadOptions {
    time("date_time", Some("+01:00"))
}

#[test]
fn household_power_with_its_empty_runs() {
    let options = household();
    let file = "energy/household_power_1min_2006-2010.csv.zst";
    let Some(Imported {
        table,
        passed,
        stored,
        ..
    }) = import(&[file], &options)
    else {
        return;
    };
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (2_075_259, 0, 0)
    );
    assert_eq!(stored.span(), (at("2006-12-16T16:24"), at("2010-11-26T20:02")));
    assert_eq!(gaps(stored.series(""), MINUTE).0, 0);
    let empty = gapless::scan::col("Voltage").is_null();
    let batches = table
        .scan()
        .expect("a scan")
        .filter(empty)
        .collect()
        .expect("empty rows");
    let times = |batch: &RecordBatch| {
        column(batch, "date_time")
            .as_primitive::<TimestampNanosecondType>()
            .values()
            .to_vec()
    };
    let times: Vec<i64> = batches.iter().flat_map(times).collect();
    let mut runs: Vec<usize> = times.chunk_by(|a, b| b - a == MINUTE).map(<[i64]>::len).collect();
    assert_eq!((times.len(), runs.len()), (26_001, 93));
    assert!(
        passed
            .nulls
            .iter()
            .all(|(name, nulls)| *nulls == if name == "date_time" { 0 } else { 26_001 })
    );
    runs.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(runs[..7], [7_226, 5_237, 3_723, 3_305, 3_129, 2_027, 891]);
}

#[test]
fn hourly_load_with_its_days_backwards() {
    // Local times in autumn are there twice: kept as the clock showed them, without a zone's rules.
    let options = ReadOptions {
        series: Some("region".into()),
        ..time("Datetime", Some("UTC"))
    };
    let Some(Imported { passed, stored, .. }) = import(&["energy/pjm_hourly_load.csv.zst"], &options) else {
        return;
    };
    assert_eq!((stored.rows, passed.out_of_order), (1_090_167, 45_299));
    assert_eq!((stored.times.len(), stored.equal_times()), (12, 40));
    let (first, last) = stored.span();
    assert_eq!(
        (first / DAY, last / DAY),
        (at("1998-04-01") / DAY, at("2018-08-03") / DAY)
    );
    let one_hour: usize = stored
        .times
        .values()
        .map(|times| steps(times).filter(|step| *step == 2 * HOUR).count())
        .sum();
    assert_eq!(one_hour, 217);
}

#[test]
fn transformer_and_sensor_series() {
    for name in ["energy/ETTh1.csv.gz", "energy/ETTh2.csv.gz"] {
        let Some(Imported { passed, stored, .. }) = import(&[name], &time("date", Some("UTC"))) else {
            return;
        };
        assert_eq!(
            (stored.rows, passed.out_of_order, gaps(stored.series(""), HOUR).0),
            (17_420, 0, 0)
        );
        let (first, last) = stored.span();
        assert_eq!((first, last / DAY), (at("2016-07-01"), at("2018-06-26") / DAY));
    }
    let options = ReadOptions {
        series: Some("series".into()),
        ..time("timestamp", Some("UTC"))
    };
    let Some(Imported { passed, stored, .. }) = import(&["sensors/nab_real_47series.csv.gz"], &options)
    else {
        return;
    };
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.times.len()),
        (321_206, 1, 47)
    );
    let lens: Vec<usize> = stored.counts().into_values().collect();
    // The README says that the longest has 18,050; machine_temperature_system_failure has more.
    assert_eq!(
        (lens.iter().max(), lens.iter().min()),
        (Some(&22_695), Some(&1_127))
    );
    assert!(lens.contains(&18_050));
    let (first, last) = stored.span();
    assert_eq!(
        (first / DAY, last / DAY),
        (at("2011-07-01") / DAY, at("2015-09-17") / DAY)
    );
    let equal: Vec<usize> = stored
        .times
        .values()
        .map(|times| steps(times).filter(|step| *step == 0).count())
        .collect();
    let with: Vec<usize> = equal.into_iter().filter(|count| *count > 0).collect();
    assert_eq!(
        (with.len(), with.iter().min(), with.iter().max()),
        (8, Some(&1), Some(&12))
    );
    let called = |part: &str| {
        let found = stored.times.iter().find(|(name, _)| name.contains(part));
        found.map(|(_, times)| times.as_slice()).expect("the series")
    };
    let (count, _, longest) = gaps(called("ambient_temperature"), HOUR);
    assert_eq!((count, hours(longest)), (10, hours(7 * DAY + 6 * HOUR)));
    assert_eq!(gaps(called("occupancy_6005"), 5 * MINUTE).0, 592);
}

/// The air quality file has no time column but four of its parts, which no option of the import joins: a user has to
/// make one (`time = year-month-day hour:00`) before the import. Here the file is read with its hour for a time, and
/// the parts are joined in each batch.
pub fn air_quality() -> Option<Imported> {
    let options = ReadOptions {
        time: Some("hour".into()),
        time_unit: Some(TimeUnit::Second),
        null_values: vec![String::new(), "NA".into()],
        ..series("station")
    };
    let parts = ["year", "month", "day"];
    // Most pollutants begin with whole numbers, so their type has to be said.
    let numbers = [
        "PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "RAIN", "WSPM",
    ];
    let options = types(options, &numbers.map(|name| (name, "f64")));
    let joined = |batch: RecordBatch| {
        let at_hour = batch.schema().index_of("hour").expect("the hour");
        let hours = batch
            .column(at_hour)
            .as_primitive::<TimestampNanosecondType>()
            .values();
        let part = |name: &str, row: usize| column(&batch, name).as_primitive::<Int64Type>().value(row);
        let time = |row: usize| {
            let [year, month, day] = parts.map(|name| part(name, row));
            at(&format!("{year}-{month}-{day}")) + hours[row] / SECOND * HOUR
        };
        let times =
            TimestampNanosecondArray::from_iter_values((0..batch.num_rows()).map(time)).with_timezone("UTC");
        let mut columns = batch.columns().to_vec();
        columns[at_hour] = Arc::new(times);
        RecordBatch::try_new(batch.schema(), columns).map_err(|error| Error::invalid(error.to_string()))
    };
    let file = "sensors/beijing_air_quality_hourly.csv.zst";
    import_prepared(&[file], &options, joined)
}

#[test]
fn air_quality_after_a_time_was_made_of_its_parts() {
    let Some(Imported { passed, stored, .. }) = air_quality() else {
        return;
    };
    assert_eq!(
        (stored.rows, passed.out_of_order, stored.equal_times()),
        (420_768, 0, 0)
    );
    assert_eq!(stored.span(), (at("2013-03-01"), at("2017-02-28T23:00")));
    assert_eq!(stored.times.len(), 12);
    assert!(
        stored
            .times
            .values()
            .all(|times| times.len() == 35_064 && gaps(times, HOUR).0 == 0)
    );
    // `NA` is null. The coordinates are empty fields, in half of the rows, and null as well.
    let (places, readings): (Vec<_>, Vec<_>) = passed
        .nulls
        .iter()
        .partition(|(name, _)| ["lat", "long"].contains(&name.as_str()));
    let sum = |counts: Vec<(&String, &u64)>| counts.into_iter().map(|(_, count)| *count).sum::<u64>();
    assert_eq!((sum(readings), sum(places)), (74_027, 2 * 210_384));
}
