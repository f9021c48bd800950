//! What every file misses: as its README counts it, gap by gap as its times show it.

use gapless::GapQuery;

use super::twin::{self, Figures, figures};
use crate::common::{HOUR, SECOND};
use crate::real_data::{self, Imported, MINUTE, import, series, time};
use gapless_interchange::ReadOptions;

/// Series, gaps, missing slots, gaps over an hour, slots of the longest gap.
type Counted = (&'static str, usize, i64, usize, i64);

/// Infers the coverage of an imported file and compares its gaps with the twin's and with what was counted; series that are
/// not named have none. Only the series that `is_asked` are looked at.
fn check(
    file: &str,
    imported: &Imported,
    interval: i64,
    is_asked: impl Fn(&str) -> bool,
    counted: &[Counted],
) {
    let table = &imported.table;
    let mut times = imported.stored.times.clone();
    times.retain(|name, _| is_asked(name));
    let names: Vec<&str> = times.keys().map(String::as_str).collect();
    let has_series = names != [""];
    let asked = has_series.then_some(names.as_slice());
    let inferred = table.infer_coverage(interval, asked).expect("inferred");
    assert_eq!(
        inferred.rows as usize,
        times.values().map(Vec::len).sum::<usize>(),
        "{file}"
    );
    let coverage = table.coverage().expect("coverage");
    for name in names {
        // Each from its own first row to its last, which is what was counted.
        let times = &times[name];
        let span = twin::span(&[(name.to_owned(), times.clone())].into(), interval);
        let mut query = GapQuery::new(span.start, span.end).interval(interval);
        if has_series {
            query = query.series([name]);
        }
        let found = twin::by_series(coverage.gaps(&query).expect("gaps"));
        let expected = twin::holes(times, &span, interval);
        let own: twin::Holes = [(name.to_owned(), expected)].into();
        twin::assert_same(file, &found, &own);
        let found = figures(&own[name], interval);
        let expected = counted.iter().find(|counted| counted.0 == name);
        let (_, gaps, missing, over_an_hour, longest) = expected.copied().unwrap_or((name, 0, 0, 0, 0));
        let expected = Figures {
            gaps,
            missing,
            over_an_hour,
            longest,
        };
        assert_eq!(found, expected, "{file}: {name:?}");
        let days = coverage.completeness(&query).expect("a completeness");
        let sum = |of: fn(&gapless::coverage::Completeness) -> u64| days.iter().map(of).sum::<u64>() as i64;
        let slots = (span.end - span.start) / interval;
        let known = (sum(|day| day.expected), sum(|day| day.covered));
        assert_eq!(known, (slots, slots - missing), "{file}: {name:?}");
    }
}

fn check_file(file: &str, options: &ReadOptions, interval: i64, counted: &[Counted]) {
    if let Some(imported) = import(&[file], options) {
        check(file, &imported, interval, |_| true, counted);
    }
}

#[test]
fn minutes_of_bitfinex_with_quiet_ones_and_outages() {
    let files: [(&str, Counted); 3] = [
        ("btcusd_1m_2014-2016", ("", 196_118, 634_510, 17, 87_839)),
        ("ethusd_1m_2016-2017", ("", 70_242, 453_624, 308, 87_869)),
        ("ltcusd_1m_2013-2016", ("", 135_755, 1_587_130, 3_268, 87_907)),
    ];
    for (name, counted) in files {
        let file = format!("bars/bitfinex_{name}.ndjson.zst");
        check_file(&file, &real_data::bitfinex(), MINUTE, &[counted]);
    }
}

#[test]
fn bars_of_other_exchanges() {
    // An interval without trades is a row here, so nothing is missing.
    let file = "bars/bitmex_xbtusd_1m_2016H1.ndjson.zst";
    check_file(file, &series("symbol"), MINUTE, &[]);
    let counted = [
        ("ADA/BTC", 5, 40, 1, 33),
        ("DASH/BTC", 2, 2, 0, 1),
        ("TRX/BTC", 6, 6, 0, 1),
        ("XMR/BTC", 2, 2, 0, 1),
        ("ZEC/BTC", 2, 2, 0, 1),
    ];
    let file = "bars/freqtrade_10pairs_5m_201801.csv.gz";
    check_file(file, &series("sym"), 5 * MINUTE, &counted);
    let file = "bars/freqtrade_unittest_btc_1m_201711.json.gz";
    check_file(file, &real_data::freqtrade(), MINUTE, &[("", 538, 717, 0, 7)]);
    for (name, interval) in [("1m", MINUTE), ("5m", 5 * MINUTE)] {
        let file = format!("bars/binance_klines_raw_btcusdt_{name}.json.gz");
        check_file(&file, &real_data::klines(), interval, &[]);
    }
}

#[test]
fn minutes_of_currencies_and_futures_with_their_closed_hours() {
    // Longest 48.05 h and 49 h between two rows, so one slot less is missing.
    let file = "fx/gbpusd_fxcm_m1_bid_201202.csv.gz";
    check_file(
        file,
        &ReadOptions::default(),
        MINUTE,
        &[("", 111, 11_644, 4, 2_882)],
    );
    let file = "futures/cme_6eh4_1m_202401.csv.gz";
    check_file(
        file,
        &time("timestamp_utc", Some("UTC")),
        MINUTE,
        &[("", 375, 13_263, 22, 2_940)],
    );
}

#[test]
fn hours_of_transformers_and_of_air_quality_miss_nothing() {
    for name in ["energy/ETTh1.csv.gz", "energy/ETTh2.csv.gz"] {
        check_file(name, &time("date", Some("UTC")), HOUR, &[]);
    }
    if let Some(imported) = real_data::air_quality() {
        check("air quality", &imported, HOUR, |_| true, &[]);
    }
}

/// The series of NAB have steps of their own, and most have times between the slots of a grid. The README counts steps
/// wider than the usual one; the engine counts slots without a row, the row between two slots being in the earlier one.
///
/// - On the grid both are the same: 10 gaps of the ambient temperature, the longest 7.25 d.
/// - Off the grid but regular, a late row after a pause may shift by less than a step: one slot more (1ef3de: 11 by steps,
///   12 by slots).
/// - The traffic series are irregular, so steps of a little more than five minutes are no empty slot, and some steps of
///   less than ten leave one: occupancy_6005 has 592 wide steps and 576 gaps.
#[test]
fn sensors_on_and_off_the_grid() {
    let options = ReadOptions {
        series: Some("series".into()),
        ..time("timestamp", Some("UTC"))
    };
    let file = "sensors/nab_real_47series.csv.gz";
    let Some(imported) = import(&[file], &options) else {
        return;
    };
    let called = |part: &'static str| move |name: &str| name.contains(part);
    check(
        file,
        &imported,
        HOUR,
        called("ambient"),
        &[(
            "realKnownCause/ambient_temperature_system_failure",
            10,
            621,
            10,
            173,
        )],
    );
    check(file, &imported, 30 * MINUTE, called("nyc_taxi"), &[]);
    check(
        file,
        &imported,
        HOUR,
        called("realAdExchange"),
        &[
            ("realAdExchange/exchange-2_cpc_results", 5, 25, 5, 20),
            ("realAdExchange/exchange-2_cpm_results", 5, 25, 5, 20),
            ("realAdExchange/exchange-3_cpc_results", 64, 109, 64, 15),
            ("realAdExchange/exchange-3_cpm_results", 64, 109, 64, 15),
            ("realAdExchange/exchange-4_cpc_results", 4, 4, 4, 1),
            ("realAdExchange/exchange-4_cpm_results", 4, 4, 4, 1),
        ],
    );
    check(file, &imported, 5 * MINUTE, called("realTweets"), &[]);
    check(
        file,
        &imported,
        5 * MINUTE,
        called("realAWSCloudwatch"),
        &[
            ("realAWSCloudwatch/ec2_cpu_utilization_825cc2", 2, 2, 0, 1),
            ("realAWSCloudwatch/ec2_cpu_utilization_ac20cd", 2, 5, 0, 3),
            ("realAWSCloudwatch/ec2_disk_write_bytes_1ef3de", 1, 12, 1, 12),
            ("realAWSCloudwatch/ec2_network_in_257a54", 2, 2, 0, 1),
            ("realAWSCloudwatch/ec2_network_in_5abac7", 1, 12, 1, 12),
            ("realAWSCloudwatch/elb_request_count_8c0756", 8, 8, 0, 1),
            ("realAWSCloudwatch/rds_cpu_utilization_cc0c53", 1, 1, 0, 1),
        ],
    );
    let grid_of_five = |name: &str| {
        let others = ["ambient_temperature", "nyc_taxi"];
        name.contains("realKnownCause") && others.iter().all(|other| !name.contains(other))
    };
    check(
        file,
        &imported,
        5 * MINUTE,
        grid_of_five,
        &[
            ("realKnownCause/ec2_request_latency_system_failure", 2, 13, 1, 12),
            ("realKnownCause/rogue_agent_key_hold", 91, 3_456, 21, 546),
            ("realKnownCause/rogue_agent_key_updown", 10, 23, 0, 9),
        ],
    );
    let occupancy = |name: &str| name.contains("occupancy") || name.contains("speed");
    check(
        file,
        &imported,
        5 * MINUTE,
        occupancy,
        &[
            ("realTraffic/occupancy_6005", 576, 2_267, 12, 1_007),
            ("realTraffic/occupancy_t4013", 544, 2_176, 9, 1_011),
            ("realTraffic/speed_6005", 627, 2_381, 13, 1_007),
            ("realTraffic/speed_7578", 381, 1_500, 19, 83),
            ("realTraffic/speed_t4013", 545, 2_181, 9, 1_011),
        ],
    );
    check(
        file,
        &imported,
        10 * MINUTE,
        called("TravelTime"),
        &[
            ("realTraffic/TravelTime_387", 826, 7_480, 224, 146),
            ("realTraffic/TravelTime_451", 773, 5_274, 195, 162),
        ],
    );
    let wide = |name: &str| {
        let times = imported.stored.series(name);
        times
            .windows(2)
            .filter(|pair| pair[1] - pair[0] > 300 * SECOND)
            .count()
    };
    assert_eq!(wide("realTraffic/occupancy_6005"), 592, "as the README counts");
}
