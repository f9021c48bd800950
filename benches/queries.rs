//! Queries: aggregates, bars, joins, fills and functions over the rows of a series, through `gapless::query`.
//!
//! Throughput counts the rows a query goes over, of a join those of its left side, and of what reads little or gives more than it
//! reads, the rows it gives. Each query is checked first: it must give as many rows as were counted while they were generated.

mod data;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, TimestampNanosecondType, UInt32Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use gapless::query::fill::{constant, previous};
use gapless::query::{
    AsOf, Fill, HorizonJoin, IntoQuery, Join, Query, Rolling, SeriesFunction, WindowJoin, count, cum_sum,
    delta, ema, max, mean, next, ohlc, sum, vwap,
};
use gapless::scan::Scan;
use gapless::{Database, Maintenance, Result, Table, TableSpec};

use data::{DAY_NS, FIRST_DAY, Scale, scale, sorted_day, spec, symbol};

const HOUR_NS: i64 = 3_600_000_000_000;
const MINUTE_NS: i64 = 60_000_000_000;
const MINUTES_OF_DAY: usize = 1440;
/// Quotes for each trade.
const QUOTES: usize = 4;
/// The series that is asked for alone: a busy one, but not the busiest.
const ONE: u32 = 4;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// What is known of the rows without a query.
#[derive(Default)]
struct Counts {
    trades: usize,
    quotes: usize,
    trades_of_one: usize,
    /// Series and minutes with a trade, each once.
    minutes: Vec<(u32, i64)>,
    exchanges: BTreeSet<u32>,
    sizes: BTreeSet<i32>,
}

impl Counts {
    fn add_trades(&mut self, day: &RecordBatch) {
        let series = day.column(1).as_dictionary::<UInt32Type>().keys();
        let times = day.column(0).as_primitive::<TimestampNanosecondType>();
        let minutes = times.values().iter().map(|time| time.div_euclid(MINUTE_NS));
        self.minutes.extend(series.values().iter().copied().zip(minutes));
        // The rows of a minute are neighbours.
        self.minutes.dedup();
        self.trades += day.num_rows();
        self.trades_of_one += series.values().iter().filter(|series| **series == ONE).count();
        self.sizes
            .extend(day.column(3).as_primitive::<Int32Type>().values());
        self.exchanges
            .extend(day.column(5).as_dictionary::<UInt32Type>().keys().values());
    }

    fn minutes_of_one(&self) -> usize {
        self.minutes.iter().filter(|(series, _)| *series == ONE).count()
    }

    /// The longest runs of minutes without a trade, over whole days: one before the first and one after the last trade of each
    /// series, because nobody trades at midnight.
    fn runs_without_trade(&self) -> usize {
        let mut minutes = self.minutes.clone();
        minutes.sort_unstable();
        let is_apart = |pair: &&[(u32, i64)]| pair[0].0 == pair[1].0 && pair[1].1 - pair[0].1 > 1;
        minutes.windows(2).filter(is_apart).count() + 2 * scale().symbols
    }
}

struct Store {
    _directory: tempfile::TempDir,
    _db: Database,
    trades: Table,
    quotes: Table,
    counts: Counts,
}

impl Store {
    /// What a join reads of trades.
    fn left(&self) -> Result<Scan> {
        Ok(self.trades.scan()?.columns(["ts", "sym", "price"]))
    }

    /// What a join reads of quotes.
    fn right(&self) -> Result<Scan> {
        Ok(self.quotes.scan()?.columns(["ts", "sym", "bid", "ask"]))
    }
}

/// One day of quotes, sorted by (sym, ts): trades of a later day, so that their times are others.
fn quotes_of(day: usize, Scale { days, symbols, rows }: Scale) -> RecordBatch {
    let later = sorted_day(day + days, rows / days, symbols);
    let times = later.column(0).as_primitive::<TimestampNanosecondType>();
    let times = times.unary::<_, TimestampNanosecondType>(|time| time - days as i64 * DAY_NS);
    let bid = later.column(2).as_primitive::<Float64Type>();
    let ask = bid.unary::<_, Float64Type>(|bid| bid + 0.01);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.with_timezone("UTC")),
        Arc::clone(later.column(1)),
        Arc::clone(later.column(2)),
        Arc::new(ask),
    ];
    RecordBatch::try_new(Arc::new(quote_schema()), columns).expect("the columns fit the schema")
}

fn quote_schema() -> Schema {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let symbol = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    Schema::new(vec![
        Field::new("ts", time, false),
        Field::new("sym", symbol, true),
        Field::new("bid", DataType::Float64, true),
        Field::new("ask", DataType::Float64, true),
    ])
}

