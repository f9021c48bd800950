//! `query`: one statement, its rows in every format, and what is said when it cannot be right.

use std::fs::File;
use std::io::{BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use serde_json::{Value, json};

use crate::support::{Place, Said};

/// Rows whose answer is known: sizes and prices of [`crate::support::TRADES`].
const ROWS: &str = "SELECT sym, size, price FROM trade ORDER BY size";

fn query(place: &Place, statement: &str, more: &[&str]) -> Said {
    place.run_words(&[&["query", "db", statement], more].concat())
}

fn ok(place: &Place, statement: &str, more: &[&str]) -> String {
    let said = query(place, statement, more);
    assert_eq!(
        (said.code, said.err.as_str()),
        (0, ""),
        "{statement}\n{}",
        said.out
    );
    said.out
}

fn fails(place: &Place, code: i32, statement: &str, more: &[&str]) -> String {
    let said = query(place, statement, more);
    assert_eq!(said.code, code, "{statement}\n{}\n{}", said.out, said.err);
    assert!(said.err.starts_with("error: "), "{statement}\n{}", said.err);
    said.err
}

/// What [`ROWS`] gives, of batches that were read back.
fn check_rows(batches: &[RecordBatch]) {
    let mut rows = Vec::new();
    for batch in batches {
        let symbols = arrow_cast::cast(batch.column(0), &arrow_schema::DataType::Utf8).unwrap();
        let sizes = batch.column(1).as_primitive::<Int64Type>();
        let prices = batch.column(2).as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let price = arrow_array::Array::is_valid(prices, row).then(|| prices.value(row));
            rows.push((
                symbols.as_string::<i32>().value(row).to_owned(),
                sizes.value(row),
                price,
            ));
        }
    }
    let expected = [
        ("MSFT", 5, Some(400.0)),
        ("MSFT", 7, Some(402.25)),
        ("AAPL", 10, Some(103.0)),
        ("AAPL", 50, None),
        ("AAPL", 100, Some(101.5)),
    ];
    assert_eq!(
        rows,
        expected.map(|(sym, size, price)| (sym.to_owned(), size, price))
    );
}

const CSV: &str = "sym,size,price\nMSFT,5,400.0\nMSFT,7,402.25\nAAPL,10,103.0\nAAPL,50,\nAAPL,100,101.5\n";

#[test]
fn a_table_shows_the_first_rows_and_says_how_many_there_are() {
    let place = Place::with_trades();
    let table = ok(&place, ROWS, &[]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "sym   size   price");
    assert_eq!(lines[2], "MSFT     5   400.0");
    assert_eq!(lines.len(), 8, "{table}");
    assert_eq!(lines[7], "5 rows");
    let table = ok(&place, ROWS, &["-n", "2"]);
    assert!(table.ends_with("the first 2 of 5 rows\n"), "{table}");
    assert_eq!(table.lines().count(), 5, "{table}");
    assert_eq!(ok(&place, "SELECT * FROM trade WHERE size < 0", &[]), "no rows\n");
    assert!(ok(&place, "SELECT 1 AS one", &[]).ends_with("\n1 row\n"));
    assert!(ok(&place, ROWS, &["-n", "0"]).ends_with("the first 0 of 5 rows\n"));
}

#[test]
fn many_rows_are_counted_though_few_are_shown() {
    let place = Place::with_trades();
    let crossed = "SELECT a.size FROM trade a, trade b, trade c, trade d, trade e, trade f, trade g";
    let table = ok(&place, crossed, &["-n", "3"]);
    assert!(table.ends_with("the first 3 of 78,125 rows\n"), "{table}");
    let csv = ok(&place, crossed, &["--format", "csv"]);
    assert_eq!(csv.lines().count(), 78_126);
}

