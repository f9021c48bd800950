//! Workers of other processes that are late or dead: what they hold is taken over, and nothing of theirs gets in afterwards.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use gapless::backfill::{Backfill, FetchError, FetchRequest, Fetched, Fetcher, FetcherStrategy};
use gapless::{Database, Keep, Maintenance, Table};

use super::fixture::{END, MINUTE, all_ten, every_minute, minutes, missing, rows, stored, table};
use crate::concurrent::child::{Process, say, start_at};

/// Minutes that the source gives at once, in the tests of killed processes.
const WINDOW: i64 = 2 * MINUTE;
const WINDOWS: u64 = (END / WINDOW) as u64;

fn open(path: &Path) -> Database {
    let db = Database::builder(path).maintenance(Maintenance::Manual);
    db.open().expect("the database opens")
}

fn fresh() -> (tempfile::TempDir, std::path::PathBuf, Database) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let db = open(&path);
    drop(table(&db, Keep::All));
    (directory, path, db)
}

fn start(role: &str, db: &Path, number: u64) -> Process {
    start_at("backfill::stale::entry", role, db, number)
}

fn job<F: Fetcher + 'static>(table: &Table, source: F) -> Backfill {
    let job = table.backfill(FetcherStrategy::new(source));
    job.range(0, END).series(["a"]).interval("1m").retries(0)
}

/// Waits until the parent says something.
fn wait() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the parent tells");
}

/// A worker that stands still while it is at a gap, so that its lease is not renewed.
fn late(db: &Database) {
    let source = |_: &FetchRequest| -> Result<Fetched, FetchError> {
        say("asked");
        wait();
        Ok(Fetched::all([rows(&[(0, -1.0)])]))
    };
    let job = job(&db.table("bars").expect("the table"), source);
    let job = job
        .lease_ttl(Duration::from_millis(150))
        .stalled_after(Duration::from_millis(1));
    let report = job.run().expect("a report");
    say(format!(
        "{} {}",
        report.gaps[0].outcome.name(),
        report.rows().inserted
    ));
}

/// A worker that stops for ever before or after commit number `stop`: it is killed there.
fn doomed(db: &Database, stop: u64) {
    let at = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let step = move || {
        if at.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == stop {
            say("here");
            wait();
        }
    };
    let before = step.clone();
    let source = move |request: &FetchRequest| -> Result<Fetched, FetchError> {
        before();
        say(request.start);
        every_minute(request)
    };
    let job = job(&db.table("bars").expect("the table"), source).window_max(WINDOW);
    let job = job
        .lease_ttl(Duration::from_millis(100))
        .on_progress(move |_| step());
    job.run().expect("a report");
    say("here");
    wait();
}

#[test]
fn entry() {
    let Ok(role) = std::env::var("GAPLESS_CHILD") else {
        return; // Run by the harness among the other tests.
    };
    let path = std::env::var("GAPLESS_CHILD_DB").expect("a path");
    let number = std::env::var("GAPLESS_CHILD_NUMBER").ok();
    let number: Option<u64> = number.and_then(|number| number.parse().ok());
    let db = open(Path::new(&path));
    match role.as_str() {
        "late" => late(&db),
        "doomed" => doomed(&db, number.expect("a number")),
        other => panic!("no role {other}"),
    }
}

#[test]
fn a_process_whose_lease_was_taken_over_while_it_stood_still_writes_nothing_before_its_successor() {
    let (_directory, path, db) = fresh();
    let bars = db.table("bars").expect("the table");
    let mut late = start("late", &path, 0);
    assert_eq!(late.line().as_deref(), Some("asked"));
    let late = Mutex::new(late);
    let source = move |request: &FetchRequest| -> Result<Fetched, FetchError> {
        // The range is leased to this process, and nothing of it is here yet.
        let mut late = late.lock().expect("no panic");
        late.tell("go on");
        assert_eq!(late.line().as_deref(), Some("leased 0"));
        every_minute(request)
    };
    let report = job(&bars, source).run().expect("a report");
    assert_eq!((report.count("filled"), report.rows().inserted), (1, 10));
    assert_eq!((stored(&bars), missing(&bars, MINUTE)), (all_ten(), vec![]));
    assert_eq!(db.leases().expect("leases"), []);
}

#[test]
fn a_process_whose_lease_was_taken_over_while_it_stood_still_writes_nothing_after_its_successor() {
    let (_directory, path, db) = fresh();
    let bars = db.table("bars").expect("the table");
    let mut late = start("late", &path, 0);
    assert_eq!(late.line().as_deref(), Some("asked"));
    let report = job(&bars, every_minute).run().expect("a report");
    assert_eq!((report.count("filled"), report.rows().inserted), (1, 10));
    late.tell("go on");
    assert_eq!(late.rest(), ["leased 0"]);
    assert_eq!((stored(&bars), missing(&bars, MINUTE)), (all_ten(), vec![]));
    assert_eq!(db.leases().expect("leases"), []);
}

#[test]
fn what_a_process_has_committed_before_it_was_killed_is_not_asked_for_again_and_the_rest_is_filled() {
    // Before and after each commit, and when all is done.
    for stop in 0..=2 * WINDOWS {
        let (_directory, path, db) = fresh();
        let bars = db.table("bars").expect("the table");
        let mut doomed = start("doomed", &path, stop);
        while doomed.line().expect("it goes on").as_str() != "here" {}
        doomed.child.kill().expect("killed");
        doomed.child.wait().expect("it is dead");

        let commits = stop.div_ceil(2) as i64;
        let through = commits * WINDOW;
        let gap = if through < END {
            vec![(through, END)]
        } else {
            vec![]
        };
        assert_eq!(missing(&bars, MINUTE), gap, "stopped at {stop}");
        assert_eq!(
            stored(&bars),
            all_ten()[..(through / MINUTE) as usize],
            "stopped at {stop}"
        );

        let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
        let note = std::sync::Arc::clone(&asked);
        let source = move |request: &FetchRequest| -> Result<Fetched, FetchError> {
            note.lock().expect("no panic").push((request.start, request.end));
            Ok(Fetched::all([minutes(request.start, request.end)]))
        };
        let report = job(&bars, source).run().expect("a report");
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(*asked.lock().expect("no panic"), gap, "stopped at {stop}");
        assert_eq!(
            (stored(&bars), missing(&bars, MINUTE)),
            (all_ten(), vec![]),
            "stopped at {stop}"
        );
        std::thread::sleep(Duration::from_millis(100));
        let left = db.recover_leases().expect("recovered");
        assert!(left.iter().all(|lease| lease.key.start < through), "{left:?}");
        assert_eq!(db.leases().expect("leases"), [], "stopped at {stop}");
    }
}
