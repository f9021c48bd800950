//! The check of logs whose bytes are made here: sound, cut, damaged, incomplete.

use std::sync::Arc;

use gapless_format::wal::{WalHeader, WalValues, encode_wal_rows, wal_record_header};
use gapless_format::{
    ColumnType, EditItem, Identity, RecordBody, StreamMeta, Tail, TimeUnit, Writer, checksum, encode_record,
};

use super::super::{CheckOptions, CheckReport, FindingKind, Severity, check};
use super::fixture::{self, put};
use crate::database::Mode;
use crate::io::{LockMode, MemoryStorage, RelPath, Storage};

const STREAM: u64 = 0xA1;
const DIRECTORY: &str = "wal/00000000000000a1";

fn run(storage: &MemoryStorage) -> CheckReport {
    let storage: Arc<dyn Storage> = Arc::new(storage.read_only());
    check(&storage, &CheckOptions::default()).expect("a database")
}

/// Findings about `wal/`.
fn found(storage: &MemoryStorage) -> Vec<(Severity, FindingKind, String)> {
    let in_wal = |file: &Option<String>| file.as_ref().is_some_and(|file| file.starts_with("wal"));
    let report = run(storage);
    let findings = report
        .findings
        .into_iter()
        .filter(|finding| in_wal(&finding.file));
    findings
        .map(|finding| (finding.severity, finding.kind, finding.to_string()))
        .collect()
}

fn path(name: &str) -> RelPath {
    RelPath::new(name).expect("sound")
}

fn file(first_lsn: u64) -> RelPath {
    path(&format!("{DIRECTORY}/{first_lsn:016x}.wal"))
}

fn create(storage: &MemoryStorage, path: &RelPath, bytes: &[u8]) {
    let mut file = storage.create(path).expect("the name is free");
    file.append(bytes).expect("memory takes it");
}

/// Times of one table, and a text.
fn rows(table: u32, time_column: u32, text: &[u8]) -> Vec<u8> {
    let time = ColumnType::Timestamp {
        unit: TimeUnit::Nanosecond,
        zone: None,
    };
    let values: Vec<u8> = (0..2_i64).flat_map(i64::to_le_bytes).collect();
    let lengths: Vec<u8> = [0_u32, 2].iter().flat_map(|len| len.to_le_bytes()).collect();
    let columns = [
        WalValues {
            column_id: time_column,
            column_type: &time,
            validity: None,
            lengths: None,
            values: &values,
        },
        WalValues {
            column_id: 77,
            column_type: &ColumnType::Utf8,
            validity: None,
            lengths: Some(&lengths),
            values: text,
        },
    ];
    let mut writer = Writer::new();
    encode_wal_rows(&mut writer, table, 2, columns.into_iter());
    writer.into_vec()
}

/// A stream of three files with two records each; where files begin and the last one ends.
struct Streamed {
    storage: MemoryStorage,
    starts: [u64; 4],
    table: u32,
    time_column: u32,
}

fn record(lsn: u64, commit: i64, body: &[u8]) -> Vec<u8> {
    let mut bytes = wal_record_header(lsn, commit, body.len() as u32, checksum(body));
    bytes.extend(body);
    bytes
}

/// A database whose manifest names the stream with a checkpoint, and no log of it.
fn named(checkpoint: u64) -> Streamed {
    let storage = fixture::database();
    let (number, committed_at, table, time_column) = {
        let db = fixture::open(&storage.read_only(), Mode::Read).expect("a sound database");
        let version = db.version().expect("a sound manifest");
        let table = version.table("all").expect("it is there").meta().clone();
        (
            version.number(),
            version.committed_at(),
            table.table,
            table.time_column,
        )
    };
    let stream = StreamMeta {
        stream: STREAM,
        checkpoint,
        flushed: 0,
    };
    let edit = encode_record(
        number + 1,
        committed_at + 1,
        &RecordBody::Edit(vec![EditItem::Stream(stream)]),
    );
    let log = path("manifest/0000000001.log");
    let bytes = storage.read(&log, u64::MAX).expect("a log");
    put(&storage, &log, &[bytes, edit].concat());
    if storage.stamp(&path("wal")).expect("it answers").is_none() {
        storage.create_dir(&path("wal")).expect("the name is free");
    }
    storage.create_dir(&path(DIRECTORY)).expect("the name is free");
    create(&storage, &path(&format!("{DIRECTORY}/LOCK")), &[]);
    Streamed {
        storage,
        starts: [0; 4],
        table,
        time_column,
    }
}

