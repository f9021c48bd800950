//! The faults of a source that is asynchronous, and futures that are dropped.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::tests::{MINUTE, all_minutes, at_once, bars, database, missing, values};
use super::*;
use crate::backfill::{
    Backfill, BackfillError, BackfillErrorKind, FetchError, FetchRequest, Fetched, Filled, GapOutcome,
};
use crate::coverage::Gap;
use crate::{Database, Table};

const END: i64 = 10 * MINUTE;

/// What a source does at a call, by its number.
type Does = fn(u32, &FetchRequest) -> Result<Fetched, FetchError>;

struct Source {
    calls: Arc<AtomicU32>,
    /// Before it answers a call.
    delay: fn(u32) -> Duration,
    does: Does,
}

impl AsyncFetcher for Source {
    async fn fetch(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep((self.delay)(call)).await;
        (self.does)(call, request)
    }
}

fn source(does: Does) -> (AsyncFetcherStrategy<Source>, Arc<AtomicU32>) {
    slow_source(|_| Duration::ZERO, does)
}

fn slow_source(delay: fn(u32) -> Duration, does: Does) -> (AsyncFetcherStrategy<Source>, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let of_source = Arc::clone(&calls);
    let source = Source {
        calls: of_source,
        delay,
        does,
    };
    (AsyncFetcherStrategy::new(source), calls)
}

fn job<S: AsyncBackfillStrategy + 'static>(bars: &Table, strategy: S) -> Backfill<S> {
    let job = bars.backfill_async(strategy).range(0, END).series(["a"]);
    job.interval("1m").retry(at_once())
}

fn leases(db: &Database) -> usize {
    db.engine().leases().list().expect("a list").len()
}