#[test]
fn text_formats_on_standard_output_have_every_row_as_head_writes_it() {
    let place = Place::with_trades();
    assert_eq!(ok(&place, ROWS, &["--format", "csv"]), CSV);
    let lines = ok(&place, ROWS, &["--format", "jsonl"]);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first, json!({"sym": "MSFT", "size": 5, "price": 400.0}));
    assert_eq!(lines.lines().count(), 5);
    let array: Value = serde_json::from_str(&ok(&place, ROWS, &["--format", "json"])).unwrap();
    assert_eq!(array[3], json!({"sym": "AAPL", "size": 50, "price": null}));
    let document: Value = serde_json::from_str(&ok(&place, ROWS, &["--json"])).unwrap();
    assert_eq!(document["columns"], json!(["sym", "size", "price"]));
    assert_eq!(document["rows"], array);
    let none = ok(&place, "SELECT size FROM trade WHERE size < 0", &["--json"]);
    let none: Value = serde_json::from_str(&none).unwrap();
    assert_eq!(none, json!({"columns": ["size"], "rows": []}));
    let all = "SELECT * FROM trade ORDER BY ts, sym";
    assert_eq!(
        ok(&place, all, &["--format", "csv"]),
        place.ok("head db trade --format csv")
    );
}

#[test]
fn binary_formats_on_standard_output_read_back_as_the_same_rows() {
    let place = Place::with_trades();
    let arrow = place.output(&["query", "db", ROWS, "--format", "arrow"]);
    let reader = arrow_ipc::reader::StreamReader::try_new(arrow.stdout.as_slice(), None).unwrap();
    check_rows(&reader.collect::<Result<Vec<_>, _>>().unwrap());
    let parquet = place.output(&["query", "db", ROWS, "--format", "parquet"]);
    place.file("piped.parquet", parquet.stdout);
    check_rows(&parquet_rows(&place, "piped.parquet"));
}

fn parquet_rows(place: &Place, name: &str) -> Vec<RecordBatch> {
    let file = File::open(place.path(name)).unwrap();
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    builder.build().unwrap().collect::<Result<Vec<_>, _>>().unwrap()
}

#[test]
fn a_file_has_every_row_in_the_format_of_its_name_or_of_the_option() {
    let place = Place::with_trades();
    let said = ok(&place, ROWS, &["-o", "rows.csv"]);
    assert!(said.starts_with("wrote 5 rows to rows.csv, "), "{said}");
    let text = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(text("rows.csv"), CSV);
    ok(&place, ROWS, &["-o", "rows.jsonl"]);
    assert_eq!(text("rows.jsonl").lines().count(), 5);
    ok(&place, ROWS, &["-o", "rows.dat", "--format", "jsonl"]);
    assert_eq!(text("rows.dat"), text("rows.jsonl"));
    // What `import` reads under that name.
    ok(&place, ROWS, &["-o", "rows.json"]);
    assert_eq!(text("rows.json"), text("rows.jsonl"));
    ok(&place, ROWS, &["-o", "rows.parquet"]);
    check_rows(&parquet_rows(&place, "rows.parquet"));
    ok(&place, ROWS, &["-o", "rows.arrow"]);
    let file = BufReader::new(File::open(place.path("rows.arrow")).unwrap());
    let reader = arrow_ipc::reader::FileReader::try_new(file, None).unwrap();
    check_rows(&reader.collect::<Result<Vec<_>, _>>().unwrap());
    let report: Value = serde_json::from_str(&ok(&place, ROWS, &["-o", "rows.csv.gz", "--json"])).unwrap();
    assert_eq!(
        (&report["file"], &report["rows"]),
        (&json!("rows.csv.gz"), &json!(5))
    );
}

#[test]
fn a_file_is_replaced_only_if_asked_for_and_never_by_half_of_a_result() {
    let place = Place::with_trades();
    place.file("rows.csv", "mine");
    let error = fails(&place, 2, ROWS, &["-o", "rows.csv"]);
    assert!(error.contains("--overwrite"), "{error}");
    let half_way = "SELECT size, 1 / (size - 100) AS x FROM trade ORDER BY size";
    fails(&place, 2, half_way, &["-o", "rows.csv", "--overwrite"]);
    assert_eq!(std::fs::read_to_string(place.path("rows.csv")).unwrap(), "mine");
    ok(&place, ROWS, &["-o", "rows.csv", "--overwrite"]);
    assert_eq!(std::fs::read_to_string(place.path("rows.csv")).unwrap(), CSV);
    fails(&place, 2, half_way, &["-o", "new.parquet"]);
    let error = fails(&place, 2, ROWS, &["-o", "rows"]);
    assert!(error.contains("does not tell the format"), "{error}");
    fails(&place, 2, ROWS, &["-o", "rows.txt", "--format", "table"]);
    assert_eq!(place.names(), ["db", "rows.csv", "trades.csv"]);
}