impl Streamed {
    fn new(checkpoint: u64) -> Self {
        let mut it = named(checkpoint);
        let body = it.body();
        for at in 0..3 {
            it.starts[at + 1] = it.log(it.starts[at], at as i64 * 2, &[body.clone(), body.clone()]);
        }
        it
    }

    fn body(&self) -> Vec<u8> {
        rows(self.table, self.time_column, "é".as_bytes())
    }

    fn log(&self, first_lsn: u64, commit: i64, bodies: &[Vec<u8>]) -> u64 {
        let identity = self.storage.read(&path("GAPLESS"), 4096).expect("a file");
        let header = WalHeader {
            stream: STREAM,
            first_lsn,
            database: Identity::decode(&identity).expect("sound").database,
        };
        let (mut bytes, mut lsn) = (header.encode(), first_lsn);
        for (commit, body) in (commit..).zip(bodies) {
            let record = record(lsn, commit, body);
            lsn += record.len() as u64;
            bytes.extend(record);
        }
        create(&self.storage, &file(first_lsn), &bytes);
        lsn
    }

    fn mark(&self, committed_len: u64, suspect: bool) {
        let mark = Tail {
            log: STREAM,
            committed_len,
            suspect,
        };
        put(&self.storage, &path(&format!("{DIRECTORY}/LOCK")), &mark.encode());
    }

    fn bytes(&self, at: usize) -> Vec<u8> {
        self.storage
            .read(&file(self.starts[at]), u64::MAX)
            .expect("a file")
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        put(&self.storage, &file(self.starts[at]), bytes);
    }

    fn remove(&self, at: usize) {
        self.storage
            .remove_file(&file(self.starts[at]))
            .expect("it is there");
    }
}

fn is(found: &[(Severity, FindingKind, String)], severity: Severity, kind: FindingKind) -> bool {
    matches!(found, [(a, b, _)] if (*a, *b) == (severity, kind))
}

#[test]
fn a_sound_log_is_no_finding_whatever_its_checkpoint_is() {
    let starts = Streamed::new(0).starts;
    for checkpoint in starts {
        let it = Streamed::new(checkpoint);
        assert_eq!(found(&it.storage), [], "{checkpoint}");
        assert!(run(&it.storage).is_clean());
    }
}

#[test]
fn what_a_stream_writes_is_sound_while_its_owner_lives_and_after_it_died() {
    let storage = fixture::database();
    let db = fixture::open(&storage, Mode::ReadWrite).expect("a sound database");
    let table = db.table("quote").expect("it is there");
    for part in 0..5 {
        table
            .append(&fixture::quote_batch(part, 4))
            .expect("rows are appended");
        if part == 2 {
            db.flush().expect("a flush");
        }
    }
    db.sync().expect("a sync");
    assert_eq!(found(&storage), []);
    // A copy holds no locks, like what a crash leaves.
    let storage = storage.deep_copy();
    assert_eq!(found(&storage), []);
    assert!(run(&storage).is_clean());
    let files = fixture::files(&storage);
    let log = files.iter().rfind(|(path, _)| path.as_str().ends_with(".wal"));
    let (path, bytes) = log.expect("the log of the commits behind the flush");
    put(&storage, path, &bytes[..bytes.len() - 1]);
    assert!(found(&storage).iter().any(|it| it.0 == Severity::Error));
}

