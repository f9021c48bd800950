//! A backfill of several gaps is cut off at every call that changes the disk, and the next process finishes it: also one that
//! is cut off in its turn.
//!
//! - Rows and their coverage are there together or not at all, and what the job had told as done is done.
//! - Nothing that is covered is asked for again. In the end every row is there once and no lease is left.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use gapless::backfill::{BackfillOrder, BackfillReport, FetchError, FetchRequest, Fetched, FetcherStrategy};
use gapless::clock::ManualClock;
use gapless::io::{Fault, FaultPlan, FaultyStorage, MemoryStorage, Storage};
use gapless::{CoverageState, Database, GapQuery, Maintenance, Result};

use crate::common::{HOUR, Row, SECOND, batch, rows, spec};

/// The source has nothing of the last one.
const SERIES: [&str; 3] = ["A", "B", "nothing"];
const HOURS: i64 = 6;
/// Hours that the source gives at once.
const WINDOW: i64 = 2;
/// When a process begins, and how much later the next one does: no lease lasts so long.
const BEGIN: i64 = 1_000_000 * SECOND;
const LATER: i64 = HOUR;

/// A series and an hour.
type Slot = (usize, i64);

fn bar((series, hour): Slot) -> Row {
    Row {
        ts: hour * HOUR,
        sym: Some(SERIES[series].to_owned()),
        price: Some(hour as f64),
        id: series as i64 * 100 + hour,
    }
}

fn all_slots() -> BTreeSet<Slot> {
    let hours = |series| (0..HOURS).map(move |hour| (series, hour));
    (0..SERIES.len()).flat_map(hours).collect()
}

fn slots(request: &FetchRequest) -> impl Iterator<Item = Slot> + use<> {
    let series = SERIES
        .iter()
        .position(|name| request.series.as_deref() == Some(name));
    let series = series.expect("a series that was asked for");
    (request.start / HOUR..request.end / HOUR).map(move |hour| (series, hour))
}

/// A process on a disk. What is filled goes through the log, however few rows a bulk commit takes.
fn open(storage: &FaultyStorage, now: i64) -> Result<Database> {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    Database::builder("faulty")
        .small_commit_rows(0)
        .maintenance(Maintenance::Manual)
        .clock(Arc::new(ManualClock::new(now)))
        .storage(storage)
        .log_bytes_min(600)
        .open()
}

/// What a process was asked and has told as done.
#[derive(Default)]
struct Filled {
    asked: Vec<Slot>,
    done: BTreeSet<Slot>,
}

/// Fills everything; what was told before the power went.
fn fill(storage: &FaultyStorage, db: &Database, order: BackfillOrder) -> (Filled, Result<BackfillReport>) {
    let asked: Arc<Mutex<Vec<Vec<Slot>>>> = Arc::default();
    let done: Arc<Mutex<usize>> = Arc::default();
    let (note, tell, disk) = (Arc::clone(&asked), Arc::clone(&done), storage.clone());
    let source = move |request: &FetchRequest| -> std::result::Result<Fetched, FetchError> {
        note.lock().expect("no panic").push(slots(request).collect());
        let rows: Vec<Row> = slots(request)
            .filter(|slot| SERIES[slot.0] != "nothing")
            .map(bar)
            .collect();
        Ok(Fetched::all([batch(&rows)]))
    };
    let run = || {
        let job = db.table("trade")?.backfill(FetcherStrategy::new(source));
        let job = job
            .range(0, HOURS * HOUR)
            .series(SERIES)
            .interval(HOUR)
            .order(order);
        let job = job.window_max(WINDOW * HOUR).retries(0).source("script");
        job.on_progress(move |progress| {
            // As long as there is power whatever is done is filled.
            if !disk.has_crashed() {
                *tell.lock().expect("no panic") = progress.done;
            }
        })
        .run()
    };
    let report = run();
    let asked = asked.lock().expect("no panic");
    let done = asked[..*done.lock().expect("no panic")].concat();
    let filled = Filled {
        asked: asked.concat(),
        done: done.into_iter().collect(),
    };
    (filled, report)
}

/// What is covered, if rows and coverage agree.
fn covered(db: &Database) -> std::result::Result<BTreeSet<Slot>, String> {
    let snapshot = db.snapshot().map_err(|error| format!("snapshot: {error:?}"))?;
    let scan = snapshot.scan("trade").and_then(|scan| scan.collect());
    let found = rows(&scan.map_err(|error| format!("read: {error:?}"))?);
    let coverage = snapshot
        .coverage("trade")
        .map_err(|error| format!("coverage: {error:?}"))?;
    let mut covered = BTreeSet::new();
    for (series, name) in SERIES.iter().enumerate() {
        let ranges = coverage.ranges(Some(name), HOUR, i64::MIN..i64::MAX);
        for range in ranges.map_err(|error| format!("ranges: {error:?}"))? {
            let state = match *name {
                "nothing" => CoverageState::Empty,
                _ => CoverageState::Complete,
            };
            if range.state != state || range.start % (WINDOW * HOUR) != 0 || range.end % (WINDOW * HOUR) != 0
            {
                return Err(format!("{name}: {range:?}"));
            }
            covered.extend((range.start / HOUR..range.end / HOUR).map(|hour| (series, hour)));
        }
    }
    let expected: Vec<Row> = covered
        .iter()
        .filter(|slot| SERIES[slot.0] != "nothing")
        .map(|slot| bar(*slot))
        .collect();
    match found == expected {
        true => Ok(covered),
        false => Err(format!("covered {covered:?}, rows {found:?}")),
    }
}

