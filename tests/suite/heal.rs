//! Damage heals: check, repair, fill again, and every row is what it was.
//!
//! What shows here when it breaks: a row that is not what the source gave, damage that the check does not find or the
//! repair leaves, a range that is asked for though nothing of it was lost, or lost and never asked for.
//!
//! `GAPLESS_HEAL_SEEDS=n` tries n seeds instead of the few of the gate.

use std::collections::BTreeSet;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType, UInt32Type};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless::backfill::{FetchError, FetchRequest, Fetched, FetcherStrategy};
use gapless::check::{CheckOptions, CheckReport, LostRange, check_database};
use gapless::repair::{RepairOptions, RepairReport};
use gapless::{
    Attestation, Database, EncodingPolicy, GapQuery, Keep, Maintenance, PartitionUnit, Table, TableSpec,
    WriteOptions,
};

use crate::common::{DAY, HOUR};

const MINUTE: i64 = 60_000_000_000;
/// 2026-11-16T00:00Z.
const START: i64 = 1_794_787_200_000_000_000;
const SERIES: [&str; 4] = ["AAPL", "MSFT", "NVDA", "TSLA"];

/// A bar as it must be: by series and time.
type Bar = (String, i64, u64);

fn seeds(few: u64) -> u64 {
    std::env::var("GAPLESS_HEAL_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(few)
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }
}

fn spec(keep: Keep) -> TableSpec {
    let schema = Schema::new(vec![
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            false,
        ),
        Field::new("sym", DataType::Utf8, true),
        Field::new("close", DataType::Float64, true),
        Field::new("note", DataType::Utf8, true),
    ]);
    TableSpec::new("bars", schema).time("ts").series("sym").keep(keep)
}

/// What the source has: a bar each `step`, but for one hour of each day.
fn bars(series: &str, range: &Range<i64>, step: i64) -> Vec<(i64, Option<f64>, Option<String>)> {
    let of = SERIES.iter().position(|name| *name == series).unwrap_or_default() as i64;
    let first = START + (range.start - START).div_euclid(step) * step;
    (0..)
        .map(|at| first + at * step)
        .skip_while(|time| *time < range.start)
        .take_while(|time| *time < range.end)
        .filter(|time| time.rem_euclid(DAY) / HOUR != 12)
        .map(|time| {
            let number = (time / step * 31 + of * 7919) % 10_007;
            let close = (number % 17 != 0).then_some(number as f64 / 8.0);
            (time, close, (number % 5 == 0).then(|| format!("n{number}")))
        })
        .collect()
}