#[test]
fn files_below_the_checkpoint_may_be_gone_or_damaged() {
    let checkpoint = Streamed::new(0).starts[1];
    let it = Streamed::new(checkpoint);
    it.put(0, b"anything");
    assert_eq!(found(&it.storage), []);
    it.remove(0);
    assert_eq!(found(&it.storage), []);
}

#[test]
fn a_missing_file_between_checkpoint_and_end_is_an_error() {
    for gone in [0, 1] {
        let it = Streamed::new(0);
        it.mark(it.starts[3], false);
        it.remove(gone);
        let found = found(&it.storage);
        assert!(
            is(&found, Severity::Error, FindingKind::Missing),
            "{gone}: {found:#?}"
        );
        let range = format!("from LSN {} to {}", it.starts[gone], it.starts[gone + 1]);
        assert!(found[0].2.contains(&range), "{found:#?}");
    }
}

#[test]
fn what_a_power_cut_has_left_of_files_that_were_never_durable_is_a_warning() {
    for at in [0, 1] {
        let it = Streamed::new(0);
        it.mark(it.starts[at], false);
        let bytes = it.bytes(at);
        for left in [bytes.len() / 2, bytes.len() - 1] {
            it.put(at, &bytes[..left]);
            let found = found(&it.storage);
            let worst = found.iter().map(|it| it.0).max();
            assert_eq!(worst, Some(Severity::Warning), "{at}: {found:#?}");
        }
    }
}

#[test]
fn a_log_shorter_than_its_lock_says_is_an_error() {
    let it = Streamed::new(0);
    it.mark(it.starts[3], false);
    assert_eq!(found(&it.storage), []);
    let bytes = it.bytes(2);
    it.put(2, &bytes[..bytes.len() - 1]);
    let cut = found(&it.storage);
    assert!(
        cut.iter().all(|it| it.0 == Severity::Error) && !cut.is_empty(),
        "{cut:#?}"
    );
    it.put(2, &[0; 64]);
    assert!(is(&found(&it.storage), Severity::Error, FindingKind::Wal));
    it.remove(2);
    assert!(is(&found(&it.storage), Severity::Error, FindingKind::Wal));
    for at in [0, 1] {
        it.remove(at);
    }
    assert!(is(&found(&it.storage), Severity::Error, FindingKind::Wal));
    // Nothing was durable, so nothing is missing.
    it.mark(0, false);
    assert_eq!(found(&it.storage), []);
}

#[test]
fn behind_a_failed_sync_nothing_is_looked_at() {
    let it = Streamed::new(0);
    it.mark(it.starts[2], true);
    it.put(2, &[b"x".as_slice(), &it.bytes(2)[1..]].concat());
    let found_now = found(&it.storage);
    assert!(
        found_now.iter().any(|it| it.1 == FindingKind::SuspectTail),
        "{found_now:#?}"
    );
    put(&it.storage, &path(&format!("{DIRECTORY}/LOCK")), b"what is this");
    let found = found(&it.storage);
    assert!(found.iter().any(|it| it.1 == FindingKind::Lock), "{found:#?}");
}

#[test]
fn every_cut_of_the_last_file_is_a_note_at_most() {
    let it = Streamed::new(0);
    let bytes = it.bytes(2);
    for len in (0..bytes.len()).step_by(7) {
        it.put(2, &bytes[..len]);
        let found = found(&it.storage);
        let expected = found.is_empty() || is(&found, Severity::Note, FindingKind::WalTail);
        assert!(expected, "cut to {len}: {found:#?}");
    }
    for tail in [0, 40, 4096] {
        it.put(2, &[bytes.clone(), vec![0; tail]].concat());
        assert_eq!(found(&it.storage), [], "{tail} zeros");
    }
    it.put(2, &[0; 4096]);
    assert_eq!(found(&it.storage), []);
}