#[test]
fn a_statement_comes_from_the_command_line_a_file_or_standard_input() {
    let place = Place::with_trades();
    place.file("rows.sql", format!("-- sizes\n{ROWS};\n"));
    assert_eq!(place.ok("query db -f rows.sql --format csv"), CSV);
    for words in [
        ["query", "db", "--format", "csv"].as_slice(),
        &["query", "db", "-", "--format", "csv"],
    ] {
        let mut child = place
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(ROWS.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), CSV);
    }
    place.fails(2, "query db -f missing.sql");
    assert!(place.fails(2, "query db").contains("no statement"));
    let error = fails(&place, 2, "SELECT 1; SELECT 2", &[]);
    assert!(error.contains("hint: gapless sql DB < FILE"), "{error}");
}

#[test]
fn a_wrong_statement_says_what_is_wrong_and_where() {
    let place = Place::with_trades();
    let error = fails(&place, 2, "SELECT *\nFROM trade WHERE )", &[]);
    assert!(error.contains("Line: 2, Column: 18"), "{error}");
    let error = fails(&place, 2, "SELECT * FROM nope", &[]);
    assert!(error.contains("nope") && error.contains("trade"), "{error}");
    let error = fails(&place, 2, "SELECT nope FROM trade", &[]);
    assert!(error.contains("nope") && error.contains("price"), "{error}");
    let said = query(&place, "SELECT * FROM nope", &["--json"]);
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["error"]["kind"], "not_found");
    let error = fails(
        &place,
        2,
        "SELECT a.ts, b.ts FROM trade a, trade b",
        &["--format", "csv"],
    );
    assert!(
        error.contains("two columns of the result are named \"ts\""),
        "{error}"
    );
    ok(&place, "SELECT a.ts, b.ts FROM trade a, trade b", &[]);
    fails(&place, 2, "SELECT 1", &["--json", "--format", "csv"]);
    place.fails(2, "query missing SELECT");
    assert!(!place.has("missing"));
}

#[test]
fn insert_needs_write_and_says_so() {
    let place = Place::with_trades();
    let insert = "INSERT INTO trade (ts, sym, size) VALUES ('2026-11-23T00:00:00Z', 'AAPL', 3)";
    let error = fails(&place, 2, insert, &[]);
    assert!(error.contains("hint: pass --write"), "{error}");
    assert_eq!(place.rows("db", "trade"), 5);
    assert_eq!(ok(&place, insert, &["--write", "--format", "csv"]), "count\n1\n");
    assert_eq!(place.rows("db", "trade"), 6);
    fails(&place, 2, insert, &["--write", "--as-of", "x"]);
}

#[test]
fn a_named_snapshot_is_read_under_either_name_of_the_option() {
    let place = Place::with_trades();
    place.ok("snapshot db create before");
    let insert = "INSERT INTO trade (ts, sym, size) VALUES ('2026-11-23T00:00:00Z', 'AAPL', 3)";
    ok(&place, insert, &["--write"]);
    let count = |more: &[&str]| {
        ok(
            &place,
            "SELECT count(*) AS n FROM trade",
            &[&["--format", "csv"], more].concat(),
        )
    };
    assert_eq!(count(&[]), "n\n6\n");
    assert_eq!(count(&["--as-of", "before"]), "n\n5\n");
    assert_eq!(count(&["--snapshot", "before"]), "n\n5\n");
    fails(&place, 2, "SELECT 1", &["--as-of", "nope"]);
}

#[test]
fn a_statement_that_needs_more_memory_than_it_may_have_spills_or_is_refused() {
    let place = Place::with_trades();
    let limit = ["--memory", "16MiB", "--threads", "1"];
    let sort = "SELECT value FROM generate_series(1, 3000000) ORDER BY value % 3000000";
    let table = ok(&place, sort, &[&limit[..], &["-n", "2"]].concat());
    assert!(
        table.ends_with("\n3000000\n      1\nthe first 2 of 3,000,000 rows\n"),
        "{table}"
    );
    // A list of all values cannot be put on disk.
    let list = "SELECT array_agg(value) FROM generate_series(1, 3000000)";
    let error = fails(&place, 4, list, &limit);
    assert!(
        error.contains("more memory than it may have") && error.contains("hint: --memory"),
        "{error}"
    );
    fails(&place, 2, "SELECT 1", &["--memory", "lots"]);
    fails(&place, 2, "SELECT 1", &["--threads", "0"]);
}

