//! Maintenance: what a table holds is the same before and after, for every reader, whatever else goes on.
//!
//! It would show as rows that are missing, twice or in another order after `compact`, as a snapshot that changes
//! while it is held, or as directories of segments that nothing names.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gapless::check::{CheckOptions, check_database};
use gapless::clock::{Clock, ManualClock};
use gapless::compact::{Policy, RunOptions, TaskKind};
use gapless::scan::Order;
use gapless::{AttributeKind, Database, Keep, Maintenance, PartitionUnit, Snapshot, Table, WriteOptions};
use proptest::prelude::*;

use crate::common::{DAY, HOUR, Row, SECOND, batch, rows, scratch, spec};

const ORDERS: [Order; 3] = [Order::Series, Order::Time, Order::Stored];

fn row(ts: i64, sym: Option<u8>, id: i64) -> Row {
    Row {
        ts,
        sym: sym.map(|sym| ["zeta", "", "A/..", "é", "m"][usize::from(sym)].to_owned()),
        price: (id % 3 != 0).then_some(id as f64),
        id,
    }
}

fn write(table: &Table, rows: &[Row], unit: PartitionUnit) {
    let options = WriteOptions {
        partition: Some(unit),
        ..WriteOptions::default()
    };
    let batches = [Ok::<_, gapless::Error>(batch(rows))];
    table.write_with(batches, &options).expect("rows are written");
}

/// Everything in every order. What no order is promised for is sorted.
fn contents(snapshot: &Snapshot, table: &str) -> Vec<Vec<Row>> {
    let read = |order: Order| {
        let scan = snapshot.scan(table).expect("a scan").order(order);
        let mut found = rows(&scan.collect().expect("rows"));
        if order == Order::Stored {
            found.sort_by_key(|row| row.id);
        }
        found
    };
    ORDERS.into_iter().map(read).collect()
}

fn contents_now(db: &Database, table: &str) -> Vec<Vec<Row>> {
    contents(&db.snapshot().expect("a snapshot"), table)
}

/// Directories of segments.
fn segment_directories(directory: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.is_dir())
        .map(|path| {
            let is_segment = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with("s-"));
            if is_segment { 1 } else { segment_directories(&path) }
        })
        .sum()
}

fn live_segments(db: &Database) -> usize {
    let version = db.version().expect("a version");
    version.tables().map(|table| table.segment_count()).sum()
}

fn assert_clean(path: &Path) {
    let report = check_database(path, &CheckOptions::default()).expect("a check");
    assert!(report.is_clean(), "{:#?}", report.findings);
}

fn unsettled() -> Policy {
    Policy {
        settle_ns: i64::MIN,
        ..Policy::default()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<(i64, Option<u8>)>, PartitionUnit),
    Maintain,
    Compact,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ts = prop_oneof![
        6 => (0..3i64, 0..24i64, 0..3i64).prop_map(|(day, hour, ns)| day * DAY + hour * HOUR + ns),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(-1i64)],
    ];
    let row = (ts, prop_oneof![1 => Just(None), 5 => (0..5u8).prop_map(Some)]);
    let unit = prop_oneof![
        4 => Just(PartitionUnit::Day), 4 => Just(PartitionUnit::Hour), 1 => Just(PartitionUnit::Month),
    ];
    let step = prop_oneof![
        6 => (prop::collection::vec(row, 1..40), unit).prop_map(|(rows, unit)| Step::Write(rows, unit)),
        2 => Just(Step::Maintain),
        1 => Just(Step::Compact),
    ];
    prop::collection::vec(step, 1..16)
}