#[test]
fn every_cut_and_flipped_bit_of_a_file_that_is_not_the_last_is_an_error() {
    let it = Streamed::new(0);
    it.mark(it.starts[3], false);
    let bytes = it.bytes(1);
    for at in (0..bytes.len()).step_by(5) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        for changed in [&changed[..], &bytes[..at]] {
            it.put(1, changed);
            let found = found(&it.storage);
            let name = file(it.starts[1]).to_string();
            let named = |it: &(Severity, FindingKind, String)| it.0 == Severity::Error;
            assert!(found.iter().any(named), "{name}, byte {at}: {found:#?}");
        }
    }
}

#[test]
fn damage_before_a_whole_commit_in_the_last_file_is_a_warning() {
    let it = Streamed::new(0);
    let mut bytes = it.bytes(2);
    bytes[64 + 50] ^= 1;
    it.put(2, &bytes);
    let found = found(&it.storage);
    assert!(is(&found, Severity::Warning, FindingKind::Wal), "{found:#?}");
}

#[test]
fn rows_that_do_not_decode_are_errors_behind_right_checksums() {
    let it = named(0);
    let (table, time) = (it.table, it.time_column);
    let good = it.body();
    let mut no_rows = good.clone();
    no_rows[12] = 3; // Rows: more than the columns have.
    let bodies = [
        (no_rows, "expected 3 values"),
        (rows(table, time, b"abc"), "found 3 bytes, expected 2"),
        (rows(table, time, &[0xFF, 0xFE]), "not UTF-8"),
        (rows(table, 78, b"ab"), "there are no times"),
        (rows(table, 77, b"ab"), "is there twice"),
        (vec![1, 2, 3], "item"),
    ];
    for (body, told) in bodies {
        let it = named(0);
        it.log(0, 1, &[good.clone(), body, good.clone()]);
        let found = found(&it.storage);
        assert!(
            is(&found, Severity::Error, FindingKind::Wal),
            "{told}: {found:#?}"
        );
        assert!(found[0].2.contains(told), "{told}: {found:#?}");
    }
    // Nothing is known of a table that was dropped.
    let it = named(0);
    it.log(0, 1, &[rows(999, 1, b"ab")]);
    assert_eq!(found(&it.storage), []);
}

#[test]
fn a_commit_time_that_goes_back_is_an_error_also_between_files() {
    let it = named(0);
    let body = it.body();
    let end = it.log(0, 5, std::slice::from_ref(&body));
    it.log(end, 5, &[body]);
    let found = found(&it.storage);
    assert!(is(&found, Severity::Error, FindingKind::Wal), "{found:#?}");
    assert!(found[0].2.contains("commit time"), "{found:#?}");
}

#[test]
fn a_file_of_another_stream_is_an_error() {
    let it = Streamed::new(0);
    it.put(1, &it.bytes(2));
    let found = found(&it.storage);
    assert!(
        found.iter().any(|it| it.2.contains("from elsewhere")),
        "{found:#?}"
    );
}

#[test]
fn strange_names_are_strays_and_the_log_of_no_stream_is_a_leftover_once_its_owner_is_gone() {
    let it = Streamed::new(0);
    create(&it.storage, &path("wal/notes.txt"), b"x");
    create(&it.storage, &path(&format!("{DIRECTORY}/1.wal")), b"x");
    let found_now = found(&it.storage);
    let strays = found_now.iter().filter(|it| it.1 == FindingKind::Stray).count();
    assert_eq!((strays, found_now.len()), (2, 2), "{found_now:#?}");
    let it = Streamed::new(0);
    let other = path("wal/00000000000000ff");
    it.storage.create_dir(&other).expect("the name is free");
    let lock = other.join("LOCK").expect("sound");
    create(&it.storage, &lock, &[]);
    let held = it
        .storage
        .lock(&lock, LockMode::Exclusive, false)
        .expect("it answers");
    assert!(held.is_some());
    assert_eq!(found(&it.storage), []);
    drop(held);
    let found = found(&it.storage);
    assert!(is(&found, Severity::Note, FindingKind::Leftover), "{found:#?}");
}
