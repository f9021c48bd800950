//! Functions over the rows of a series and windows that slide over them, on a table whose series go over partitions, segments that
//! overlap and batches. A batch that does not go on with the state of the one before would show as a wrong value every 16,384 rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{DurationNanosecondType, Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use gapless_engine::{Database, Maintenance, PartitionUnit, Table, TableSpec};
use gapless_query::{
    Bucket, IntoQuery, Query, Rolling, col, count, cum_sum, delta, ema, last, lit, max, mean, next, previous,
    row_number, sum,
};

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;
const ROWS: usize = 60_000;

#[derive(Debug, Clone)]
struct Row {
    ts: i64,
    sym: Option<&'static str>,
    price: Option<f64>,
    size: i64,
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % end
    }
}

/// Rows of three days in the order in which they arrive: each commit has its own range of time, the last one all of it again.
fn arrivals() -> Vec<Row> {
    let mut numbers = Numbers(7);
    let mut row = |start: i64, length: i64| Row {
        ts: start + numbers.below(length as u64 / 1000) as i64 * 1000,
        // Most rows are of one series, which goes over several batches.
        sym: match numbers.below(20) {
            0 => None,
            1 => Some("C"),
            2..4 => Some("A"),
            _ => Some("B"),
        },
        price: (numbers.below(10) > 0).then(|| numbers.below(10_000) as f64 / 100.0),
        size: numbers.below(1000) as i64,
    };
    let (early, late) = (0..ROWS / 2, ROWS / 2..ROWS);
    let mut rows: Vec<Row> = early.map(|_| row(-20 * HOUR, 40 * HOUR)).collect();
    rows.extend(late.map(|_| row(-30 * HOUR, 72 * HOUR)));
    rows
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("ts", time, false),
        Field::new("sym", DataType::Utf8, true),
        Field::new("price", DataType::Float64, true),
        Field::new("size", DataType::Int64, false),
    ]))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let times = TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.ts));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.with_timezone("UTC")),
        Arc::new(rows.iter().map(|row| row.sym).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.price).collect::<Float64Array>()),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.size))),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns fit")
}

/// The rows of each series in order of time, null last.
fn by_series(mut rows: Vec<Row>) -> Vec<Vec<Row>> {
    rows.sort_by_key(|row| (row.sym.is_none(), row.sym, row.ts));
    rows.chunk_by(|a, b| a.sym == b.sym)
        .map(<[Row]>::to_vec)
        .collect()
}

/// What is asked, of tables of days and of hours and of rows in memory.
fn each_source(ask: impl Fn(Query)) {
    let rows = arrivals();
    for unit in [PartitionUnit::Day, PartitionUnit::Hour] {
        let dir = tempfile::tempdir().expect("a directory");
        let table = table(dir.path(), unit, &rows);
        ask(table.scan().expect("a scan").query());
    }
    let batches = rows.chunks(7_001).map(batch).collect();
    ask(Query::timed_batches(schema(), batches, "ts", Some("sym")));
}

fn table(path: &std::path::Path, unit: PartitionUnit, rows: &[Row]) -> Table {
    let builder = Database::builder(path)
        .small_commit_rows(0)
        .maintenance(Maintenance::Manual);
    let db = builder.open().expect("a database");
    let spec = TableSpec::new("trades", schema().as_ref().clone())
        .time("ts")
        .series("sym")
        .partition(unit);
    let table = db.create_table(&spec).expect("a table");
    for commit in rows.chunks(9_973) {
        table.append(&batch(commit)).expect("rows");
    }
    table
}

fn column<'a>(batches: &'a [RecordBatch], name: &str) -> Vec<&'a ArrayRef> {
    batches
        .iter()
        .map(|batch| batch.column_by_name(name).expect(name))
        .collect()
}

fn ints(batches: &[RecordBatch], name: &str) -> Vec<Option<i64>> {
    column(batches, name)
        .into_iter()
        .flat_map(|array| array.as_primitive::<Int64Type>())
        .collect()
}

fn floats(batches: &[RecordBatch], name: &str) -> Vec<Option<f64>> {
    column(batches, name)
        .into_iter()
        .flat_map(|array| array.as_primitive::<Float64Type>())
        .collect()
}

