//! Writers, readers and killed processes on one directory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gapless::{Database, ErrorKind};

use super::child::{row, start};
use crate::common::{batch, rows, spec};

/// Ends the loop of a thread, also when a test fails.
struct EndOf<'a>(&'a AtomicBool);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn fresh() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("test.db");
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .open()
        .expect("a new database");
    for table in ["a", "b"] {
        db.create_table(&spec(table)).expect("a table");
    }
    (directory, path)
}

fn ids(db: &Database, table: &str) -> BTreeSet<i64> {
    let read = rows(
        &db.table(table)
            .expect("the table")
            .scan()
            .expect("a scan")
            .collect()
            .expect("rows"),
    );
    for found in &read {
        assert_eq!(*found, row(found.id), "a symbol is not what was written");
    }
    let ids: BTreeSet<i64> = read.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), read.len(), "a row is there twice");
    ids
}

/// Paths below the database that are neither of the manifest nor of symbols, by what is named.
fn orphans(path: &Path, db: &Database) -> Vec<PathBuf> {
    let version = db.version().expect("a version");
    let named: BTreeSet<String> = version
        .tables()
        .flat_map(|table| table.segments())
        .map(|segment| segment.directory.clone())
        .chain(version.removed().map(|removed| removed.segment.directory.clone()))
        .collect();
    let mut left = Vec::new();
    let mut waiting = vec![path.join("tables"), path.join("staging")];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if named.contains(&name) {
                continue;
            }
            if entry.path().is_dir() && !name.starts_with("s-") {
                waiting.push(entry.path());
            } else {
                left.push(entry.path());
            }
        }
    }
    left
}

#[test]
fn processes_that_write_and_read_at_once_lose_nothing_and_never_mix_up_symbols() {
    let (_directory, path) = fresh();
    let writers = 3;
    let mut readers: Vec<_> = (0..2).map(|_| start("reader", &path, writers * 25)).collect();
    for reader in &mut readers {
        assert_eq!(reader.line().as_deref(), Some("ready"));
    }
    let running: Vec<_> = (1..=writers)
        .map(|number| start("writer", &path, number))
        .collect();
    let done = AtomicBool::new(false);
    let acknowledged: BTreeSet<i64> = std::thread::scope(|scope| {
        // Opened anew each time, between the append of a commit and its sync too, and with segments half built.
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let db = Database::builder(&path)
                    .small_commit_rows(0)
                    .maintenance(gapless::Maintenance::Manual)
                    .open()
                    .expect("it opens while others commit");
                db.collect_garbage().expect("garbage is collected beside writers");
            }
        });
        let _end = EndOf(&done);
        let lines = running.into_iter().flat_map(|writer| writer.rest());
        lines.map(|line| line.parse().expect("an id")).collect()
    });
    for reader in readers {
        assert_eq!(reader.rest(), [(writers * 25).to_string()]);
    }
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .open()
        .expect("the database opens");
    assert_eq!(ids(&db, "a"), acknowledged);
    assert_eq!(ids(&db, "b"), acknowledged);
}

#[test]
fn writers_that_are_killed_lose_nothing_they_acknowledged_and_leave_nothing_behind() {
    let (_directory, path) = fresh();
    let rounds = std::env::var("GAPLESS_KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(12u64);
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        let mut victims: Vec<_> = (0..2)
            .map(|at| start("endless writer", &path, 1 + round * 2 + at))
            .collect();
        // Some rounds end in the middle of a commit, some right after one.
        for victim in &mut victims {
            acknowledged.insert(
                victim
                    .line()
                    .expect("a first commit")
                    .parse::<i64>()
                    .expect("an id"),
            );
        }
        std::thread::sleep(Duration::from_micros(round * 29_173 % 130_000));
        for victim in &mut victims {
            victim.child.kill().expect("killed");
        }
        for mut victim in victims {
            while let Some(line) = victim.line() {
                acknowledged.insert(line.parse().expect("an id"));
            }
            victim.child.wait().expect("a status");
        }
        let db = Database::builder(&path)
            .small_commit_rows(0)
            .maintenance(gapless::Maintenance::Manual)
            .open()
            .expect("the database opens after a kill");
        let found = ids(&db, "a");
        assert_eq!(found, ids(&db, "b"), "a transaction is whole or not there");
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "round {round} lost {lost:?}");
        // At most the one commit of each victim that nobody was told of.
        assert!(found.difference(&acknowledged).count() <= 2 * (round as usize + 1));
        db.collect_garbage().expect("garbage is collected");
        assert_eq!(orphans(&path, &db), Vec::<PathBuf>::new());
        let pins = std::fs::read_dir(path.join("readers"))
            .expect("a directory")
            .count();
        assert_eq!(pins, 1, "only this process has a pin");
    }
    println!("{rounds} rounds, {} acknowledged commits", acknowledged.len());
}

/// Ids by the process that wrote them, each once and in the order of its commits.
fn assert_each_once_in_order(heard: &[i64], said: &BTreeSet<i64>) {
    let unique: BTreeSet<i64> = heard.iter().copied().collect();
    assert_eq!(unique.len(), heard.len(), "a row was delivered twice");
    let missing: Vec<_> = said.difference(&unique).collect();
    assert!(
        missing.is_empty(),
        "rows that were acknowledged and not delivered: {missing:?}"
    );
    let mut last = std::collections::BTreeMap::new();
    for id in heard {
        let before = last.insert(id / 100_000, *id);
        assert!(before.is_none_or(|before| before < *id), "{id} after {before:?}");
    }
}

