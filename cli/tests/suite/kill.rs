//! A statement that writes is killed while it does.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::Place;

/// Several partitions, and more rows than one batch of the writer.
const ROWS: u64 = 200_000;

fn insert() -> String {
    format!(
        "INSERT INTO trade SELECT to_timestamp_nanos(1763500000000000000 + value * 1000000000), 'X', \
         value + 0.5 AS price, value, 'row' FROM generate_series(1, {ROWS})"
    )
}

#[test]
fn an_insert_that_is_killed_is_there_whole_or_not_at_all() {
    let place = Place::with_trades();
    let text = insert();
    let words = ["query", "db", &text, "--write"];
    let began = Instant::now();
    let said = place.run_words(&words);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    let whole = began.elapsed();
    let mut rows = place.rows("db", "trade");
    assert_eq!(rows, 5 + ROWS);
    let rounds: u32 = std::env::var("GAPLESS_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(4);
    let mut written = 0;
    for round in 1..=rounds {
        let mut child = place
            .command(&words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The last moments are late ones, when files are synced and the commit is written.
        std::thread::sleep(whole * round / rounds - Duration::from_millis(u64::from(rounds - round)));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = place.rows("db", "trade");
        assert!(
            found == rows || found == rows + ROWS,
            "round {round}: {found} rows after {rows}"
        );
        let counted = place.run_words(&[
            "query",
            "db",
            "SELECT count(*) AS n, count(price) AS prices FROM trade",
            "--format",
            "csv",
        ]);
        assert_eq!(
            counted.out,
            format!("n,prices\n{found},{}\n", found - 1),
            "round {round}"
        );
        // Files that no version names are warnings until something is written.
        let check = place.run("check db").out;
        assert!(
            check.contains("nothing found") || check.contains("\n0 errors"),
            "round {round}: {check}"
        );
        written += u32::from(found > rows);
        rows = found;
    }
    // What was killed is in nobody's way.
    let said = place.run_words(&words);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert_eq!(place.rows("db", "trade"), rows + ROWS);
    place.ok("check db");
    println!("{rounds} kills within {whole:?}, {written} of them after the commit");
}