fn assert_near(found: &[Option<f64>], wanted: &[Option<f64>], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let is_near = match (found, wanted) {
            (Some(found), Some(wanted)) => (found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
            (found, wanted) => found.is_none() && wanted.is_none(),
        };
        assert!(is_near, "{what}, row {at}: {found:?}, not {wanted:?}");
    }
}

#[test]
fn functions_go_on_over_batches_segments_and_partitions() {
    let series = by_series(arrivals());
    let (mut numbers, mut sums, mut deltas, mut lags, mut emas, mut gaps) = Default::default();
    for rows in &series {
        let (mut sum, mut average) = (0, None);
        for (at, row) in rows.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| &rows[at]);
            Vec::push(&mut numbers, Some(at as i64 + 1));
            sum += row.size;
            Vec::push(&mut sums, Some(sum));
            Vec::push(
                &mut deltas,
                before.and_then(|before| Some(row.price? - before.price?)),
            );
            Vec::push(
                &mut lags,
                at.checked_sub(3).map_or(Some(-1), |at| Some(rows[at].size)),
            );
            if let Some(price) = row.price {
                average = Some(average.map_or(price, |average| 0.1 * price + 0.9 * average));
            }
            Vec::push(&mut emas, row.price.and(average));
            Vec::push(&mut gaps, before.map(|before| row.ts - before.ts));
        }
    }
    each_source(|query| {
        let functions = || {
            [
                row_number().alias("number"),
                cum_sum("size").alias("sum"),
                delta("price"),
                previous("size").rows(3).or_else(lit(-1)).alias("lag"),
                ema("price", 0.1).alias("ema"),
                delta("ts").alias("gap"),
            ]
        };
        let batches = query.clone().over(functions()).collect().expect("rows");
        assert_eq!(ints(&batches, "number"), numbers);
        assert_eq!(ints(&batches, "sum"), sums);
        assert_eq!(ints(&batches, "lag"), lags);
        assert_near(&floats(&batches, "delta(price)"), &deltas, "delta");
        assert_near(&floats(&batches, "ema"), &emas, "ema");
        let found = column(&batches, "gap");
        let found: Vec<Option<i64>> = found
            .into_iter()
            .flat_map(|array| array.as_primitive::<DurationNanosecondType>())
            .collect();
        assert_eq!(found, gaps);
        // The same without the columns that they read.
        let few = query
            .clone()
            .over(functions())
            .select(["sum", "lag"])
            .collect()
            .expect("rows");
        assert_eq!(ints(&few, "sum"), sums);
        assert_eq!(ints(&few, "lag"), lags);
        let streamed: Vec<RecordBatch> = query
            .over(functions())
            .stream()
            .expect("rows")
            .collect::<Result<_, _>>()
            .expect("rows");
        assert_eq!(ints(&streamed, "sum"), sums);
    });
}

#[test]
fn how_long_a_quote_stood_is_the_next_time_or_the_close_of_its_day() {
    let day = 24 * HOUR;
    let mut weights: Vec<(Option<&str>, i64, i64)> = Vec::new();
    for rows in by_series(arrivals()) {
        for (at, row) in rows.iter().enumerate() {
            let start = row.ts.div_euclid(day) * day;
            let until = rows
                .get(at + 1)
                .map_or(start + day, |next| next.ts)
                .min(start + day);
            match weights.last_mut() {
                Some((sym, last, sum)) if *sym == row.sym && *last == start => *sum += until - row.ts,
                _ => weights.push((row.sym, start, until - row.ts)),
            }
        }
    }
    each_source(|query| {
        let close = || {
            col("ts").bucket(Bucket::new("1d").expect("a bucket"))
                + gapless_query::expr::duration("1d").expect("a day")
        };
        let batches = query
            .over([next("ts").or_else(close()).alias("until")])
            .with_column((col("until").least(close()) - col("ts")).alias("stood"))
            .group_by(["sym"])
            .bucket("1d")
            .agg([sum("stood").alias("stood")])
            .collect()
            .expect("rows");
        let starts = column(&batches, "ts");
        let starts = starts
            .into_iter()
            .flat_map(|array| array.as_primitive::<TimestampNanosecondType>());
        let stood = column(&batches, "stood");
        let stood = stood
            .into_iter()
            .flat_map(|array| array.as_primitive::<DurationNanosecondType>());
        let found: Vec<(i64, i64)> = starts.flatten().zip(stood.flatten()).collect();
        let wanted: Vec<(i64, i64)> = weights.iter().map(|(_, start, sum)| (*start, *sum)).collect();
        assert_eq!(found, wanted);
    });
}

