//! What is written is read: order, partitions, types, zero-copy.

use gapless::scan::Order;
use gapless::{ErrorKind, PartitionUnit, WriteOptions};

use crate::common::{DAY, HOUR, Row, batch, rows, scratch, spec};

fn row(ts: i64, sym: &str, id: i64) -> Row {
    Row {
        ts,
        sym: Some(sym.to_owned()),
        price: Some(id as f64),
        id,
    }
}

#[test]
fn rows_come_back_by_series_and_time_across_day_and_hour_partitions() {
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("trade")).expect("a new table");
    let day = vec![
        row(DAY + 5, "B", 0),
        row(DAY + 1, "A", 1),
        row(5, "B", 2),
        row(-DAY, "A", 3),
    ];
    table.write([batch(&day)]).expect("rows of three days");
    let hours = WriteOptions {
        partition: Some(PartitionUnit::Hour),
        ..WriteOptions::default()
    };
    let late = vec![
        row(DAY + 3 * HOUR, "A", 4),
        row(DAY + 1, "A", 5),
        row(DAY + 3, "B", 6),
    ];
    table
        .write_with([Ok::<_, gapless::Error>(batch(&late))], &hours)
        .expect("rows of two hours");
    let ids = |order| -> Vec<i64> {
        rows(
            &table
                .scan()
                .expect("a scan")
                .order(order)
                .collect()
                .expect("rows"),
        )
        .iter()
        .map(|row| row.id)
        .collect()
    };
    assert_eq!(ids(Order::Series), [3, 1, 5, 4, 2, 6, 0]);
    assert_eq!(ids(Order::Time), [3, 2, 1, 5, 6, 0, 4]);
    let state = db
        .version()
        .expect("a version")
        .table("trade")
        .expect("the table")
        .clone();
    let units: Vec<_> = state.partitions().iter().map(|(key, _)| key.path()).collect();
    assert_eq!(
        units,
        [
            "1969-12-31",
            "1970-01-01",
            "1970-01-02",
            "1970-01-02/00",
            "1970-01-02/03"
        ]
    );
}

#[test]
fn a_table_without_a_time_column_is_refused_with_the_columns_it_has() {
    let (_directory, db) = scratch();
    let spec = gapless::TableSpec::new("t", crate::common::schema().as_ref().clone());
    let error = db.create_table(&spec).expect_err("no time column");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("\"ts\", \"sym\", \"price\", \"id\""),
        "{error}"
    );
}

#[test]
fn a_first_read_opens_only_the_files_it_needs() {
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("trade")).expect("a new table");
    let days: Vec<Row> = (0..400)
        .map(|at| row(at % 4 * DAY + at, ["A", "B"][at as usize % 2], at))
        .collect();
    table.write([batch(&days)]).expect("rows of four days");
    let scan = table
        .scan()
        .expect("a scan")
        .series(["A"])
        .between(2 * DAY + 10, 2 * DAY + 90);
    let found = scan.columns(["price"]).collect().expect("rows");
    assert_eq!(
        found
            .iter()
            .map(gapless::arrow::array::RecordBatch::num_rows)
            .sum::<usize>(),
        20
    );
    // Of four segments with five files each: the index of the series, the times that bound the range, the prices.
    assert_eq!(db.open_files(), 3);
}

/// Once took a time quadratic in the number of series, because every series' head was sorted again for each row.
#[test]
fn the_first_row_of_many_series_comes_without_reading_them_all() {
    let (_directory, db) = scratch();
    let table = db.create_table(&spec("trade")).expect("a new table");
    let many: Vec<Row> = (0..5000)
        .map(|at| row(at, &format!("S{:05}", 5000 - at), at))
        .collect();
    table.write([batch(&many)]).expect("a row of each series");
    let first = table
        .scan()
        .expect("a scan")
        .order(Order::Time)
        .limit(2)
        .collect()
        .expect("rows");
    assert_eq!(rows(&first).iter().map(|row| row.id).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn rows_that_come_in_order_are_sorted_on_disk_as_others_are() {
    // Runs that follow each other, that overlap, and that begin with the row that another ends with.
    let starts = [0, 5000, 4000, 20_000, 25_000, 24_999, 40_000];
    let of_run = |(run, start): (i64, i64)| {
        let series = ["a", "b", "c"];
        let rows = series
            .iter()
            .flat_map(move |sym| (0..5000).map(move |at| row((start + at) / 2, sym, run * 100_000 + at)));
        rows.collect::<Vec<Row>>()
    };
    let runs: Vec<Vec<Row>> = (0..).zip(starts).map(of_run).collect();
    let mut wanted: Vec<Row> = runs.concat();
    wanted.sort_by(|one, other| (&one.sym, one.ts).cmp(&(&other.sym, other.ts)));
    let mut unsorted = runs.clone();
    unsorted.iter_mut().for_each(|rows| rows.reverse());
    let mut wanted_of_unsorted: Vec<Row> = unsorted.concat();
    wanted_of_unsorted.sort_by(|one, other| (&one.sym, one.ts).cmp(&(&other.sym, other.ts)));
    for (runs, wanted) in [(runs, wanted), (unsorted, wanted_of_unsorted)] {
        for memory_bytes in [0, 1 << 20, 4 << 20, 1 << 30] {
            let (_folder, db) = scratch();
            let table = db.create_table(&spec("t")).expect("a table");
            let options = WriteOptions {
                memory_bytes,
                ..WriteOptions::default()
            };
            let batches = runs.iter().map(|rows| Ok::<_, gapless::Error>(batch(rows)));
            let report = table.write_with(batches, &options).expect("written");
            assert_eq!(report.spilled_bytes > 0, memory_bytes < 1 << 30);
            let read = table.scan().expect("a scan").collect().expect("rows");
            assert!(rows(&read) == wanted, "with {memory_bytes} bytes");
        }
    }
}
