//! How long joins with rows around a time take: `cargo run --release -p gapless-query --example window_speed -- DB [SERIES [NAME]]`, where
//! DB has the tables `trade` and `quote` with the columns `ts`, `sym`, `price`, `bid` and `ask`. `RAYON_NUM_THREADS=1` for one core.

use std::time::Instant;

use gapless_engine::{Database, Mode, Result};
use gapless_query::{Aggregate, AsOf, HorizonJoin, Join, Query, WindowJoin, count, last, max, mean};

const RUNS: usize = 50;

/// The best of some runs.
fn measure(name: &str, query: impl Fn() -> Result<Query>) -> Result<()> {
    if std::env::args().nth(3).is_some_and(|only| only != name) {
        return Ok(());
    }
    let (mut best, mut rows) = (f64::MAX, 0);
    for _ in 0..RUNS {
        let start = Instant::now();
        let batches = query()?.collect()?;
        best = best.min(start.elapsed().as_secs_f64());
        rows = batches.iter().map(|batch| batch.num_rows()).sum();
    }
    println!("{name:<24} {:>9.3} ms {rows:>10} rows", best * 1e3);
    Ok(())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "market.db".to_owned());
    let series = arguments.next();
    let db = Database::builder(path).mode(Mode::Read).open()?;
    let rows = |table: &str, columns: &[&str]| -> Result<Query> {
        let scan = db.table(table)?.scan()?.columns(columns.iter().copied());
        Ok(match &series {
            Some(series) => scan.series([series]).into(),
            None => scan.into(),
        })
    };
    let left = || rows("trade", &["ts", "sym", "price"]);
    let right = || rows("quote", &["ts", "sym", "bid", "ask"]);
    measure("left rows", left)?;
    measure("right rows", right)?;
    let aggregates: [(&str, Vec<Aggregate>); 5] = [
        ("window, count", vec![count().alias("n")]),
        ("window, mean", vec![mean("bid").alias("avg_bid")]),
        ("window, max", vec![max("bid").alias("max_bid")]),
        ("window, last", vec![last("bid").alias("last_bid")]),
        (
            "window, mean and max",
            vec![mean("bid").alias("avg_bid"), max("ask").alias("max_ask")],
        ),
    ];
    for (name, aggregates) in aggregates {
        let window = || WindowJoin::between("-10s", "10s");
        measure(name, || {
            Ok(left()?.window_join(right()?, window()).agg(aggregates.clone()))
        })?;
    }
    measure("as-of", || {
        Ok(left()?.asof_join(right()?, AsOf::backward().columns(["bid"])))
    })?;
    let offsets = || HorizonJoin::offsets(["-1s", "0s", "1s"]).columns(["bid"]);
    measure("horizon, 3 offsets", || {
        Ok(left()?.horizon_join(right()?, offsets()))
    })?;
    let one_per_series =
        || Ok::<_, gapless_engine::Error>(right()?.group_by(["sym"]).agg([max("bid").alias("max_bid")]));
    measure("largest bids alone", one_per_series)?;
    measure("join with largest bids", || {
        Ok(left()?.join(one_per_series()?, Join::on(["sym"]).left()))
    })
}
