//! The names and fields that dashboards read, which nothing else would miss.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::backfill::run::{Begun, GapRun, Next};
use crate::backfill::{BackfillStrategy, FetcherStrategy};
use crate::test_events::{Event, events_of};

#[test]
fn every_step_of_a_gap_is_told_under_the_names_that_dashboards_read() {
    let db = database();
    let bars = bars(&db);
    let asked = AtomicU32::new(0);
    let source = move |request: &FetchRequest| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Err(FetchError::transient("too many requests")),
        _ => all_minutes(request),
    };
    let events = fill(&bars, "blake3:7f", source);
    let names = [
        "backfill.start",
        "seamless.backfill.attempt",
        "seamless.backfill.failed",
        "backfill.retry",
        "seamless.backfill.attempt",
        "seamless.backfill.succeeded",
        "backfill.complete",
    ];
    assert_eq!(
        events.iter().map(|event| &event["message"]).collect::<Vec<_>>(),
        names
    );
    for event in &events {
        let of_gap = ["node_id", "interval", "start", "end"].map(|name| event[name].as_str());
        assert_eq!(of_gap, ["blake3:7f", "60", "60", "600"], "{event:?}");
    }
    for event in events
        .iter()
        .filter(|event| event["message"].starts_with("seamless"))
    {
        assert_eq!(event["batch_id"], "blake3:7f:60:60:600");
        assert_eq!(event["source"], "fetcher");
    }
    let attempts = [1, 2, 3, 4, 5].map(|at| events[at]["attempt"].as_str());
    assert_eq!(attempts, ["1", "1", "1", "2", "2"]);
    assert_eq!(events[2]["error"], "too many requests");
    assert_eq!(events[6]["outcome"], "filled");
    assert!(events.iter().all(|event| event["level"] != "ERROR"));
}

#[test]
fn a_gap_that_cannot_be_filled_is_an_error_that_says_how_often_it_was_tried() {
    let db = database();
    let source =
        |_: &FetchRequest| -> Result<Fetched, FetchError> { Err(FetchError::permanent("no such symbol")) };
    let events = fill(&bars(&db), "a", source);
    let last = events.last().expect("an event");
    assert_eq!(last["message"], "backfill.failed");
    assert_eq!(
        (
            last["level"].as_str(),
            last["attempts"].as_str(),
            last["error"].as_str()
        ),
        ("ERROR", "1", "no such symbol")
    );
    assert!(!events.iter().any(|event| event["message"] == "backfill.retry"));
}

/// Fills minutes 1 to 10 in this thread, and gives the events of it.
fn fill(
    bars: &Table,
    series: &str,
    source: impl Fn(&FetchRequest) -> Result<Fetched, FetchError> + Send + Sync + 'static,
) -> Vec<Event> {
    let strategy = FetcherStrategy::new(source);
    let job = bars.backfill(FetcherStrategy::new(all_minutes));
    let job = job
        .range(MINUTE, 10 * MINUTE)
        .series([series])
        .interval("1m")
        .retry(at_once());
    let core = job.core().expect("a job");
    let unit = job.units().expect("a plan").remove(0);
    events_of("backfill::event", || {
        let Begun::Ready(mut run) = GapRun::begin(&core, unit).expect("a claim") else {
            panic!("nobody else is here");
        };
        loop {
            let (gap, writer) = run.parts();
            let outcome = strategy.fill(&gap, writer);
            match run.after(outcome, 0.5) {
                Next::Over(_) => break,
                Next::Retry(_) => run.again().expect("the lease is ours"),
            }
        }
    })
}
