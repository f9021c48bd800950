//! A strategy that panics once took its worker with it, and the reports of all other gaps; its lease was renewed on.

use super::*;
use crate::backfill::{FetcherStrategy, GapOutcome};

#[test]
fn a_strategy_that_panics_fails_its_gap_alone_and_leaves_no_lease() {
    let db = database();
    let bars = bars(&db);
    let source = |request: &FetchRequest| -> Result<Fetched, FetchError> {
        assert!(request.series.as_deref() != Some("b"), "no b here");
        all_minutes(request)
    };
    let report = bars
        .backfill(FetcherStrategy::new(source))
        .range(0, 10 * MINUTE)
        .series(["a", "b", "c"])
        .interval("1m")
        .run()
        .expect("the job goes on");
    let outcomes: Vec<&str> = report.gaps.iter().map(|gap| gap.outcome.name()).collect();
    assert_eq!(outcomes, ["filled", "failed", "filled"]);
    let failed = &report.gaps[1].outcome;
    assert!(matches!(failed, GapOutcome::Failed(why) if why.contains("no b here")));
    assert_eq!(missing(&bars, "b", MINUTE, 0, 10 * MINUTE), [(0, 10 * MINUTE)]);
    assert!(db.engine().leases().list().expect("a list").is_empty());
}
