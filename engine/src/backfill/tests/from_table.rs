//! Bars against a twin that keeps the rows of each bar in a list.

use std::collections::BTreeMap;

use super::*;
use crate::backfill::{Aggregation, BackfillReport, FromTableStrategy, GapOutcome};
use crate::{Attestation, CoverageState};

const COLUMNS: [&str; 9] = [
    "open", "high", "low", "close", "volume", "ticks", "rows", "mean", "vwap",
];

fn strategy(source: &Table) -> FromTableStrategy {
    FromTableStrategy::new(source).ohlc("price").bars([
        ("volume", Aggregation::sum("size")),
        ("ticks", Aggregation::count("price")),
        ("rows", Aggregation::rows()),
        ("mean", Aggregation::mean("price")),
        ("vwap", Aggregation::vwap("price", "size")),
    ])
}

struct Tick {
    time: i64,
    price: Option<f64>,
    size: f64,
}

/// Numbers that a seed gives.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// Ticks in order of time: some minutes have none, some ticks have the same time, some have no price.
fn ticks(seed: u64, count: usize) -> Vec<Tick> {
    let (mut random, mut time) = (Random(seed), 0);
    let tick = |_| {
        time += match random.below(50) {
            0 => 3 * MINUTE + 17,
            1..=5 => 0,
            _ => random.below(5 * SECOND as u64) as i64,
        };
        let price = 100.0 + random.below(10_000) as f64 / 7.0;
        Tick {
            time,
            price: (random.below(20) > 0).then_some(price),
            size: random.below(90) as f64 / 3.0,
        }
    };
    (0..count).map(tick).collect()
}

fn append(table: &Table, ticks: &[Tick], series: &str) {
    let times: Vec<i64> = ticks.iter().map(|tick| tick.time).collect();
    let ts = TimestampNanosecondArray::from(times).with_timezone("UTC");
    let names = arrow_array::StringArray::from(vec![series; ticks.len()]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts)),
        ("node", Arc::new(names)),
        (
            "price",
            Arc::new(Float64Array::from_iter(ticks.iter().map(|tick| tick.price))),
        ),
        (
            "size",
            Arc::new(Float64Array::from_iter_values(ticks.iter().map(|tick| tick.size))),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    table.append(&batch).expect("appended");
}

/// The slow, obvious way.
fn twin(ticks: &[Tick], step: i64) -> BTreeMap<i64, Vec<Option<f64>>> {
    let mut bars: BTreeMap<i64, Vec<&Tick>> = BTreeMap::new();
    for tick in ticks {
        bars.entry(tick.time.div_euclid(step) * step)
            .or_default()
            .push(tick);
    }
    let bar = |ticks: Vec<&Tick>| {
        let prices: Vec<f64> = ticks.iter().filter_map(|tick| tick.price).collect();
        let priced = || {
            ticks
                .iter()
                .filter_map(|tick| tick.price.map(|price| (price, tick.size)))
        };
        let sizes: f64 = priced().map(|(_, size)| size).sum();
        let weighed: f64 = priced().map(|(price, size)| price * size).sum();
        let some = |value: f64| (!prices.is_empty()).then_some(value);
        vec![
            prices.first().copied(),
            prices.iter().copied().reduce(f64::max),
            prices.iter().copied().reduce(f64::min),
            prices.last().copied(),
            Some(ticks.iter().map(|tick| tick.size).sum()),
            Some(prices.len() as f64),
            Some(ticks.len() as f64),
            some(prices.iter().sum::<f64>() / prices.len() as f64),
            (sizes != 0.0).then(|| weighed / sizes),
        ]
    };
    bars.into_iter().map(|(time, ticks)| (time, bar(ticks))).collect()
}

fn read(bars: &Table) -> BTreeMap<i64, Vec<Option<f64>>> {
    let mut all = BTreeMap::new();
    for batch in bars.scan().expect("a scan").collect().expect("rows") {
        let times = batch["ts"].as_primitive::<TimestampNanosecondType>();
        for (row, time) in times.values().iter().enumerate() {
            let value = |name: &&str| {
                batch[*name]
                    .as_primitive::<Float64Type>()
                    .iter()
                    .nth(row)
                    .flatten()
            };
            all.insert(*time, COLUMNS.iter().map(value).collect());
        }
    }
    all
}

fn fill(bars: &Table, strategy: FromTableStrategy, interval: &str, end: i64) -> BackfillReport {
    let job = bars
        .backfill(strategy)
        .range(0, end)
        .series(["a"])
        .interval(interval);
    job.run().expect("a report")
}

#[test]
fn bars_of_ticks_are_those_of_the_twin() {
    for (seed, interval, step) in [(1, "1m", MINUTE), (2, "7s", 7 * SECOND), (3, "1d", 1440 * MINUTE)] {
        let db = database();
        let raw = numbers(&db, "ticks", Keep::All, &["price", "size"]);
        let bars = numbers(&db, "bars", Keep::Last, &COLUMNS);
        let ticks = ticks(seed, 20_000);
        append(&raw, &ticks, "a");
        append(&raw, &ticks[..100], "b");
        let end = (ticks.last().expect("ticks").time / step + 1) * step;
        raw.attest([Attestation::new(0..end).series("a")])
            .expect("attested");
        let report = fill(&bars, strategy(&raw), interval, end);
        assert_eq!(report.count("filled"), 1, "{report:?}");
        let (found, expected) = (read(&bars), twin(&ticks, step));
        assert_eq!(found.len(), expected.len(), "seed {seed}");
        for (time, bar) in &expected {
            assert_eq!(&found[time], bar, "seed {seed}, bar at {time}");
        }
    }
}

