//! Times the queries of `benches/compare` on a database of its data: `cargo run --release --example peers -- DB DATA [QUERY...]`.
//!
//! Each answer is checked against the reference in DATA/ref, where that is there. DB has the tables `trade`, `quote` (series `sym`) and `bar1m` (series `node`); DATA is the generator's folder.

use std::path::Path;
use std::time::{Duration, Instant};

use gapless::{Database, Mode};

#[path = "../tests/suite/peers/checksum.rs"]
mod checksum;
#[path = "../tests/suite/peers/parameters.rs"]
mod parameters;
#[path = "../tests/suite/peers/queries.rs"]
mod queries;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [db, data, names @ ..] = arguments.as_slice() else {
        eprintln!("usage: peers DB DATA [QUERY...]");
        std::process::exit(2);
    };
    let db = Database::builder(db).mode(Mode::Read).open().expect("a database");
    let peers = queries::Peers::open(&db, parameters::Parameters::read(Path::new(data)));
    for (name, columns) in queries::QUERIES {
        if !names.is_empty() && !names.iter().any(|other| other == name) {
            continue;
        }
        let (mut times, start) = (Vec::new(), Instant::now());
        let answer = peers.query(name).collect().expect("an answer");
        let rows: usize = answer.iter().map(|batch| batch.num_rows()).sum();
        let verdict = match Path::new(data).join(format!("ref/{name}.parquet")).is_file() {
            true if checksum::checksum(&answer, columns)
                == checksum::checksum(&checksum::reference(Path::new(data), name), columns) =>
            {
                "right"
            }
            true => "WRONG",
            false => "not checked",
        };
        drop(answer);
        while times.len() < 7 || start.elapsed() < Duration::from_millis(400) && times.len() < 300 {
            let began = Instant::now();
            let answer = peers.query(name).collect().expect("an answer");
            times.push(began.elapsed());
            drop(answer);
        }
        times.sort();
        println!(
            "{name:4} {:>12.3} ms (least {:.3})  {rows} rows, {verdict}",
            ms(times[times.len() / 2]),
            ms(times[0])
        );
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
