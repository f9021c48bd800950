//! Tables to fill, and rows that sources give.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless::backfill::{
    Backfill, BackfillReport, FetchError, FetchRequest, Fetched, FetcherStrategy, GapOutcome, RetryPolicy,
};
use gapless::{Database, GapQuery, Keep, Table, TableSpec};

use crate::common::SECOND;

pub const MINUTE: i64 = 60 * SECOND;
pub const END: i64 = 10 * MINUTE;
pub const KEEPS: [Keep; 3] = [Keep::All, Keep::First, Keep::Last];
/// On a grid and on none.
pub const INTERVALS: [i64; 2] = [MINUTE, 0];

pub fn table(db: &Database, keep: Keep) -> Table {
    let ts = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let fields = vec![
        Field::new("ts", ts, false),
        Field::new("node", text, false),
        Field::new("price", DataType::Float64, true),
    ];
    let spec = TableSpec::new("bars", Schema::new(fields))
        .time("ts")
        .series("node");
    db.create_table(&spec.keep(keep)).expect("a new table")
}

/// Rows without a series.
pub fn rows(rows: &[(i64, f64)]) -> RecordBatch {
    let times: Vec<i64> = rows.iter().map(|(time, _)| *time).collect();
    let ts = TimestampNanosecondArray::from(times).with_timezone("UTC");
    let prices = Float64Array::from_iter_values(rows.iter().map(|(_, price)| *price));
    let columns: Vec<(&str, ArrayRef)> = vec![("ts", Arc::new(ts)), ("price", Arc::new(prices))];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// A row each minute; its price is its minute.
pub fn minutes(start: i64, end: i64) -> RecordBatch {
    let all: Vec<(i64, f64)> = (start..end)
        .step_by(MINUTE as usize)
        .map(|time| (time, (time / MINUTE) as f64))
        .collect();
    rows(&all)
}

pub fn every_minute(request: &FetchRequest) -> Result<Fetched, FetchError> {
    Ok(Fetched::all([minutes(request.start, request.end)]))
}

/// Times and prices, by series and time.
pub fn stored(table: &Table) -> Vec<(i64, f64)> {
    let mut all = Vec::new();
    for batch in table.scan().expect("a scan").collect().expect("rows") {
        let times = batch["ts"].as_primitive::<TimestampNanosecondType>().values();
        let prices = batch["price"].as_primitive::<Float64Type>().values();
        all.extend(times.iter().copied().zip(prices.iter().copied()));
    }
    all
}

pub fn all_ten() -> Vec<(i64, f64)> {
    (0..10).map(|minute| (minute * MINUTE, minute as f64)).collect()
}

/// What is missing of series `a`.
pub fn missing(table: &Table, interval: i64) -> Vec<(i64, i64)> {
    let query = GapQuery::new(0, END).series(["a"]).interval(interval);
    let gaps = table.gaps(&query).expect("gaps");
    gaps.iter().map(|gap| (gap.start, gap.end)).collect()
}

/// Ten minutes of series `a`, retried without pauses.
pub fn job<F>(table: &Table, strategy: FetcherStrategy<F>, interval: i64) -> Backfill
where
    F: gapless::backfill::Fetcher + 'static,
{
    let retry = RetryPolicy {
        backoff: std::time::Duration::ZERO,
        ..RetryPolicy::default()
    };
    let job = table.backfill(strategy).range(0, END).series(["a"]);
    job.interval(interval).retry(retry)
}

/// Fills it from a source that knows the number of each call, and tells how often it was asked.
pub fn fill(
    table: &Table,
    interval: i64,
    source: impl Fn(u32, &FetchRequest) -> Result<Fetched, FetchError> + Send + Sync + 'static,
) -> (BackfillReport, u32) {
    let calls = Arc::new(AtomicU32::new(0));
    let of_source = Arc::clone(&calls);
    let source = move |request: &FetchRequest| source(of_source.fetch_add(1, Ordering::Relaxed), request);
    let report = job(table, FetcherStrategy::new(source), interval).run();
    (report.expect("a report"), calls.load(Ordering::Relaxed))
}

/// Why the only gap failed.
pub fn why(report: &BackfillReport) -> &str {
    match report.gaps.as_slice() {
        [gap] => match &gap.outcome {
            GapOutcome::Failed(why) => why,
            other => panic!("the gap is {other:?}"),
        },
        other => panic!("one gap, not {other:?}"),
    }
}

/// Runs a scenario for every way to keep rows, on a grid and on none.
pub fn everywhere(scenario: impl Fn(&Table, Keep, i64)) {
    for keep in KEEPS {
        for interval in INTERVALS {
            let (_directory, db) = crate::common::scratch();
            println!("keep {keep:?}, interval {interval}");
            scenario(&table(&db, keep), keep, interval);
        }
    }
}