#[test]
fn windows_go_on_over_batches_segments_and_partitions() {
    let (n, period) = (25usize, 90 * SECOND);
    let (mut sums, mut counts, mut maxima, mut means, mut lasts) = Default::default();
    for rows in by_series(arrivals()) {
        for (at, row) in rows.iter().enumerate() {
            let window = &rows[(at + 1).saturating_sub(n)..=at];
            Vec::push(&mut sums, Some(window.iter().map(|row| row.size).sum::<i64>()));
            let prices: Vec<f64> = window.iter().filter_map(|row| row.price).collect();
            let mean = prices.iter().sum::<f64>() / prices.len() as f64;
            Vec::push(
                &mut means,
                (window.len() >= 3 && !prices.is_empty()).then_some(mean),
            );
            let start = rows.partition_point(|other| other.ts <= row.ts - period);
            let end = rows.partition_point(|other| other.ts <= row.ts);
            let window = &rows[start..end];
            Vec::push(&mut counts, Some(window.len() as i64));
            Vec::push(
                &mut maxima,
                window.iter().filter_map(|row| row.price).reduce(f64::max),
            );
            Vec::push(&mut lasts, window.last().map(|row| row.size));
        }
    }
    each_source(|query| {
        let rolled = query
            .clone()
            .rolling(Rolling::rows(n).min_rows(3))
            .agg([mean("price").alias("mean")]);
        assert_near(&floats(&rolled.collect().expect("rows"), "mean"), &means, "mean");
        let rolled = query
            .clone()
            .rolling(Rolling::rows(n))
            .agg([sum("size").alias("sum")]);
        assert_eq!(ints(&rolled.collect().expect("rows"), "sum"), sums);
        let batches = query
            .rolling(Rolling::period(period))
            .agg([
                count().alias("count"),
                max("price").alias("max"),
                last("size").alias("last"),
            ])
            .collect()
            .expect("rows");
        assert_eq!(ints(&batches, "count"), counts);
        assert_eq!(ints(&batches, "last"), lasts);
        assert_near(&floats(&batches, "max"), &maxima, "max");
    });
}

#[test]
fn steps_follow_each_other() {
    let rows = arrivals();
    let query = Query::timed_batches(schema(), vec![batch(&rows)], "ts", Some("sym"));
    let query = query
        .over([delta("price").alias("d")])
        .rolling(Rolling::rows(5))
        .agg([mean("d").alias("m")])
        .filter(col("m").gt(0.0))
        .over([row_number().alias("n")])
        .limit(10);
    let text = query.explain().expect("a text");
    assert!(text.contains("over each series: n = row_number()"), "{text}");
    assert!(text.contains("rolling over 5 rows: m"), "{text}");
    let batches = query.collect().expect("rows");
    assert_eq!(ints(&batches, "n"), (1..=10).map(Some).collect::<Vec<_>>());
}

#[test]
fn rows_without_a_time_are_refused() {
    let query = Query::timed_batches(schema(), Vec::new(), "ts", Some("sym")).select(["price"]);
    let error = query.clone().over([row_number()]).schema().expect_err("no time");
    assert!(error.to_string().contains("no time"), "{error}");
    let error = query
        .rolling(Rolling::rows(2))
        .agg([count()])
        .schema()
        .expect_err("no time");
    assert!(error.to_string().contains("no time"), "{error}");
    let empty = Query::timed_batches(schema(), Vec::new(), "ts", Some("sym"));
    let batches = empty
        .over([next("ts")])
        .rolling(Rolling::period("1m"))
        .agg([count()])
        .collect();
    assert!(batches.expect("no rows").is_empty());
}
