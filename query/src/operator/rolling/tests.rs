//! Windows against a slow and obvious twin, on rows that are cut into batches and parts at any place.

use arrow_array::RecordBatch;
use arrow_array::types::{Float64Type, Int64Type};
use gapless_engine::error::ErrorKind;
use proptest::prelude::*;

use super::*;
use crate::operator::testing::{Cut, Row, assert_near, by_series, numbers, rows, run, texts};
use crate::{count, count_of, first, last, max, mean, median, sum};

type Cuts = (Vec<Row>, Vec<usize>);

fn roll((rows, cuts): &Cuts, rolling: Rolling) -> Vec<RecordBatch> {
    let aggregates = vec![
        count().alias("count"),
        count_of("price").alias("values"),
        sum("size").alias("sum"),
        max("price").alias("max"),
        mean("size").alias("mean"),
        median("size").alias("median"),
        first("word").alias("first"),
        last("symbol").alias("last"),
    ];
    let operator = RollingAggregation::new(Cut::input(rows, cuts), rolling, aggregates).expect("windows");
    let counts = numbers::<Int64Type>(&run(&operator, &["count"]).expect("rows"), "count");
    let names: Vec<&str> = operator
        .shape
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let all = run(&operator, &names).expect("rows");
    assert_eq!(counts, numbers::<Int64Type>(&all, "count"), "pruned");
    all
}

/// The window of each row of each series, as rows.
fn windows(rows: &[Row], is_in: impl Fn(&[Row], usize, usize) -> bool) -> Vec<Vec<Row>> {
    let is_in = &is_in;
    let of_series = |series: &[Row]| -> Vec<Vec<Row>> {
        let window = |at: usize| (0..series.len()).filter(move |other| is_in(series, at, *other));
        (0..series.len())
            .map(|at| window(at).map(|other| series[other].clone()).collect())
            .collect()
    };
    by_series(rows).flat_map(of_series).collect()
}

fn check(found: &[RecordBatch], windows: &[Vec<Row>], min_rows: usize) {
    fn each<T>(windows: &[Vec<Row>], min_rows: usize, of: impl Fn(&[Row]) -> Option<T>) -> Vec<Option<T>> {
        windows
            .iter()
            .map(|window| of(window).filter(|_| window.len() >= min_rows))
            .collect()
    }
    let sizes = |window: &[Row]| -> Vec<i64> { window.iter().filter_map(|row| row.size).collect() };
    let count = each(windows, min_rows, |window| Some(window.len() as i64));
    assert_eq!(numbers::<Int64Type>(found, "count"), count);
    let values = each(windows, min_rows, |window| {
        Some(window.iter().filter(|row| row.price.is_some()).count() as i64)
    });
    assert_eq!(numbers::<Int64Type>(found, "values"), values);
    let sum = each(windows, min_rows, |window| {
        sizes(window).into_iter().reduce(|a, b| a + b)
    });
    assert_eq!(numbers::<Int64Type>(found, "sum"), sum);
    let max = each(windows, min_rows, |window| {
        window.iter().filter_map(|row| row.price).reduce(f64::max)
    });
    assert_near(&numbers::<Float64Type>(found, "max"), &max, "max");
    let mean = each(windows, min_rows, |window| {
        let sizes = sizes(window);
        (!sizes.is_empty()).then(|| sizes.iter().sum::<i64>() as f64 / sizes.len() as f64)
    });
    assert_near(&numbers::<Float64Type>(found, "mean"), &mean, "mean");
    let median = each(windows, min_rows, |window| {
        let mut sizes = sizes(window);
        sizes.sort_unstable();
        let at = |at: usize| sizes[at] as f64;
        (!sizes.is_empty()).then(|| (at((sizes.len() - 1) / 2) + at(sizes.len() / 2)) / 2.0)
    });
    assert_near(&numbers::<Float64Type>(found, "median"), &median, "median");
    let words = |window: &[Row]| -> Vec<String> {
        window
            .iter()
            .filter_map(|row| row.word.map(str::to_string))
            .collect()
    };
    assert_eq!(
        texts(found, "first"),
        each(windows, min_rows, |window| words(window).first().cloned())
    );
    assert_eq!(
        texts(found, "last"),
        each(windows, min_rows, |window| words(window).last().cloned())
    );
}

proptest! {
    #[test]
    fn windows_of_rows_are_the_last_rows_of_the_series(cuts in rows(), n in 1..30usize, min_rows in 0..4usize) {
        let found = roll(&cuts, Rolling::rows(n).min_rows(min_rows));
        let windows = windows(&cuts.0, |_, at, other| other <= at && other + n > at);
        check(&found, &windows, min_rows);
    }

    #[test]
    fn windows_of_time_have_all_rows_at_the_time_of_the_row(cuts in rows(), period in 1..60i64, min_rows in 0..4usize) {
        let found = roll(&cuts, Rolling::period(period).min_rows(min_rows));
        let windows = windows(&cuts.0, |series, at, other| {
            let t = series[at].ts;
            series[other].ts > t - period && series[other].ts <= t
        });
        check(&found, &windows, min_rows);
    }
}

#[test]
fn the_first_and_last_of_all_times_are_in_windows() {
    let row = |ts| Row {
        series: 0,
        ts,
        price: None,
        size: Some(1),
        word: None,
    };
    let rows: Vec<Row> = [i64::MIN, i64::MIN, i64::MIN + 1, 0, i64::MAX].map(row).to_vec();
    for cuts in [vec![], vec![1, 2, 3, 4]] {
        let found = roll(&(rows.clone(), cuts), Rolling::period(i64::MAX));
        let counts: Vec<i64> = numbers::<Int64Type>(&found, "count")
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(counts, [2, 2, 3, 1, 1]);
    }
}

#[test]
fn windows_that_are_longer_than_batches_are_added_up_a_few_times_at_most() {
    let row = |ts| Row {
        series: 0,
        ts,
        price: None,
        size: Some(1),
        word: None,
    };
    let rows: Vec<Row> = (0..200_000).map(row).collect();
    let cuts: Vec<usize> = (0..rows.len()).step_by(10).collect();
    let started = std::time::Instant::now();
    for rolling in [Rolling::rows(50_000), Rolling::period(50_000)] {
        let operator =
            RollingAggregation::new(Cut::input(&rows, &cuts), rolling, vec![sum("size").alias("sum")]);
        let found = run(&operator.expect("windows"), &["sum"]).expect("rows");
        let sums = numbers::<Int64Type>(&found, "sum");
        assert!(
            sums.iter()
                .zip(1..)
                .all(|(sum, row)| *sum == Some(row.min(50_000)))
        );
    }
    // Were every batch to begin its windows anew, this would be a thousand million rows.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn what_cannot_be_is_refused_when_it_is_written() {
    let refused = |rolling: Rolling, aggregate: Aggregate, part: &str| {
        let error =
            RollingAggregation::new(Cut::input(&[], &[]), rolling, vec![aggregate]).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(Rolling::rows(0), count(), "0 rows");
    refused(Rolling::period("0s"), count(), "more than 0");
    refused(Rolling::period("-5s"), count(), "more than 0");
    refused(Rolling::period("1 minute"), count(), "no length of time");
    refused(Rolling::rows(3), count().alias("price"), "alias()");
    refused(Rolling::rows(3), sum("word"), "word");
    refused(Rolling::rows(3), sum("nothing"), "nothing");
}
