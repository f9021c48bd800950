//! Scans of generated tables against a plain model: every order, range, series set, condition and limit, whatever
//! the commits, partition units and batch sizes were.

use gapless::scan::{Order, Predicate, col};
use gapless::{AttributeKind, EncodingPolicy, PartitionUnit, WriteOptions};
use proptest::prelude::*;

use crate::common::{DAY, HOUR, Row, batch, rows, scratch, spec};

#[derive(Debug, Clone)]
struct Commit {
    rows: Vec<(i64, Option<u8>, Option<f64>)>,
    unit: PartitionUnit,
    memory_bytes: usize,
    encoding: EncodingPolicy,
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => (0..3i64, 0..24i64, 0..4i64).prop_map(|(day, hour, ns)| day * DAY + hour * HOUR + ns),
        1 => -2 * DAY..0i64,
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(i64::MAX - 1), Just(7_258_118_400_000_000_000)],
    ]
}

fn prices() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        Just(Some(f64::NAN)),
        Just(Some(-0.0)),
        Just(Some(0.0)),
        Just(Some(f64::INFINITY)),
        (-3..4i32).prop_map(|v| Some(f64::from(v))),
    ]
}

fn commits() -> impl Strategy<Value = Vec<Commit>> {
    let unit = prop_oneof![
        3 => Just(PartitionUnit::Day), 3 => Just(PartitionUnit::Hour), 1 => Just(PartitionUnit::Month), 1 => Just(PartitionUnit::Year)
    ];
    let row = (
        times(),
        prop_oneof![1 => Just(None), 6 => (0..5u8).prop_map(Some)],
        prices(),
    );
    let commit = (
        prop::collection::vec(row, 0..60),
        unit,
        prop_oneof![Just(0usize), Just(1 << 20)],
        prop_oneof![Just(EncodingPolicy::plain()), Just(EncodingPolicy::cold())],
    )
        .prop_map(|(rows, unit, memory_bytes, encoding)| Commit {
            rows,
            unit,
            memory_bytes,
            encoding,
        });
    prop::collection::vec(commit, 1..5)
}

/// Symbols whose text order is not the order of their first arrival.
fn symbol(number: u8) -> String {
    ["zeta", "", "A/..", "é", "m"][usize::from(number)].to_owned()
}

/// A condition and its plain twin.
type Condition = (Predicate, fn(&Row) -> bool);

fn conditions() -> impl Strategy<Value = Option<Condition>> {
    let cases: Vec<Condition> = vec![
        (col("price").gt(1.0), |r| {
            r.price.is_some_and(|p| p.is_nan() || p > 1.0)
        }),
        (col("price").le(0.0), |r| r.price.is_some_and(|p| p <= 0.0)),
        (col("price").eq(0.0), |r| r.price == Some(0.0)),
        (col("price").eq(f64::NAN), |r| r.price.is_some_and(f64::is_nan)),
        (col("price").ne(2.0), |r| r.price.is_some_and(|p| p != 2.0)),
        (!col("price").ge(1.0), |r| r.price.is_some_and(|p| p < 1.0)),
        (col("price").is_null(), |r| r.price.is_none()),
        (col("sym").ge("m"), |r| r.sym.as_deref().is_some_and(|s| s >= "m")),
        (col("sym").ne("m"), |r| r.sym.as_deref().is_some_and(|s| s != "m")),
        (col("sym").is_in(["m", "nobody"]), |r| {
            r.sym.as_deref() == Some("m")
        }),
        (col("id").is_in([3, 5, 8, 1000]), |r| [3, 5, 8].contains(&r.id)),
        (col("id").lt(10.5), |r| r.id <= 10),
        (col("id").eq(7).or(col("price").is_null()), |r| {
            r.id == 7 || r.price.is_none()
        }),
        (col("price").is_not_null().and(col("id").gt(20)), |r| {
            r.price.is_some() && r.id > 20
        }),
        (col("ts").lt(0), |r| r.ts < 0),
    ];
    prop_oneof![2 => Just(None), 5 => prop::sample::select(cases).prop_map(Some)]
}