/// Waits until something holds, for ten seconds at most.
async fn until(holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not come true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_for_a_while_fills_the_gap_in_the_end() {
    let db = database();
    let bars = bars(&db);
    let (strategy, calls) = source(|call, request| match call {
        0 | 1 => Err(FetchError::transient("try later")),
        _ => all_minutes(request),
    });
    let report = job(&bars, strategy).run_async().await.expect("a report");
    assert_eq!((report.count("filled"), report.attempts()), (1, 3));
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert_eq!(values(&bars, "price").len(), 10);
    assert_eq!(leases(&db), 0);
}

#[tokio::test]
async fn what_was_committed_is_not_asked_for_again() {
    let db = database();
    let bars = bars(&db);
    let (strategy, _) = source(|call, request| match call {
        0 => Ok(Fetched::through(all_minutes(request)?.batches, 4 * MINUTE)),
        1 => Err(FetchError::transient("try later")),
        _ => {
            assert_eq!(request.start, 4 * MINUTE);
            all_minutes(request)
        }
    });
    let report = job(&bars, strategy.clip_rows(true))
        .run_async()
        .await
        .expect("a report");
    assert_eq!((report.count("filled"), report.attempts()), (1, 2));
}

#[tokio::test]
async fn permanent_errors_panics_and_refused_rows_fail_their_gap_alone() {
    let faults: [(Does, &str); 3] = [
        (
            |_, _| Err(FetchError::permanent("no such symbol")),
            "no such symbol",
        ),
        (|_, _| panic!("out of luck"), "out of luck"),
        (
            |_, request| {
                Ok(Fetched::all([super::super::tests::minutes(
                    request.start,
                    request.end + MINUTE,
                )]))
            },
            "clip its rows",
        ),
    ];
    for (does, why) in faults {
        let db = database();
        let bars = bars(&db);
        let report = job(&bars, source(does).0).run_async().await.expect("a report");
        assert!(
            matches!(&report.gaps[0].outcome, GapOutcome::Failed(said) if said.contains(why)),
            "{report:?}"
        );
        assert_eq!(
            (missing(&bars, "a", MINUTE, 0, END), leases(&db)),
            (vec![(0, END)], 0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_given_up_and_asked_again() {
    let db = database();
    let bars = bars(&db);
    let delay = |call: u32| Duration::from_secs(if call == 0 { 1_000_000 } else { 0 });
    let (strategy, calls) = slow_source(delay, |_, request| all_minutes(request));
    let strategy = strategy.timeout(Duration::from_secs(30));
    let report = job(&bars, strategy).run_async().await.expect("a report");
    assert_eq!((report.count("filled"), calls.load(Ordering::Relaxed)), (1, 2));
}

/// Answers nobody before many ask at the same time.
struct Crowd {
    asked: AtomicU32,
    is_there: tokio::sync::watch::Sender<bool>,
}

impl AsyncFetcher for Crowd {
    async fn fetch(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        let mut is_there = self.is_there.subscribe();
        if self.asked.fetch_add(1, Ordering::Relaxed) + 1 == 150 {
            self.is_there.send_replace(true);
        }
        let waited = is_there.wait_for(|is_there| *is_there).await;
        waited.expect("the sender lives as long as this");
        all_minutes(request)
    }
}

#[tokio::test]
async fn many_gaps_wait_for_their_source_at_the_same_time() {
    let db = database();
    let bars = bars(&db);
    let crowd = Crowd {
        asked: AtomicU32::new(0),
        is_there: tokio::sync::watch::Sender::new(false),
    };
    let names: Vec<String> = (0..300).map(|at| format!("s{at}")).collect();
    let job = job(&bars, AsyncFetcherStrategy::new(crowd)).series(names);
    let report = job.concurrency(200).run_async().await.expect("a report");
    assert_eq!((report.count("filled"), report.rows().inserted), (300, 3000));
    assert_eq!(report.attempts(), 300);
}

#[tokio::test]
async fn a_future_that_is_dropped_leaves_a_gap_and_no_lease() {
    let db = database();
    let bars = bars(&db);
    let delay = |call: u32| Duration::from_secs(if call == 0 { 0 } else { 1_000_000 });
    let (strategy, calls) = slow_source(delay, |_, request| {
        Ok(Fetched::through(all_minutes(request)?.batches, 4 * MINUTE))
    });
    {
        let running = job(&bars, strategy.clip_rows(true)).run_async();
        let asked = until(|| calls.load(Ordering::Relaxed) == 2);
        tokio::select! {
            report = running => panic!("the source hangs: {report:?}"),
            () = asked => {}
        }
    }
    until(|| leases(&db) == 0).await;
    assert_eq!(missing(&bars, "a", MINUTE, 0, END), [(4 * MINUTE, END)]);
    let (strategy, _) = source(|_, request| all_minutes(request));
    let report = job(&bars, strategy).run_async().await.expect("a report");
    assert_eq!((report.count("filled"), values(&bars, "price").len()), (1, 10));
}

#[tokio::test]
async fn a_job_that_is_cancelled_tells_what_became_of_each_gap() {
    let db = database();
    let bars = bars(&db);
    let (strategy, calls) = slow_source(
        |_| Duration::from_secs(1_000_000),
        |_, request| all_minutes(request),
    );
    let job = job(&bars, strategy).series(["a", "b", "c"]).concurrency(2);
    let job = job.start_async().await.expect("a job");
    until(|| calls.load(Ordering::Relaxed) == 2).await;
    assert!(!job.is_finished());
    job.cancel();
    let report = job.wait().await.expect("a report");
    assert_eq!(report.count("cancelled"), 3);
    assert_eq!((calls.load(Ordering::Relaxed), leases(&db)), (2, 0));
}

#[tokio::test]
async fn a_job_that_is_dropped_ends() {
    let db = database();
    let bars = bars(&db);
    let (strategy, calls) = slow_source(
        |_| Duration::from_secs(1_000_000),
        |_, request| all_minutes(request),
    );
    let job = job(&bars, strategy).start_async().await.expect("a job");
    until(|| calls.load(Ordering::Relaxed) == 1).await;
    drop(job);
    until(|| leases(&db) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_want_the_same_range_ask_for_it_once() {
    let db = database();
    let bars = bars(&db);
    let (first, calls) = slow_source(|_| Duration::from_millis(200), |_, request| all_minutes(request));
    let first = job(&bars, first).start_async().await.expect("a job");
    until(|| calls.load(Ordering::Relaxed) == 1).await;
    let (second, asked) = source(|_, request| all_minutes(request));
    let report = job(&bars, second).run_async().await.expect("a report");
    // It has no gap when the first one was done before this one looked.
    assert_eq!((report.is_complete(), asked.load(Ordering::Relaxed)), (true, 0));
    assert_eq!(first.wait().await.expect("a report").count("filled"), 1);
}

/// Writes half of a gap, but does not wait until it is written.
struct Impatient(Mutex<Option<usize>>);

impl AsyncBackfillStrategy for Impatient {
    async fn fill(&self, gap: &Gap, writer: &mut AsyncGapWriter) -> Result<Filled, BackfillError> {
        let half = gap.start..gap.start + 5 * MINUTE;
        let rows = vec![super::super::tests::minutes(half.start, half.end)];
        let write = writer.blocking(move |writer| {
            std::thread::sleep(Duration::from_millis(100));
            writer.write(half, &rows)
        });
        let _ = tokio::time::timeout(Duration::from_millis(10), write).await;
        writer.next_request().await?;
        *self.0.lock().expect("no panic") = Some(writer.remaining().len());
        Err(BackfillError::new(BackfillErrorKind::Permanent, "no more"))
    }

    fn name(&self) -> &str {
        "impatient"
    }
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_finished_before_the_next_call() {
    let db = database();
    let bars = bars(&db);
    let report = job(&bars, Impatient(Mutex::default()))
        .run_async()
        .await
        .expect("a report");
    assert_eq!((report.count("failed"), report.rows().inserted), (1, 5));
    assert_eq!(missing(&bars, "a", MINUTE, 0, END), [(5 * MINUTE, END)]);
}
