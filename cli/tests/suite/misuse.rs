//! What a statement cannot be, and what is said then. Nothing here may be a panic, or an answer.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::{Place, Said};

fn query(place: &Place, words: &[&str]) -> Said {
    place.run_words(&[&["query", "db"], words].concat())
}

fn fails(place: &Place, words: &[&str]) -> String {
    let said = query(place, words);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{words:?}\n{}", said.err);
    assert!(said.err.starts_with("error: "), "{words:?}\n{}", said.err);
    said.err
}

/// Runs a script of `gapless sql`.
fn script(place: &Place, text: &[u8], more: &[&str]) -> (i32, Vec<u8>, String) {
    let output = place.output_of(&[&["sql", "db"], more].concat(), text);
    let error = String::from_utf8(output.stderr).unwrap();
    (
        output.status.code().expect("no signal ended it"),
        output.stdout,
        error,
    )
}

#[test]
fn a_statement_may_begin_as_an_option_does() {
    let place = Place::with_trades();
    for statement in [
        "-- note\nSELECT 1 AS a",
        "--note\nSELECT 1 AS a",
        "--a=b\nSELECT 1 AS a",
    ] {
        for words in [
            [statement, "--format", "csv"].as_slice(),
            &["--format", "csv", statement],
            &["-n5", statement, "--format=csv"],
            &["--format", "csv", "--", statement],
        ] {
            let said = query(&place, words);
            assert_eq!(
                (said.code, said.out.as_str(), said.err.as_str()),
                (0, "a\n1\n", ""),
                "{words:?}"
            );
        }
    }
    // A statement, though a wrong one.
    let error = fails(&place, &["-1 + 2", "--format", "csv"]);
    assert!(error.contains("an SQL statement, found: -"), "{error}");
    let error = fails(&place, &["--formt", "csv", "SELECT 1"]);
    assert!(error.contains("unexpected argument '--formt'"), "{error}");
}

#[test]
fn what_is_no_statement_says_so() {
    let place = Place::with_trades();
    for text in ["", "  \n", "-- nothing", "/* nothing */", ";", ";;"] {
        let error = fails(&place, &[text]);
        assert!(error.contains("there is no statement"), "{text:?}: {error}");
    }
    for text in ["SELECT 'open", "SELECT \"open", "SELECT /* open"] {
        let error = fails(&place, &[text]);
        assert!(
            error.contains("nterminated") || error.contains("Unexpected EOF") || error.contains("before EOF"),
            "{text:?}: {error}"
        );
    }
    let error = fails(&place, &["-f", "none.sql"]);
    assert!(error.contains("none.sql: No such file"), "{error}");
    assert!(place.fails(4, "query db -f .").contains("Is a directory"));
}

#[test]
fn bytes_that_are_not_utf_8_are_named_with_their_line() {
    let place = Place::with_trades();
    place.file("bad.sql", b"SELECT 1;\n-- \xff\n");
    let error = fails(&place, &["-f", "bad.sql"]);
    assert!(error.contains("bad.sql: line 2 is not UTF-8"), "{error}");
    let (code, out, error) = script(
        &place,
        b"SELECT 1 AS a;\n-- \xff\nSELECT 2;\n",
        &["--format", "csv"],
    );
    assert_eq!((code, out.as_slice()), (2, b"a\n1\n".as_slice()));
    assert!(error.contains("line 2 of the input is not UTF-8"), "{error}");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let place = Place::with_trades();
    std::fs::create_dir(place.path("taken.csv")).unwrap();
    for file in ["taken.csv", "trades.csv/rows.csv", "db/rows.csv"] {
        let said = query(&place, &["SELECT 1 AS a", "-o", file]);
        assert!(said.code == 2 || said.code == 4, "{file}: {}", said.code);
        assert!(
            said.err.starts_with("error: ") && said.err.contains(file.split('/').next().unwrap()),
            "{}",
            said.err
        );
    }
    std::fs::create_dir(place.path("locked")).unwrap();
    std::fs::set_permissions(place.path("locked"), std::fs::Permissions::from_mode(0o500)).unwrap();
    let said = query(&place, &["SELECT 1 AS a", "-o", "locked/rows.csv"]);
    // Who is root may write everywhere.
    if said.code != 0 {
        assert_eq!(said.code, 4, "{}", said.err);
        assert!(said.err.contains("locked/rows.csv"), "{}", said.err);
    }
}

