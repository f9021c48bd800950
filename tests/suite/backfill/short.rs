//! Gaps shorter than a second, or between two seconds. Keys in whole seconds would make several of them one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gapless::backfill::{FetchError, FetchRequest, Fetched, FetcherStrategy};
use gapless::{Attestation, GapQuery, Keep};

use super::fixture::{rows, stored, table};
use crate::common::SECOND;

const STEP: i64 = SECOND / 10;

fn every_step(request: &FetchRequest) -> Fetched {
    let times = (request.start..request.end).step_by(STEP as usize);
    let all: Vec<(i64, f64)> = times.map(|time| (time, (time / STEP) as f64)).collect();
    Fetched::all([rows(&all)])
}

#[test]
fn four_gaps_within_a_second_are_leased_at_the_same_time_and_filled_each() {
    let (_directory, db) = crate::common::scratch();
    let bars = table(&db, Keep::All);
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, leases) = (Arc::clone(&asked), db.clone());
    let source = move |request: &FetchRequest| -> Result<Fetched, FetchError> {
        count.fetch_add(1, Ordering::SeqCst);
        let since = Instant::now();
        while count.load(Ordering::SeqCst) < 4 {
            if since.elapsed() > Duration::from_secs(20) {
                return Err(FetchError::permanent("the other gaps wait for this one"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let leases = leases.leases().expect("leases");
        let mut others = leases.iter().filter(|lease| lease.key.start != request.start);
        if others.any(|lease| lease.key.start < request.end && request.start < lease.key.end) {
            return Err(FetchError::permanent(format!("two leases overlap: {leases:?}")));
        }
        Ok(every_step(request))
    };
    let job = bars
        .backfill(FetcherStrategy::new(source))
        .range(0, SECOND)
        .series(["a"]);
    let job = job.interval(STEP).window_max(3 * STEP).concurrency(4);
    let report = job.run().expect("a report");
    assert_eq!((report.count("filled"), report.attempts()), (4, 4), "{report:?}");
    let expected: Vec<(i64, f64)> = (0..10).map(|step| (step * STEP, step as f64)).collect();
    assert_eq!(stored(&bars), expected);
    let query = GapQuery::new(0, SECOND).series(["a"]).interval(STEP);
    assert_eq!(bars.gaps(&query).expect("gaps"), []);
    assert_eq!(db.leases().expect("leases"), []);
}

#[test]
fn gaps_of_a_few_nanoseconds_are_filled_each_under_a_key_and_a_batch_of_its_own() {
    let (_directory, db) = crate::common::scratch();
    let ticks = table(&db, Keep::All);
    let known = Attestation::new(SECOND - 5..SECOND + 7)
        .series("a")
        .source("vendor");
    ticks.attest([known]).expect("attested");
    let gaps = [(SECOND - 17, SECOND - 5), (SECOND + 7, SECOND + 30)];
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keys = Arc::new(Mutex::new(BTreeSet::new()));
    let (note, of_source, leases) = (Arc::clone(&asked), Arc::clone(&keys), db.clone());
    let source = move |request: &FetchRequest| -> Result<Fetched, FetchError> {
        note.lock().expect("no panic").push((request.start, request.end));
        let held = leases.leases().expect("leases");
        let held = held.into_iter().filter(|lease| lease.key.start == request.start);
        let held = held.map(|lease| (lease.key.to_string(), lease.batch));
        of_source.lock().expect("no panic").extend(held);
        Ok(Fetched::all([rows(&[
            (request.start, 1.0),
            (request.end - 1, 2.0),
        ])]))
    };
    let job = ticks
        .backfill(FetcherStrategy::new(source))
        .series(["a"])
        .interval(0);
    let report = job.range(SECOND - 17, SECOND + 30).run().expect("a report");
    assert_eq!((report.count("filled"), report.rows().inserted), (2, 4));
    assert_eq!(*asked.lock().expect("no panic"), gaps);
    let times: Vec<i64> = stored(&ticks).iter().map(|row| row.0).collect();
    assert_eq!(times, [SECOND - 17, SECOND - 6, SECOND + 7, SECOND + 29]);
    let expected = [
        ("a:0:1000000007ns:1000000030ns::", "a:0:1000000007ns:1000000030ns"),
        ("a:0:999999983ns:999999995ns::", "a:0:999999983ns:999999995ns"),
    ];
    let expected = expected.map(|(key, batch)| (key.to_owned(), batch.to_owned()));
    assert_eq!(*keys.lock().expect("no panic"), BTreeSet::from(expected));
    let coverage = ticks.coverage().expect("coverage");
    let batches = coverage.ranges(Some("a"), 0, i64::MIN..i64::MAX).expect("ranges");
    let batches: Vec<String> = batches.iter().map(|range| range.batch.to_string()).collect();
    assert_eq!(
        batches,
        ["a:0:999999983ns:999999995ns", "", "a:0:1000000007ns:1000000030ns"]
    );
}