fn batch(series: &str, range: &Range<i64>, step: i64) -> RecordBatch {
    let bars = bars(series, range, step);
    let times = TimestampNanosecondArray::from_iter_values(bars.iter().map(|bar| bar.0));
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("ts", Arc::new(times.with_timezone("UTC")), false),
        (
            "sym",
            Arc::new(StringArray::from_iter_values(bars.iter().map(|_| series))),
            true,
        ),
        (
            "close",
            Arc::new(Float64Array::from_iter(bars.iter().map(|bar| bar.1))),
            true,
        ),
        (
            "note",
            Arc::new(StringArray::from_iter(bars.iter().map(|bar| bar.2.as_deref()))),
            true,
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

/// What was asked of the source.
type Asked = Arc<Mutex<Vec<(String, Range<i64>)>>>;

fn fill(table: &Table, range: &Range<i64>, step: i64) -> Vec<(String, Range<i64>)> {
    let asked: Asked = Arc::default();
    let note = Arc::clone(&asked);
    let source = move |request: &FetchRequest| -> Result<Fetched, FetchError> {
        let series = request.series.clone().unwrap_or_default();
        let range = request.range();
        note.lock()
            .expect("no panic")
            .push((series.clone(), range.clone()));
        Ok(Fetched::all([batch(&series, &range, step)]))
    };
    let report = table
        .backfill(FetcherStrategy::new(source))
        .range(range.start, range.end)
        .series(SERIES)
        .interval(step)
        .run()
        .expect("a backfill");
    assert!(report.is_complete(), "{report:?}");
    asked.lock().expect("no panic").clone()
}

fn open(path: &Path) -> Database {
    Database::builder(path)
        .small_commit_rows(0)
        .maintenance(Maintenance::Manual)
        .without_sync()
        .open()
        .expect("a sound manifest")
}

fn read(table: &Table) -> Vec<Bar> {
    let batches = table.scan().expect("the table").collect().expect("sound rows");
    let mut bars = Vec::new();
    for batch in &batches {
        let times = batch
            .column_by_name("ts")
            .expect("ts")
            .as_primitive::<TimestampNanosecondType>();
        let close = batch
            .column_by_name("close")
            .expect("close")
            .as_primitive::<Float64Type>();
        let names = batch
            .column_by_name("sym")
            .expect("sym")
            .as_dictionary::<UInt32Type>();
        let notes = batch.column_by_name("note").expect("note").as_string::<i32>();
        let names_of = names.values().as_string::<i32>();
        for at in 0..batch.num_rows() {
            use arrow_array::Array;
            let name = names.key(at).map(|key| names_of.value(key).to_owned());
            let note = notes.is_valid(at).then(|| notes.value(at));
            let close = close.is_valid(at).then(|| close.value(at).to_bits());
            let mut value = close.map_or(1, |bits| bits | 1 << 63);
            for byte in note.unwrap_or_default().bytes() {
                value = value.rotate_left(5) ^ u64::from(byte);
            }
            bars.push((name.unwrap_or_default(), times.value(at), value));
        }
    }
    bars.sort_unstable();
    bars
}

/// Rows and what they cover, in one commit.
fn write(db: &Database, range: &Range<i64>, step: i64, options: &WriteOptions) {
    let mut transaction = db.transaction().expect("open for writing");
    let batches = SERIES.map(|name| Ok::<_, gapless::Error>(batch(name, range, step)));
    transaction
        .write("bars", batches, options)
        .expect("bars are built");
    for name in SERIES {
        let said = Attestation::new(range.clone())
            .series(name)
            .interval(step)
            .source("import");
        transaction.attest("bars", said).expect("a sound statement");
    }
    transaction.commit().expect("a commit");
}

/// Leaves no file that is not in use: damage to one is none.
fn settle(db: &Database) {
    db.flush().expect("a flush");
    db.collect_garbage().expect("garbage");
}

fn encoded() -> WriteOptions {
    WriteOptions {
        encoding: EncodingPolicy::cold(),
        ..WriteOptions::default()
    }
}

/// Days of minute bars: some compacted, some encoded, some as they were flushed, and an hour partition.
fn minutes(path: &Path) -> (Vec<Bar>, Range<i64>, i64) {
    let db = open(path);
    let table = db.create_table(&spec(Keep::Last)).expect("a new table");
    let day = |day: i64| START + day * DAY..START + (day + 1) * DAY;
    fill(&table, &(START..START + 7 * HOUR), MINUTE);
    db.flush().expect("a flush");
    fill(&table, &day(0), MINUTE);
    db.flush().expect("a flush");
    db.compact("bars").expect("a compaction");
    write(&db, &day(1), MINUTE, &encoded());
    fill(&table, &day(2), MINUTE);
    db.flush().expect("a flush");
    let hour = WriteOptions {
        partition: Some(PartitionUnit::Hour),
        ..WriteOptions::default()
    };
    write(&db, &(START + 3 * DAY..START + 3 * DAY + 2 * HOUR), MINUTE, &hour);
    let range = START..START + 4 * DAY;
    fill(&table, &range, MINUTE);
    settle(&db);
    (read(&table), range, MINUTE)
}

/// Bars of two seconds: a segment of several pages a day, one plain and one encoded.
fn many_pages(path: &Path) -> (Vec<Bar>, Range<i64>, i64) {
    let step = MINUTE / 30;
    let db = open(path);
    let table = db.create_table(&spec(Keep::All)).expect("a new table");
    write(&db, &(START..START + DAY), step, &encoded());
    let range = START..START + 2 * DAY;
    fill(&table, &range, step);
    settle(&db);
    (read(&table), range, step)
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return; // It was superfluous, and somebody has collected it.
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => {
                std::fs::copy(entry.path(), target).expect("a copy");
            }
        }
    }
}