fn store() -> Store {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let db = Database::builder(directory.path().join("bench.db"))
        .without_sync()
        .maintenance(Maintenance::Manual)
        .open()
        .expect("a database");
    let trades = db.create_table(&spec("trade")).expect("a table");
    let quote = TableSpec::new("quote", quote_schema()).time("ts").series("sym");
    let quotes = db.create_table(&quote).expect("a table");
    let (scale, mut counts) = (scale(), Counts::default());
    for day in 0..scale.days {
        let rows = sorted_day(day, scale.rows / QUOTES / scale.days, scale.symbols);
        counts.add_trades(&rows);
        trades.write([rows]).expect("a day is written");
        let rows = quotes_of(day, scale);
        counts.quotes += rows.num_rows();
        quotes.write([rows]).expect("a day is written");
    }
    Store {
        _directory: directory,
        _db: db,
        trades,
        quotes,
        counts,
    }
}

/// The whole answer, kept until it is there.
fn collected(query: Query) -> usize {
    let batches = query.collect().expect("an answer");
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// An answer with a row for each row that is read, batch by batch: kept, it would mostly measure the allocation of memory.
fn streamed(query: Query) -> usize {
    let batches = query.stream().expect("an answer");
    batches.map(|batch| batch.expect("a batch").num_rows()).sum()
}

/// Measures a query, once it gave the rows that it should.
fn measure(group: &mut Group<'_>, name: &str, expected: usize, rows: impl Fn() -> usize) {
    assert_eq!(rows(), expected, "rows of {name}");
    group.bench_function(name, |b| b.iter(&rows));
}

/// A group whose throughput is in rows.
fn group_of<'a>(criterion: &'a mut Criterion, name: &str, rows: usize) -> Group<'a> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(rows as u64));
    group
}

fn one_column(criterion: &mut Criterion, Store { quotes, counts, .. }: &Store) {
    let mut group = criterion.benchmark_group("column");
    group.throughput(Throughput::Bytes(counts.quotes as u64 * 8));
    measure(&mut group, "sum", 1, || {
        collected(quotes.scan().agg([sum("bid")]))
    });
    measure(&mut group, "max", 1, || {
        collected(quotes.scan().agg([max("bid")]))
    });
    group.finish();
}

fn by_series(criterion: &mut Criterion, Store { trades, counts, .. }: &Store) {
    let mut group = group_of(criterion, "by_series", counts.trades);
    measure(&mut group, "vwap", scale().symbols, || {
        collected(trades.scan().group_by(["sym"]).agg([vwap("price", "size")]))
    });
    group.finish();
}

fn minute_bars(criterion: &mut Criterion, Store { trades, counts, .. }: &Store) {
    let bars = |rows: Result<Scan>| {
        let minutes = rows.bucket("1m").group_by(["sym"]);
        collected(minutes.agg(ohlc("price").into_iter().chain([sum("size")])))
    };
    let mut group = group_of(criterion, "minute_bars", counts.trades);
    measure(&mut group, "all_series", counts.minutes.len(), || {
        bars(trades.scan())
    });
    let one = symbol(ONE as usize);
    group.throughput(Throughput::Elements(counts.trades_of_one as u64));
    measure(&mut group, "one_series", counts.minutes_of_one(), || {
        bars(trades.scan().map(|scan| scan.series([one.as_str()])))
    });
    group.finish();
}

/// Keys that rows do not come by: a symbol of few values, and a number of more.
fn hash_groups(criterion: &mut Criterion, Store { trades, counts, .. }: &Store) {
    let mut group = group_of(criterion, "hash_groups", counts.trades);
    for (key, groups) in [("exch", counts.exchanges.len()), ("size", counts.sizes.len())] {
        measure(&mut group, key, groups, || {
            collected(trades.scan().group_by([key]).agg([count(), mean("price")]))
        });
    }
    group.finish();
}

fn joins_by_time(criterion: &mut Criterion, store: &Store) {
    let trades = store.counts.trades;
    let mut group = group_of(criterion, "join_all_series", trades);
    measure(&mut group, "asof", trades, || {
        let as_of = AsOf::backward().columns(["bid", "ask"]);
        streamed(store.left().query().asof_join(store.right(), as_of))
    });
    let offsets = ["-1s", "0s", "1s"];
    measure(&mut group, "horizon", trades * offsets.len(), || {
        let horizon = HorizonJoin::offsets(offsets).columns(["bid"]);
        streamed(store.left().query().horizon_join(store.right(), horizon))
    });
    group.finish();
}

