//! Writers, readers and garbage collection in threads of one process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gapless::{Database, Snapshot, WriteOptions};

use crate::common::{DAY, Row, batch, rows, scratch, spec};

const WRITERS: i64 = 8;
const COMMITS: i64 = 12;

fn row(id: i64) -> Row {
    Row {
        ts: (id % 3) * DAY + id,
        sym: Some(format!("W{}", id % 11)),
        price: Some(id as f64),
        id,
    }
}

fn ids(snapshot: &Snapshot, table: &str) -> BTreeSet<i64> {
    let read = rows(&snapshot.scan(table).expect("a scan").collect().expect("rows"));
    for found in &read {
        assert_eq!(*found, row(found.id), "a row is what was written");
    }
    let ids: BTreeSet<i64> = read.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), read.len(), "no row is read twice");
    ids
}

fn commit_both(db: &Database, id: i64) -> u64 {
    let mut change = db.transaction().expect("a transaction");
    for table in ["a", "b"] {
        let batches = [Ok::<_, gapless::Error>(batch(&[row(id)]))];
        change
            .write(table, batches, &WriteOptions::default())
            .expect("a row");
    }
    change.commit().expect("a commit").version
}

#[test]
fn every_snapshot_is_a_prefix_of_the_commits_and_both_tables_agree() {
    let (_directory, db) = scratch();
    for table in ["a", "b"] {
        db.create_table(&spec(table)).expect("a table");
    }
    let done = AtomicBool::new(false);
    let versions = std::sync::Mutex::new(Vec::new());
    let scans = AtomicUsize::new(0);
    let seen = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (db, versions) = (&db, &versions);
                scope.spawn(move || {
                    for at in 0..COMMITS {
                        let id = writer * 1000 + at;
                        let version = commit_both(db, id);
                        versions.lock().expect("no panic").push((version, id));
                    }
                })
            })
            .collect();
        for reader in 0..4 {
            let (db, done, scans, seen) = (&db, &done, &scans, &seen);
            scope.spawn(move || {
                let mut before = BTreeSet::new();
                loop {
                    let last = done.load(Ordering::Acquire);
                    let snapshot = db.snapshot().expect("a snapshot");
                    let a = ids(&snapshot, "a");
                    assert_eq!(a, ids(&snapshot, "b"), "both tables agree");
                    assert!(a.is_superset(&before), "nothing that was seen goes");
                    if reader == 0 {
                        db.collect_garbage().expect("garbage is collected beside it");
                    }
                    seen.lock()
                        .expect("no panic")
                        .push((snapshot.version().number(), a.clone()));
                    before = a;
                    scans.fetch_add(1, Ordering::Relaxed);
                    if last {
                        return;
                    }
                }
            });
        }
        for writer in writers {
            writer.join().expect("no panic");
        }
        done.store(true, Ordering::Release);
    });
    let mut versions = versions.into_inner().expect("no panic");
    versions.sort_unstable();
    for (version, ids) in seen.into_inner().expect("no panic") {
        let committed: BTreeSet<i64> = versions
            .iter()
            .filter(|(at, _)| *at <= version)
            .map(|(_, id)| *id)
            .collect();
        assert_eq!(
            ids, committed,
            "version {version} is exactly the commits up to it"
        );
    }
    println!(
        "{} commits, {} scans",
        versions.len(),
        scans.load(Ordering::Relaxed)
    );
    assert_eq!(versions.len() as i64, WRITERS * COMMITS);
}

fn segment_files(db: &std::path::Path) -> usize {
    let mut found = 0;
    let mut waiting = vec![db.join("tables")];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                _ => found += 1,
            }
        }
    }
    found
}

#[test]
fn files_of_a_dropped_table_go_after_the_last_snapshot_and_not_before() {
    let (directory, db) = scratch();
    db.create_table(&spec("a")).expect("a table");
    db.create_table(&spec("b")).expect("a table");
    for id in 0..5 {
        commit_both(&db, id);
    }
    let held = db.snapshot().expect("a snapshot");
    let second = held.clone();
    let before = ids(&held, "a");
    db.drop_table("a").expect("dropped");
    db.drop_table("b").expect("dropped");
    let path = directory.path().join("test.db");
    for _ in 0..3 {
        db.collect_garbage().expect("collected");
        assert_eq!(ids(&held, "a"), before, "a held snapshot does not change");
    }
    drop(held);
    db.collect_garbage().expect("collected");
    assert!(segment_files(&path) > 0, "a clone still holds the version");
    assert_eq!(ids(&second, "b"), before);
    drop(second);
    let report = db.collect_garbage().expect("collected");
    assert!(report.segments > 0 && report.kept == 0, "{report:?}");
    assert_eq!(segment_files(&path), 0);
}

#[test]
fn a_table_made_by_many_threads_at_once_is_made_once() {
    let (_directory, db) = scratch();
    let made = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| match db.create_table(&spec("t")) {
                Ok(_) => {
                    made.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => assert_eq!(error.kind(), gapless::ErrorKind::Conflict),
            });
        }
    });
    assert_eq!(made.load(Ordering::Relaxed), 1);
}
