//! `dump --wal`, and of a single log file: on sound logs and on damaged ones. The bytes are made by the format's encoder.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use gapless_format::wal::{WalHeader, WalItem, WalValues, encode_wal_rows, wal_record_header};
use gapless_format::{
    ColumnType, Coverage, CoverageState, Deletion, EditItem, Number, RecordBody, StreamMeta, Tail, TimeUnit,
    Writer, checksum, encode_record,
};
use serde_json::Value;

use crate::support::Place;

const STREAM: u64 = 0x1f2e_3d4c_5b6a_7988;
const DIRECTORY: &str = "db/wal/1f2e3d4c5b6a7988";
const TIME: i64 = 1_795_179_600_000_000_000;

fn deletion() -> Deletion {
    Deletion {
        deletion: 0xD1,
        table: 1,
        start: TIME,
        end: TIME + 60_000_000_000,
        series: Some(vec![0]),
        commit: TIME + 2,
    }
}

/// Rows of the columns ts, sym, price and note, whose ids are 0, 1, 2 and 4.
fn rows(table: u32) -> Vec<u8> {
    let times: Vec<u8> = (0..3_i64).flat_map(|row| (TIME + row).to_le_bytes()).collect();
    let codes: Vec<u8> = [1_u32, 0, u32::MAX]
        .iter()
        .flat_map(|code| code.to_le_bytes())
        .collect();
    let prices: Vec<u8> = [1.5_f64, 2.5, 0.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let lengths: Vec<u8> = [2_u32, 0, 3].iter().flat_map(|len| len.to_le_bytes()).collect();
    let time = ColumnType::Timestamp {
        unit: TimeUnit::Nanosecond,
        zone: Some("UTC".into()),
    };
    let symbol = ColumnType::Symbol { domain: "sym".into() };
    let (number, text) = (ColumnType::Number(Number::F64), ColumnType::Utf8);
    let column = |column_id, column_type, values| WalValues {
        column_id,
        column_type,
        validity: None,
        lengths: None,
        values,
    };
    let columns = [
        column(0, &time, times.as_slice()),
        WalValues {
            validity: Some(&[0b011]),
            ..column(1, &symbol, codes.as_slice())
        },
        WalValues {
            validity: Some(&[0b011]),
            ..column(2, &number, prices.as_slice())
        },
        WalValues {
            lengths: Some(&lengths),
            ..column(4, &text, b"hi...".as_slice())
        },
    ];
    let mut writer = Writer::new();
    encode_wal_rows(&mut writer, table, 3, columns.into_iter());
    writer.into_vec()
}

fn coverage_and_deletion(table: u32) -> Vec<u8> {
    let mut writer = Writer::new();
    let coverage = Coverage {
        table,
        series: Some(1),
        start: TIME,
        end: TIME + 1_000,
        interval: Some(0),
        state: CoverageState::Complete,
        rows: Some(3),
        content: 7,
        fetched_at: TIME,
        source: "venue".into(),
        batch: "b1".into(),
    };
    WalItem::encode_coverage(&mut writer, &coverage);
    WalItem::encode_deletion(&mut writer, &Deletion { table, ..deletion() });
    writer.into_vec()
}

/// A log file with these bodies as records; the LSN behind the last.
fn log(first_lsn: u64, commit: i64, bodies: &[Vec<u8>]) -> (Vec<u8>, u64) {
    let header = WalHeader {
        stream: STREAM,
        first_lsn,
        database: 0,
    };
    let mut bytes = header.encode();
    let mut lsn = first_lsn;
    for (commit, body) in (commit..).zip(bodies) {
        bytes.extend(wal_record_header(lsn, commit, body.len() as u32, checksum(body)));
        bytes.extend(body);
        lsn = first_lsn + bytes.len() as u64 - 64;
    }
    (bytes, lsn)
}

/// The same log as one of the database in `db`.
fn put(place: &Place, first_lsn: u64, commit: i64, bodies: &[Vec<u8>]) -> u64 {
    let (mut bytes, end) = log(first_lsn, commit, bodies);
    let identity = fs::read(place.path("db/GAPLESS")).unwrap();
    bytes[32..48].copy_from_slice(&identity[16..32]);
    let sum = checksum(&bytes[..56]);
    bytes[56..64].copy_from_slice(&sum.to_le_bytes());
    place.file(&format!("{DIRECTORY}/{first_lsn:016x}.wal"), bytes);
    end
}

/// A database with one stream of two files, registered with a checkpoint behind the first record.
struct Streamed {
    place: Place,
    /// Where the first record, the first file and the second file end.
    ends: [u64; 3],
}

fn streamed() -> Streamed {
    let place = Place::with_trades();
    fs::create_dir_all(place.path(DIRECTORY)).unwrap();
    place.file(&format!("{DIRECTORY}/LOCK"), "");
    let table = place.json("dump db trade")["sections"][0]["id"].as_u64().unwrap() as u32;
    let first = log(0, 0, &[rows(table)]).1;
    let middle = put(&place, 0, TIME, &[rows(table), coverage_and_deletion(table)]);
    let end = put(&place, middle, TIME + 5, &[rows(table)]);
    let items = vec![
        EditItem::Stream(StreamMeta {
            stream: STREAM,
            checkpoint: first,
            flushed: TIME,
        }),
        EditItem::Delete(Deletion { table, ..deletion() }),
    ];
    let version = place.json("info db")["version"].as_u64().unwrap() + 1;
    let record = encode_record(version, TIME, &RecordBody::Edit(items));
    let path = place.path("db/manifest/0000000001.log");
    let mut log = OpenOptions::new().append(true).open(path).unwrap();
    log.write_all(&record).unwrap();
    Streamed {
        place,
        ends: [first, middle, end],
    }
}

/// What is under a key, here or in a section below, as often as it is there.
fn all<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    let mut found: Vec<&Value> = value.get(key).into_iter().collect();
    for inner in value["sections"].as_array().into_iter().flatten() {
        found.extend(all(inner, key));
    }
    found
}

