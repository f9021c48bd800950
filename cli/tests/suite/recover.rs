//! What another process has streamed and not flushed: a snapshot has it, and its damaged log is told, never read past.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::support::Place;

const ROWS: usize = 2000;

/// A process that has streamed rows and goes on.
struct Streaming(Child);

impl Streaming {
    fn start(place: &Place, rows: usize) -> Self {
        let mut child = place
            .command(&["append", "db", "t", "--batch", "500"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("append runs");
        let mut text = String::from("ts,px\n");
        for row in 0..rows {
            text += &format!("2026-01-02T10:{:02}:{:02}Z,{row}.5\n", row / 60 % 60, row % 60);
        }
        let input = child.stdin.as_mut().expect("a pipe");
        input.write_all(text.as_bytes()).expect("rows are taken");
        input.flush().expect("rows are taken");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while line.trim_end() != format!("acked {rows}") {
            line.clear();
            assert!(
                output.read_line(&mut line).expect("its output") > 0,
                "it has ended"
            );
        }
        Self(child)
    }

    fn kill(mut self) {
        self.0.kill().expect("it is killed");
        self.0.wait().expect("it is gone");
    }
}

/// The only log file, longest first if there are several.
fn log_file(place: &Place) -> std::path::PathBuf {
    let streams = std::fs::read_dir(place.path("db/wal")).expect("streams");
    let files =
        streams.flat_map(|stream| std::fs::read_dir(stream.expect("a stream").path()).expect("files"));
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wal"));
    files.sort_by_key(|file| std::cmp::Reverse(std::fs::metadata(file).expect("a file").len()));
    files.remove(0)
}

fn damage(file: &Path, share: usize) {
    let mut bytes = std::fs::read(file).expect("a log");
    let at = bytes.iter().rposition(|byte| *byte != 0).expect("records") * share / 100;
    bytes[at..at + 4].copy_from_slice(b"ZZZZ");
    std::fs::write(file, bytes).expect("a damaged log");
}

#[test]
fn a_snapshot_has_what_another_process_has_only_streamed() {
    let place = Place::new();
    let streaming = Streaming::start(&place, ROWS);
    place.ok("snapshot db create now");
    let rows = place.ok("tail db t -n 5000 --format csv --as-of now");
    assert_eq!(rows.lines().count(), ROWS + 1);
    streaming.kill();
    assert_eq!(
        place.ok("tail db t -n 5000 --format csv").lines().count(),
        ROWS + 1
    );
}

#[test]
fn a_damaged_log_is_told_by_every_reader_and_given_up_only_if_told_so() {
    let place = Place::new();
    Streaming::start(&place, ROWS).kill();
    damage(&log_file(&place), 60);
    for line in [
        "tail db t",
        "head db t",
        "export db t --to out.csv",
        "append db t",
        "recover db",
    ] {
        let error = place.fails(3, line);
        assert!(
            error.contains("was durable up to") && error.contains("recover"),
            "{line}: {error}"
        );
    }
    let said = place.ok("recover db --accept-loss");
    assert!(said.contains("rows came into segments"), "{said}");
    let left = place.ok("tail db t -n 5000 --format csv").lines().count() - 1;
    assert!(
        (500..ROWS).contains(&left) && left.is_multiple_of(500),
        "{left} rows"
    );
    place.ok("check db");
}

#[test]
fn a_missing_log_is_told_too() {
    let place = Place::new();
    Streaming::start(&place, ROWS).kill();
    let directory = log_file(&place).parent().expect("a directory").to_owned();
    std::fs::remove_dir_all(directory).expect("the log is removed");
    for line in ["tail db t", "append db t"] {
        let error = place.fails(3, line);
        assert!(error.contains("is missing"), "{line}: {error}");
    }
    let found = place.run("check db");
    assert_eq!(found.code, 1, "{}", found.out);
    place.ok("recover db --accept-loss");
    assert_eq!(
        place.ok("tail db t --format csv").lines().count(),
        1,
        "only the header is left"
    );
    place.ok("check db");
}
