//! The real files of `shared/data`, against the counts in its README. Skipped where they are not at hand.

use std::path::PathBuf;
use std::time::Instant;

use gapless_interchange::{OnError, ReadOptions, Source, TimeUnit, plan};

use crate::support::Files;

fn data() -> Option<PathBuf> {
    let shared = std::env::var_os("GAPLESS_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let data = if shared.join("data").is_dir() {
        shared.join("data")
    } else {
        shared
    };
    if data.join("README.md").is_file() {
        return Some(data);
    }
    println!(
        "skipped: no shared data at {} (set GAPLESS_SHARED)",
        data.display()
    );
    None
}

/// Reads `name` and checks the number of rows.
fn check(name: &str, rows: usize, options: ReadOptions) {
    let Some(data) = data() else { return };
    let started = Instant::now();
    let plan = plan(&[data.join(name)], &options).unwrap_or_else(|error| panic!("{error}"));
    for decision in &plan.decisions {
        println!(
            "{}: {} because {}",
            decision.column, decision.decided, decision.because
        );
    }
    let mut source = Source::open(&plan, &options).unwrap();
    let mut read = 0;
    for batch in &mut source {
        read += batch.unwrap_or_else(|error| panic!("{error}")).num_rows();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{name}: {read} rows in {seconds:.3} s, {:.0} rows/s",
        read as f64 / seconds
    );
    assert_eq!(read, rows);
    assert_eq!(source.rows_rejected(), 0);
    assert_eq!(source.bytes_read(), source.bytes_total());
}

fn series(column: &str) -> ReadOptions {
    ReadOptions {
        series: Some(column.into()),
        ..Default::default()
    }
}

#[test]
fn us_equity_quotes_and_trades_are_read_whole() {
    check(
        "us_equity/us_equity_quotes_20131007.csv.zst",
        1_665_857,
        series("sym"),
    );
    check(
        "us_equity/us_equity_trades_20131007.csv.zst",
        388_417,
        series("sym"),
    );
}

#[test]
fn bitmex_trades_need_their_unit_and_are_then_read_whole() {
    let name = "crypto/bitmex_xbtusd_trades_201801.csv.gz";
    check(
        name,
        1_000_000,
        ReadOptions {
            time_unit: Some(TimeUnit::Millisecond),
            ..Default::default()
        },
    );
    let Some(data) = data() else { return };
    let error = plan(&[data.join(name)], &ReadOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("ms = 2018-01-01T00:00:02.61Z"),
        "{error}"
    );
}

#[test]
fn fx_ticks_are_read_whole_from_csv_and_parquet() {
    check("fx/eurusd_oanda_ticks_20140501-15.csv.gz", 532_903, series("sym"));
    check(
        "fx/xauusd_oanda_ticks_20140501-09.parquet",
        1_312_635,
        series("sym"),
    );
    check(
        "fx/gbpusd_fxcm_m1_bid_201202.csv.gz",
        30_117,
        ReadOptions::default(),
    );
}
