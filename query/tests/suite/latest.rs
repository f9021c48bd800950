//! The last row of each series, against all rows gone through one by one.

use gapless_engine::scan::{Predicate, col};
use gapless_query::{IntoQuery, Query};
use proptest::prelude::*;

use crate::tables::{Row, commits, in_memory, keeps, rows, symbol, table, times};

/// The last of ordered rows of each series that are in time.
fn twin(rows: &[Row], at: Option<i64>, since: Option<i64>) -> Vec<Row> {
    let mut last: Vec<Row> = Vec::new();
    for row in rows {
        if at.is_some_and(|at| row.ts > at) || since.is_some_and(|since| row.ts < since) {
            continue;
        }
        match last.last_mut() {
            Some(before) if before.sym == row.sym => *before = row.clone(),
            _ => last.push(row.clone()),
        }
    }
    last
}

/// A condition and what it leaves.
type Condition = (Predicate, fn(&Row) -> bool);

fn conditions() -> impl Strategy<Value = Option<Condition>> {
    let cases: Vec<Condition> = vec![
        (col("price").is_not_null(), |row| row.price.is_some()),
        (col("price").gt(2.0), |row| {
            row.price.is_some_and(|price| price.is_nan() || price > 2.0)
        }),
        (col("note").eq("note 1"), |row| {
            row.note.as_deref() == Some("note 1")
        }),
        (col("id").lt(25i64), |row| row.id < 25),
        (col("id").lt(-1i64), |_| false),
    ];
    prop::option::of(prop::sample::select(cases))
}

fn ask(query: Query, at: Option<i64>, since: Option<i64>) -> Query {
    match since {
        Some(since) => query.latest_since(since, at),
        None => query.latest(at),
    }
}

fn far_times() -> impl Strategy<Value = i64> {
    prop_oneof![6 => times(), 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => Just(i64::MAX - 1)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn the_last_row_of_each_series_is_that_of_the_whole_scan(
        commits in commits(),
        keep in keeps(),
        at in prop::option::of(far_times()),
        since in prop::option::of(far_times()),
        range in prop::option::of((times(), times())),
        series in prop::option::of(prop::collection::vec(0..5u8, 0..4)),
        condition in conditions(),
        batch_rows in 1..9usize,
    ) {
        let (_directory, _db, table) = table(keep, &commits);
        let mut scan = table.scan().expect("a scan");
        if let Some((start, end)) = range {
            scan = scan.between(start, end);
        }
        if let Some(series) = &series {
            scan = scan.series(series.iter().map(|number| symbol(*number)));
        }
        let mut all = rows(&scan.clone().collect().expect("rows"));
        if let Some((predicate, holds)) = &condition {
            scan = scan.filter(predicate.clone());
            all.retain(holds);
        }
        let expected = twin(&all, at, since);
        let found = ask(scan.clone().query(), at, since).collect().expect("the last rows");
        prop_assert_eq!(rows(&found), &expected[..]);
        // By streaming: of the same rows in order, of rows in memory, and of rows in any order.
        let filtered = ask(scan.clone().query().with_column("price"), at, since);
        prop_assert_eq!(rows(&filtered.collect().expect("the last rows")), &expected[..]);
        let streamed = ask(in_memory(&all, batch_rows), at, since);
        let streamed: Vec<_> = streamed.stream().expect("rows").collect::<Result<_, _>>().expect("rows");
        prop_assert_eq!(rows(&streamed), &expected[..]);
        // Fewer columns, without the time and the series.
        let ids = ask(scan.query(), at, since).select(["id"]).collect().expect("ids");
        let count: usize = ids.iter().map(|batch| batch.num_rows()).sum();
        prop_assert_eq!(count, expected.len());
    }
}

#[test]
fn rows_without_time_have_no_latest() {
    let error = Query::batches(crate::tables::schema(), Vec::new())
        .latest(None)
        .collect();
    assert!(error.expect_err("no time").to_string().contains("no time"));
}