/// Damages a file: a flipped bit, a cut, or it is gone. What was done, in words.
fn damage(random: &mut Random, path: &Path) -> String {
    let mut bytes = std::fs::read(path).expect("a file");
    let name = path.display();
    match random.below(10) {
        0 => {
            std::fs::remove_file(path).expect("it is there");
            return format!("{name}: removed");
        }
        1 | 2 => {
            let len = random.below(bytes.len());
            bytes.truncate(len);
            std::fs::write(path, &bytes).expect("a file");
            return format!("{name}: cut to {len} bytes");
        }
        _ => {}
    }
    let (at, bit) = (random.below(bytes.len()), random.below(8));
    bytes[at] ^= 1 << bit;
    std::fs::write(path, &bytes).expect("a file");
    format!("{name}: bit {bit} of byte {at}")
}

fn check(path: &Path) -> CheckReport {
    check_database(path, &CheckOptions::default()).expect("a database")
}

/// Whether something that was lost can have been in a range of a series.
fn is_within(lost: &[LostRange], series: &str, range: &Range<i64>, step: i64) -> bool {
    // A slot of which a part is lost is asked for as a whole, and so are those beside it that may have been there.
    let is_one = |lost: &&LostRange| lost.series.as_deref().is_none_or(|name| name == series);
    let mut at = range.start;
    while at < range.end {
        let here = lost.iter().filter(is_one);
        let next = here
            .filter(|lost| lost.start < at + step && at < lost.end + step)
            .map(|lost| lost.end + step)
            .max();
        match next {
            Some(end) => at = end,
            None => return false,
        }
    }
    true
}

struct Healed {
    report: RepairReport,
    asked: Vec<(String, Range<i64>)>,
}

/// Damages a copy of a database and heals it.
fn heal(seed: u64, original: &Path, rows: &[Bar], range: &Range<i64>, step: i64) -> Healed {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    copy(original, &path);
    let mut random = Random::new(seed);
    let mut all = Vec::new();
    files(&path.join("tables"), &mut all);
    let hits = if random.below(2) == 0 {
        1
    } else {
        2 + random.below(4)
    };
    let targets: BTreeSet<PathBuf> = (0..hits).map(|_| all[random.below(all.len())].clone()).collect();
    let done: Vec<String> = targets.iter().map(|path| damage(&mut random, path)).collect();
    let why = format!("seed {seed}: {done:#?}");

    assert!(!check(&path).is_clean(), "{why}: nothing was found");
    let db = open(&path);
    let report = db.repair(&RepairOptions::default()).expect("a repair");
    assert!(report.is_whole() && report.has_damage(), "{why}: {report:#?}");
    let checked = check(&path);
    assert!(checked.is_clean(), "{why}: {:#?}", checked.findings);
    let again = db.repair(&RepairOptions::default()).expect("a repair");
    assert!(!again.has_damage(), "{why}: {again:#?}");

    let table = db.table("bars").expect("the table");
    let left = read(&table);
    // A version of a row that was hidden may count now; those of this source are the same.
    assert!(
        left.iter().all(|bar| rows.binary_search(bar).is_ok()),
        "{why}: other rows"
    );
    let asked = fill(&table, range, step);
    if report.coverage.is_empty() {
        for (series, range) in &asked {
            assert!(
                is_within(&report.lost, series, range, step),
                "{why}: {series} {range:?} was asked for, lost is {:#?}",
                report.lost
            );
        }
    }
    let found = read(&table);
    assert!(
        found == rows,
        "{why}: {} rows, not the {} of before",
        found.len(),
        rows.len()
    );
    let query = GapQuery::new(range.start, range.end)
        .series(SERIES)
        .interval(step);
    assert_eq!(table.gaps(&query).expect("gaps"), [], "{why}");
    db.flush().expect("a flush");
    db.compact("bars").expect("a compaction");
    assert!(read(&table) == rows, "{why}: after a compaction");
    assert_eq!(table.gaps(&query).expect("gaps"), [], "{why}: after a compaction");
    assert!(check(&path).is_clean(), "{why}: after a compaction");
    Healed { report, asked }
}