#[test]
fn explain_is_printed_as_the_lines_that_it_is() {
    let place = Place::with_trades();
    let plan = ok(
        &place,
        "EXPLAIN SELECT sym, max(price) FROM trade GROUP BY sym",
        &[],
    );
    assert!(plan.starts_with("logical_plan:\n  "), "{plan}");
    assert!(plan.contains("\nphysical_plan:\n  "), "{plan}");
}

#[test]
fn every_kind_of_value_has_a_text() {
    let place = Place::with_trades();
    let row = ok(
        &place,
        "SELECT NULL AS n, INTERVAL '90 minutes' AS i, upper('x') AS t, [1, 2] AS l, {a: 1, b: 'x'} AS s, \
         CAST(1.5 AS DECIMAL(5, 2)) AS d, DATE '2026-11-20' AS day, X'00ff' AS bytes",
        &["--format", "jsonl"],
    );
    let row: Value = serde_json::from_str(&row).unwrap();
    assert_eq!(
        row,
        json!({"n": null, "i": "1 hours 30 mins", "t": "X", "l": [1, 2], "s": {"a": 1, "b": "x"}, "d": "1.50",
               "day": "2026-11-20", "bytes": "00ff"})
    );
}

#[test]
fn timing_is_said_on_standard_error() {
    let place = Place::with_trades();
    let said = query(&place, ROWS, &["--timing", "--format", "csv"]);
    assert_eq!((said.code, said.out.as_str()), (0, CSV));
    assert!(said.err.starts_with("time: "), "{}", said.err);
}

/// Hours of work.
pub(crate) const LONG: &str = "SELECT sum(a.size + n.size) FROM trade a, trade b, trade c, trade d, trade e, trade f, \
                               trade g, trade h, trade i, trade j, trade k, trade l, trade m, trade n, trade o";

/// Starts a statement, interrupts it, and gives its exit code, what it said on standard error, and how long it took to end.
fn interrupted(place: &Place, words: &[&str], signal: &str) -> (Option<i32>, String, Duration) {
    let temporary = place.path("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let child = place
        .command(words)
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let began = Instant::now();
    let sent = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let took = began.elapsed();
    let left = std::fs::read_dir(&temporary).unwrap().count();
    assert_eq!(left, 0, "{words:?} left temporary files");
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
        took,
    )
}

#[test]
fn a_signal_ends_a_statement_soon_and_nothing_is_left_behind() {
    let place = Place::with_trades();
    let rows = LONG.replace(
        "sum(a.size + n.size)",
        "a.ts AS ts, n.size AS size, b.note AS note",
    );
    let copy = format!("COPY ({rows}) TO 'copied.parquet'");
    let sort = "SELECT value FROM generate_series(1, 1000000000) ORDER BY value % 1000";
    let insert = format!("INSERT INTO trade (ts, size, note) {rows}");
    for (words, signal, code) in [
        (["query", "db", LONG].as_slice(), "-INT", 130),
        (&["query", "db", LONG], "-TERM", 143),
        (&["query", "db", &rows], "-INT", 130),
        (&["query", "db", &rows, "-o", "rows.parquet"], "-INT", 130),
        (&["query", "db", &rows, "-o", "rows.csv.gz"], "-TERM", 143),
        (&["query", "db", &rows, "--json"], "-INT", 130),
        (&["query", "db", &copy], "-INT", 130),
        (&["query", "db", sort, "--memory", "16MiB"], "-INT", 130),
        (&["query", "db", &insert, "--write"], "-INT", 130),
    ] {
        let (found, error, took) = interrupted(&place, words, signal);
        let message = match words.contains(&"--write") {
            true => {
                "error: interrupted\nhint: an INSERT may have been committed: look before it is run again\n"
            }
            false => "error: interrupted\n",
        };
        assert_eq!((found, error.as_str()), (Some(code), message), "{words:?}");
        assert!(took < Duration::from_secs(1), "{words:?} took {took:?}");
        assert_eq!(place.names(), ["db", "tmp", "trades.csv"], "{words:?}");
    }
    assert_eq!(place.rows("db", "trade"), 5);
    place.ok("check db");
}
