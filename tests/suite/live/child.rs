//! The other side of the process tests of the live half: this binary, run again in a role.

use std::path::Path;
use std::time::Duration;

use gapless::{Database, Durability, Error, ErrorKind, Maintenance, Mode, WriteOptions};

use super::model::{BULK, Commits, Seen, judge, read, rows_of, went_back};
use crate::common::batch;
use crate::concurrent::child::{Process, say, start_at};

/// Starts a process in a role.
pub fn start(role: &str, db: &Path, number: u64) -> Process {
    start_at("live::child::entry", role, db, number)
}

/// Even writers commit pairs, odd ones single batches in between; writers above are bulk.
pub const BULK_FROM: i64 = 1_000_000;

pub fn commits_of(writer: i64) -> Commits {
    Commits::Sized(if writer >= BULK_FROM { BULK } else { 1 })
}

pub fn open(path: &Path) -> Database {
    Database::builder(path)
        .small_commit_rows(15)
        .flush_bytes(40_000)
        .log_bytes_min(20_000)
        .open()
        .expect("the database opens while others go on")
}

/// What a snapshot has of the pair; both tables agree.
pub fn look(db: &Database, orders: bool) -> Seen {
    let snapshot = db.snapshot().expect("a snapshot");
    let a = read(&snapshot, "a", orders).expect("rows of a");
    let b = read(&snapshot, "b", false).expect("rows of b");
    assert!(
        a == b,
        "the tables of one transaction do not agree: {} and {} rows",
        a.len(),
        b.len()
    );
    judge(&a, commits_of).expect("a prefix of each writer")
}

/// Commits until it is killed, and says each number of rows when it is acknowledged.
fn write(db: &Database, writer: i64) {
    let (mut rows, mut at) = (0, 0);
    loop {
        let more = commits_of(writer).rows(at);
        let mut change = db.transaction().expect("a transaction");
        for table in ["a", "b"] {
            let rows = [Ok::<_, Error>(batch(&rows_of(writer, rows, more)))];
            change.write(table, rows, &WriteOptions::default()).expect("rows");
        }
        change.commit().expect("a commit");
        rows += more;
        at += 1;
        say(rows);
        if at % 16 == 0 {
            let asked = if at % 32 == 0 {
                Durability::Interval(2)
            } else {
                Durability::Buffered
            };
            let single = db.table("s").expect("the table");
            single
                .append_with(&batch(&rows_of(writer, at, 1)), Some(asked))
                .expect("a row");
        }
        std::thread::sleep(Duration::from_micros(500 + rows as u64 / 4));
    }
}

fn compact(db: &Database) {
    for at in 0_u64.. {
        let table = ["a", "b", "s"][at as usize % 3];
        match db.compact(table) {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            outcome => {
                let report = outcome.expect("a compaction");
                assert_eq!(report.failed, Vec::<String>::new());
                say(report.done);
            }
        }
        if at % 4 == 0 {
            db.collect_garbage().expect("garbage is collected beside others");
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Reads through one handle until the parent closes the pipe; what was seen never goes away.
fn follow(db: &Database, number: i64) {
    let (stop, stopped) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = std::io::stdin().read_line(&mut line);
        let _ = stop.send(());
    });
    let (mut before, mut snapshots) = (Seen::new(), 0);
    say("ready");
    loop {
        let last = stopped.try_recv().is_ok();
        let now = look(db, (snapshots + number) % 5 == 0);
        assert_eq!(went_back(&before, &now), None);
        before = now;
        snapshots += 1;
        if last {
            break;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    say(snapshots);
    for (writer, rows) in before {
        say(format!("{writer} {rows}"));
    }
}

#[test]
fn entry() {
    let Ok(role) = std::env::var("GAPLESS_CHILD") else {
        return; // Run by the harness among the other tests.
    };
    let path = std::env::var("GAPLESS_CHILD_DB").expect("a path");
    let path = Path::new(&path);
    let number = std::env::var("GAPLESS_CHILD_NUMBER").expect("a number");
    let number: i64 = number.parse().expect("a number");
    match role.as_str() {
        "fork" => super::fork::forking(path),
        "stream" => write(&open(path), number),
        "compact" => {
            let db = Database::builder(path).maintenance(Maintenance::Manual).open();
            compact(&db.expect("the database opens"));
        }
        "follow" => {
            let db = Database::builder(path).mode(Mode::Read).open();
            follow(&db.expect("the database opens"), number);
        }
        other => panic!("no role {other:?}"),
    }
}
