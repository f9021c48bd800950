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

/// Last rows that lie many pages apart are gathered without the pages between them: of every kind of column, also of one that was
/// widened or added after the rows were written.
#[test]
fn last_rows_of_many_pages_are_those_of_the_scan() {
    use arrow_schema::DataType;
    use gapless_engine::{EncodingPolicy, Keep, WriteOptions};
    for encoding in [EncodingPolicy::plain(), EncodingPolicy::cold()] {
        let (_directory, _db, table) = table(Keep::All, &[]);
        table.add_column("small", DataType::Int32).expect("a column");
        let all: Vec<Row> = (0..300_000i64)
            .map(|id| Row {
                sym: Some(format!("s{:02}", id * 7919 % 37)),
                ts: id * 100_000_000,
                price: (id % 3 > 0).then_some(id as f64),
                note: (id % 5 > 0).then(|| format!("note {id}")),
                id,
            })
            .collect();
        let with_small = |rows: &[Row]| {
            let batch = crate::tables::batch(rows);
            let small = arrow_array::Int32Array::from_iter(
                rows.iter().map(|row| (row.id % 4 > 0).then_some(row.id as i32)),
            );
            let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
            fields.push(std::sync::Arc::new(arrow_schema::Field::new(
                "small",
                DataType::Int32,
                true,
            )));
            let columns = batch
                .columns()
                .iter()
                .cloned()
                .chain([std::sync::Arc::new(small) as _])
                .collect();
            arrow_array::RecordBatch::try_new(std::sync::Arc::new(arrow_schema::Schema::new(fields)), columns)
                .expect("a batch")
        };
        let options = WriteOptions {
            encoding,
            ..WriteOptions::default()
        };
        let batches = all
            .chunks(50_000)
            .map(|rows| Ok::<_, gapless_engine::Error>(with_small(rows)));
        table.write_with(batches, &options).expect("rows are written");
        table
            .widen_column("small", DataType::Int64)
            .expect("a wider column");
        table.add_column("later", DataType::Float64).expect("a column");
        for at in [None, Some(12_345_678_900_000), Some(0)] {
            let found = table
                .scan()
                .expect("a scan")
                .query()
                .latest(at)
                .collect()
                .expect("the last rows");
            let scanned = table.scan().expect("a scan").collect().expect("rows");
            assert_eq!(rows(&found), twin(&rows(&scanned), at, None));
            for batch in &found {
                use arrow_array::Array;
                use arrow_array::cast::AsArray;
                let column = |name: &str| batch.column_by_name(name).expect("a column");
                let small = column("small").as_primitive::<arrow_array::types::Int64Type>();
                for (row, small) in rows(std::slice::from_ref(batch)).iter().zip(small.iter()) {
                    assert_eq!(small, (row.id % 4 > 0).then_some(row.id));
                }
                assert_eq!(column("later").null_count(), batch.num_rows());
            }
        }
    }
}
