//! Appenders, a row writer, bulk committers, deletions, flushes, compaction and readers in threads of one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gapless::compact::{MaintenanceReport, Policy, RunOptions};
use gapless::{Database, Durability, ErrorKind, Snapshot, WriteOptions};

use super::model::{BULK, Commits, Dice, Seen, judge, read, row, rows_of, soak_seconds, went_back};
use crate::common::{DAY, Row, batch, spec};

/// Both have the rows of the same transactions.
const PAIR: [&str; 2] = ["a", "b"];
/// Batches and single rows.
const SINGLE: &str = "s";
/// Its rows are deleted and replaced all the time.
const CHANGING: &str = "c";

const APPENDERS: [(i64, Durability); 3] = [
    (1, Durability::Sync),
    (2, Durability::Interval(3)),
    (3, Durability::Buffered),
];
const ROW_WRITER: i64 = 4;
const BULK_WRITERS: [i64; 2] = [5, 6];
const DELETER: i64 = 7;
const WRITERS: usize = 8;

/// Rows that a writer begins to commit and has committed, in the pair and in the single table; for the deleter, generations.
#[derive(Default)]
struct Told {
    pair: [AtomicI64; WRITERS],
    single: [AtomicI64; WRITERS],
    generation: AtomicI64,
    begun: AtomicI64,
    done: AtomicBool,
    /// Commits, snapshots, flushes, compactions, generations.
    counts: [AtomicU64; 5],
}

impl Told {
    fn count(&self, at: usize) {
        self.counts[at].fetch_add(1, Ordering::Relaxed);
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}

/// Ends the loops of all threads, also when one of them fails.
struct EndOf<'a>(&'a AtomicBool);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn commits_of(writer: i64) -> Commits {
    match writer {
        ROW_WRITER => Commits::Any,
        writer if BULK_WRITERS.contains(&writer) => Commits::Sized(BULK),
        _ => Commits::Sized(1),
    }
}

fn commit_pair(db: &Database, rows: &[Row]) -> gapless::Result<()> {
    let mut change = db.transaction()?;
    for table in PAIR {
        change.write(
            table,
            [Ok::<_, gapless::Error>(batch(rows))],
            &WriteOptions::default(),
        )?;
    }
    change.commit().map(|_| ())
}

/// The more rows there are, the slower they come: every snapshot is read as a whole.
fn pause(rows: i64) {
    std::thread::sleep(Duration::from_micros(300 + rows as u64 / 10));
}

fn append(db: &Database, told: &Told, writer: i64, durability: Durability) {
    let table = db.table(SINGLE).expect("the table");
    let (mut pair, mut single, mut at) = (0, 0, 0);
    while !told.is_done() {
        let rows = commits_of(writer).rows(at);
        table
            .append_with(&batch(&rows_of(writer, single, rows)), Some(durability))
            .expect("rows are appended");
        single += rows;
        told.single[writer as usize].store(single, Ordering::Release);
        commit_pair(db, &rows_of(writer, pair, rows)).expect("a small transaction");
        pair += rows;
        told.pair[writer as usize].store(pair, Ordering::Release);
        told.count(0);
        at += 1;
        pause(single + pair);
    }
}

fn write_rows(db: &Database, told: &Told) {
    let table = db.table(SINGLE).expect("the table");
    let mut writer = table
        .writer_with(Some(Durability::Interval(2)))
        .expect("a row writer");
    let mut number = 0;
    while !told.is_done() {
        for _ in 0..40 {
            let values = row(ROW_WRITER, number);
            let new = writer
                .row()
                .ts(values.ts)
                .sym(values.sym.as_deref().expect("a symbol"));
            let new = match values.price {
                Some(price) => new.f64(price),
                None => new.null(),
            };
            new.i64(values.id).end().expect("a row");
            number += 1;
        }
        if number % 200 == 0 {
            writer.flush().expect("rows are committed");
            told.single[ROW_WRITER as usize].store(number, Ordering::Release);
        }
        pause(number * 4);
    }
}