fn model(all: &[Row]) -> Vec<Vec<Row>> {
    let series = |row: &Row| (row.sym.is_none(), row.sym.clone());
    let mut by_series = all.to_vec();
    by_series.sort_by_key(|row| (series(row), row.ts));
    let mut by_time = all.to_vec();
    by_time.sort_by_key(|row| (row.ts, series(row)));
    vec![by_series, by_time, all.to_vec()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_table_holds_the_same_rows_in_the_same_order_after_every_maintenance(steps in steps(), grouped: bool) {
        let (directory, db) = scratch();
        let mut spec = spec("t");
        if grouped {
            spec = spec.attribute("price", AttributeKind::Grouped).attribute("id", AttributeKind::Unique);
        }
        let table = db.create_table(&spec).expect("a table");
        let mut all: Vec<Row> = Vec::new();
        let mut held: Vec<(Snapshot, Vec<Vec<Row>>)> = Vec::new();
        for step in &steps {
            match step {
                Step::Write(new, unit) => {
                    let first = all.len() as i64;
                    let new: Vec<Row> = (first..).zip(new).map(|(id, (ts, sym))| row(*ts, *sym, id)).collect();
                    write(&table, &new, *unit);
                    all.extend(new);
                    if all.len().is_multiple_of(3) {
                        held.push((db.snapshot().expect("a snapshot"), model(&all)));
                    }
                }
                Step::Maintain => {
                    let report = db.maintain(&unsettled(), &RunOptions::default()).expect("maintenance");
                    prop_assert!(report.failed.is_empty() && report.lost == 0, "{:?}", report);
                }
                Step::Compact => { db.compact("t").expect("a compaction"); }
            }
            prop_assert_eq!(&contents_now(&db, "t"), &model(&all));
        }
        for (snapshot, expected) in held.drain(..) {
            prop_assert_eq!(&contents(&snapshot, "t"), &expected);
        }
        let report = db.compact("t").expect("a compaction");
        let again = db.compact("t").expect("a second compaction");
        prop_assert_eq!((again.done, again.lost), (0, 0), "nothing is left to do after {:?}", report);
        prop_assert_eq!(contents_now(&db, "t"), model(&all));
        db.collect_garbage().expect("a garbage collection");
        prop_assert_eq!(segment_directories(&directory.path().join("test.db/tables")), live_segments(&db));
        drop((table, db));
        let report = check_database(directory.path().join("test.db"), &CheckOptions::default()).expect("a check");
        prop_assert!(report.is_clean(), "{:#?}", report.findings);
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write(Vec<(i64, Option<u8>)>, PartitionUnit),
    Delete(i64, i64, Option<u8>),
    Flush,
    Maintain(bool),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let ts = || (0..3i64, 0..24i64, 0..2i64).prop_map(|(day, hour, ns)| day * DAY + hour * HOUR + ns);
    let row = (ts(), prop_oneof![1 => Just(None), 5 => (0..3u8).prop_map(Some)]);
    let unit = prop_oneof![4 => Just(PartitionUnit::Day), 4 => Just(PartitionUnit::Hour)];
    let series = prop_oneof![2 => Just(None), 3 => (0..3u8).prop_map(Some)];
    let change = prop_oneof![
        5 => (prop::collection::vec(row, 1..25), unit).prop_map(|(rows, unit)| Change::Write(rows, unit)),
        3 => (ts(), 0..2 * DAY, series).prop_map(|(start, len, series)| Change::Delete(start, start + len, series)),
        1 => Just(Change::Flush),
        4 => any::<bool>().prop_map(Change::Maintain),
    ];
    prop::collection::vec(change, 1..18)
}

/// What a write leaves of the rows before it and of its own.
fn keep_rows(all: &mut Vec<Row>, new: &[Row], keep: Keep) {
    for row in new {
        let is_same = |other: &Row| other.ts == row.ts && other.sym == row.sym;
        match keep {
            Keep::First if all.iter().any(is_same) => continue,
            Keep::Last => all.retain(|other| !is_same(other)),
            _ => {}
        }
        all.push(row.clone());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn deleted_rows_stay_away_and_kept_rows_stay_after_every_maintenance(
        changes in changes(),
        keep in prop_oneof![Just(Keep::All), Just(Keep::First), Just(Keep::Last)],
        small_rows in prop_oneof![Just(0usize), Just(10)],
    ) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("test.db");
        let open = || Database::builder(&path).maintenance(Maintenance::Manual).small_commit_rows(small_rows).without_sync().open();
        let db = open().expect("a database");
        let mut spec = spec("t");
        if keep != Keep::All {
            spec = spec.keep(keep).key(["ts", "sym"]);
        }
        let table = db.create_table(&spec).expect("a table");
        let (mut all, mut next) = (Vec::new(), 0);
        for change in &changes {
            match change {
                Change::Write(new, unit) => {
                    let new: Vec<Row> = (next..).zip(new).map(|(id, (ts, sym))| row(*ts, *sym, id)).collect();
                    next += new.len() as i64;
                    if small_rows > 0 && new.len() < 10 {
                        table.write([batch(&new)]).expect("rows are written");
                    } else {
                        write(&table, &new, *unit);
                    }
                    keep_rows(&mut all, &new, keep);
                }
                Change::Delete(start, end, series) => {
                    let name = series.map(|sym| row(0, Some(sym), 0).sym.expect("a name"));
                    let names: Option<Vec<&str>> = name.as_deref().map(|name| vec![name]);
                    table.delete(*start..*end, names.as_deref()).expect("a deletion");
                    all.retain(|row| {
                        let is_other = name.is_some() && row.sym != name;
                        is_other || row.ts < *start || row.ts >= *end
                    });
                }
                Change::Flush => db.flush().expect("a flush"),
                Change::Maintain(full) => {
                    let policy = Policy { full: *full, deletion_age_ns: i64::MIN, ..unsettled() };
                    let report = db.maintain(&policy, &RunOptions::default()).expect("maintenance");
                    prop_assert!(report.failed.is_empty() && report.lost == 0, "{:?}", report);
                }
            }
            prop_assert_eq!(&contents_now(&db, "t"), &model(&all));
        }
        db.flush().expect("a flush");
        db.compact("t").expect("a compaction");
        prop_assert_eq!(contents_now(&db, "t"), model(&all));
        let version = db.version().expect("a version");
        let id = table.meta().expect("a description").table;
        prop_assert_eq!(version.deletions(id).count(), 0, "every deletion is applied and dropped");
        let state = version.table("t").expect("the table").clone();
        prop_assert_eq!((state.segment_count(), state.rows()), (state.partition_count(), all.len() as u64));
        let plan = db.plan_maintenance(&Policy { full: true, ..unsettled() }).expect("a plan");
        prop_assert!(plan.tasks.is_empty(), "{:?}", plan);
        drop((table, db));
        let db = open().expect("a database");
        prop_assert_eq!(contents_now(&db, "t"), model(&all));
        drop(db);
        let report = check_database(&path, &CheckOptions::default()).expect("a check");
        prop_assert!(report.is_clean(), "{:#?}", report.findings);
    }
}

#[test]
fn attributes_that_do_not_hold_in_all_rows_together_are_left_out() {
    let (directory, db) = scratch();
    let spec = spec("t")
        .attribute("id", AttributeKind::Unique)
        .attribute("price", AttributeKind::Sorted);
    let table = db.create_table(&spec).expect("a table");
    for _ in 0..3 {
        write(
            &table,
            &[row(5, Some(1), 7), row(6, Some(1), 8)],
            PartitionUnit::Day,
        );
    }
    let before = contents_now(&db, "t");
    for _ in 0..2 {
        db.compact("t").expect("a compaction");
        assert_eq!(live_segments(&db), 1);
        assert_eq!(contents_now(&db, "t"), before);
        write(&table, &[row(7, Some(1), 8)], PartitionUnit::Day);
        db.compact("t").expect("a compaction");
        table.expire(DAY).expect("an expiry");
        for _ in 0..3 {
            write(
                &table,
                &[row(5, Some(1), 7), row(6, Some(1), 8)],
                PartitionUnit::Day,
            );
        }
    }
    drop((table, db));
    assert_clean(&directory.path().join("test.db"));
}

/// Three days of hours, many series and late rows: enough for several batches in each task.
fn large(db: &Database) -> Table {
    let table = db.create_table(&spec("t")).expect("a table");
    let rows_of = |first: i64, count: i64| -> Vec<Row> {
        (first..first + count)
            .map(|id| Row {
                ts: (id * 7919) % (2 * 86_400) * SECOND,
                sym: (id % 17 != 0).then(|| format!("S{}", id % 300)),
                price: Some(id as f64),
                id,
            })
            .collect()
    };
    write(&table, &rows_of(0, 150_000), PartitionUnit::Day);
    write(&table, &rows_of(150_000, 60_000), PartitionUnit::Hour);
    write(&table, &rows_of(210_000, 40_000), PartitionUnit::Day);
    table
}

#[test]
fn a_cancel_after_any_batch_leaves_the_segments_as_they_were_and_no_files() {
    let (directory, db) = scratch();
    let _table = large(&db);
    let before = contents_now(&db, "t");
    let policy = Policy {
        full: true,
        ..Policy::default()
    };
    let plan = db.plan_maintenance(&policy).expect("a plan");
    assert_eq!(plan.tasks.len(), 2);
    let mut stops = 0;
    loop {
        let options = RunOptions::default();
        let (cancel, count) = (Arc::clone(&options.cancel), AtomicUsize::new(0));
        let stop = stops;
        let options = RunOptions {
            progress: Some(Arc::new(move |progress| {
                assert!(progress.bytes <= progress.bytes_total && progress.task < progress.tasks);
                if count.fetch_add(1, Ordering::Relaxed) == stop {
                    cancel.store(true, Ordering::Relaxed);
                }
            })),
            ..options
        };
        let report = db.maintain(&policy, &options).expect("a run");
        assert!(contents_now(&db, "t") == before, "after {stops} batches");
        let directories = segment_directories(&directory.path().join("test.db/tables"));
        assert_eq!(directories, live_segments(&db), "after {stops} batches");
        stops += 1;
        if !report.cancelled {
            break;
        }
    }
    println!("cancelled after each of {stops} batches");
    assert!(stops > 4);
    assert_eq!(live_segments(&db), 2);
}

#[test]
fn readers_see_prefixes_while_commits_and_compactions_race() {
    let (directory, db) = scratch();
    let table = db.create_table(&spec("t")).expect("a table");
    let done = AtomicBool::new(false);
    let (lost, folded, scans) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for commit in 0..150i64 {
                let rows: Vec<Row> = (0..20)
                    .map(|at| row(at % 7, Some((at % 5) as u8), commit * 20 + at))
                    .collect();
                let unit = [PartitionUnit::Day, PartitionUnit::Hour][(commit % 2) as usize];
                write(&table, &rows, unit);
            }
            done.store(true, Ordering::Release);
        });
        for full in [false, true] {
            let (db, done, lost, folded) = (&db, &done, &lost, &folded);
            scope.spawn(move || {
                let policy = Policy { full, ..unsettled() };
                while !done.load(Ordering::Acquire) {
                    let report = db.maintain(&policy, &RunOptions::default()).expect("maintenance");
                    lost.fetch_add(report.lost, Ordering::Relaxed);
                    folded.fetch_add(report.done, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let snapshot = db.snapshot().expect("a snapshot");
                    let first = contents(&snapshot, "t");
                    let count = first[2].len() as i64;
                    assert!(
                        first[2].iter().map(|row| row.id).eq(0..count),
                        "a prefix of the commits"
                    );
                    assert!(first == model(&first[2]), "in every order");
                    std::thread::yield_now();
                    assert!(contents(&snapshot, "t") == first, "a snapshot does not change");
                    scans.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    println!(
        "{} compactions, {} lost a race, {} snapshots read twice",
        folded.load(Ordering::Relaxed),
        lost.load(Ordering::Relaxed),
        scans.load(Ordering::Relaxed)
    );
    assert!(folded.load(Ordering::Relaxed) > 0);
    db.compact("t").expect("a compaction");
    db.collect_garbage().expect("a garbage collection");
    assert_eq!(contents_now(&db, "t")[2].len(), 3000);
    assert_eq!(segment_directories(&directory.path().join("test.db/tables")), 1);
    drop((table, db));
    assert_clean(&directory.path().join("test.db"));
}

#[test]
fn a_plan_that_is_overtaken_loses_and_leaves_nothing() {
    let (directory, db) = scratch();
    let table = db.create_table(&spec("t")).expect("a table");
    for id in 0..3 {
        write(&table, &[row(id, Some(1), id)], PartitionUnit::Day);
    }
    let policy = Policy {
        full: true,
        ..Policy::default()
    };
    let plan = db.plan_maintenance(&policy).expect("a plan");
    db.compact("t").expect("a compaction");
    let report = db.run_maintenance(&plan, &RunOptions::default()).expect("a run");
    assert_eq!((report.done, report.lost), (0, 1));
    let plan = db.plan_maintenance(&policy).expect("a plan");
    assert!(plan.tasks.is_empty());
    assert_eq!(segment_directories(&directory.path().join("test.db/tables")), 1);
}

#[test]
fn streamed_rows_stay_in_order_with_flushed_and_folded_ones() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let db = Database::builder(directory.path().join("test.db"))
        .without_sync()
        .open()
        .expect("a database");
    let table = db.create_table(&spec("t")).expect("a table");
    let mut all = Vec::new();
    for round in 0..6i64 {
        for commit in 0..5 {
            let id = round * 5 + commit;
            let new = row(id, Some((id % 3) as u8), id);
            table.append(&batch(std::slice::from_ref(&new))).expect("a row");
            all.push(new);
        }
        if round % 2 == 0 {
            db.flush().expect("a flush");
        }
        if round > 2 {
            db.compact("t").expect("a compaction");
        }
        assert_eq!(contents_now(&db, "t"), model(&all), "round {round}");
    }
    db.flush().expect("a flush");
    db.compact("t").expect("a compaction");
    assert_eq!(contents_now(&db, "t"), model(&all));
    assert_eq!(live_segments(&db), 1);
    drop((table, db));
    let db = Database::builder(directory.path().join("test.db"))
        .open()
        .expect("a database");
    assert_eq!(contents_now(&db, "t"), model(&all));
}

#[test]
fn rows_older_than_the_retention_go_and_others_stay() {
    let clock = Arc::new(ManualClock::new(100 * DAY));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("test.db");
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .without_sync()
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .open()
        .expect("a database");
    let retained = spec("t").retain(std::time::Duration::from_secs(10 * 86_400));
    let table = db.create_table(&retained).expect("a table");
    let all: Vec<Row> = (0..40)
        .map(|day| row(day * DAY + 80 * DAY, Some(1), day))
        .collect();
    write(&table, &all, PartitionUnit::Day);
    let plan = db.plan_maintenance(&Policy::default()).expect("a plan");
    assert_eq!(plan.tasks.len(), 1);
    assert_eq!(
        (plan.tasks[0].kind, plan.tasks[0].segments.len()),
        (TaskKind::Expire, 10)
    );
    db.maintain(&Policy::default(), &RunOptions::default())
        .expect("maintenance");
    assert_eq!(contents_now(&db, "t"), model(&all[10..]));
    assert_eq!(segment_directories(&path.join("tables")), 30);
    clock.advance(2 * DAY);
    db.maintain(&Policy::default(), &RunOptions::default())
        .expect("maintenance");
    assert_eq!(contents_now(&db, "t"), model(&all[12..]));
    assert_eq!(table.expire(94 * DAY + SECOND).expect("an expiry"), 2);
    assert_eq!(table.expire(94 * DAY + SECOND).expect("an expiry"), 0);
    assert_eq!(contents_now(&db, "t"), model(&all[14..]));
}

#[test]
fn the_budget_of_bytes_is_kept() {
    let (_directory, db) = scratch();
    let _table = large(&db);
    let policy = Policy {
        full: true,
        ..Policy::default()
    };
    let bytes = db.plan_maintenance(&policy).expect("a plan").bytes();
    let options = RunOptions {
        bytes_per_s: Some(bytes * 2),
        ..RunOptions::default()
    };
    let start = std::time::Instant::now();
    db.maintain(&policy, &options).expect("maintenance");
    let seconds = start.elapsed().as_secs_f64();
    assert!(
        seconds > 0.35,
        "{bytes} bytes at {} a second took {seconds} s",
        bytes * 2
    );
}

#[test]
fn a_table_says_when_its_partitions_are_encoded_and_how() {
    let (_directory, db) = scratch();
    let cold = spec("t")
        .cold_after(std::time::Duration::from_secs(86_400))
        .cold_column("id", gapless::ColumnEncoding::Plain);
    let table = db.create_table(&cold).expect("a table");
    db.create_table(&spec("hot")).expect("a table");
    let history: Vec<Row> = (0..20_000)
        .map(|id| row(id * SECOND, Some((id % 5) as u8), id))
        .collect();
    for name in ["t", "hot"] {
        write(&db.table(name).expect("the table"), &history, PartitionUnit::Day);
    }
    let before = contents_now(&db, "t");
    let plan = db.plan_maintenance(&Policy::default()).expect("a plan");
    let kinds: Vec<_> = plan
        .tasks
        .iter()
        .map(|task| (task.kind, task.table_name.as_str()))
        .collect();
    assert_eq!(kinds, [(TaskKind::Reencode, "t")], "the other table says nothing");
    let bytes = |name: &str| {
        db.version()
            .expect("a version")
            .table(name)
            .expect("the table")
            .bytes()
    };
    let plain = bytes("t");
    db.maintain(&Policy::default(), &RunOptions::default())
        .expect("maintenance");
    assert!(bytes("t") * 2 < plain, "{} of {plain} bytes", bytes("t"));
    // The column that is to stay plain takes its eight bytes a row.
    assert!(bytes("t") > 20_000 * 8);
    assert_eq!(contents_now(&db, "t"), before);
    assert!(
        db.plan_maintenance(&Policy::default())
            .expect("a plan")
            .tasks
            .is_empty()
    );
    let unknown = spec("u").cold_column("nobody", gapless::ColumnEncoding::Zstd);
    let error = db.create_table(&unknown).expect_err("no such column");
    assert!(error.to_string().contains("nobody"), "{error}");
    drop(table);
}
