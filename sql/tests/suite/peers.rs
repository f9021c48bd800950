//! The statements of `examples/peers_sql.rs` give as many rows as the queries of the Rust API beside which it times them.

#[path = "../../../tests/suite/peers/parameters.rs"]
mod parameters;
#[path = "../../../tests/suite/peers/queries.rs"]
#[expect(dead_code, reason = "checksums need the names of the columns")]
mod queries;
#[path = "peers/statements.rs"]
mod statements;

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, Int8Array, Int32Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use gapless_engine::{Database, TableSpec};

use crate::fixture::{DAY, MINUTE, Market, SECOND, START};
use crate::support::{Random, query};
use parameters::Parameters;

const SYMBOLS: [&str; 6] = ["AA", "BB", "CC", "DD", "EE", "FF"];

fn texts(random: &mut Random, rows: usize, from: &[&'static str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(
        (0..rows).map(|_| random.pick(from)),
    ))
}

fn floats(random: &mut Random, rows: usize) -> ArrayRef {
    let mut number = || 100.0 + random.below(1000) as f64 / 8.0;
    Arc::new(Float64Array::from_iter_values((0..rows).map(|_| number())))
}

fn sizes(random: &mut Random, rows: usize) -> ArrayRef {
    let mut size = || 1 + i32::try_from(random.below(4000)).expect("a size");
    Arc::new(Int32Array::from_iter_values((0..rows).map(|_| size())))
}

/// Times of the sessions of two days, each its own.
fn times(random: &mut Random, rows: usize) -> ArrayRef {
    let mut time = |row: usize| {
        let day = i64::try_from(row % 2).expect("a day");
        let second = i64::try_from(random.below(6 * 3600)).expect("a second");
        let unique = i64::try_from(row).expect("a row");
        START + day * DAY + (13 * 60 + 30) * MINUTE + second * SECOND + unique
    };
    Arc::new(TimestampNanosecondArray::from_iter_values((0..rows).map(&mut time)).with_timezone("UTC"))
}

fn write(database: &Database, name: &str, series: &str, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let spec = TableSpec::new(name, batch.schema().as_ref().clone())
        .time("ts")
        .series(series);
    let table = database.create_table(&spec).expect("a table");
    table.write([batch]).expect("rows");
}

fn market() -> Market {
    let (market, mut random) = (Market::empty(), Random(7));
    let random = &mut random;
    let trades = 3000;
    let sides: ArrayRef = Arc::new(Int8Array::from(vec![1; trades]));
    let trade = vec![
        ("ts", times(random, trades)),
        ("sym", texts(random, trades, &SYMBOLS)),
        ("price", floats(random, trades)),
        ("size", sizes(random, trades)),
        ("side", sides),
        ("exch", texts(random, trades, &["N", "Q"])),
        ("cond", texts(random, trades, &["@", "F"])),
    ];
    write(&market.database, "trade", "sym", trade);
    let quotes = 9000;
    let quote = vec![
        ("ts", times(random, quotes)),
        ("sym", texts(random, quotes, &SYMBOLS)),
        ("bid", floats(random, quotes)),
        ("ask", floats(random, quotes)),
        ("bsize", sizes(random, quotes)),
        ("asize", sizes(random, quotes)),
        ("exch", texts(random, quotes, &["N", "Q"])),
    ];
    write(&market.database, "quote", "sym", quote);
    let minutes = 2 * 1440;
    let at = |minute: i64| START + minute * MINUTE;
    let bar_times: ArrayRef =
        Arc::new(TimestampNanosecondArray::from_iter_values((0..minutes).map(at)).with_timezone("UTC"));
    let bars = usize::try_from(minutes).expect("bars");
    let mut bar = vec![
        ("ts", bar_times),
        ("node", texts(random, bars, &["n1", "n2", "n3"])),
    ];
    for name in ["open", "high", "low", "close", "volume"] {
        bar.push((name, floats(random, bars)));
    }
    write(&market.database, "bar1m", "node", bar);
    market
}

/// What the generator says of its data.
fn meta() -> String {
    let symbols = SYMBOLS.map(|name| format!("{name:?}")).join(", ");
    format!(
        r#"{{"syms_by_rank": [{symbols}], "nodes": ["n1", "n2", "n3"], "dates": ["2026-11-20", "2026-11-21"],
            "open_ns": {}, "sess_ns": {}, "bar_minutes": {}, "bar_start_ns": {START}}}"#,
        (13 * 60 + 30) * MINUTE,
        390 * MINUTE,
        2 * 1440
    )
}

#[test]
fn every_statement_gives_as_many_rows_as_the_query_beside_it() {
    let market = market();
    std::fs::write(market.directory.path().join("meta.json"), meta()).expect("the parameters");
    let ask = Parameters::read(market.directory.path());
    let peers = queries::Peers::open(&market.database, ask);
    let session = market.session();
    for (name, text) in statements::statements(&peers.ask) {
        let expected = peers.query(name).collect().expect("an answer");
        let expected: usize = expected.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(query(&session, &text).len(), expected, "{name}: {text}");
        assert!(expected > 0, "{name} finds nothing");
    }
}