fn bulk(db: &Database, told: &Told, writer: i64) {
    let (mut pair, mut at) = (0, 0);
    while !told.is_done() {
        let rows = commits_of(writer).rows(at);
        commit_pair(db, &rows_of(writer, pair, rows)).expect("a bulk transaction");
        pair += rows;
        told.pair[writer as usize].store(pair, Ordering::Release);
        told.count(0);
        at += 1;
        pause(pair);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Generation `g` of the changing series has `g % 5` rows.
fn generation(g: i64) -> Vec<Row> {
    let row = |at: i64| Row {
        ts: (at % 2) * DAY + at,
        sym: Some("changing".to_owned()),
        price: Some(g as f64),
        id: at,
    };
    (0..g % 5 * 3).map(row).collect()
}

/// Deletes, replaces, and adds after a deletion, in one commit each.
fn change(db: &Database, told: &Told) {
    let table = db.table(CHANGING).expect("the table");
    let mut g = 0;
    while !told.is_done() {
        g += 1;
        told.begun.store(g, Ordering::Release);
        let rows = generation(g);
        let series = ["changing"];
        if rows.is_empty() {
            table.delete(0..3 * DAY, Some(&series)).expect("a deletion");
        } else {
            table
                .replace(0..3 * DAY, (g % 2 == 0).then_some(&series[..]), [batch(&rows)])
                .expect("a replacement");
        }
        told.generation.store(g, Ordering::Release);
        told.count(4);
        std::thread::sleep(Duration::from_millis(5 + g as u64 / 50));
    }
}

fn maintain(db: &Database, told: &Told, seed: u64) {
    let mut dice = Dice::new(seed);
    let eager = Policy {
        settle_ns: i64::MIN,
        ..Policy::default()
    };
    while !told.is_done() {
        let outcome = match dice.below(7) {
            0..=2 => {
                told.count(2);
                db.flush()
            }
            at @ 3..=5 => {
                told.count(3);
                let table = [PAIR[0], SINGLE, CHANGING][at as usize - 3];
                db.compact(table).map(whole)
            }
            _ => {
                told.count(3);
                db.maintain(&eager, &RunOptions::default()).map(whole)
            }
        };
        match outcome {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            outcome => outcome.expect("maintenance"),
        }
        if dice.below(4) == 0 {
            db.collect_garbage().expect("garbage is collected");
        }
        std::thread::sleep(Duration::from_millis(dice.below(60)));
    }
}

fn whole(report: MaintenanceReport) {
    assert_eq!(report.failed, Vec::<String>::new());
}

/// What one reader has of all tables in a snapshot.
type View = (Seen, Seen, i64);

fn look(snapshot: &Snapshot, orders: bool) -> Result<View, String> {
    let a = read(snapshot, PAIR[0], orders)?;
    if a != read(snapshot, PAIR[1], false)? {
        return Err("the tables of one transaction do not agree".to_owned());
    }
    let single = read(snapshot, SINGLE, orders)?;
    let changing = read(snapshot, CHANGING, orders)?;
    let g = changing.first().and_then(|row| row.price).unwrap_or(0.0) as i64;
    if changing != sorted(generation(g)) {
        return Err(format!("no generation has these rows: {changing:?}"));
    }
    Ok((judge(&a, commits_of)?, judge(&single, commits_of)?, g))
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| row.ts);
    rows
}

fn loaded(told: &[AtomicI64]) -> Seen {
    let rows = told.iter().map(|rows| rows.load(Ordering::Acquire));
    (0..).zip(rows).filter(|(_, rows)| *rows > 0).collect()
}

fn follow(db: &Database, told: &Told, seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let mut before: View = View::default();
    let mut held: Option<(Snapshot, View)> = None;
    loop {
        let last = told.is_done();
        let acknowledged = (
            loaded(&told.pair),
            loaded(&told.single),
            told.generation.load(Ordering::Acquire),
        );
        let snapshot = db.snapshot().map_err(|error| format!("snapshot: {error:?}"))?;
        let begun = told.begun.load(Ordering::Acquire);
        let at = |error: String| format!("{error} (version {})", snapshot.version().number());
        let now = look(&snapshot, dice.below(3) == 0).map_err(at)?;
        for (what, old) in [("was acknowledged", &acknowledged), ("was seen", &before)] {
            let back = went_back(&old.0, &now.0).or_else(|| went_back(&old.1, &now.1));
            if let Some(lost) = back {
                return Err(at(format!("what {what} is not there: {lost}")));
            }
        }
        check_generation(now.2, acknowledged.2, begun).map_err(at)?;
        told.count(1);
        if let Some((snapshot, then)) = &held
            && look(snapshot, dice.below(3) == 0)? != *then
        {
            return Err("a held snapshot has changed".to_owned());
        }
        if dice.below(8) == 0 || held.is_none() {
            held = Some((snapshot, now.clone()));
        }
        let newest = before.2.max(now.2);
        if now.2 != 0 && now.2 < newest {
            return Err(format!("generation {} is seen after {newest}", now.2));
        }
        before = (now.0, now.1, newest);
        if last {
            return Ok(());
        }
    }
}

/// Without rows it is one of the generations that have none.
fn check_generation(seen: i64, acknowledged: i64, begun: i64) -> Result<(), String> {
    let is_right = if seen == 0 {
        acknowledged == 0 || (acknowledged..=begun).any(|g| g % 5 == 0)
    } else {
        (acknowledged..=begun).contains(&seen)
    };
    if is_right {
        Ok(())
    } else {
        Err(format!(
            "generation {seen} is seen, {acknowledged} was acknowledged and {begun} begun"
        ))
    }
}

#[test]
fn every_snapshot_is_a_prefix_of_each_writer_whatever_runs_beside_it() {
    let seed = Dice::seed();
    // Syncs make flushes and compactions rare on a slow disk, so half of the time goes without.
    for is_synced in [true, false] {
        soak(is_synced, seed);
    }
}

fn soak(is_synced: bool, seed: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let open = || {
        let builder = Database::builder(&path)
            .small_commit_rows(15)
            .flush_bytes(200_000)
            .log_bytes_min(20_000)
            .policy(Policy {
                settle_ns: 100_000_000,
                ..Policy::default()
            });
        let builder = if is_synced {
            builder
        } else {
            builder.without_sync()
        };
        builder.open().expect("the database opens")
    };
    let db = open();
    for table in [PAIR[0], PAIR[1], SINGLE, CHANGING] {
        db.create_table(&spec(table)).expect("a table");
    }
    let told = Told::default();
    let failure = run(&db, &told, seed);
    assert_eq!(failure, None, "seed {seed}");
    let last = look(&db.snapshot().expect("a snapshot"), true).expect("the rows");
    assert_eq!(last.0, loaded(&told.pair));
    drop(db);
    let db = open();
    let again = look(&db.snapshot().expect("a snapshot"), true).expect("the rows");
    assert_eq!(again, last, "opened again");
    drop(db);
    let report = gapless::check::check_database(&path, &Default::default()).expect("a check");
    assert!(report.is_clean(), "{:#?}", report.findings);
    let [commits, snapshots, flushes, compactions, generations] =
        told.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
    println!(
        "synced {is_synced}: {commits} commits of appenders and bulk, {generations} replacements, {flushes} flushes, \
         {compactions} compactions, {snapshots} snapshots, {:?} and {:?}",
        last.0, last.1
    );
    assert!(snapshots > 0 && commits > 0 && flushes + compactions > 0);
}

/// The first thing that a reader found wrong.
fn run(db: &Database, told: &Told, seed: u64) -> Option<String> {
    let failures = Arc::new(std::sync::Mutex::new(Vec::new()));
    let end = Instant::now() + soak_seconds(8) / 2;
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (writer, durability) in APPENDERS {
            threads.push(scope.spawn(move || {
                let _end = EndOf(&told.done);
                append(db, told, writer, durability);
            }));
        }
        threads.push(scope.spawn(|| {
            let _end = EndOf(&told.done);
            write_rows(db, told);
        }));
        for writer in BULK_WRITERS {
            threads.push(scope.spawn(move || {
                let _end = EndOf(&told.done);
                bulk(db, told, writer);
            }));
        }
        threads.push(scope.spawn(|| {
            let _end = EndOf(&told.done);
            change(db, told);
        }));
        threads.push(scope.spawn(|| {
            let _end = EndOf(&told.done);
            maintain(db, told, seed ^ DELETER as u64);
        }));
        for reader in 0..4 {
            let failures = Arc::clone(&failures);
            threads.push(scope.spawn(move || {
                let _end = EndOf(&told.done);
                if let Err(error) = follow(db, told, seed.wrapping_add(reader * 7919)) {
                    failures.lock().expect("no panic").push(error);
                }
            }));
        }
        while Instant::now() < end && !told.is_done() {
            std::thread::sleep(Duration::from_millis(20));
        }
        told.done.store(true, Ordering::Release);
        for thread in threads {
            thread.join().expect("no thread panics");
        }
    });
    let mut failures = failures.lock().expect("no panic");
    (!failures.is_empty()).then(|| failures.remove(0))
}
