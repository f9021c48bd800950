//! `sql`: the prompt at a terminal, and scripts from standard input.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::query::LONG;
use crate::support::{Place, Said};
use crate::terminal::Terminal;

/// Runs a script.
fn script(place: &Place, text: &str, more: &[&str]) -> Said {
    let output = place.output_of(&[&["sql", "db"], more].concat(), text.as_bytes());
    Said {
        code: output.status.code().expect("no signal ended it"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_script_runs_its_statements_one_after_the_other() {
    let place = Place::with_trades();
    let text = "-- sizes\nSELECT count(*) AS n FROM trade; SELECT ';' AS\n  semicolon;\n\nSELECT 3 AS last";
    let said = script(&place, text, &["--format", "csv"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out, "n\n5\nsemicolon\n;\nlast\n3\n");
    let said = script(&place, "", &[]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""));
}

#[test]
fn a_script_ends_at_its_first_error_and_says_where() {
    let place = Place::with_trades();
    let said = script(
        &place,
        "SELECT 1 AS a;\n\nSELECT nope\nFROM trade;\nSELECT 2 AS b;\n",
        &["--format", "csv"],
    );
    assert_eq!((said.code, said.out.as_str()), (2, "a\n1\n"));
    assert!(
        said.err
            .starts_with("error: statement at line 3: No field named nope"),
        "{}",
        said.err
    );
    let said = script(&place, "SELECT 1 AS a;\n\\nope\n", &[]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.starts_with("error: statement at line 2: "),
        "{}",
        said.err
    );
    assert!(said.err.contains("hint: \\? lists them"), "{}", said.err);
    let said = script(&place, "SELECT 'open", &[]);
    assert_eq!(said.code, 2, "{}", said.err);
    let said = script(
        &place,
        "INSERT INTO trade (ts) VALUES ('2026-11-23T00:00:00Z');",
        &[],
    );
    assert!(said.err.contains("hint: pass --write"), "{}", said.err);
}

#[test]
fn commands_list_tables_and_columns_and_say_how_rows_are_shown() {
    let place = Place::with_trades();
    let said = script(&place, "\\d\n\\d trade\n\\d gapless.gaps;\n\\?\n", &[]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for text in ["trade          5", "symbol(sym)", "start_time", "\\timing"] {
        assert!(said.out.contains(text), "{text}: {}", said.out);
    }
    assert_eq!(script(&place, "\\d nope", &[]).code, 2);
    let said = script(
        &place,
        "\\x\nSELECT sym, size FROM trade WHERE size = 7;\n\\x off\n\\format jsonl\nSELECT 1 AS a;\n\\format table\n\
         \\rows 2\nSELECT size FROM trade;\n\\timing on\nSELECT 1;\n\\q\nSELECT nope;",
        &[],
    );
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out
            .starts_with("── row 1 ──\nsym   MSFT\nsize  7\n1 row\n{\"a\":1}\n"),
        "{}",
        said.out
    );
    assert!(said.out.contains("the first 2 of 5 rows"), "{}", said.out);
    assert!(said.err.starts_with("time: "), "{}", said.err);
}

#[test]
fn the_next_rows_go_to_a_named_file_and_those_after_it_do_not() {
    let place = Place::with_trades();
    let said = script(
        &place,
        "\\o sizes.csv\nSELECT size FROM trade ORDER BY size;\nSELECT 1 AS a;\n\\o never.csv\n\\o\nSELECT 2 AS b;",
        &["--format", "csv"],
    );
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.starts_with("wrote 5 rows to sizes.csv, "),
        "{}",
        said.out
    );
    assert!(said.out.ends_with("a\n1\nb\n2\n"), "{}", said.out);
    let text = std::fs::read_to_string(place.path("sizes.csv")).unwrap();
    assert_eq!(text, "size\n5\n7\n10\n50\n100\n");
    assert_eq!(script(&place, "\\o sizes.csv\n", &[]).code, 2);
    assert_eq!(place.names(), ["db", "sizes.csv", "trades.csv"]);
}

#[test]
fn what_a_script_inserts_its_next_statement_reads() {
    let place = Place::with_trades();
    let said = script(
        &place,
        "INSERT INTO trade (ts, sym, size) VALUES ('2026-11-23T00:00:00Z', 'IBM', 9);\nSELECT sum(size) AS size FROM trade;",
        &["--write", "--format", "csv"],
    );
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "count\n1\nsize\n181\n"),
        "{}",
        said.err
    );
}

/// A prompt whose history is in the place.
fn prompt(place: &Place, more: &[&str]) -> Terminal {
    let mut command = place.command(&[&["sql", "db"], more].concat());
    command.env("XDG_STATE_HOME", place.path("state"));
    let mut terminal = Terminal::start(command);
    terminal.wait_for("sql> ");
    terminal
}

