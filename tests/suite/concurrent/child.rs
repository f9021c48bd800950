//! The other side of the process tests: this binary, run again with `GAPLESS_CHILD` set.
//!
//! A child says one line for each thing it has done, beginning with `>`, so that the harness's own lines are told
//! from its.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use gapless::{Database, Mode, WriteOptions};

use crate::common::{DAY, Row, batch, rows, spec};

/// A running child and what it says.
pub struct Process {
    pub child: Child,
    output: BufReader<ChildStdout>,
}

/// Starts this binary in a role.
pub fn start(role: &str, db: &Path, number: u64) -> Process {
    start_at("concurrent::child::entry", role, db, number)
}

/// Starts this binary in a role that the test `entry` knows.
pub fn start_at(entry: &str, role: &str, db: &Path, number: u64) -> Process {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args([entry, "--exact", "--nocapture", "--test-threads=1"])
        .env("GAPLESS_CHILD", role)
        .env("GAPLESS_CHILD_DB", db)
        .env("GAPLESS_CHILD_NUMBER", number.to_string())
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child process");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    Process { child, output }
}

impl Process {
    /// The next thing the child says; `None` when it has ended.
    pub fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            if let Some(at) = line.find('>').filter(|_| line.ends_with('\n')) {
                return Some(line[at + 1..].trim().to_owned());
            }
        }
    }

    /// Lets the child go on, or end.
    pub fn tell(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        writeln!(input, "{text}").expect("the child listens");
    }

    /// Everything it says until it ends well.
    pub fn rest(mut self) -> Vec<String> {
        let lines = std::iter::from_fn(|| self.line()).collect();
        assert!(
            self.child.wait().expect("a status").success(),
            "a child failed: {lines:?}"
        );
        lines
    }
}

/// Says a line to the parent.
pub fn say(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, ">{text}").expect("the parent listens");
    out.flush().expect("the parent listens");
}

fn wait() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the parent tells");
}

/// The row of an id: its symbol is known from it, so a code that clashes shows.
pub fn row(id: i64) -> Row {
    let (writer, at) = (id / 100_000, id % 100_000);
    let sym = match at % 3 {
        0 => format!("shared {}", at % 50),
        1 => format!("writer {writer} own {at}"),
        _ => format!("late {}", at / 7),
    };
    Row {
        ts: (at % 2) * DAY + id,
        sym: Some(sym),
        price: None,
        id,
    }
}

fn commit(db: &Database, id: i64) -> gapless::Result<()> {
    let mut change = db.transaction()?;
    for table in ["a", "b"] {
        change.write(
            table,
            [Ok::<_, gapless::Error>(batch(&[row(id)]))],
            &WriteOptions::default(),
        )?;
    }
    change.commit().map(|_| ())
}

fn count(db: &Database) -> usize {
    let snapshot = db.snapshot().expect("a snapshot");
    let read = |table: &str| rows(&snapshot.scan(table).expect("a scan").collect().expect("rows"));
    let a = read("a");
    assert_eq!(a, read("b"), "both tables agree");
    for found in &a {
        assert_eq!(*found, row(found.id), "a symbol is not what was written");
    }
    a.len()
}

/// Streams rows one after the other, with a flush and a bulk commit now and then.
fn stream(db: &Database, writer: i64, ends: bool) {
    let table = db.table("a").expect("the table");
    let last = if ends { 300 } else { 90_000 };
    for at in 0..last {
        let id = writer * 100_000 + at;
        let one = batch(&[row(id)]);
        match at % 40 {
            17 => drop(table.write([one]).expect("a bulk commit")),
            _ => drop(table.append(&one).expect("an append")),
        }
        if at % 100 == 60 {
            db.flush().expect("a flush");
        }
        say(id);
    }
}

/// Says every row that is committed to the table until there are enough, and reopens half way.
fn subscribe(path: &str, rows_expected: i64) {
    let mut saved = None;
    let mut seen = 0;
    say("ready");
    for share in [rows_expected / 2, rows_expected] {
        let db = Database::builder(path)
            .mode(Mode::Read)
            .open()
            .expect("the database opens");
        let mut new = db
            .table("a")
            .expect("the table")
            .subscribe(saved.take())
            .expect("a subscription")
            .batch_rows(7);
        while seen < share {
            let committed = new.next(Duration::from_secs(60)).expect("rows that can be read");
            for found in rows(&[committed.expect("rows within a minute").batch]) {
                assert_eq!(found, row(found.id), "a symbol is not what was written");
                seen += 1;
                say(found.id);
            }
        }
        let text = new.position().to_string();
        saved = Some(text.parse().expect("a position"));
    }
}

#[test]
fn entry() {
    let Ok(role) = std::env::var("GAPLESS_CHILD") else {
        return; // Run by the harness among the other tests.
    };
    let path = std::env::var("GAPLESS_CHILD_DB").expect("a path");
    let number: i64 = std::env::var("GAPLESS_CHILD_NUMBER")
        .ok()
        .and_then(|n| n.parse().ok())
        .expect("a number");
    let open = || {
        Database::builder(&path)
            .small_commit_rows(0)
            .maintenance(gapless::Maintenance::Manual)
            .log_bytes_min(4000)
            .open()
            .expect("the database opens")
    };
    match role.as_str() {
        "writer" | "endless writer" => {
            let db = open();
            let last = if role == "writer" { 25 } else { 90_000 };
            for at in 0..last {
                let id = number * 100_000 + at;
                commit(&db, id).expect("a commit");
                say(id);
            }
        }
        "reader" => {
            let db = Database::builder(&path)
                .small_commit_rows(0)
                .maintenance(gapless::Maintenance::Manual)
                .mode(Mode::Read)
                .open()
                .expect("the database opens");
            let mut before = 0;
            say("ready");
            while before < number as usize {
                let now = count(&db);
                assert!(now >= before, "{now} rows after {before}");
                before = now;
                std::thread::sleep(Duration::from_millis(2));
            }
            say(before);
        }
        "streamer" | "endless streamer" => stream(&open(), number, role == "streamer"),
        "opener" => drop(open()),
        "subscriber" => subscribe(&path, number),
        "create table" => {
            let db = open();
            say("ready");
            wait();
            match db.create_table(&spec("same")) {
                Ok(_) => say("made"),
                Err(error) => say(error.kind()),
            }
        }
        "create database" => {
            say("ready");
            wait();
            let db = open();
            let name = format!("t{number}");
            db.create_table(&spec(&name)).expect("a table");
            say(db.tables().expect("tables").len());
        }
        "holder" => {
            let db = Database::builder(&path)
                .small_commit_rows(0)
                .maintenance(gapless::Maintenance::Manual)
                .mode(Mode::Read)
                .open()
                .expect("the database opens");
            let snapshot = db.snapshot().expect("a snapshot");
            say("holds");
            wait();
            let read = rows(
                &snapshot
                    .scan("a")
                    .expect("a scan")
                    .collect()
                    .expect("rows that are still there"),
            );
            say(read.len());
        }
        other => panic!("no role {other:?}"),
    }
}
