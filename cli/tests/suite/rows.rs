//! `head` and `tail`: which rows, in which order, in which form.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::Place;

fn column(document: &Value, name: &str) -> Vec<String> {
    let rows = document["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| row[name].to_string().trim_matches('"').to_owned())
        .collect()
}

#[test]
fn head_goes_by_time_then_series_and_by_series_when_asked() {
    let place = Place::with_trades();
    let by_time = place.json("head db trade");
    assert_eq!(column(&by_time, "sym"), ["AAPL", "MSFT", "AAPL", "MSFT", "AAPL"]);
    assert_eq!(column(&by_time, "size"), ["100", "5", "50", "7", "10"]);
    let by_series = place.json("head db trade --order series -n 4");
    assert_eq!(column(&by_series, "size"), ["100", "50", "10", "5"]);
}

#[test]
fn a_row_is_an_object_in_the_order_of_the_columns_with_times_in_nanoseconds() {
    let place = Place::with_trades();
    let text = place.ok("head db trade -n 1 --json");
    let row =
        r#"{"ts":"2026-11-18T14:30:00.000000000Z","sym":"AAPL","price":101.5,"size":100,"note":"first"}"#;
    assert!(text.contains(row), "{text}");
    let rows = place.json("tail db trade -n 2");
    assert_eq!(rows["table"], "trade");
    assert_eq!(rows["rows"][0]["ts"], "2026-11-20T13:00:00.000000001Z");
    assert_eq!(rows["rows"][0]["note"], Value::Null);
}

#[test]
fn tail_gives_the_last_rows_in_the_order_of_time() {
    let place = Place::with_trades();
    assert_eq!(
        column(&place.json("tail db trade -n 3"), "size"),
        ["50", "7", "10"]
    );
    assert_eq!(
        column(&place.json("tail db trade -n 2 --series MSFT"), "size"),
        ["5", "7"]
    );
    assert_eq!(
        column(&place.json("tail db trade -n 1 --end 2026-11-20"), "size"),
        ["50"]
    );
}

#[test]
fn ranges_are_half_open_and_take_iso_dates_and_nanoseconds() {
    let place = Place::with_trades();
    let sizes = |line: &str| column(&place.json(line), "size");
    assert_eq!(sizes("head db trade --start 2026-11-19 --end 2026-11-20"), ["50"]);
    assert_eq!(
        sizes("head db trade --start 2026-11-20T13:00:00.000000001Z"),
        ["7", "10"]
    );
    assert_eq!(
        sizes("head db trade --start 2026-11-20T13:00:00.000000002Z"),
        ["10"]
    );
    assert_eq!(
        sizes("head db trade --end 2026-11-20T13:00:00.000000001Z --start -1"),
        ["100", "5", "50"]
    );
    assert_eq!(
        sizes("head db trade --start 2026-11-20T14:00:00+01:00 --series MSFT --series NONE"),
        ["7"]
    );
    assert!(
        place
            .fails(2, "head db trade --start 2026-11-20 --end 2026-11-19")
            .contains("--start")
    );
    assert!(
        place
            .fails(2, "head db trade --start 2026")
            .contains("2026-01-01")
    );
    assert!(
        place
            .fails(2, "head db trade --start 2026-11-20T13:00:00")
            .contains("no zone")
    );
}

#[test]
fn columns_are_chosen_and_unknown_ones_are_refused() {
    let place = Place::with_trades();
    assert_eq!(
        place.ok("head db trade -n 1 --columns size,sym --format csv"),
        "size,sym\n100,AAPL\n"
    );
    let error = place.fails(2, "head db trade --columns nope");
    assert!(error.contains("nope") && error.contains("price"), "{error}");
    assert_eq!(place.json("head db trade --series NONE")["rows"], json!([]));
}

#[test]
fn csv_tells_null_from_empty_text() {
    let place = Place::with_trades();
    let csv = place.ok("head db trade --format csv");
    assert_eq!(
        csv,
        "ts,sym,price,size,note\n\
         2026-11-18T14:30:00.000000000Z,AAPL,101.5,100,first\n\
         2026-11-18T14:30:00.000000000Z,MSFT,400.0,5,\"a,b\"\n\
         2026-11-19T09:00:00.000000000Z,AAPL,,50,\"\"\n\
         2026-11-20T13:00:00.000000001Z,MSFT,402.25,7,\n\
         2026-11-20T14:59:59.500000000Z,AAPL,103.0,10,last\n"
    );
}

#[test]
fn nan_and_infinity_are_strings_in_json() {
    let place = Place::new();
    place.file(
        "f.csv",
        "ts,x\n2026-01-01T00:00:00Z,NaN\n2026-01-01T00:00:01Z,-inf\n2026-01-01T00:00:02Z,0.1\n",
    );
    place.ok("import db f f.csv --type x=f64");
    assert_eq!(column(&place.json("head db f"), "x"), ["NaN", "-inf", "0.1"]);
}

#[test]
fn json_formats_are_an_array_and_lines() {
    let place = Place::with_trades();
    let array: Value = serde_json::from_str(&place.ok("head db trade --format json")).unwrap();
    assert_eq!(array.as_array().unwrap().len(), 5);
    let lines = place.ok("head db trade --format jsonl");
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok_and(|row| row.is_object()))
    );
    assert_eq!(lines.lines().count(), 5);
    assert!(
        place
            .fails(2, "head db trade --json --format csv")
            .contains("--json")
    );
}

#[test]
fn arrow_and_parquet_on_standard_output_read_back_as_the_same_rows() {
    let place = Place::with_trades();
    for format in ["arrow", "parquet"] {
        let bytes = place.output(&["head", "db", "trade", "--format", format]).stdout;
        place.file(&format!("rows.{format}"), bytes);
        place.ok(&format!("import again {format} rows.{format} --series sym"));
        assert_eq!(
            place.ok(&format!("head again {format} --format csv")),
            place.ok("head db trade --format csv")
        );
    }
}

#[test]
fn a_table_on_a_pipe_has_no_colours_and_numbers_stand_to_the_right() {
    let place = Place::with_trades();
    let text = place.ok("head db trade");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("ts "), "{text}");
    let end_of = |line: &str, value: &str| {
        line.find(value)
            .map(|at| line[..at].chars().count() + value.len())
    };
    assert_eq!(end_of(lines[0], "size"), end_of(lines[2], "100"), "{text}");
    assert!(
        lines[2].contains("2026-11-18T14:30:00.000000000Z"),
        "one row needs nine decimals: {text}"
    );
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let place = Place::new();
    let flights = crate::support::fixture("flights.csv.zst");
    place.ok(&format!(
        "import db flights {} --series origin",
        flights.display()
    ));
    for format in ["csv", "jsonl", "json", "table"] {
        let mut command = place.command(&["head", "db", "flights", "-n", "50000", "--format", format]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        assert!(!first.is_empty());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{format}");
        assert!(ended.status.success(), "{format}: {:?}", ended.status);
    }
}
