//! `append`: what it acknowledges is there, whatever ends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Place, TRADES};

/// A running `append`.
struct Run {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Run {
    fn start(place: &Place, line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = place
            .command(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Writes, whether or not somebody still reads.
    fn write(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        let _ = input.write_all(text.as_bytes()).and_then(|()| input.flush());
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// What is left of its output, what it said on standard error, and its exit code.
    fn end(mut self) -> (String, String, Option<i32>) {
        drop(self.input.take());
        let (mut out, mut err) = (String::new(), String::new());
        self.output.read_to_string(&mut out).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        (out, err, self.child.wait().unwrap().code())
    }
}

/// Appends a text in one go. What is said of a table that is made is left out.
fn append(place: &Place, line: &str, text: &str) -> (String, String, Option<i32>) {
    let mut run = Run::start(place, line);
    run.write(text);
    without_made(run.end())
}

fn without_made((out, err, code): (String, String, Option<i32>)) -> (String, String, Option<i32>) {
    let other = |line: &&str| !line.starts_with("made table ");
    let err = err.split_inclusive('\n').filter(other).collect();
    (out, err, code)
}

fn wal_is_empty(place: &Place, database: &str) -> bool {
    let entries = std::fs::read_dir(place.path(database).join("wal"));
    entries.map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn csv_is_appended_acknowledged_and_the_same_as_if_it_were_imported() {
    let place = Place::with_trades();
    let said = append(&place, "append live trade --series sym --batch 2", TRADES);
    assert_eq!(
        said,
        ("acked 2\nacked 4\nacked 5\n".into(), String::new(), Some(0))
    );
    assert_eq!(
        place.ok("head live trade --format csv"),
        place.ok("head db trade --format csv")
    );
    assert!(wal_is_empty(&place, "live"));
    // Again, into the table that is there now: its description rules.
    let more = "ts,sym,price\n2026-11-21T00:00:00Z,IBM,7\n";
    let said = append(&place, "append live trade", more);
    assert_eq!(said, ("acked 1\n".into(), String::new(), Some(0)));
    assert_eq!(place.rows("live", "trade"), 6);
    place.ok("check live");
}

#[test]
fn json_lines_are_appended_with_missing_keys_as_null() {
    let place = Place::new();
    let line = "append db t --format jsonl --time t --time-unit ms --series s";
    let first = "{\"t\":1764802610000,\"s\":\"a\",\"x\":1.5}\n{\"t\":1764802611000,\"s\":\"b\",\"x\":2}\n";
    assert_eq!(
        append(&place, line, first),
        ("acked 2\n".into(), String::new(), Some(0))
    );
    let more = "{\"t\":1764802612000}\n{\"t\":1764802613000,\"x\":4,\"s\":\"c\"}\n";
    assert_eq!(
        append(&place, line, more),
        ("acked 2\n".into(), String::new(), Some(0))
    );
    let csv = place.ok("head db t --columns s,x --format csv");
    assert_eq!(csv, "s,x\na,1.5\nb,2.0\n,\nc,4.0\n");
}

#[test]
fn rows_go_out_when_the_input_pauses() {
    let place = Place::new();
    let mut run = Run::start(&place, "append db t --series s");
    run.write("ts,s,x\n2026-01-01T00:00:00Z,a,1.5\n");
    assert_eq!(run.line(), "acked 1");
    let began = Instant::now();
    run.write("2026-01-01T00:00:01Z,a,1.5\n2026-01-01T00:00");
    assert_eq!(run.line(), "acked 2");
    // Far above what it takes, for a busy machine; a full batch would never come.
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(place.rows("db", "t"), 2);
    run.write(":02Z,b,1.5\n");
    assert_eq!(run.line(), "acked 3");
    let csv = place.ok("head db t --format csv --series b");
    assert!(csv.contains("00:00:02."), "{csv}");
    let (out, err, code) = without_made(run.end());
    assert_eq!((out.as_str(), err.as_str(), code), ("", "", Some(0)));
}

#[test]
fn a_bad_line_is_named_and_what_was_read_before_it_stays() {
    let place = Place::new();
    let text = "ts,s,x\n2026-01-01T00:00:00Z,a,1\n2026-01-01T00:00:01Z,a,2\n2026-01-01T00:00:02Z,a\n\
                2026-01-01T00:00:03Z,a,4\n";
    let (out, err, code) = append(&place, "append db t --series s", text);
    assert_eq!((out.as_str(), code), ("acked 2\n", Some(2)));
    assert!(err.starts_with("error: <stdin>:4: "), "{err}");
    assert_eq!(place.rows("db", "t"), 2);
    let (_, err, code) = append(&place, "append db t", "ts,s,x\n2026-01-01T00:00:09Z,a,much\n");
    assert_eq!(code, Some(2));
    assert!(err.starts_with("error: <stdin>:2: column x"), "{err}");
    assert_eq!(place.rows("db", "t"), 2);
    let (_, err, code) = append(&place, "append db t", "ts,s,y\n2026-01-01T00:00:09Z,a,1\n");
    assert_eq!(code, Some(2));
    assert!(err.contains("no column \"y\""), "{err}");
}

#[test]
fn input_that_ends_inside_of_a_line_is_an_error_and_its_whole_lines_stay() {
    let place = Place::new();
    let (out, err, code) = append(
        &place,
        "append db t --series s",
        "ts,s,x\n2026-01-01T00:00:00Z,a,1\n2026-01-01T00:00:01Z,a,22",
    );
    assert_eq!((out.as_str(), code), ("acked 1\n", Some(2)));
    assert!(
        err.starts_with("error: <stdin>:3: ") && err.contains("cut off"),
        "{err}"
    );
    assert_eq!(place.rows("db", "t"), 1);
    let (_, err, code) = append(&place, "append new t", "ts,s");
    assert_eq!(code, Some(2));
    assert!(err.starts_with("error: <stdin>:1: "), "{err}");
    assert!(!place.has("new"));
    // No rows are no error.
    for text in ["", "ts,s,x\n"] {
        assert_eq!(
            append(&place, "append db t", text),
            (String::new(), String::new(), Some(0))
        );
    }
}

#[test]
fn a_signal_ends_it_after_what_was_read() {
    let place = Place::new();
    for (signal, rows) in [("-TERM", 2), ("-INT", 4)] {
        let mut run = Run::start(&place, "append db t --series s --durability buffered");
        run.write("ts,s,x\n2026-01-01T00:00:00Z,a,1\n2026-01-01T00:00:01Z,a,2\n2026-01");
        while !place.has("db") || place.run("info db --json").code != 0 || rows_of(&place) < rows {
            std::thread::sleep(Duration::from_millis(20));
        }
        run.signal(signal);
        let mut said = String::new();
        run.output.read_to_string(&mut said).unwrap();
        assert_eq!(said, "acked 2\n");
        assert_eq!(run.child.wait().unwrap().code(), Some(0), "{signal}");
        assert_eq!(place.rows("db", "t"), rows);
        assert!(wal_is_empty(&place, "db"));
    }
}

fn rows_of(place: &Place) -> u64 {
    let info = place.json("info db");
    info["rows"].as_u64().unwrap()
}

#[test]
fn each_durability_acknowledges_everything_in_the_end() {
    let place = Place::new();
    let rows: String = (0..2500)
        .map(|at| format!("2026-01-01T00:00:00.{at:04}Z,s{},{at}\n", at % 7))
        .collect();
    for (at, durability) in ["sync", "interval:5", "buffered"].into_iter().enumerate() {
        let line = format!("append db t --series s --batch 100 --durability {durability}");
        let (out, err, code) = append(&place, &line, &format!("ts,s,x\n{rows}"));
        assert_eq!((err.as_str(), code), ("", Some(0)), "{durability}");
        assert_eq!(out.lines().last(), Some("acked 2500"), "{durability}");
        let acks: Vec<u64> = out
            .lines()
            .map(|line| line["acked ".len()..].parse().unwrap())
            .collect();
        assert!(acks.is_sorted_by(|a, b| a < b), "{acks:?}");
        assert_eq!(place.rows("db", "t"), 2500 * (at as u64 + 1));
    }
    assert_eq!(place.run("append db t --durability often").code, 2);
    assert_eq!(place.run("append db t --batch 0").code, 2);
    assert_eq!(place.run("append db t --series x").code, 2);
}

#[test]
fn two_that_make_the_same_table_share_it() {
    let place = Place::new();
    let mut runs: Vec<Run> = (0..2)
        .map(|_| Run::start(&place, "append db t --series s"))
        .collect();
    for (at, run) in runs.iter_mut().enumerate() {
        run.write(&format!("ts,s,x\n2026-01-01T00:00:0{at}Z,w{at},{at}\n"));
    }
    for run in runs {
        assert_eq!(
            without_made(run.end()),
            ("acked 1\n".into(), String::new(), Some(0))
        );
    }
    assert_eq!(place.rows("db", "t"), 2);
}

#[test]
fn info_tells_of_streams_that_are_alive_and_of_those_whose_process_died() {
    let place = Place::new();
    let mut run = Run::start(&place, "append db t --series s");
    run.write("ts,s,x\n2026-01-01T00:00:00Z,a,1\n2026-01-01T00:00:01Z,a,2\n");
    assert_eq!(run.line(), "acked 2");
    let info = place.json("info db");
    assert_eq!(info["unflushed_rows"], 2);
    assert_eq!(info["tables"][0]["rows"], 2);
    assert_eq!(info["streams"][0]["alive"], true);
    assert!(info["streams"][0]["wal_bytes"].as_u64().unwrap() > 64, "{info}");
    run.signal("-KILL");
    run.child.wait().unwrap();
    let info = place.json("info db");
    assert_eq!(info["streams"][0]["alive"], false);
    assert_eq!(info["streams"][0]["unflushed_rows"], 2);
    assert!(place.ok("info db").contains("dead"));
    assert_eq!(append(&place, "append db t", "").2, Some(0));
    let info = place.json("info db");
    assert_eq!(
        (&info["streams"], &info["unflushed_rows"]),
        (&serde_json::json!([]), &serde_json::json!(0))
    );
    assert_eq!(info["rows"], 2);
}

/// Rows by id; that the columns of each are its own, and that none is there twice.
fn ids(place: &Place) -> Vec<u64> {
    let csv = place.ok("head db t -n 10000000 --format csv --columns id,twice,text");
    let mut ids: Vec<u64> = csv
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let id: u64 = fields[0].parse().unwrap();
            assert_eq!(fields[1].parse(), Ok(id * 2), "a row is half there: {line}");
            assert_eq!(fields[2], format!("text of {id}"), "a row is half there: {line}");
            id
        })
        .collect();
    ids.sort_unstable();
    assert!(ids.is_sorted_by(|a, b| a < b), "a row is there twice");
    ids
}

#[test]
fn whenever_it_is_killed_acknowledged_rows_are_there_once_and_none_is_half_there() {
    let place = Place::new();
    let rounds = std::env::var("GAPLESS_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(12_u64);
    let (mut acked, mut random) = (0, 0x9e37_79b9_7f4a_7c15_u64);
    for round in 0..rounds {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let durability = ["sync", "interval:3", "buffered"][(random >> 20) as usize % 3];
        let line = format!(
            "append db t --series s --batch {} --durability {durability}",
            1 + random % 40
        );
        let mut run = Run::start(&place, &line);
        let first = round * 1_000_000;
        let mut input = run.input.take().unwrap();
        let writer = std::thread::spawn(move || {
            let mut text = "ts,s,id,twice,text\n".to_owned();
            for id in first..first + 20_000 {
                let (second, series) = (id % 60, id % 5);
                text += &format!(
                    "2026-01-0{}T00:00:{second:02}Z,s{series},{id},{},text of {id}\n",
                    1 + id % 3,
                    id * 2
                );
                if id % 17 == 0 {
                    if input.write_all(text.as_bytes()).is_err() {
                        return;
                    }
                    text.clear();
                }
            }
        });
        std::thread::sleep(Duration::from_millis(random % 400));
        run.signal("-KILL");
        let mut said = String::new();
        run.output.read_to_string(&mut said).unwrap();
        run.child.wait().unwrap();
        writer.join().unwrap();
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        let durable = whole
            .lines()
            .last()
            .map_or(0, |line| line["acked ".len()..].parse().unwrap());
        if place.has("db") && place.run("schema db t").code == 0 {
            let found = ids(&place);
            let of_round = found.iter().filter(|id| **id >= first).count() as u64;
            let whole = (first..first + of_round).all(|id| found.binary_search(&id).is_ok());
            assert!(
                whole,
                "round {round}: what is there is the front of what was written"
            );
            assert!(
                of_round >= durable,
                "round {round} ({line}): {durable} were acknowledged, {of_round} are there"
            );
        } else {
            assert_eq!(durable, 0, "round {round}");
        }
        acked += durable;
    }
    assert_eq!(append(&place, "append db t --series s", "ts,s\n").2, Some(0));
    place.ok("check db");
    assert!(wal_is_empty(&place, "db"), "no stream of a dead process is left");
    println!(
        "{rounds} kills, {acked} acknowledged rows, {} rows",
        ids(&place).len()
    );
}

/// Lines of JSON rows, with times one second apart.
fn json_rows(rows: std::ops::Range<u64>) -> String {
    rows.map(|at| format!("{{\"ts_ms\":{},\"x\":{at}}}\n", 1_764_802_610_000 + at * 1000))
        .collect()
}

#[test]
fn rows_before_a_bad_line_of_the_first_batch_are_appended() {
    let place = Place::new();
    let line = "append db t --format jsonl";
    // A new table, and then the same table.
    for run in 1..3 {
        let text = format!("{}{{\"ts_ms\": oops\n{}", json_rows(0..900), json_rows(0..9));
        let (out, err, code) = append(&place, line, &text);
        assert_eq!((out.as_str(), code), ("acked 900\n", Some(2)), "{err}");
        assert!(err.contains("error: <stdin>:901: "), "{err}");
        assert_eq!(place.rows("db", "t"), 900 * run);
    }
    // The types of the table hold for keys that come late.
    let mut text = json_rows(0..3).replace(",\"x\"", ",\"y\"");
    let (_, err, code) = append(&place, line, &text);
    assert_eq!(code, Some(2));
    assert!(err.contains("no column \"y\""), "{err}");
    text = format!("{{\"ts_ms\":1764802610000}}\n{}", json_rows(0..3));
    assert_eq!(append(&place, &format!("{line} --batch 1"), &text).2, Some(0));
}

#[test]
fn a_time_that_is_none_is_named_with_its_line_and_the_rows_before_it_are_appended() {
    let place = Place::new();
    let rows: String = (0..500)
        .map(|at| format!("{},a,{at}\n", 1_764_802_610_000_u64 + at))
        .collect();
    let header = "ts_ms,s,x\n";
    for (run, bad) in [(1, header), (2, header), (3, "oops,a,1\n")] {
        let text = format!("{header}{rows}{bad}{rows}");
        let (out, err, code) = append(&place, "append db t --series s", &text);
        assert_eq!((out.as_str(), code), ("acked 500\n", Some(2)), "{err}");
        assert!(err.contains("error: <stdin>:502: column ts_ms: "), "{err}");
        assert_eq!(place.rows("db", "t"), 500 * run);
    }
    let text = format!("{header}oops,a,1\n{rows}");
    for table in ["t", "new"] {
        let (out, err, code) = append(&place, &format!("append db {table}"), &text);
        assert_eq!((out.as_str(), code), ("", Some(2)), "{err}");
        assert!(
            err.starts_with("error: <stdin>:2: column ts_ms: \"oops\""),
            "{err}"
        );
    }
    // A time of another unit could be read, but nobody said so.
    let text = format!("{header}{rows}1764802610,a,1\n{rows}");
    for (table, acked) in [("t", "acked 500\n"), ("new", "")] {
        let (out, err, code) = append(&place, &format!("append db {table}"), &text);
        assert_eq!((out.as_str(), code), (acked, Some(2)), "{err}");
        assert!(err.contains("the name says milliseconds"), "{err}");
        assert_eq!(err.contains("<stdin>:502: "), table == "t", "{err}");
    }
    assert_eq!(place.json("ls db")["tables"].as_array().unwrap().len(), 1);
    let types = place.ok("schema db t");
    assert!(
        types.contains("i64"),
        "the repeated header has no part in the types: {types}"
    );
}

#[test]
fn no_table_is_made_of_a_wreck() {
    let place = Place::new();
    let wrecks = [
        (
            "csv",
            "ts,s,x\n\"2026-01-01T00:00:00Z,a,1\n2026-01-01T00:00:01Z,a,2\n",
            2,
        ),
        ("jsonl", "{\"ts\":\"2026-01-01T00:00:00Z\",\"x\":1,\"x\":2}\n", 1),
        ("jsonl", "{\"ts\":\"2026-01-01T00:00:00Z\",\"x\":[1]}\n", 1),
    ];
    for (format, text, line) in wrecks {
        let (out, err, code) = append(&place, &format!("append db t --format {format}"), text);
        assert_eq!((out.as_str(), code), ("", Some(2)), "{err}");
        assert!(err.starts_with(&format!("error: <stdin>:{line}: ")), "{err}");
        assert!(!place.has("db"), "{text}");
    }
    for text in ["", "ts,s,x\n"] {
        let said = append(&place, "append db t", text);
        assert_eq!(said, (String::new(), String::new(), Some(0)));
        assert!(!place.has("db"));
    }
}

#[test]
fn a_first_record_may_come_in_parts() {
    let place = Place::new();
    let mut run = Run::start(&place, "append db t");
    run.write("ts,note,x\n2026-01-01T00:00:00Z,\"two\n");
    std::thread::sleep(Duration::from_millis(500));
    assert!(!place.has("db"));
    run.write("lines\",1\n");
    assert_eq!(run.line(), "acked 1");
    assert_eq!(run.end().2, Some(0));
}

#[test]
fn text_is_read_with_the_options_of_import() {
    let place = Place::new();
    let line = "append db t --no-header --columns at,s,x,y --delimiter ; --null - --type x=f64 --time at \
                --time-format %Y%m%d-%H%M%S --zone UTC --symbol s=names --format csv";
    let mut run = Run::start(&place, line);
    run.write("20260101-000000;a;1;-\n20260101-000001;-;2;7\n");
    let (out, err, code) = run.end();
    assert_eq!((out.as_str(), code), ("acked 2\n", Some(0)), "{err}");
    let made = "made table t of columns at: time, timestamp(ns) of zone UTC; s: symbol; x: f64; y: i64\n";
    assert_eq!(err, made);
    let csv = place.ok("head db t --format csv --columns s,x,y");
    assert_eq!(csv, "s,x,y\na,1.0,\n,2.0,7\n");
    assert!(place.ok("schema db t").contains("names"));
    place.fails(2, "append db t --no-header");
    assert!(
        place
            .fails(2, "append db t --symbol s=others")
            .contains("(--symbol)")
    );
}

#[test]
fn a_flush_that_fails_is_told_and_the_next_process_makes_up_for_it() {
    let place = Place::new();
    let mut run = Run::start(&place, "append db t --series s");
    run.write("ts,s,x\n2026-01-01T00:00:00Z,a,1\n");
    assert_eq!(run.line(), "acked 1");
    // Where the table's directory has to be.
    place.file("db/tables/t", "");
    let (_, err, code) = without_made(run.end());
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("(1 of this run) are safe in the log"), "{err}");
    std::fs::remove_file(place.path("db/tables/t")).unwrap();
    assert_eq!(append(&place, "append db t", "").2, Some(0));
    assert!(wal_is_empty(&place, "db"));
    assert_eq!(place.rows("db", "t"), 1);
    place.ok("check db");
}

#[test]
fn rows_wait_for_a_full_batch_as_long_as_they_are_told_to() {
    let place = Place::new();
    // A new table waits even when the input pauses: it takes its types from what comes.
    let mut run = Run::start(&place, "append db t --wait-ms 86400000");
    run.write("ts,x\n2026-01-01T00:00:00Z,1\n");
    std::thread::sleep(Duration::from_millis(600));
    assert!(!place.has("db"));
    assert_eq!(without_made(run.end()).0, "acked 1\n");
    let mut run = Run::start(&place, "append db new --wait-ms 0");
    run.write("ts,x\n2026-01-01T00:00:00Z,1\n");
    assert_eq!(run.line(), "acked 1");
    assert_eq!(run.end().2, Some(0));
}

#[test]
fn ls_and_info_tell_of_rows_that_are_streamed_only() {
    let place = Place::new();
    let mut run = Run::start(&place, "append db t --series s");
    run.write("ts,s,x\n2026-01-01T00:00:01Z,a,1\n2026-01-01T00:00:02Z,a,2\n");
    assert_eq!(run.line(), "acked 2");
    let said = place.ok("ls db t");
    assert!(said.contains("2 rows streamed and not in segments yet"), "{said}");
    let bounds = |place: &Place, verb: &str| {
        let table = place.json(verb)["tables"][0].clone();
        assert_eq!(
            table["rows"],
            table["unflushed_rows"].as_u64().unwrap() + stored(place)
        );
        ["first_time", "last_time"].map(|name| table[name].as_str().unwrap()[17..19].to_owned())
    };
    for verb in ["info db", "ls db"] {
        assert_eq!(bounds(&place, verb), ["01", "02"]);
    }
    assert_eq!(run.end().2, Some(0));
    // Rows before and after those of the segments.
    let mut run = Run::start(&place, "append db t");
    run.write("ts,s,x\n2026-01-01T00:00:00Z,a,1\n2026-01-01T00:00:03Z,a,2\n");
    assert_eq!(run.line(), "acked 2");
    for verb in ["info db", "ls db"] {
        assert_eq!(bounds(&place, verb), ["00", "03"]);
    }
    let said = place.ok("ls db t");
    assert!(said.contains("and 2 rows streamed"), "{said}");
    assert_eq!(place.json("ls db t")["unflushed_rows"], 2);
    assert_eq!(run.end().2, Some(0));
}

/// Rows in segments.
fn stored(place: &Place) -> u64 {
    let partitions = place.json("ls db t")["partitions"].clone();
    let rows = partitions.as_array().unwrap().iter().map(|line| &line["rows"]);
    rows.map(|rows| rows.as_u64().unwrap()).sum()
}

#[test]
fn rows_that_are_in_no_segment_yet_are_exported() {
    let place = Place::with_trades();
    let mut run = Run::start(&place, "append db trade");
    run.write("ts,sym,price,size,note\n2026-11-25T00:00:00Z,IBM,5,1,new\n");
    assert_eq!(run.line(), "acked 1");
    let report = place.json("export db trade --to out --start 2026-11-20");
    let files: Vec<&str> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["file"].as_str().unwrap())
        .collect();
    assert_eq!(
        files,
        [
            "out/date=2026-11-20/part-000000.parquet",
            "out/date=2026-11-25/part-000000.parquet"
        ]
    );
    assert_eq!(report["rows"], 3);
    assert_eq!(run.end().2, Some(0));
}