#[test]
fn a_subscriber_process_hears_two_writing_processes_each_row_once_and_in_order() {
    let (_directory, path) = fresh();
    let mut subscriber = start("subscriber", &path, 600);
    assert_eq!(subscriber.line().as_deref(), Some("ready"));
    let writers: Vec<_> = (1..=2).map(|number| start("streamer", &path, number)).collect();
    let said: BTreeSet<i64> = writers
        .into_iter()
        .flat_map(|writer| writer.rest())
        .map(|line| line.parse().expect("an id"))
        .collect();
    assert_eq!(said.len(), 600);
    let heard: Vec<i64> = subscriber
        .rest()
        .iter()
        .map(|line| line.parse().expect("an id"))
        .collect();
    assert_each_once_in_order(&heard, &said);
}

#[test]
fn what_a_killed_process_has_streamed_is_delivered_once_before_and_after_its_recovery() {
    let (_directory, path) = fresh();
    let reader = Database::builder(&path)
        .mode(gapless::Mode::Read)
        .open()
        .expect("the database opens");
    let mut new = reader
        .table("a")
        .expect("the table")
        .subscribe(None)
        .expect("a subscription");
    let (mut heard, mut said) = (Vec::new(), BTreeSet::new());
    let mut listen = |heard: &mut Vec<i64>| {
        while let Some(committed) = new.poll().expect("rows that can be read") {
            heard.extend(rows(&[committed.batch]).iter().map(|row| row.id));
        }
    };
    for round in 0..4 {
        let mut victim = start("endless streamer", &path, 1 + round);
        for _ in 0..50 + round * 37 {
            said.insert(victim.line().expect("a commit").parse::<i64>().expect("an id"));
            if said.len() % 30 == 0 {
                listen(&mut heard);
            }
        }
        victim.child.kill().expect("killed");
        while let Some(line) = victim.line() {
            said.insert(line.parse().expect("an id"));
        }
        victim.child.wait().expect("a status");
        if round % 2 == 0 {
            listen(&mut heard);
        }
        // Opened to write: the stream of the dead process is flushed.
        start("opener", &path, 0).rest();
        listen(&mut heard);
        assert_each_once_in_order(&heard, &said);
    }
    assert_eq!(
        ids(&reader, "a"),
        heard.iter().copied().collect(),
        "what is there is what was delivered"
    );
}

#[test]
fn of_processes_that_create_the_same_table_one_wins_and_the_others_meet_a_conflict() {
    let (_directory, path) = fresh();
    let mut children: Vec<_> = (0..3)
        .map(|number| start("create table", &path, number))
        .collect();
    for child in &mut children {
        assert_eq!(child.line().as_deref(), Some("ready"));
    }
    for child in &mut children {
        child.tell("go");
    }
    let mut said: Vec<String> = children.into_iter().flat_map(|child| child.rest()).collect();
    said.sort();
    assert_eq!(said, ["conflict", "conflict", "made"]);
}

#[test]
fn processes_that_create_the_same_database_share_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for round in 0..4 {
        let path = directory.path().join(format!("{round}.db"));
        let mut children: Vec<_> = (0..3)
            .map(|number| start("create database", &path, number))
            .collect();
        for child in &mut children {
            assert_eq!(child.line().as_deref(), Some("ready"));
        }
        for child in &mut children {
            child.tell("go");
        }
        for child in children {
            child.rest();
        }
        let db = Database::builder(&path)
            .small_commit_rows(0)
            .maintenance(gapless::Maintenance::Manual)
            .open()
            .expect("the database opens");
        assert_eq!(db.tables().expect("tables"), ["t0", "t1", "t2"]);
    }
}

#[test]
fn a_stopped_reader_in_another_process_keeps_its_files_and_a_dead_one_does_not() {
    let (_directory, path) = fresh();
    let db = Database::builder(&path)
        .small_commit_rows(0)
        .maintenance(gapless::Maintenance::Manual)
        .open()
        .expect("the database opens");
    let table = db.table("a").expect("the table");
    for id in 0..4 {
        table.write([batch(&[row(id)])]).expect("a row");
    }
    let mut holder = start("holder", &path, 0);
    assert_eq!(holder.line().as_deref(), Some("holds"));
    let signal = |name: &str, holder: &super::child::Process| {
        let sent = Command::new("kill")
            .args([name, &holder.child.id().to_string()])
            .status();
        assert!(sent.expect("kill").success());
    };
    signal("-STOP", &holder);
    db.drop_table("a").expect("dropped");
    let report = db.collect_garbage().expect("collected");
    assert!(report.segments == 0 && report.kept > 0, "{report:?}");
    signal("-CONT", &holder);
    holder.tell("read");
    assert_eq!(holder.rest(), ["4"]);
    let report = db.collect_garbage().expect("collected");
    assert!(report.segments > 0 && report.kept == 0, "{report:?}");

    let table = db.create_table(&spec("a")).expect("a table");
    table.write([batch(&[row(9)])]).expect("a row");
    let mut holder = start("holder", &path, 0);
    assert_eq!(holder.line().as_deref(), Some("holds"));
    db.drop_table("a").expect("dropped");
    holder.child.kill().expect("killed");
    holder.child.wait().expect("a status");
    let report = db.collect_garbage().expect("collected");
    assert!(report.kept == 0, "{report:?}");
    assert_eq!(orphans(&path, &db), Vec::<PathBuf>::new());
    let error = db.table("a").expect_err("dropped");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