fn window_joins(criterion: &mut Criterion, store: &Store) {
    let rows = store.counts.trades_of_one;
    let one = symbol(ONE as usize);
    let of_one = |scan: Result<Scan>| scan.map(|scan| scan.series([one.as_str()])).query();
    let mut group = group_of(criterion, "window_join_one_series", rows);
    for (name, aggregate) in [("mean", mean("bid")), ("max", max("bid")), ("count", count())] {
        measure(&mut group, name, rows, || {
            let around =
                of_one(store.left()).window_join(of_one(store.right()), WindowJoin::between("-10s", "10s"));
            collected(around.agg([aggregate.clone().alias("around")]))
        });
    }
    group.finish();
}

/// Every trade with a row of its series; that there is such a list of series is no part of the question.
fn key_join(criterion: &mut Criterion, store: &Store) {
    let greatest = store.right().group_by(["sym"]).agg([max("bid").alias("top")]);
    let schema = greatest.schema().expect("columns");
    let greatest = greatest.collect().expect("an answer");
    let rows = store.counts.trades;
    let mut group = group_of(criterion, "key_join", rows);
    measure(&mut group, "by_series", rows, || {
        let right = Query::batches(Arc::clone(&schema), greatest.clone());
        streamed(store.left().query().join(right, Join::on(["sym"])))
    });
    group.finish();
}

fn last_rows(criterion: &mut Criterion, Store { quotes, .. }: &Store) {
    let Scale { days, symbols, .. } = scale();
    let last_day = FIRST_DAY + (days as i64 - 1) * DAY_NS;
    let mut group = group_of(criterion, "latest", symbols);
    for (name, at) in [
        ("at_the_end", None),
        ("within_a_day", Some(last_day + 17 * HOUR_NS)),
    ] {
        measure(&mut group, name, symbols, || collected(quotes.scan().latest(at)));
    }
    group.finish();
}

fn slots(criterion: &mut Criterion, Store { trades, counts, .. }: &Store) {
    let Scale { days, symbols, .. } = scale();
    let (start, end) = (FIRST_DAY, FIRST_DAY + days as i64 * DAY_NS);
    let mut group = group_of(criterion, "minutes", counts.trades);
    measure(&mut group, "missing", counts.runs_without_trade(), || {
        collected(trades.scan().missing("1m", start, end))
    });
    let filled = symbols * days * MINUTES_OF_DAY;
    group.throughput(Throughput::Elements(filled as u64));
    measure(&mut group, "fill", filled, || {
        let fill = Fill::every("1m").between(start, end);
        let fill = fill.with("price", previous()).with("size", constant(0));
        let rows = trades
            .scan()
            .map(|scan| scan.columns(["ts", "sym", "price", "size"]));
        streamed(rows.fill(fill))
    });
    group.finish();
}

fn over_rows(criterion: &mut Criterion, Store { trades, counts, .. }: &Store) {
    let mut group = group_of(criterion, "over", counts.trades);
    let functions: [(&str, SeriesFunction); 4] = [
        ("delta", delta("price")),
        ("next", next("price")),
        ("cum_sum", cum_sum("price")),
        ("ema", ema("price", 0.1)),
    ];
    for (name, function) in functions {
        measure(&mut group, name, counts.trades, || {
            streamed(trades.scan().over([function.clone().alias("x")]).select(["x"]))
        });
    }
    group.finish();
}

fn rolling(criterion: &mut Criterion, Store { trades, counts, .. }: &Store) {
    let mut group = group_of(criterion, "rolling", counts.trades);
    let windows = [("100_rows", Rolling::rows(100)), ("1m", Rolling::period("1m"))];
    for (window, rolling) in &windows {
        for (name, aggregate) in [("sum", sum("price")), ("max", max("price"))] {
            measure(&mut group, &format!("{window}/{name}"), counts.trades, || {
                let windows = trades.scan().rolling(rolling.clone());
                streamed(windows.agg([aggregate.clone().alias("x")]).select(["x"]))
            });
        }
    }
    group.finish();
}

fn queries(criterion: &mut Criterion) {
    let store = store();
    one_column(criterion, &store);
    by_series(criterion, &store);
    minute_bars(criterion, &store);
    hash_groups(criterion, &store);
    joins_by_time(criterion, &store);
    window_joins(criterion, &store);
    key_join(criterion, &store);
    last_rows(criterion, &store);
    slots(criterion, &store);
    over_rows(criterion, &store);
    rolling(criterion, &store);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1));
    targets = queries
}
criterion_main!(benches);