fn errors(place: &Place, line: &str) -> String {
    let said = place.run(&format!("{line} --json"));
    assert_eq!(said.code, 1, "{line}: {}", said.out);
    let document: Value = serde_json::from_str(&said.out).unwrap();
    let errors = all(&document, "errors");
    errors.iter().map(|error| error.to_string()).collect()
}

#[test]
fn streams_and_their_records_are_listed() {
    let Streamed { place, ends } = streamed();
    let document = place.json("dump db --wal");
    let stream = &document["rows"][0];
    assert_eq!(stream["stream"], "1f2e3d4c5b6a7988");
    assert_eq!(
        (&stream["owner"], &stream["in_manifest"]),
        (&"dead".into(), &true.into())
    );
    assert_eq!(
        (&stream["files"], &stream["checkpoint"]),
        (&2.into(), &ends[0].into())
    );
    assert_eq!(stream["bytes"], ends[2] + 128);
    assert_eq!(
        (&stream["last_lsn"], &stream["lag_bytes"]),
        (&ends[2].into(), &(ends[2] - ends[0]).into())
    );
    let records = &document["sections"][0]["sections"][0]["rows"];
    assert_eq!(records.as_array().unwrap().len(), 3);
    assert_eq!(records[0]["lsn"], 0);
    assert_eq!(records[0]["tables"], serde_json::json!(["trade"]));
    assert_eq!((&records[0]["rows"], &records[1]["rows"]), (&3.into(), &0.into()));
    assert_eq!(
        (&records[1]["coverage"], &records[1]["deletions"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&records[1]["lsn"], &records[2]["lsn"]),
        (&ends[0].into(), &ends[1].into())
    );
    assert_eq!(records[2]["committed_at"], "2026-11-20T13:00:00.000000005Z");
    assert!(place.ok("dump db --wal").contains("1f2e3d4c5b6a7988  dead"));
    assert_eq!(place.json("dump db")["streams"], 1);
    assert_eq!(place.json("dump db")["deletions"], 1);
}

#[test]
fn a_stream_whose_lock_is_held_is_alive() {
    let Streamed { place, .. } = streamed();
    let lock = File::open(place.path(&format!("{DIRECTORY}/LOCK"))).unwrap();
    lock.lock().unwrap();
    assert_eq!(place.json("dump db --wal")["rows"][0]["owner"], "alive");
    drop(lock);
    assert_eq!(place.json("dump db --wal")["rows"][0]["owner"], "dead");
    fs::remove_file(place.path(&format!("{DIRECTORY}/LOCK"))).unwrap();
    assert_eq!(place.json("dump db --wal")["rows"][0]["owner"], "not known");
}

#[test]
fn rows_of_records_are_shown_with_names_and_symbols() {
    let Streamed { place, .. } = streamed();
    assert!(all(&place.json("dump db --wal"), "state").is_empty());
    let document = place.json("dump db --wal --rows 2");
    let shown = &document["sections"][0]["sections"][0]["sections"];
    assert_eq!(shown[0]["title"], "LSN 0: rows of table trade");
    assert_eq!(shown[0]["rows"].as_array().unwrap().len(), 2);
    let values = &shown[0]["rows"][0]["values"];
    assert_eq!(values["ts"], "2026-11-20T13:00:00.000000000Z");
    assert_eq!((&values["price"], &values["note"]), (&1.5.into(), &"hi".into()));
    assert!(
        ["AAPL", "MSFT"].contains(&values["sym"].as_str().unwrap()),
        "{values}"
    );
    assert_eq!(
        (&shown[1]["state"], &shown[1]["source"]),
        (&"complete".into(), &"venue".into())
    );
    assert!(shown[2]["deletion"].as_str().unwrap().contains("1 series"));
    let all_rows = place.json("dump db --wal --rows 9");
    let last = &all_rows["sections"][0]["sections"][0]["sections"][0]["rows"][2]["values"];
    assert_eq!(
        (&last["sym"], &last["price"], &last["note"]),
        (&Value::Null, &Value::Null, &"...".into())
    );
}

#[test]
fn streams_and_deletions_stand_among_the_records_of_the_manifest() {
    let Streamed { place, ends, .. } = streamed();
    let text = place.json("dump db --manifest").to_string();
    assert!(
        text.contains(&format!("1f2e3d4c5b6a7988, checkpoint {}, flushed to", ends[0])),
        "{text}"
    );
    assert!(text.contains("00000000000000d1 in table id"), "{text}");
    assert!(text.contains("0 streams, 0 deletions"), "{text}");
}

#[test]
fn a_single_log_file_is_dumped_without_its_database() {
    let Streamed { place, ends, .. } = streamed();
    let name = format!("{DIRECTORY}/{:016x}.wal", ends[1]);
    fs::copy(place.path(&name), place.path("alone.wal")).unwrap();
    let document = place.json("dump alone.wal --rows 1");
    assert_eq!(document["kind"], "write-ahead log");
    assert_eq!(all(&document, "stream"), [&Value::from("1f2e3d4c5b6a7988")]);
    let values = &document["sections"][1]["sections"][0]["sections"][0]["rows"][0]["values"];
    assert_eq!(
        (&values["id 1"], &values["id 4"]),
        (&"code 1".into(), &"hi".into())
    );
    assert!(place.ok("dump alone.wal").contains("write-ahead log"));
    place.fails(2, "dump alone.wal --wal");
}

#[test]
fn a_torn_end_is_told_and_is_an_error_only_where_another_file_follows() {
    let Streamed { place, ends, .. } = streamed();
    let last = format!("{DIRECTORY}/{:016x}.wal", ends[1]);
    let bytes = fs::read(place.path(&last)).unwrap();
    place.file(&last, &bytes[..bytes.len() - 3]);
    let document = place.json("dump db --wal");
    assert_eq!(document["rows"][0]["last_lsn"], ends[1]);
    assert!(
        all(&document, "tail")[0]
            .as_str()
            .unwrap()
            .contains("did not finish")
    );
    for empty in [Vec::new(), vec![0; 9], vec![0; 4096]] {
        place.file(&last, empty);
        assert_eq!(place.json("dump db --wal")["rows"][0]["last_lsn"], ends[1]);
    }
    place.file(&last, [bytes.clone(), vec![0; 4096]].concat());
    let document = place.json("dump db --wal");
    assert_eq!(document["rows"][0]["last_lsn"], ends[2]);
    place.file(&last, &bytes);
    let first = format!("{DIRECTORY}/{:016x}.wal", 0);
    let mut bytes = fs::read(place.path(&first)).unwrap();
    let at = bytes.len() - 3;
    bytes[at] ^= 1;
    place.file(&first, bytes);
    let told = errors(&place, "dump db --wal");
    assert!(
        told.contains("no valid record") && told.contains("is missing"),
        "{told}"
    );
    // What is behind the damage is shown all the same.
    let said = place.run("dump db --wal --json");
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["sections"][0]["records"], 2);
    assert!(errors(&place, &format!("dump {first}")).contains("no valid record"));
}

