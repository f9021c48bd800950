//! Coverage and calendars in `dump` and `check`: what is stored, as it stands, and what is damaged.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use gapless::{Attestation, CoverageState, Database};
use gapless_format::{CalendarMeta, CalendarUse, EditItem, ListingMeta, RecordBody, Tail, encode_record};
use serde_json::Value;

use crate::support::Place;

const TIME: i64 = 1_795_179_600_000_000_000;
const HOUR: i64 = 3_600_000_000_000;

/// A database with coverage of `trade` in a file.
fn covered() -> Place {
    let place = Place::with_trades();
    let db = Database::builder(place.path("db")).open().unwrap();
    let trade = db.table("trade").unwrap();
    let said = [
        Attestation::new(TIME..TIME + HOUR)
            .series("AAPL")
            .interval(60_000_000_000)
            .source("vendor")
            .batch("b7"),
        Attestation::new(i64::MIN..0).state(CoverageState::NotApplicable),
    ];
    trade.attest(said).unwrap();
    db.flush().unwrap();
    drop((trade, db));
    place
}

/// The only coverage file: its path from the place, and where it is.
fn file_of(place: &Place) -> (String, PathBuf) {
    let directory = place.path("db/tables/trade/coverage");
    let mut entries = fs::read_dir(&directory).unwrap();
    let name = entries
        .next()
        .unwrap()
        .unwrap()
        .file_name()
        .into_string()
        .unwrap();
    assert!(entries.next().is_none());
    let path = directory.join(&name);
    (format!("db/tables/trade/coverage/{name}"), path)
}

/// Commits more to the manifest, as another gapless would.
fn commit(place: &Place, items: Vec<EditItem>) {
    let version = place.json("info db")["version"].as_u64().unwrap() + 1;
    let record = encode_record(version, i64::MAX / 2, &RecordBody::Edit(items));
    let path = place.path("db/manifest/0000000001.log");
    let mut log = OpenOptions::new().append(true).open(&path).unwrap();
    log.write_all(&record).unwrap();
    let tail = Tail {
        log: 1,
        committed_len: fs::metadata(&path).unwrap().len(),
        suspect: false,
    };
    place.file("db/manifest/LOCK", tail.encode());
}

fn section<'a>(document: &'a Value, title: &str) -> &'a Value {
    let sections = document["sections"].as_array().unwrap();
    let found = sections.iter().find(|section| section["title"] == title);
    found.unwrap_or_else(|| panic!("no section {title:?} in {document}"))
}

#[test]
fn the_dump_of_a_database_shows_what_is_covered() {
    let place = covered();
    for line in ["dump db", "dump db trade"] {
        let document = place.json(line);
        assert_eq!(document["coverage_files"], 1);
        let coverage = section(&document, "coverage of table trade");
        assert_eq!(coverage["files"], 1);
        assert_eq!(coverage["rows"][0]["ranges"], 2);
        let ranges = &coverage["sections"][0]["rows"];
        let of_all = &ranges[0];
        assert_eq!(
            (&of_all["series"], &of_all["interval"], &of_all["state"]),
            (
                &"every series".into(),
                &"no grid".into(),
                &"not_applicable".into()
            )
        );
        assert_eq!(of_all["start"], "the beginning of time");
        let of_one = &ranges[1];
        assert_eq!(
            (&of_one["series"], &of_one["interval"], &of_one["state"]),
            (&"AAPL".into(), &"60000000000 ns".into(), &"complete".into())
        );
        assert_eq!(of_one["start"], "2026-11-20T13:00:00.000000000Z");
        assert_eq!(
            (&of_one["source"], &of_one["batch"]),
            (&"vendor".into(), &"b7".into())
        );
        assert_eq!(of_one["rows_of_source"], Value::Null);
    }
    let text = place.ok("dump db");
    assert!(text.contains("coverage of table trade"), "{text}");
    // A partition is asked for, and coverage has none.
    let part = place.json("dump db trade 2026-11-20");
    assert_eq!(part["sections"].as_array().unwrap().len(), 1);
}

#[test]
fn a_single_coverage_file_is_dumped_without_its_database() {
    let place = covered();
    let (name, _) = file_of(&place);
    let document = place.json(&format!("dump {name}"));
    assert_eq!(document["kind"], "coverage file");
    let header = &document["sections"][0]["rows"];
    assert_eq!(
        (&header[0]["value"], &header[3]["value"]),
        (&"GAPLCOV\\x00".into(), &2.into())
    );
    let ranges = &section(&document, "ranges")["rows"];
    // Without the database a series is a code.
    assert_eq!(
        ranges[1]["series"].as_str().unwrap().split(' ').next(),
        Some("code")
    );
    assert_eq!(ranges[1]["source"], "vendor");
}

#[test]
fn a_damaged_coverage_file_is_told_by_dump_and_check() {
    let place = covered();
    let (name, path) = file_of(&place);
    let report = place.json("check db");
    assert_eq!(
        (&report["clean"], &report["coverage_files"]),
        (&true.into(), &1.into())
    );
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    for line in ["dump db".to_owned(), format!("dump {name}")] {
        let said = place.run(&format!("{line} --json"));
        assert_eq!(said.code, 1, "{line}");
        assert!(said.out.contains("checksum"), "{}", said.out);
    }
    let said = place.run("check db --json");
    assert_eq!(said.code, 1);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["kind"], &finding["table"]),
        (&"coverage".into(), &"trade".into())
    );
    assert!(name.ends_with(finding["file"].as_str().unwrap()), "{finding}");
    // Sound, and not the one that was committed.
    fs::write(&path, gapless_format::encode_coverage_file(1, 2, &[])).unwrap();
    let said = place.run("dump db");
    assert_eq!(said.code, 1);
    assert!(
        said.out.contains("is not the file that was committed"),
        "{}",
        said.out
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(place.run("dump db").code, 1);
}

#[test]
fn coverage_calendars_and_listings_stand_among_the_records_of_the_manifest() {
    let place = covered();
    let table = place.json("dump db trade")["sections"][0]["id"].as_u64().unwrap() as u32;
    let calendar = CalendarMeta {
        name: "NYSE".into(),
        text: "not read by a dump".into(),
        changed: 0,
    };
    let calendar_use = |series| CalendarUse {
        table,
        series,
        calendar: Some("NYSE".into()),
    };
    commit(
        &place,
        vec![
            EditItem::Calendar(calendar),
            EditItem::UseCalendar(calendar_use(None)),
            EditItem::UseCalendar(calendar_use(Some(1))),
            EditItem::Listing(ListingMeta {
                table,
                series: 0,
                start: TIME,
                end: i64::MAX,
            }),
        ],
    );
    let text = place.json("dump db --manifest").to_string();
    let parts = [
        "\"add coverage\"",
        "2 ranges, ",
        "18 bytes of text",
        "goes by",
        "series code 0 of table id",
        "to the end of time",
        "0 coverage files, 0 removed, 0 calendars, 0 uses, 0 listings",
    ];
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
    let document = place.json("dump db");
    let calendars = &section(&document, "calendars")["rows"];
    assert_eq!(calendars[0]["calendar"], "NYSE");
    assert_eq!(
        calendars[0]["used_by"],
        serde_json::json!(["\"trade\"", "series code 1 of \"trade\""])
    );
    let listings = &section(&document, "listings of table trade")["rows"];
    assert_eq!(listings[0]["start"], "2026-11-20T13:00:00.000000000Z");
    assert_eq!(listings[0]["end"], "the end of time");
    // The check reads the calendar, and says whose it is.
    let said = place.run("check db --json");
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["findings"][0]["kind"], "calendar", "{report}");
}