fn heal_all(original: &Path, rows: &[Bar], range: &Range<i64>, step: i64, few: u64) {
    let (mut lost, mut salvaged, mut coverage, mut unasked) = (0, 0, 0, 0);
    for seed in 0..seeds(few) {
        let healed = heal(seed, original, rows, range, step);
        lost += usize::from(healed.report.rows_lost() > 0);
        let saved = |segment: &gapless::repair::RepairedSegment| segment.salvaged.is_some();
        salvaged += usize::from(healed.report.segments.iter().any(saved));
        coverage += usize::from(!healed.report.coverage.is_empty());
        unasked += usize::from(healed.asked.is_empty());
    }
    println!(
        "{lost} lost rows, {salvaged} kept some of a segment, {coverage} lost coverage, {unasked} needed no source"
    );
    assert!(
        lost > 0 && salvaged > 0 && coverage > 0,
        "{lost} {salvaged} {coverage} {unasked}"
    );
}

#[test]
fn minute_bars_are_what_they_were() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let (rows, range, step) = minutes(&path);
    assert_eq!(rows.len(), 4 * 4 * 23 * 60);
    heal_all(&path, &rows, &range, step, 150);
}

#[test]
fn segments_of_several_pages_are_what_they_were() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let (rows, range, step) = many_pages(&path);
    assert_eq!(rows.len(), 4 * 2 * 23 * 1800);
    heal_all(&path, &rows, &range, step, 40);
}

/// Flips a bit of a file that others have mapped.
fn flip(random: &mut Random, path: &Path) {
    let Ok(mut bytes) = std::fs::read(path) else {
        return; // A compaction has taken its place.
    };
    let at = random.below(bytes.len());
    bytes[at] ^= 1 << random.below(8);
    let file = std::fs::OpenOptions::new().write(true).open(path);
    if let Ok(file) = file {
        file.write_at(&bytes[at..=at], at as u64).expect("a byte");
    }
}

/// A writer streams the bars of the next days, flushes and compacts, while segments of the days before are damaged and
/// repaired, and what was lost is fetched again.
#[test]
fn a_repair_beside_a_writer_takes_nothing_of_what_it_writes() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let (mut rows, range, step) = minutes(&path);
    let ahead = range.end..range.end + 3 * DAY;
    let db = open(&path);
    let table = db.table("bars").expect("the table");
    let write = || {
        for (nth, start) in (0..).zip((ahead.start..ahead.end).step_by(HOUR as usize)) {
            let window = start..start + HOUR;
            for name in SERIES {
                let said = Attestation::new(window.clone()).series(name).interval(step);
                table
                    .append_covering(&batch(name, &window, step), [said], None)
                    .expect("appended");
            }
            if nth % 5 == 4 {
                db.flush().expect("a flush");
            }
            if nth % 12 == 11 {
                db.compact("bars").expect("a compaction, but for what is damaged");
            }
        }
    };
    let mut repairs = 0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(write);
        let mut random = Random::new(1);
        while !writer.is_finished() {
            let mut all = Vec::new();
            for day in 16..20 {
                let day = path.join(format!("tables/bars/2026-11-{day}"));
                files(&day, &mut all);
            }
            let file = all.swap_remove(random.below(all.len()));
            flip(&mut random, &file);
            let report = db.repair(&RepairOptions::default()).expect("a repair");
            repairs += usize::from(report.has_damage());
            fill(&table, &range, step);
            db.flush().expect("a flush");
        }
    });
    assert!(repairs > 0, "nothing was repaired beside the writer");
    db.repair(&RepairOptions::default()).expect("a repair");
    settle(&db);
    let checked = check(&path);
    assert!(checked.is_clean(), "{:#?}", checked.findings);

    let query = GapQuery::new(ahead.start, ahead.end)
        .series(SERIES)
        .interval(step);
    assert_eq!(
        table.gaps(&query).expect("gaps"),
        [],
        "nothing that it wrote is lost"
    );
    let asked = fill(&table, &range, step);
    assert!(asked.iter().all(|(_, asked)| asked.end <= range.end));
    let of_writer = SERIES.map(|name| batch(name, &ahead, step).num_rows());
    let before = rows.len();
    rows.extend(
        read(&table)
            .into_iter()
            .filter(|(_, time, _)| *time >= ahead.start),
    );
    rows.sort_unstable();
    assert_eq!(rows.len() - before, of_writer.iter().sum::<usize>());
    assert!(read(&table) == rows);
}
