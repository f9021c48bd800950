//! Strategies that leave something to each other.

use super::*;
use crate::backfill::{BackfillReport, ChainStrategy, FetcherStrategy, GapOutcome};

const END: i64 = 10 * MINUTE;

fn run(bars: &Table, chain: ChainStrategy) -> BackfillReport {
    let job = bars.backfill(chain).range(0, END).series(["a"]).interval("1m");
    job.retry(at_once()).run().expect("a report")
}

fn down(_: &FetchRequest) -> Result<Fetched, FetchError> {
    Err(FetchError::transient("the first is down"))
}

fn wrong(_: &FetchRequest) -> Result<Fetched, FetchError> {
    Err(FetchError::permanent("the second has no such symbol"))
}

/// Has the first four minutes and does not speak for more.
fn four(request: &FetchRequest) -> Result<Fetched, FetchError> {
    match request.start < 4 * MINUTE {
        true => Ok(Fetched::through([minutes(request.start, 4 * MINUTE)], 4 * MINUTE)),
        false => Err(FetchError::permanent("nothing after the fourth minute")),
    }
}

#[test]
fn a_later_strategy_gets_what_the_earlier_ones_left() {
    let db = database();
    let bars = bars(&db);
    let second = |request: &FetchRequest| {
        assert_eq!((request.start, request.end), (4 * MINUTE, END));
        all_minutes(request)
    };
    let chain = ChainStrategy::new()
        .then(FetcherStrategy::new(four))
        .then(FetcherStrategy::new(second));
    let report = run(&bars, chain);
    assert_eq!((report.count("filled"), report.attempts()), (1, 1));
    assert_eq!(values(&bars, "price").len(), 10);
}

#[test]
fn an_earlier_error_is_forgotten_when_a_later_strategy_fills_everything() {
    let db = database();
    let chain = ChainStrategy::new()
        .then(FetcherStrategy::new(down))
        .then(FetcherStrategy::new(all_minutes));
    let report = run(&bars(&db), chain);
    assert_eq!((report.count("filled"), report.attempts()), (1, 1));
}

#[test]
fn when_nobody_fills_all_errors_are_told_and_a_transient_one_is_tried_again() {
    let db = database();
    let chain = ChainStrategy::new()
        .then(FetcherStrategy::new(down))
        .then(FetcherStrategy::new(wrong));
    let report = run(&bars(&db), chain);
    let GapOutcome::Failed(why) = &report.gaps[0].outcome else {
        panic!("{report:?}");
    };
    assert!(
        why.contains("fetcher: the first is down") && why.contains("no such symbol"),
        "{why}"
    );
    assert_eq!(report.attempts(), 4);
}

#[test]
fn what_one_gives_in_part_is_left_to_the_next_and_is_there_once() {
    let db = database();
    let bars = bars(&db);
    let some = |request: &FetchRequest| Ok(Fetched::partial([minutes(request.start, 3 * MINUTE)]));
    let only_some = ChainStrategy::new().then(FetcherStrategy::new(some));
    assert_eq!(run(&bars, only_some).count("partial"), 1);
    let chain = ChainStrategy::new()
        .then(FetcherStrategy::new(some))
        .then(FetcherStrategy::new(all_minutes));
    let report = run(&bars, chain);
    assert_eq!(report.count("filled"), 1, "{report:?}");
    assert_eq!(values(&bars, "price").len(), 10);
    assert!(missing(&bars, "a", MINUTE, 0, END).is_empty());
}

#[test]
fn a_chain_of_nothing_leaves_the_gap() {
    let db = database();
    let bars = bars(&db);
    assert_eq!(run(&bars, ChainStrategy::new()).count("failed"), 1);
    assert_eq!(missing(&bars, "a", MINUTE, 0, END), [(0, END)]);
}