#[test]
fn a_stream_or_file_of_one_answer_is_refused_for_two_before_anything_runs() {
    let place = Place::with_trades();
    let insert = "INSERT INTO trade (ts, sym, size) VALUES ('2026-11-23T00:00:00Z', 'IBM', 9);";
    for format in ["parquet", "arrow"] {
        let name = if format == "parquet" { "Parquet" } else { "Arrow" };
        let more = ["--write", "--format", format];
        let two = format!("{insert}\nSELECT 1 AS a;\n-- the second\nSELECT 2 AS b;");
        let (code, out, error) = script(&place, two.as_bytes(), &more);
        assert_eq!((code, out.as_slice()), (2, b"".as_slice()), "{error}");
        assert!(
            error.contains(&format!(
                "statement at line 3: a stream of {name} holds one answer"
            )),
            "{error}"
        );
        assert!(error.contains("hint: "), "{error}");
        let error = fails(&place, &[&two, "--write", "--format", format]);
        assert!(
            error.contains(&format!(
                "a stream of {name} holds one answer, and there are 3 statements"
            )),
            "{error}"
        );
        let (code, out, _) = script(&place, b"\\d\nSELECT 1 AS a;", &["--format", format]);
        assert_eq!((code, out.as_slice()), (2, b"".as_slice()));
    }
    let error = fails(&place, &["SELECT 1 AS a; SELECT 2 AS b", "-o", "rows.csv"]);
    assert!(
        error.contains("a file holds one answer, and there are 2 statements"),
        "{error}"
    );
    assert!(!place.has("rows.csv"));
    assert_eq!(place.rows("db", "trade"), 5);

    let one = format!(
        "{insert}\n\\o sizes.csv\nSELECT size FROM trade;\n{insert}\nSELECT count(*) AS n FROM trade;\n"
    );
    let (code, out, error) = script(&place, one.as_bytes(), &["--write", "--format", "arrow"]);
    assert_eq!(code, 0, "{error}");
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(
        (lines[0], lines[2], lines.len()),
        ("wrote 1 row", "wrote 1 row", 3),
        "{error}"
    );
    assert!(lines[1].starts_with("wrote 6 rows to sizes.csv, "), "{error}");
    let mut rows = arrow_ipc::reader::StreamReader::try_new(out.as_slice(), None).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().num_rows(), 1);

    // What the script itself switches to is told when it comes.
    let (code, out, error) = script(
        &place,
        b"SELECT 1 AS a;\n\\format parquet\nSELECT 2 AS b;",
        &["--format", "csv"],
    );
    assert_eq!((code, out.as_slice()), (2, b"a\n1\n".as_slice()));
    assert!(
        error.contains("statement at line 3: a stream of Parquet holds one answer"),
        "{error}"
    );
}

#[test]
fn a_count_of_what_was_written_does_not_take_the_file_of_the_next_rows() {
    let place = Place::with_trades();
    let text = "\\o n.csv\nINSERT INTO trade (ts, size) VALUES ('2026-11-23T00:00:00Z', 9);\nSELECT count(*) AS n FROM trade;";
    let (code, out, error) = script(&place, text.as_bytes(), &["--write", "--format", "csv"]);
    assert_eq!(code, 0, "{error}");
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with("count\n1\nwrote 1 row to n.csv, "), "{out}");
    assert_eq!(std::fs::read_to_string(place.path("n.csv")).unwrap(), "n\n6\n");
}

#[test]
fn a_reader_that_goes_away_ends_a_statement_quietly() {
    let place = Place::with_trades();
    for format in ["table", "csv", "json", "jsonl", "arrow", "parquet"] {
        let mut child = place
            .command(&[
                "query",
                "db",
                "SELECT value FROM generate_series(1, 300000)",
                "--format",
                format,
                "-n",
                "300000",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.as_ref()), (Some(0), ""), "{format}");
    }
}

#[test]
fn a_long_statement_is_answered_or_refused() {
    let place = Place::with_trades();
    let numbers: Vec<String> = (0..150_000).map(|number| number.to_string()).collect();
    place.file(
        "long.sql",
        format!(
            "SELECT count(*) AS n FROM trade WHERE size IN ({})",
            numbers.join(", ")
        ),
    );
    assert_eq!(place.ok("query db -f long.sql --format csv"), "n\n5\n");
    place.file(
        "text.sql",
        format!("SELECT length('{}') AS n", "é;".repeat(500_000)),
    );
    assert_eq!(place.ok("query db -f text.sql --format csv"), "n\n1000000\n");
    let deep = format!("SELECT {}1{} AS n", "(".repeat(300_000), ")".repeat(300_000));
    place.file("deep.sql", &deep);
    let error = place.fails(2, "query db -f deep.sql");
    assert!(error.len() < 2000, "{}", error.len());
}
