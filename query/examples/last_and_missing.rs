//! Times the last row of each series and the slots without a row, on a database that is only read.
//!
//! `cargo run --release -p gapless-query --example last_and_missing -- DB [RUNS]`; without a database it says so and ends.

use std::time::Instant;

use gapless_engine::{Database, Mode};
use gapless_query::fill::{constant, previous};
use gapless_query::{Fill, IntoQuery, Query};

fn main() -> Result<(), gapless_engine::Error> {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        println!("give a database with tables trade, quote and bar1m");
        return Ok(());
    };
    let runs = arguments.next().and_then(|runs| runs.parse().ok()).unwrap_or(15);
    let db = Database::builder(path).mode(Mode::Read).open()?;
    for name in ["trade", "quote", "bar1m"] {
        let table = db.table(name)?;
        let (first, last) = (bound(&table, true)?, bound(&table, false)?);
        println!("{name}: {} rows, {first} to {last}", table.scan()?.count()?);
        let middle = first + (last - first) / 2;
        time(&format!("{name} latest"), runs, || {
            Ok(table.scan()?.query().latest(None))
        })?;
        time(&format!("{name} latest in the middle"), runs, || {
            Ok(table.scan()?.query().latest(Some(middle)))
        })?;
        if name == "bar1m" {
            time("bar1m missing", runs, || {
                Ok(table.scan()?.query().missing("1m", first, last + 1))
            })?;
            let fill = || {
                Fill::every("1m")
                    .between(first, last + 1)
                    .with("close", previous())
                    .with("volume", constant(0))
            };
            time("bar1m fill", runs.min(5), || {
                Ok(table.scan()?.query().fill(fill()))
            })?;
        }
    }
    Ok(())
}

fn bound(table: &gapless_engine::Table, is_first: bool) -> Result<i64, gapless_engine::Error> {
    let found = std::sync::Mutex::new(if is_first { i64::MAX } else { i64::MIN });
    let meta = table.meta()?;
    let name = meta
        .column(meta.time_column)
        .map(|column| column.name.clone())
        .unwrap_or_default();
    table.scan()?.columns([name]).fold(
        || (),
        |(), batch| {
            use arrow_array::cast::AsArray;
            let times = batch
                .column(0)
                .as_primitive::<arrow_array::types::TimestampNanosecondType>();
            let own = times.values().iter().copied();
            let own = if is_first { own.min() } else { own.max() };
            if let (Some(own), Ok(mut found)) = (own, found.lock()) {
                *found = if is_first {
                    own.min(*found)
                } else {
                    own.max(*found)
                };
            }
            Ok(())
        },
        |(), ()| (),
    )?;
    Ok(found.into_inner().unwrap_or_default())
}

/// The first run, which maps and verifies, then the best and the middle of the others.
fn time(
    what: &str,
    runs: usize,
    query: impl Fn() -> Result<Query, gapless_engine::Error>,
) -> Result<(), gapless_engine::Error> {
    let (mut taken, mut rows) = (Vec::new(), 0);
    for _ in 0..=runs {
        let start = Instant::now();
        let batches = query()?.collect()?;
        taken.push(start.elapsed().as_secs_f64() * 1e3);
        rows = batches.iter().map(|batch| batch.num_rows()).sum();
    }
    let first = taken.remove(0);
    taken.sort_by(f64::total_cmp);
    let middle = taken.get(taken.len() / 2).copied().unwrap_or(first);
    let best = taken.first().copied().unwrap_or(first);
    println!("{what}: {rows} rows; first {first:.3} ms, best {best:.3}, median {middle:.3}");
    Ok(())
}
