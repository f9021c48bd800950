//! How many rows a second functions over the rows of a series and windows take, on one thread.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray};
use gapless_engine::{Database, Maintenance, TableSpec};
use gapless_query::{
    IntoQuery, Query, Rolling, SeriesFunction, count, cum_max, cum_sum, delta, ema, ema_by_time,
    forward_fill, max, mean, next, previous, ratio, row_number, sum,
};

const ROWS: usize = 8_000_000;

fn batch() -> RecordBatch {
    let times = TimestampNanosecondArray::from_iter_values((0..ROWS as i64).map(|row| row * 1_000_000));
    let price = |row: usize| 100.0 + (row.wrapping_mul(2_654_435_761) % 1000) as f64 / 100.0;
    let size = |row: usize| (row.wrapping_mul(40_503) % 500) as i64;
    let columns: [(&str, ArrayRef); 4] = [
        ("ts", Arc::new(times)),
        (
            "price",
            Arc::new(Float64Array::from_iter_values((0..ROWS).map(price))),
        ),
        (
            "size",
            Arc::new(Int64Array::from_iter_values((0..ROWS).map(size))),
        ),
        (
            "some",
            Arc::new(
                (0..ROWS)
                    .map(|row| (row % 7 > 0).then_some(row as i64))
                    .collect::<Int64Array>(),
            ),
        ),
    ];
    RecordBatch::try_from_iter(columns).expect("columns")
}

fn main() -> gapless_engine::Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    let builder = Database::builder(dir.path())
        .small_commit_rows(0)
        .maintenance(Maintenance::Manual);
    let db = builder.open()?;
    let rows = batch();
    let spec = TableSpec::new("t", rows.schema().as_ref().clone()).time("ts");
    let table = db.create_table(&spec)?;
    table.append(&rows)?;
    let time = |name: &str, query: &dyn Fn(Query) -> Query| {
        let mut best = f64::MAX;
        for _ in 0..7 {
            let started = Instant::now();
            let rows: usize = query(
                table
                    .scan()
                    .expect("a scan")
                    .columns(["price", "size", "some"])
                    .query(),
            )
            .stream()
            .expect("a query")
            .map(|batch| batch.expect("rows").num_rows())
            .sum();
            best = best.min(started.elapsed().as_secs_f64());
            assert_eq!(rows, ROWS, "{name}");
        }
        println!(
            "{name:24} {:8.1} million rows/s {:8.2} ms",
            ROWS as f64 / best / 1e6,
            best * 1e3
        );
    };
    let over = |function: SeriesFunction| {
        let name = function.name();
        time(&name, &|query| {
            query.over([function.clone().alias("x")]).select(["x"])
        });
    };
    time("scan of price", &|query| query.select(["price"]));
    over(previous("price"));
    over(previous("price").rows(5));
    over(next("price"));
    over(delta("price"));
    over(delta("size"));
    over(ratio("price"));
    over(cum_sum("price"));
    over(cum_sum("size"));
    over(cum_sum("some"));
    over(cum_max("price"));
    over(ema("price", 0.1));
    over(ema_by_time("price", "1s"));
    over(forward_fill("some"));
    over(row_number());
    for (name, rolling) in [
        ("20 rows", Rolling::rows(20)),
        ("1000 rows", Rolling::rows(1000)),
        ("100000 rows", Rolling::rows(100_000)),
        ("20ms", Rolling::period("20ms")),
        ("100s", Rolling::period("100s")),
    ] {
        for aggregate in [count(), sum("size"), mean("price"), max("price")] {
            let of = format!("{aggregate} over {name}");
            time(&of, &|query| {
                query
                    .rolling(rolling.clone())
                    .agg([aggregate.clone().alias("x")])
                    .select(["x"])
            });
        }
    }
    Ok(())
}