fn model(all: &[Row], order: Order) -> Vec<Row> {
    let mut rows = all.to_vec();
    let series = |row: &Row| (row.sym.is_none(), row.sym.clone());
    match order {
        Order::Series => rows.sort_by_key(|row| (series(row), row.ts)),
        Order::Time => rows.sort_by_key(|row| (row.ts, series(row))),
        Order::Stored => rows.sort_by_key(|row| row.id),
    }
    rows
}

fn same(found: &[Row], expected: &[Row]) -> bool {
    // NaN is not equal to itself, so values are compared by their bits.
    let bits = |row: &Row| (row.ts, row.sym.clone(), row.price.map(f64::to_bits), row.id);
    found.iter().map(bits).eq(expected.iter().map(bits))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_scan_gives_what_the_model_gives(
        commits in commits(),
        range in prop::option::of((times(), times())),
        series in prop::option::of(prop::collection::vec(0..5u8, 0..3)),
        condition in conditions(),
        limit in prop::option::of(0..40usize),
        batch_rows in prop_oneof![Just(1usize), Just(7), Just(65_536)],
        indexed: bool,
    ) {
        let (_directory, db) = scratch();
        let mut spec = spec("t");
        if indexed {
            spec = spec.attribute("id", AttributeKind::Unique).attribute("price", AttributeKind::Grouped);
        }
        let table = db.create_table(&spec).expect("a new table");
        let mut all = Vec::new();
        for commit in &commits {
            let first = all.len() as i64;
            let rows: Vec<Row> = (first..).zip(&commit.rows).map(|(id, (ts, sym, price))| Row {
                ts: *ts, sym: sym.map(symbol), price: *price, id,
            }).collect();
            let batches: Vec<_> = rows.chunks(9).map(|rows| Ok::<_, gapless::Error>(batch(rows))).collect();
            let options = WriteOptions {
                partition: Some(commit.unit), memory_bytes: commit.memory_bytes, encoding: commit.encoding.clone(),
            };
            table.write_with(batches, &options).expect("rows are written");
            all.extend(rows);
        }
        for order in [Order::Series, Order::Time, Order::Stored] {
            let mut scan = table.scan().expect("a scan").order(order).batch_rows(batch_rows);
            let mut expected = model(&all, order);
            if let Some((start, end)) = range {
                scan = scan.between(start, end);
                expected.retain(|row| start <= row.ts && (row.ts < end || end == i64::MAX) && start < end);
            }
            if let Some(numbers) = &series {
                let names: Vec<String> = numbers.iter().map(|number| symbol(*number)).collect();
                expected.retain(|row| row.sym.as_ref().is_some_and(|sym| names.contains(sym)));
                scan = scan.series(names).clone();
            }
            if let Some((predicate, keep)) = &condition {
                scan = scan.filter(predicate.clone());
                expected.retain(keep);
            }
            prop_assert_eq!(scan.clone().count().expect("a count"), expected.len() as u64);
            if order == Order::Time {
                let last = rows(&scan.clone().last(5).expect("the last rows"));
                let from = expected.len().saturating_sub(5);
                prop_assert!(same(&last, &expected[from..]), "last: {:?} expected {:?}", last, &expected[from..]);
            }
            if let Some(limit) = limit.filter(|_| order != Order::Stored) {
                scan = scan.limit(limit);
                expected.truncate(limit);
            }
            let batches = scan.collect().expect("rows");
            prop_assert!(batches.iter().all(|batch| batch.num_rows() <= batch_rows));
            let mut found = rows(&batches);
            if order == Order::Stored {
                found.sort_by_key(|row| row.id);
            }
            prop_assert!(same(&found, &expected), "{:?}: found {:?} expected {:?}", order, found, expected);
        }
    }
}
