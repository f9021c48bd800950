//! Gap fill against a slow twin over the same rows, against the fill of the Rust API, and with more buckets than memory.
//!
//! A bucket that is left out, or a value that is carried from another group, shows as rows that only one of the two has. A failure
//! prints its seed; `GAPLESS_SQL_SEED` runs that one again.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless_engine::{Database, TableSpec};
use gapless_query::fill::{linear, previous};
use gapless_query::{Bucket, Fill, IntoQuery};
use gapless_sql::Session;

use crate::fixture::{DAY, MINUTE, Market, SECOND, START};
use crate::support::{Random, query, seed};

/// A row of the table `reading`.
#[derive(Debug, Clone)]
struct Reading {
    time: i64,
    sym: Option<&'static str>,
    value: Option<f64>,
    size: Option<i64>,
}

/// A row of a filled statement.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    sym: Option<String>,
    bucket: i64,
    /// Floats by their bits, `NaN` of any sign as one.
    last: Option<u64>,
    count: i64,
    carried: Option<u64>,
    line: Option<u64>,
    is_filled: bool,
}

fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN } else { value }.to_bits()
}

fn write(database: &Database, rows: &[Reading]) {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let symbol = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let schema = Arc::new(Schema::new(vec![
        Field::new("ts", time, false),
        Field::new("sym", symbol.clone(), true),
        Field::new("value", DataType::Float64, true),
        Field::new("size", DataType::Int64, true),
    ]));
    let spec = TableSpec::new("reading", schema.as_ref().clone())
        .time("ts")
        .series("sym");
    let table = database.create_table(&spec).expect("a table");
    let times = TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.time));
    let syms: StringArray = rows.iter().map(|row| row.sym).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.with_timezone("UTC")),
        cast(&syms, &symbol).expect("symbols"),
        Arc::new(rows.iter().map(|row| row.value).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.size).collect::<Int64Array>()),
    ];
    if !rows.is_empty() {
        let batch = RecordBatch::try_new(schema, columns).expect("the columns fit");
        table.write([batch]).expect("rows");
    }
}

fn readings(random: &mut Random, count: usize, span: i64) -> Vec<Reading> {
    let values = [0.0, -0.0, 1.5, -7.25, f64::NAN, f64::INFINITY, 1e300];
    let row = |(number, random): (i64, &mut Random)| Reading {
        // Times of a series differ, so that there is one last row.
        time: START
            + i64::try_from(random.below(span.cast_unsigned() / 1000)).expect("a time") * 1000
            + number % 1000,
        sym: random.pick(&[Some("A"), Some("B"), Some("C"), None]),
        value: Some(random.pick(&values)).filter(|_| random.below(3) > 0),
        size: i64::try_from(random.below(100))
            .ok()
            .filter(|_| random.below(3) > 0),
    };
    let mut rows: Vec<Reading> = (0..)
        .take(count)
        .map(|number| row((number, &mut *random)))
        .collect();
    rows.sort_by_key(|row| (row.sym, row.time));
    rows.dedup_by_key(|row| (row.sym, row.time));
    rows
}

/// What a statement is asked for.
struct Asked {
    every: &'static str,
    zone: Option<&'static str>,
    range: Range<i64>,
    age_max: Option<i64>,
    by_sym: bool,
}

impl Asked {
    fn bucket(&self) -> Bucket {
        let bucket = Bucket::new(self.every).expect("a length");
        match self.zone {
            Some(zone) => bucket.zone(zone).expect("a zone"),
            None => bucket,
        }
    }

    fn statement(&self) -> String {
        let zone = self.zone.map(|zone| format!(", '{zone}'")).unwrap_or_default();
        let age = self.age_max.map(|age| format!(", '{age}ns'")).unwrap_or_default();
        let (sym, key) = match self.by_sym {
            true => ("sym", "sym, "),
            false => ("NULL::text AS sym", ""),
        };
        format!(
            "SELECT {sym}, time_bucket_gapfill('{}', ts{zone}) AS bucket, last(value, ts) AS last, count(*) AS count, \
             locf(last(value, ts){age}) AS carried, interpolate(sum(size)) AS line, is_filled() AS filled \
             FROM reading WHERE ts >= to_timestamp_nanos({}) AND ts < to_timestamp_nanos({}) GROUP BY {key}bucket ORDER BY {key}bucket",
            self.every, self.range.start, self.range.end
        )
    }