#[test]
fn a_prompt_goes_on_after_an_error_and_after_an_interrupt() {
    let place = Place::with_trades();
    let mut terminal = prompt(&place, &[]);
    terminal.press("SELECT count(*) AS n\r");
    terminal.press("FROM trade;\r");
    terminal.wait_for("1 row");
    terminal.wait_for("sql> ");
    terminal.press("SELECT nope FROM trade;\r");
    terminal.wait_for("error: No field named nope");
    terminal.wait_for("sql> ");
    terminal.press(&format!("{LONG};\r"));
    std::thread::sleep(Duration::from_millis(1500));
    let began = Instant::now();
    terminal.signal("-INT");
    terminal.wait_for("error: interrupted");
    terminal.wait_for("sql> ");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // Half a statement is dropped by Ctrl-C, which is a key here and no signal.
    terminal.press("SELECT 'half\x03");
    terminal.wait_for("sql> ");
    terminal.press("\\timing\r");
    terminal.wait_for("timing is on");
    terminal.wait_for("sql> ");
    terminal.press("SELECT 6 * 7 AS answer;\r");
    terminal.wait_for("42");
    terminal.wait_for("time: ");
    terminal.wait_for("sql> ");
    terminal.press("\x04");
    assert_eq!(terminal.end(), Some(0));
}

/// The line editor reads ahead, and dropped what came with the first line.
#[test]
fn lines_that_come_together_are_all_run() {
    let place = Place::with_trades();
    let mut terminal = prompt(&place, &[]);
    terminal.press(
        "SELECT 40 + 1 AS a;\rSELECT 40 +\r2 AS b; SELECT 40 + 3 AS c;\r\\timing\rSELECT 40 + 4 AS d;\r",
    );
    for answer in ["41", "42", "43", "timing is on", "44"] {
        terminal.wait_for(answer);
    }
    terminal.wait_for("sql> ");
    // What is typed ahead, while a statement runs.
    terminal.press("SELECT sum(value) AS s FROM generate_series(1, 3000000);\r");
    terminal.press("SELECT 50 + 1 AS e;\r");
    terminal.press("SELECT 50 + 2 AS f;\r");
    for answer in ["4500001500000", "51", "52"] {
        terminal.wait_for(answer);
    }
    // What a terminal marks as pasted is one text, and runs at Enter.
    terminal.wait_for("sql> ");
    terminal.press("\x1b[200~SELECT 60 + 1 AS g;\nSELECT 60 +\n2 AS h;\x1b[201~\r");
    for answer in ["61", "62"] {
        terminal.wait_for(answer);
    }
    terminal.press("\\q\r");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn what_is_typed_is_kept_for_its_owner_alone_and_comes_back() {
    let place = Place::with_trades();
    let mut terminal = prompt(&place, &[]);
    terminal.press("SELECT 40 + 2\rAS answer;\r");
    terminal.wait_for("1 row");
    terminal.wait_for("sql> ");
    terminal.press(" SELECT 'secret';\r");
    terminal.wait_for("1 row");
    terminal.wait_for("sql> ");
    terminal.press("\\q\r");
    assert_eq!(terminal.end(), Some(0));
    let file = place.path("state/gapless/sql_history");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("SELECT 40 + 2") && !text.contains("secret"),
        "{text}"
    );
    let mut terminal = prompt(&place, &[]);
    // Up, past `\q`.
    terminal.press("\x1b[A\x1b[A\r");
    terminal.wait_for("42");
    terminal.press("quit\r");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn without_a_history_nothing_is_kept() {
    let place = Place::with_trades();
    let mut terminal = prompt(&place, &["--no-history"]);
    terminal.press("SELECT 41 + 1 AS answer;\r");
    terminal.wait_for("42");
    terminal.wait_for("sql> ");
    terminal.press("exit\r");
    assert_eq!(terminal.end(), Some(0));
    assert!(!place.has("state"));
}

#[test]
fn a_prompt_that_waits_ends_at_once_when_it_is_told_to() {
    let place = Place::with_trades();
    let terminal = prompt(&place, &[]);
    std::thread::sleep(Duration::from_millis(200));
    terminal.signal("-TERM");
    assert_eq!(terminal.end(), None);
}

#[test]
fn a_signal_ends_a_script_and_the_statement_that_runs() {
    let place = Place::with_trades();
    let mut child = place
        .command(&["sql", "db"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(format!("{LONG};\nSELECT 1;\n").as_bytes())
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let sent = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let began = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (b"".as_slice(), b"error: interrupted\n".as_slice())
    );
}
