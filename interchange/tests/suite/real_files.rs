//! The real files of `shared/data`, against the counts in its README. Skipped where they are not at hand.

use std::path::PathBuf;
use std::time::Instant;

use gapless_interchange::{ReadOptions, Source, TimeUnit, plan};

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

fn time(column: &str, zone: Option<&str>) -> ReadOptions {
    ReadOptions {
        time: Some(column.into()),
        zone: zone.map(Into::into),
        ..Default::default()
    }
}

#[test]
fn the_binance_capture_and_the_order_log_are_read_whole() {
    let capture = |column| ReadOptions {
        series: Some("sym".into()),
        ..time(column, None)
    };
    check(
        "crypto/binance_feed_trades_20240808.csv.gz",
        78_638,
        capture("recv_ns"),
    );
    check(
        "crypto/binance_feed_bbo_20240808.csv.gz",
        335_931,
        capture("recv_ns"),
    );
    check(
        "futures/cme_esh4_mbo_20231225.csv.gz",
        68_792,
        time("ts_recv_ns", None),
    );
    check(
        "futures/cme_6eh4_1m_202401.csv.gz",
        29_996,
        time("timestamp_utc", Some("UTC")),
    );
}

#[test]
fn json_bars_are_read_whole_in_all_their_shapes() {
    let named = |names: &[&str]| ReadOptions {
        column_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Default::default()
    };
    check(
        "bars/bitmex_xbtusd_1m_2016H1.ndjson.zst",
        262_080,
        series("symbol"),
    );
    let bar = ["ts_ms", "open", "close", "high", "low", "volume"];
    let float = |name: &&str| ((*name).to_owned(), "f64".parse().unwrap());
    let types = bar.iter().skip(1).map(float).collect();
    check(
        "bars/bitfinex_ltcusd_1m_2013-2016.ndjson.zst",
        317_002,
        ReadOptions { types, ..named(&bar) },
    );
    check(
        "bars/freqtrade_unittest_btc_1m_201711.json.gz",
        13_681,
        named(&bar),
    );
    let kline = [
        "ts_ms",
        "o",
        "h",
        "l",
        "c",
        "v",
        "end_ms",
        "quote",
        "trades",
        "buy",
        "buy_quote",
        "ignored",
    ];
    check("bars/binance_klines_raw_btcusdt_1m.json.gz", 1_000, named(&kline));
    let trade = ["ts_ms", "id", "type", "side", "price", "amount", "cost"];
    check(
        "crypto/binance_xrpeth_trades_201910.json.gz",
        12_477,
        named(&trade),
    );
}

#[test]
fn local_times_of_the_energy_files_are_read_whole_with_a_zone() {
    check(
        "energy/household_power_1min_2006-2010.csv.zst",
        2_075_259,
        time("date_time", Some("+01:00")),
    );
    check("energy/ETTh1.csv.gz", 17_420, time("date", Some("UTC")));
    check(
        "sensors/nab_real_47series.csv.gz",
        321_206,
        ReadOptions {
            series: Some("series".into()),
            ..time("timestamp", Some("UTC"))
        },
    );
    let Some(data) = data() else { return };
    // Every minute has a row, also those that the clocks of Paris skip.
    let options = time("date_time", Some("Europe/Paris"));
    let plan = plan(
        &[data.join("energy/household_power_1min_2006-2010.csv.zst")],
        &options,
    )
    .unwrap();
    let error = Source::open(&plan, &options)
        .unwrap()
        .find_map(Result::err)
        .unwrap();
    assert!(
        error.to_string().contains("does not exist in Europe/Paris"),
        "{error}"
    );
}

#[test]
fn the_raw_feed_is_refused_in_words() {
    let Some(data) = data() else { return };
    let error = plan(
        &[data.join("crypto/binance_usdm_btcusdt_rawfeed_20240808.ndjson.gz")],
        &ReadOptions::default(),
    );
    let error = error.unwrap_err();
    assert!(
        error.line == Some(1) && error.to_string().contains("is not a JSON object or array"),
        "{error}"
    );
}

#[test]
fn all_days_of_trades_are_one_source_once_the_conditions_are_said_to_be_text() {
    let Some(data) = data() else { return };
    let days = ["07", "08", "09", "10"]
        .map(|day| data.join(format!("us_equity/us_equity_trades_201310{day}.csv.zst")));
    let read = |options: &ReadOptions| {
        let plan = plan(&days, options).unwrap();
        let batches = Source::open(&plan, options).unwrap();
        batches
            .map(|batch| batch.map(|batch| batch.num_rows()))
            .sum::<Result<usize, _>>()
    };
    // The sampled conditions are digits only; hexadecimal ones come late, on the fourth day.
    let error = read(&series("sym")).unwrap_err();
    assert_eq!(
        (error.line, error.value.as_deref()),
        (Some(221_687), Some("20004a00")),
        "{error}"
    );
    let types = vec![("cond".into(), "symbol".parse().unwrap())];
    let rows = read(&ReadOptions {
        types,
        ..series("sym")
    })
    .unwrap();
    assert_eq!(rows, 388_417 + 654_140 + 641_559 + 661_332);
}
