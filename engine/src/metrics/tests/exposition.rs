//! Names, types and labels as dashboards have them: the encoder appends `_total` by itself, so a name is easily wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::backfill::tests::{MINUTE, all_minutes, at_once, bars, database};
use crate::backfill::{FetchError, FetchRequest, Fetched, FetcherStrategy};
use crate::metrics::Metrics;
use crate::metrics::set::LEASES_OVER_MAX;
use crate::{Database, GapQuery};

/// Name, type and labels, as the reference of QMTL has them.
const NAMES: [(&str, &str, &str); 12] = [
    ("backfill_last_timestamp", "gauge", "node_id,interval"),
    ("backfill_jobs_in_progress", "gauge", ""),
    ("backfill_retry_total", "counter", "node_id,interval"),
    ("backfill_failure_total", "counter", "node_id,interval"),
    ("backfill_completion_ratio", "gauge", "node_id,interval,lease_key"),
    (
        "history_auto_backfill_requests_total",
        "counter",
        "strategy,node_id,interval",
    ),
    (
        "history_auto_backfill_missing_ranges_total",
        "counter",
        "strategy,node_id,interval",
    ),
    (
        "history_auto_backfill_rows_total",
        "counter",
        "strategy,node_id,interval",
    ),
    ("history_auto_backfill_duration_ms", "histogram", "strategy"),
    ("coverage_ratio", "gauge", "node_id,interval,world_id"),
    ("live_staleness_seconds", "gauge", "node_id,interval,world_id"),
    ("gap_repair_latency_ms", "histogram", "node_id,interval,world_id"),
];

/// A job in which `a` is filled at the second attempt and `b` fails, coverage and a session, counted.
fn counted(db: &Database) -> Metrics {
    let (metrics, bars) = (Metrics::new(), bars(db));
    let asked = AtomicU32::new(0);
    let source = move |request: &FetchRequest| -> Result<Fetched, FetchError> {
        match (request.series.as_deref(), asked.fetch_add(1, Ordering::Relaxed)) {
            (Some("b"), _) => Err(FetchError::permanent("no such symbol")),
            (_, 0) => Err(FetchError::transient("try later")),
            _ => all_minutes(request),
        }
    };
    bars.backfill(FetcherStrategy::new(source))
        .range(0, 10 * MINUTE)
        .series(["a", "b"])
        .interval("1m")
        .world("w")
        .retry(at_once())
        .metrics(&metrics)
        .run()
        .expect("a report");
    let query = GapQuery::new(0, 20 * MINUTE).series(["a"]).interval("1m");
    let coverage = bars.coverage().expect("coverage");
    metrics.observe_coverage(&coverage, &query, "w").expect("gaps");
    let session = bars.session().series("a").interval("1m").start(0).open();
    metrics.observe_live(&session.expect("a session"), "w");
    metrics
}

fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name, value.parse().expect("a number"))
        })
        .collect()
}

#[test]
fn every_metric_has_the_name_the_type_and_the_labels_that_dashboards_read() {
    let db = database();
    let text = counted(&db).encode();
    for (name, kind, labels) in NAMES {
        let family = match kind {
            "counter" => name.strip_suffix("_total").expect("a counter"),
            _ => name,
        };
        assert!(
            text.contains(&format!("# TYPE {family} {kind}\n")),
            "{name}: {text}"
        );
        let sample = match kind {
            "histogram" => format!("{name}_sum"),
            _ => name.to_owned(),
        };
        let of_it = |line: &&str| line.starts_with(&sample) && !line[sample.len()..].starts_with('_');
        let line = text
            .lines()
            .find(of_it)
            .unwrap_or_else(|| panic!("no {sample}: {text}"));
        let found: Vec<&str> = match line.split_once('{') {
            None => Vec::new(),
            Some((_, rest)) => rest
                .split("\",")
                .map(|pair| pair.split('=').next().expect("a name"))
                .collect(),
        };
        assert_eq!(found.join(","), labels, "{line}");
    }
    let families = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(families, NAMES.len(), "{text}");
    assert!(!text.contains("_total_total"));
}

#[test]
fn a_job_is_counted_by_series_and_strategy() {
    let db = database();
    let text = counted(&db).encode();
    let samples = samples(&text);
    let of = |name: &str| {
        samples
            .get(name)
            .copied()
            .unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    let (a, b) = ("node_id=\"a\",interval=\"60\"", "node_id=\"b\",interval=\"60\"");
    assert_eq!(of(&format!("backfill_last_timestamp{{{a}}}")), 600.0);
    assert_eq!(of("backfill_jobs_in_progress"), 0.0);
    assert_eq!(of(&format!("backfill_retry_total{{{a}}}")), 1.0);
    assert_eq!(of(&format!("backfill_failure_total{{{b}}}")), 1.0);
    let lease =
        |node: &str, id: &str| format!("backfill_completion_ratio{{{node},lease_key=\"{id}:60:0:600:w:\"}}");
    assert_eq!((of(&lease(a, "a")), of(&lease(b, "b"))), (1.0, 0.0));
    let auto = |name: &str, node: &str| {
        of(&format!(
            "history_auto_backfill_{name}_total{{strategy=\"fetcher\",{node}}}"
        ))
    };
    assert_eq!(
        (auto("requests", a), auto("missing_ranges", a), auto("rows", a)),
        (1.0, 1.0, 10.0)
    );
    assert_eq!(auto("rows", b), 0.0);
    assert_eq!(
        of("history_auto_backfill_duration_ms_count{strategy=\"fetcher\"}"),
        1.0
    );
    assert_eq!(of(&format!("coverage_ratio{{{a},world_id=\"w\"}}")), 0.5);
    assert_eq!(
        of(&format!("gap_repair_latency_ms_count{{{a},world_id=\"w\"}}")),
        1.0
    );
    assert!(of(&format!("live_staleness_seconds{{{a},world_id=\"w\"}}")) > 1.5e9);
}

#[test]
fn of_leases_that_are_over_only_the_newest_keep_their_ratio() {
    let db = database();
    let (metrics, bars) = (Metrics::new(), bars(&db));
    let gaps = LEASES_OVER_MAX as i64 + 7;
    let report = bars
        .backfill(FetcherStrategy::new(all_minutes))
        .range(0, gaps * MINUTE)
        .series(["a"])
        .interval("1m")
        .window_max("1m")
        .metrics(&metrics)
        .run()
        .expect("a report");
    assert_eq!(report.gaps.len() as i64, gaps);
    let text = metrics.encode();
    let ratios = text
        .lines()
        .filter(|line| line.starts_with("backfill_completion_ratio{"));
    assert_eq!(ratios.count(), LEASES_OVER_MAX);
}
