//! Times the queries of `benches/compare` as SQL, and beside it the same queries of the Rust API:
//! `cargo run --release -p gapless-sql --example peers_sql -- DB DATA [QUERY...]`.
//!
//! DB has the tables `trade`, `quote` (series `sym`) and `bar1m` (series `node`); DATA is the generator's folder. Each statement has to
//! give as many rows as the query. `EXPLAIN` in the environment prints the plans.

use std::path::Path;
use std::time::{Duration, Instant};

use gapless::arrow::array::{RecordBatch, cast::AsArray};
use gapless::{Database, Mode};
use gapless_sql::Session;

#[path = "../../tests/suite/peers/parameters.rs"]
mod parameters;
#[path = "../../tests/suite/peers/queries.rs"]
#[expect(dead_code, reason = "checksums need the names of the columns")]
mod queries;
#[path = "../tests/suite/peers/statements.rs"]
mod statements;

use parameters::Parameters;
use statements::statements;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [db, data, names @ ..] = arguments.as_slice() else {
        eprintln!("usage: peers_sql DB DATA [QUERY...]");
        std::process::exit(2);
    };
    let db = Database::builder(db).mode(Mode::Read).open().expect("a database");
    let session = Session::new(&db).expect("a session");
    let peers = queries::Peers::open(&db, Parameters::read(Path::new(data)));
    for (name, text) in statements(&peers.ask) {
        if !names.is_empty() && !names.iter().any(|other| other == name) {
            continue;
        }
        if std::env::var_os("EXPLAIN").is_some() {
            println!("{}", plan(&session, &text));
        }
        let (native, expected) = time(|| peers.query(name).collect().expect("an answer"));
        let (sql, rows) = time(|| answer(&session, &text));
        let verdict = if rows == expected {
            "as many"
        } else {
            "NOT AS MANY"
        };
        println!(
            "{name:4} {:>12.3} ms, native {:>12.3} ms, {:>6.2} times  {rows} rows, {verdict}",
            ms(sql),
            ms(native),
            ms(sql) / ms(native)
        );
    }
}

/// The median of some runs, and how many rows there are.
fn time(run: impl Fn() -> Vec<RecordBatch>) -> (Duration, usize) {
    let rows = run().iter().map(RecordBatch::num_rows).sum();
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() < 7 || start.elapsed() < Duration::from_millis(400) && times.len() < 300 {
        let began = Instant::now();
        let answer = run();
        times.push(began.elapsed());
        drop(answer);
    }
    times.sort();
    (times[times.len() / 2], rows)
}

fn answer(session: &Session, text: &str) -> Vec<RecordBatch> {
    let rows = session
        .sql(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    rows.collect_batches()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn plan(session: &Session, text: &str) -> String {
    let plan = answer(session, &format!("EXPLAIN {text}"));
    let shown = |batch: &RecordBatch| {
        let lines = batch.column(1).as_string::<i32>().iter().flatten();
        lines.collect::<Vec<_>>().join("\n")
    };
    plan.iter().map(shown).collect()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