#[test]
fn more_bars_than_one_commit_takes_are_all_there() {
    let db = database();
    let raw = numbers(&db, "ticks", Keep::All, &["price", "size"]);
    let bars = numbers(&db, "bars", Keep::Last, &COLUMNS);
    let ticks: Vec<Tick> = (0..20_000)
        .map(|at| Tick {
            time: at * MINUTE,
            price: Some(at as f64),
            size: 1.0,
        })
        .collect();
    append(&raw, &ticks, "a");
    let end = 20_000 * MINUTE;
    raw.attest([Attestation::new(0..end).series("a")])
        .expect("attested");
    let report = fill(&bars, strategy(&raw), "1m", end);
    assert_eq!((report.count("filled"), report.rows().inserted), (1, 20_000));
    assert_eq!(read(&bars), twin(&ticks, MINUTE));
}

#[test]
fn a_bar_that_the_source_does_not_cover_as_a_whole_stays_a_gap() {
    let db = database();
    let raw = numbers(&db, "ticks", Keep::All, &["price", "size"]);
    let bars = numbers(&db, "bars", Keep::Last, &COLUMNS);
    let ticks: Vec<Tick> = (0..60)
        .map(|at| Tick {
            time: at * 10 * SECOND,
            price: Some(at as f64),
            size: 1.0,
        })
        .collect();
    append(&raw, &ticks, "a");
    let said = [
        Attestation::new(MINUTE..3 * MINUTE + 1).series("a"),
        Attestation::new(5 * MINUTE..6 * MINUTE)
            .series("a")
            .state(CoverageState::Partial),
        Attestation::new(6 * MINUTE..8 * MINUTE - 1).series("a"),
    ];
    raw.attest(said).expect("attested");
    let report = fill(&bars, strategy(&raw), "1m", 10 * MINUTE);
    assert_eq!(report.count("partial"), 1);
    let times: Vec<i64> = read(&bars).keys().map(|time| time / MINUTE).collect();
    assert_eq!(times, [1, 2, 6]);
    let gaps = [(0, MINUTE), (3 * MINUTE, 6 * MINUTE), (7 * MINUTE, 10 * MINUTE)];
    assert_eq!(missing(&bars, "a", MINUTE, 0, 10 * MINUTE), gaps);
}

#[test]
fn a_range_without_ticks_is_covered_without_bars() {
    let db = database();
    let raw = numbers(&db, "ticks", Keep::All, &["price", "size"]);
    let bars = numbers(&db, "bars", Keep::Last, &COLUMNS);
    raw.attest([Attestation::new(0..10 * MINUTE).series("a")])
        .expect("attested");
    let report = fill(&bars, strategy(&raw), "1m", 10 * MINUTE);
    assert_eq!(report.count("empty"), 1);
    assert!(missing(&bars, "a", MINUTE, 0, 10 * MINUTE).is_empty());
}

#[test]
fn rows_that_are_trusted_give_every_bar_between_the_first_and_the_last() {
    let db = database();
    let raw = numbers(&db, "ticks", Keep::All, &["price", "size"]);
    let bars = numbers(&db, "bars", Keep::Last, &COLUMNS);
    let ticks: Vec<Tick> = [30 * SECOND, 90 * SECOND, 200 * SECOND, 400 * SECOND]
        .map(|time| Tick {
            time,
            price: Some(1.0),
            size: 1.0,
        })
        .into();
    append(&raw, &ticks, "a");
    fill(&bars, strategy(&raw).trust_rows(true), "1m", 10 * MINUTE);
    let times: Vec<i64> = read(&bars).keys().map(|time| time / MINUTE).collect();
    assert_eq!(times, [1, 3]);
    let gaps = [(0, MINUTE), (6 * MINUTE, 10 * MINUTE)];
    assert_eq!(missing(&bars, "a", MINUTE, 0, 10 * MINUTE), gaps);
}

#[test]
fn five_minute_bars_are_made_of_minute_bars_on_their_grid() {
    let db = database();
    let (fine, coarse) = (bars(&db), numbers(&db, "coarse", Keep::Last, &["price"]));
    let source = crate::backfill::FetcherStrategy::new(all_minutes);
    let job = fine
        .backfill(source)
        .range(0, 23 * MINUTE)
        .series(["a"])
        .interval("1m");
    assert!(job.run().expect("a report").is_complete());
    let five = |interval: &str| {
        FromTableStrategy::new(&fine)
            .source_interval(interval)
            .bars([("price", Aggregation::sum("price"))])
    };
    let report = fill(&coarse, five("1m"), "5m", 30 * MINUTE);
    assert_eq!(report.rows().inserted, 4, "the fifth bar goes on");
    let sums: Vec<f64> = values(&coarse, "price").iter().map(|(_, sum)| *sum).collect();
    assert_eq!(sums, [10.0, 35.0, 60.0, 85.0]);
    let report = fill(&coarse, five("2m"), "5m", 30 * MINUTE);
    assert!(
        matches!(&report.gaps[0].outcome, GapOutcome::Failed(why) if why.contains("5m cannot be made of bars of 2m"))
    );
}

#[test]
fn a_column_that_is_not_there_is_named() {
    let db = database();
    let raw = numbers(&db, "ticks", Keep::All, &["price", "size"]);
    let bars = numbers(&db, "bars", Keep::Last, &COLUMNS);
    append(&raw, &ticks(5, 10), "a");
    raw.attest([Attestation::new(0..10 * MINUTE).series("a")])
        .expect("attested");
    for (name, column) in [("nope", "price"), ("open", "nope")] {
        let strategy = FromTableStrategy::new(&raw).bars([(name, Aggregation::first(column))]);
        let report = fill(&bars, strategy, "1m", 10 * MINUTE);
        assert!(
            matches!(&report.gaps[0].outcome, GapOutcome::Failed(why) if why.contains("nope")),
            "{report:?}"
        );
    }
}
