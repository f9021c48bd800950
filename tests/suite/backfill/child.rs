//! A process that fills gaps, of the tests of several processes.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use gapless::backfill::{FetchError, FetchRequest, Fetched, FetcherStrategy, RetryPolicy};
use gapless::{Database, Maintenance};

use super::fixture::{MINUTE, minutes};
use crate::concurrent::child::{Process, say, start_at};

/// Minutes of each series.
pub const SLOTS: i64 = 120;
pub const SERIES: usize = 12;
/// Threads of each process, in two jobs.
const WORKERS: usize = 8;

pub fn start(db: &Path, number: u64) -> Process {
    start_at("backfill::child::entry", "fill", db, number)
}

pub fn series() -> Vec<String> {
    (0..SERIES).map(|at| format!("s{at}")).collect()
}

/// Where sources write down what they have answered: a line `<series> <start> <end>`.
pub fn asked(db: &Path) -> std::path::PathBuf {
    db.with_extension("asked")
}

/// Fails now and then, and writes down each answer.
fn answer(log: &Path, request: &FetchRequest, salt: u64) -> Result<Fetched, FetchError> {
    let series = request.series.as_deref().unwrap_or_default();
    let seed = format!("{series} {} {} {salt}", request.start, request.attempt);
    let dice = gapless_format::checksum(seed.as_bytes());
    std::thread::sleep(Duration::from_micros(dice % 3000));
    if dice.is_multiple_of(5) {
        return Err(FetchError::transient("try later"));
    }
    let line = format!("{series} {} {}\n", request.start, request.end);
    let file = OpenOptions::new().create(true).append(true).open(log);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("a line is written at once");
    Ok(Fetched::all([minutes(request.start, request.end)]))
}

fn fill(path: &Path, number: u64) {
    let db = Database::builder(path)
        .maintenance(Maintenance::Manual)
        .open()
        .expect("the database opens");
    let jobs: Vec<_> = (0..2)
        .map(|job| {
            let log = asked(path);
            let source = move |request: &FetchRequest| answer(&log, request, number * 2 + job);
            let retry = RetryPolicy {
                retries: 50,
                backoff: Duration::from_millis(1),
                ..RetryPolicy::default()
            };
            db.table("bars")
                .expect("the table")
                .backfill(FetcherStrategy::new(source))
                .range(0, SLOTS * MINUTE)
                .series(series())
                .interval("1m")
                .window_max("7m")
                .concurrency(WORKERS / 2)
                .retry(retry)
                .start()
                .expect("a job")
        })
        .collect();
    for job in jobs {
        let report = job.wait().expect("a report");
        assert!(report.is_complete(), "{report:?}");
        say(report.rows().inserted);
    }
}

#[test]
fn entry() {
    let Ok(role) = std::env::var("GAPLESS_CHILD") else {
        return; // Run by the harness among the other tests.
    };
    assert_eq!(role, "fill");
    let path = std::env::var("GAPLESS_CHILD_DB").expect("a path");
    let number = std::env::var("GAPLESS_CHILD_NUMBER").ok();
    let number = number.and_then(|number| number.parse().ok());
    fill(Path::new(&path), number.expect("a number"));
}
