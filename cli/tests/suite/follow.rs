//! `tail -f`: rows as other processes commit them, in every form, until nobody reads.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::Place;

struct Follower {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Follower {
    fn start(place: &Place, line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = place
            .command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn interrupt(&self) {
        let sent = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// The rest of its output, after it ended well and said nothing else.
    fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest).unwrap();
        let mut said = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!((self.child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
        rest
    }
}

fn append(place: &Place, rows: &str) {
    place.file("rows.csv", format!("ts,sym,price,size,note\n{rows}"));
    let rows = std::fs::File::open(place.path("rows.csv")).unwrap();
    let status = place
        .command(&["append", "db", "trade"])
        .stdin(rows)
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

const NEW: &str = "2026-11-19T00:00:00Z,IBM,5,1,late\n2026-11-21T00:00:00Z,AAPL,6,2,new\n";

#[test]
fn rows_come_as_they_are_committed_after_the_last_ones() {
    let place = Place::with_trades();
    let mut follower = Follower::start(&place, "tail db trade -f -n 1 --format csv --columns sym,size");
    assert_eq!(follower.line(), "sym,size");
    assert_eq!(follower.line(), "AAPL,10");
    append(&place, NEW);
    let mut new = [follower.line(), follower.line()];
    new.sort();
    assert_eq!(new, ["AAPL,2", "IBM,1"]);
    place.file(
        "more.csv",
        "ts,sym,price,size,note\n2026-11-22T00:00:00Z,MSFT,1,77,\n",
    );
    place.ok("import db trade more.csv");
    assert_eq!(follower.line(), "MSFT,77");
    follower.interrupt();
    assert_eq!(follower.rest(), b"");
}

#[test]
fn series_and_times_are_picked() {
    let place = Place::with_trades();
    let line =
        "tail db trade -f -n 0 --format csv --series AAPL --series IBM --start 2026-11-20 --columns size";
    let mut follower = Follower::start(&place, line);
    assert_eq!(follower.line(), "size");
    append(&place, NEW);
    append(
        &place,
        "2026-11-23T00:00:00Z,MSFT,6,3,\n2026-11-23T00:00:00Z,IBM,6,4,\n",
    );
    assert_eq!([follower.line(), follower.line()], ["2", "4"]);
    follower.interrupt();
    assert_eq!(follower.rest(), b"");
}

#[test]
fn every_form_is_whole_when_it_is_interrupted() {
    let place = Place::with_trades();
    let whole = |follower: &mut Follower, mark: &str| {
        let mut text = String::new();
        while !text.contains(mark) {
            let line = follower.line();
            assert!(!line.is_empty(), "it ended: {text}");
            text = text + &line + "\n";
        }
        follower.interrupt();
        text
    };
    for (line, mark) in [
        ("--format jsonl", "fresh"),
        ("--format json", "fresh"),
        ("--json", "fresh"),
        ("", "fresh"),
    ] {
        let mut follower = Follower::start(&place, &format!("tail db trade -f -n 1 {line}"));
        // So that the following rows are not among the last ones.
        let first = if line.contains("jsonl") {
            follower.line()
        } else {
            String::new()
        };
        assert!(first.is_empty() || first.contains("last"), "{first}");
        if !line.contains("jsonl") {
            follower.line();
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        append(&place, "2026-11-17T00:00:00Z,AAPL,6,2,fresh\n");
        let text = whole(&mut follower, mark);
        let text = text + &String::from_utf8(follower.rest()).unwrap();
        if line.contains("json") && !line.contains("jsonl") {
            let text = if line == "--json" {
                format!("{{{text}")
            } else {
                format!("[{text}")
            };
            let parsed: serde_json::Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let rows = if line == "--json" {
                &parsed["rows"]
            } else {
                &parsed
            };
            assert_eq!(rows.as_array().unwrap().len(), 2, "{text}");
        }
    }
    for format in ["arrow", "parquet"] {
        let follower = Follower::start(&place, &format!("tail db trade -f -n 1 --format {format}"));
        std::thread::sleep(std::time::Duration::from_millis(700));
        append(&place, "2026-11-17T00:00:00Z,AAPL,6,2,fresh\n");
        std::thread::sleep(std::time::Duration::from_millis(700));
        follower.interrupt();
        place.file(&format!("rows.{format}"), follower.rest());
        place.ok(&format!("import again {format} rows.{format} --series sym"));
        assert_eq!(place.rows("again", format), 2);
    }
}

#[test]
fn it_ends_when_nobody_reads_it_any_more_though_nothing_is_committed() {
    let place = Place::with_trades();
    let mut follower = Follower::start(&place, "tail db trade -f -n 1 --format csv");
    follower.line();
    let Follower { mut child, output } = follower;
    drop(output);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