#[test]
fn the_durable_length_in_a_streams_lock_is_shown_and_compared() {
    let Streamed { place, ends, .. } = streamed();
    let mark = |committed_len| {
        let tail = Tail {
            log: STREAM,
            committed_len,
            suspect: false,
        };
        place.file(&format!("{DIRECTORY}/LOCK"), tail.encode());
    };
    mark(ends[2]);
    let document = place.json("dump db --wal");
    assert_eq!(document["sections"][0]["durable_lsn"], ends[2]);
    mark(ends[2] + 1);
    assert!(errors(&place, "dump db --wal").contains("was durable up to"));
    assert!(
        place
            .ok(&format!("dump {DIRECTORY}/LOCK"))
            .contains("commit tail")
    );
}

#[test]
fn missing_files_and_strange_ones_are_told_in_their_place() {
    let Streamed { place, ends, .. } = streamed();
    place.file("db/wal/notes.txt", "");
    place.file(&format!("{DIRECTORY}/1.wal"), "");
    let told = errors(&place, "dump db --wal");
    assert!(
        told.contains("wal/notes.txt: is no stream") && told.contains("1.wal: is no file of a log"),
        "{told}"
    );
    let second = format!("{DIRECTORY}/{:016x}.wal", ends[1]);
    fs::copy(
        place.path(&second),
        place.path(&format!("{DIRECTORY}/{:016x}.wal", ends[2])),
    )
    .unwrap();
    assert!(errors(&place, "dump db --wal").contains("put here from elsewhere"));
    fs::remove_file(place.path(&format!("{DIRECTORY}/{:016x}.wal", 0))).unwrap();
    assert!(errors(&place, "dump db --wal").contains("behind the checkpoint"));
    fs::remove_dir_all(place.path(DIRECTORY)).unwrap();
    assert!(errors(&place, "dump db --wal").contains("but it is not there"));
}

#[test]
fn a_database_without_streams_shows_none() {
    let place = Place::with_trades();
    let document = place.json("dump db --wal");
    assert_eq!(
        (&document["streams"], &document["rows"]),
        (&0.into(), &serde_json::json!([]))
    );
}