/// The next process finishes it on a disk of which `done` must be there.
fn finish(
    image: MemoryStorage,
    done: &BTreeSet<Slot>,
    now: i64,
    cut_at: Option<u64>,
) -> std::result::Result<usize, String> {
    let origin = image.origin().to_owned();
    let storage = FaultyStorage::over(image);
    storage.set_plan(cut_at.map(|call| FaultPlan::once(call, Fault::Crash)));
    finish_on(&storage, done, now, cut_at)
        .map_err(|error| format!("{error}\n  disk: {origin}, cut at {cut_at:?}"))
}

fn finish_on(
    storage: &FaultyStorage,
    done: &BTreeSet<Slot>,
    now: i64,
    cut_at: Option<u64>,
) -> std::result::Result<usize, String> {
    let mut done = done.clone();
    match open(storage, now) {
        Err(_) if storage.has_crashed() => {}
        Err(error) => return Err(format!("open: {error:?}")),
        Ok(db) => {
            let before = covered(&db);
            if let Ok(before) = &before {
                if !done.is_subset(before) {
                    return Err(format!("{done:?} was done, only {before:?} is there"));
                }
                let (filled, report) = fill(storage, &db, BackfillOrder::NewestFirst);
                let again: Vec<&Slot> = filled.asked.iter().filter(|slot| before.contains(slot)).collect();
                if !again.is_empty() {
                    return Err(format!("asked again for {again:?}"));
                }
                done.extend(filled.done);
                if !storage.has_crashed() {
                    finished(&db, &report.map_err(|error| format!("fill: {error:?}"))?)?;
                }
            } else if !storage.has_crashed() {
                before?;
            }
        }
    }
    if !storage.has_crashed() {
        return Ok(1);
    }
    let images = storage.crashed_images(cut_at.unwrap_or_default(), 3);
    let counts = images.map(|image| finish(image, &done, now + LATER, None));
    counts.sum()
}

/// Nothing is left to be done.
fn finished(db: &Database, report: &BackfillReport) -> std::result::Result<(), String> {
    let fail = |error: gapless::Error| format!("at the end: {error:?}");
    let gaps = GapQuery::new(0, HOURS * HOUR).series(SERIES).interval(HOUR);
    let gaps = db
        .table("trade")
        .and_then(|table| table.gaps(&gaps))
        .map_err(fail)?;
    if !report.is_complete() || !gaps.is_empty() {
        return Err(format!("gaps are left: {gaps:?}, {report:?}"));
    }
    if covered(db)? != all_slots() {
        return Err("not everything is there".to_owned());
    }
    db.recover_leases().map_err(fail)?;
    let leases = db.leases().map_err(fail)?;
    match leases.is_empty() && covered(db)? == all_slots() {
        true => Ok(()),
        false => Err(format!("leases are left: {leases:?}")),
    }
}

#[test]
fn a_fill_that_is_cut_off_at_any_call_is_finished_by_the_next_process_without_asking_twice() {
    let empty = FaultyStorage::new();
    let db = open(&empty, BEGIN - LATER).expect("a database");
    db.create_table(&spec("trade")).expect("a table");
    drop(db);
    let empty = empty.crashed_images(0, 1).next().expect("what is there");
    let whole = FaultyStorage::over(empty.deep_copy());
    let db = open(&whole, BEGIN).expect("a database");
    let (filled, report) = fill(&whole, &db, BackfillOrder::OldestFirst);
    finished(&db, &report.expect("a report")).expect("a sound disk");
    assert_eq!((filled.asked.len(), filled.done.len()), (18, 18));
    drop(db);
    let (mut images, mut twice) = (0, 0);
    for call in 1..=whole.calls() {
        let storage = FaultyStorage::over(empty.deep_copy());
        storage.set_plan(Some(FaultPlan::once(call, Fault::Crash)));
        let filled = match open(&storage, BEGIN) {
            Err(_) => Filled::default(),
            Ok(db) => fill(&storage, &db, BackfillOrder::OldestFirst).0,
        };
        if !storage.has_crashed() {
            continue; // It was one of the last calls, while the leases are recovered.
        }
        for (at, image) in storage.crashed_images(call, 6).enumerate() {
            let second =
                ((call + at as u64).is_multiple_of(4)).then_some(1 + (call * 31 + at as u64 * 17) % 50);
            let checked = finish(image, &filled.done, BEGIN + LATER, second);
            let checked = checked.unwrap_or_else(|error| {
                let log = storage.op_log();
                panic!(
                    "call {call}: {error}\n  last calls: {:#?}",
                    &log[log.len().saturating_sub(12)..]
                )
            });
            images += 1;
            twice += usize::from(second.is_some()) * checked;
        }
    }
    println!(
        "{} calls, {images} images, {twice} of a second crash",
        whole.calls()
    );
    assert!(images > 200 && twice > 50, "{images} {twice}");
}