    fn twin(&self, rows: &[Reading]) -> Vec<Row> {
        let inside: Vec<&Reading> = rows.iter().filter(|row| self.range.contains(&row.time)).collect();
        if !self.by_sym {
            return self.group(None, &inside);
        }
        let syms = [Some("A"), Some("B"), Some("C"), None];
        let of = |sym: Option<&'static str>| {
            let rows: Vec<&Reading> = inside.iter().copied().filter(|row| row.sym == sym).collect();
            match rows.is_empty() {
                true => Vec::new(),
                false => self.group(sym, &rows),
            }
        };
        syms.into_iter().flat_map(of).collect()
    }

    fn group(&self, sym: Option<&str>, rows: &[&Reading]) -> Vec<Row> {
        let bucket = self.bucket();
        let mut buckets = Vec::new();
        let mut next = bucket.range(self.range.start);
        while next.start < self.range.end && !self.range.is_empty() {
            buckets.push(next.clone());
            next = bucket.range(next.end);
        }
        let own = |bucket: &Range<i64>| {
            let mut own: Vec<&&Reading> = rows.iter().filter(|row| bucket.contains(&row.time)).collect();
            own.sort_by_key(|row| row.time);
            let last = own.iter().rev().find_map(|row| row.value);
            let sizes: Vec<i64> = own.iter().filter_map(|row| row.size).collect();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let sum = (!sizes.is_empty()).then(|| sizes.iter().sum::<i64>() as f64);
            (own.len(), last, sum)
        };
        let observed: Vec<_> = buckets.iter().map(own).collect();
        let row = |at: usize| {
            let start = buckets[at].start;
            let (count, last, sum) = observed[at];
            let before = (0..=at)
                .rev()
                .find_map(|at| Some((buckets[at].start, observed[at].1?)));
            let carried = before.filter(|(time, _)| self.age_max.is_none_or(|age| start - time <= age));
            let left = (0..at)
                .rev()
                .find_map(|at| Some((buckets[at].start, observed[at].2?)));
            let right = (at..buckets.len()).find_map(|at| Some((buckets[at].start, observed[at].2?)));
            #[expect(clippy::cast_precision_loss, reason = "a share")]
            let line = sum.or_else(|| {
                let ((t0, v0), (t1, v1)) = (left?, right?);
                Some(v0 + (v1 - v0) * ((start - t0) as f64 / (t1 - t0) as f64))
            });
            Row {
                sym: sym.map(str::to_owned),
                bucket: start,
                last: last.map(bits),
                count: i64::try_from(count).expect("a count"),
                carried: carried.map(|(_, value)| bits(value)),
                line: line.map(bits),
                is_filled: count == 0,
            }
        };
        (0..buckets.len()).map(row).collect()
    }
}

fn rows_of(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let syms = cast(batch.column(0), &DataType::Utf8).expect("texts");
        let syms = syms.as_string::<i32>();
        let times = batch.column(1).as_primitive::<TimestampNanosecondType>();
        let floats = |at: usize| batch.column(at).as_primitive::<Float64Type>();
        let float = |at: usize, row: usize| floats(at).is_valid(row).then(|| bits(floats(at).value(row)));
        let counts = batch.column(3).as_primitive::<Int64Type>();
        rows.extend((0..batch.num_rows()).map(|row| Row {
            sym: syms.is_valid(row).then(|| syms.value(row).to_owned()),
            bucket: times.value(row),
            last: float(2, row),
            count: counts.value(row),
            carried: float(4, row),
            line: float(5, row),
            is_filled: batch.column(6).as_boolean().value(row),
        }));
    }
    rows
}

fn run(session: &Session, text: &str) -> Vec<RecordBatch> {
    let rows = session
        .sql(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    rows.collect_batches()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn filled_buckets_are_those_of_an_obvious_twin() {
    let seed = seed();
    let mut random = Random(seed);
    for round in 0..14u8 {
        let span = random.pick(&[3 * 60 * MINUTE, 4 * DAY, 40 * DAY]);
        let count = random.pick(&[0, 1, 7, 60, 900]);
        let rows = readings(&mut random, count, span);
        let market = Market::empty();
        write(&market.database, &rows);
        let session = market.session();
        for _ in 0..6 {
            let every = match span {
                short if short < DAY => random.pick(&["7s", "1m", "1h", "1d"]),
                _ => random.pick(&["17m", "1h", "1d", "1w", "1mo", "1y"]),
            };
            let mut time = || {
                START - span / 8 + i64::try_from(random.below(span.cast_unsigned() * 5 / 4)).expect("a time")
            };
            let (a, b) = (time(), time());
            let asked = Asked {
                every,
                zone: random.pick(&[None, Some("America/New_York"), Some("Asia/Kolkata")]),
                range: match random.below(8) {
                    0 => a..a,
                    1 => a.max(b)..a.min(b),
                    2 => a..a + 1,
                    _ => a.min(b)..a.max(b),
                },
                age_max: random.pick(&[None, Some(0), Some(5 * MINUTE), Some(DAY)]),
                by_sym: random.below(3) > 0,
            };
            let text = asked.statement();
            let found = rows_of(&run(&session, &text));
            assert_eq!(
                found,
                asked.twin(&rows),
                "GAPLESS_SQL_SEED={seed}, round {round}, {count} rows\n{text}"
            );
        }
    }
}

#[test]
fn bars_are_filled_as_the_rust_api_fills_them() {
    let seed = seed();
    let mut random = Random(seed);
    let mut rows = Vec::new();
    for (sym, age) in [("A", 3), ("B", 12), ("C", 200)] {
        for minute in 0..600 {
            if random.below(age) == 0 {
                rows.push(Reading {
                    time: START + minute * MINUTE,
                    sym: Some(sym),
                    value: Some(random.pick(&[1.0, 2.5, -3.0, 1e9])).filter(|_| random.below(5) > 0),
                    size: None,
                });
            }
        }
    }
    let market = Market::empty();
    write(&market.database, &rows);
    let (start, end) = (START, START + 600 * MINUTE - 30 * SECOND);
    let scan = || {
        let table = market.database.table("reading").expect("the table");
        let scan = table.scan().expect("a scan").between(start, end);
        scan.columns(["ts", "sym", "value"])
    };
    let native = |method| {
        let fill = Fill::every("1m").with("value", method).observed("observed");
        scan().fill(fill).collect().expect("rows")
    };
    let (carried, line) = (native(previous().max_age("20m")), native(linear()));
    let text = format!(
        "SELECT time_bucket_gapfill('1m', ts) AS ts, sym, locf(last(value, ts), '20m') AS value, NOT is_filled() AS observed, \
         interpolate(last(value, ts)) AS line FROM reading \
         WHERE ts >= to_timestamp_nanos({start}) AND ts < to_timestamp_nanos({end}) GROUP BY 1, sym ORDER BY sym, 1"
    );
    let found = run(&market.session(), &text);
    let column = |batches: &[RecordBatch], at: usize| -> Vec<String> {
        let texts = batches
            .iter()
            .map(|batch| cast(batch.column(at), &DataType::Utf8).expect("texts"));
        texts
            .flat_map(|texts| {
                texts
                    .as_string::<i32>()
                    .iter()
                    .map(|text| format!("{text:?}"))
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    for at in 0..4 {
        assert_eq!(
            column(&found, at),
            column(&carried, at),
            "GAPLESS_SQL_SEED={seed}, column {at}"
        );
    }
    assert_eq!(column(&found, 4), column(&line, 2), "GAPLESS_SQL_SEED={seed}");
}

#[test]
fn more_buckets_than_fit_into_memory_stream() {
    let market = Market::empty();
    let at = |time: i64, value: Option<f64>| Reading {
        time,
        sym: Some("A"),
        value,
        size: Some(1),
    };
    write(
        &market.database,
        &[at(START, Some(1.0)), at(START + 300 * DAY, Some(2.0))],
    );
    let session = Session::builder(&market.database)
        .threads(2)
        .memory_bytes_max(4 << 20)
        .open()
        .expect("a session");
    let year = "FROM reading WHERE ts >= '2026-11-20T00:00:00Z' AND ts < '2027-11-20T00:00:00Z' GROUP BY sym, bucket";
    // 3e16 buckets of a nanosecond: the first rows come at once, and none are made that nobody asks for.
    let begin = Instant::now();
    let text = format!(
        "SELECT sym, time_bucket_gapfill('1ns', ts) AS bucket, locf(max(value)) AS m, interpolate(max(value)) AS i {year}"
    );
    assert_eq!(
        query(&session, &format!("{text} ORDER BY sym, bucket LIMIT 20000")).len(),
        20_000
    );
    let mut rows = session.sql(&text).expect("a plan");
    assert!(rows.next().expect("a batch").expect("rows").num_rows() > 0);
    drop(rows);
    // A statement that never gives a row ends when its rows are dropped.
    let rows = session
        .sql(&format!("SELECT count(*) FROM ({text})"))
        .expect("a plan");
    std::thread::sleep(Duration::from_millis(50));
    drop(rows);
    // Millions of buckets, of which none is kept.
    let text = format!(
        "SELECT count(*), sum(c) FROM (SELECT sym, time_bucket_gapfill('10s', ts) AS bucket, count(*) AS c {year})"
    );
    assert_eq!(query(&session, &text), ["| 3153600 | 2 |"]);
    drop(session);
    assert!(begin.elapsed() < Duration::from_secs(120));
}
