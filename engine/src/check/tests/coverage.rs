//! The check of coverage files and calendars: every byte counts, and what no version names is told.

use std::sync::Arc;

use gapless_format::{
    CalendarMeta, CoverageKey, CoverageRecord, CoverageRef, CoverageState, EditItem, encode_coverage_file,
};

use super::super::{CheckOptions, CheckReport, FindingKind, Severity, check};
use super::fixture::{self, files, put};
use crate::coverage::{CoverageRange, write_coverage};
use crate::database::{Database, Mode};
use crate::io::{LockMode, MemoryStorage, RelPath, Storage};

fn run(storage: &MemoryStorage) -> CheckReport {
    let storage: Arc<dyn Storage> = Arc::new(storage.read_only());
    check(&storage, &CheckOptions::default()).expect("a database")
}

/// The findings but for the symbols that the fixture leaves.
fn found(storage: &MemoryStorage) -> Vec<(Severity, FindingKind, Option<String>)> {
    let findings = run(storage).findings.into_iter();
    let others = findings.filter(|finding| finding.kind != FindingKind::SymbolsUncommitted);
    others
        .map(|finding| (finding.severity, finding.kind, finding.file))
        .collect()
}

fn coverage_files(storage: &MemoryStorage) -> Vec<(RelPath, Vec<u8>)> {
    let mut found = files(storage);
    found.retain(|(path, _)| path.as_str().ends_with(".cov"));
    found
}

fn file_of(storage: &MemoryStorage, table: &str) -> (RelPath, Vec<u8>) {
    let start = format!("tables/{table}/coverage/");
    let mut files = coverage_files(storage).into_iter();
    files
        .find(|(path, _)| path.as_str().starts_with(&start))
        .expect("the fixture has one")
}

type Known = Vec<(Option<String>, Option<i64>, CoverageRange)>;

fn known(storage: &MemoryStorage) -> crate::Result<Known> {
    let db = fixture::open(storage, Mode::Read)?;
    Ok(db.table("all")?.coverage()?.all_ranges(i64::MIN..i64::MAX))
}

#[test]
fn every_changed_byte_of_a_coverage_file_is_an_error_and_never_other_coverage() {
    let storage = fixture::database();
    let sound = known(&storage.read_only()).expect("a sound database");
    assert!(sound.len() > 5, "{sound:#?}");
    let (path, bytes) = file_of(&storage, "all");
    let name = Some(path.to_string());
    for (offset, old) in bytes.iter().enumerate() {
        for new in [old ^ 1, old ^ 0x80, 0x00, 0xff] {
            if new == *old {
                continue;
            }
            let mut changed = bytes.clone();
            changed[offset] = new;
            put(&storage, &path, &changed);
            let read_only: Arc<dyn Storage> = Arc::new(storage.read_only());
            let only = CheckOptions {
                table: Some("all".to_owned()),
                ..CheckOptions::default()
            };
            let report = check(&read_only, &only).expect("a database");
            let told = report
                .findings
                .iter()
                .find(|finding| finding.severity == Severity::Error && finding.file == name);
            let told = told.unwrap_or_else(|| panic!("byte {offset}: not found"));
            assert_eq!(told.table.as_deref(), Some("all"));
            if let Ok(read) = known(&storage.read_only()) {
                assert_eq!(read, sound, "byte {offset}");
            }
        }
    }
}

#[test]
fn a_coverage_file_that_was_cut_grew_or_is_gone_is_an_error_that_names_it() {
    let storage = fixture::database();
    let (path, bytes) = file_of(&storage, "quote");
    let name = Some(path.to_string());
    let longer = [&bytes[..], &[0; 8]].concat();
    let lens = (0..bytes.len()).map(|len| &bytes[..len]);
    for changed in lens.chain([&longer[..]]) {
        put(&storage, &path, changed);
        let told = found(&storage);
        assert!(
            told.iter()
                .all(|it| *it == (Severity::Error, FindingKind::Coverage, name.clone())),
            "{} bytes: {told:?}",
            changed.len()
        );
        assert!(!told.is_empty(), "{} bytes", changed.len());
    }
    storage.remove_file(&path).expect("it is there");
    assert_eq!(found(&storage), [(Severity::Error, FindingKind::Missing, name)]);
}

#[test]
fn a_sound_coverage_file_of_another_table_or_database_is_an_error() {
    let storage = fixture::database();
    let (path, bytes) = file_of(&storage, "all");
    let name = Some(path.to_string());
    let (_, other) = file_of(&storage, "quote");
    let elsewhere = encode_coverage_file(7, 8, &[(KEY, vec![record(0)])]);
    for changed in [other, elsewhere] {
        put(&storage, &path, &changed);
        let report = run(&storage);
        let mut errors = report
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        assert!(errors.clone().count() >= 2, "{:#?}", report.findings);
        assert!(errors.all(|finding| finding.kind == FindingKind::Coverage && finding.file == name));
    }
    put(&storage, &path, &bytes);
    assert_eq!(found(&storage), []);
}

/// A file of a newer gapless is not called damaged.
#[test]
fn a_coverage_file_of_a_newer_format_is_unsupported() {
    let storage = fixture::database();
    let (path, mut bytes) = file_of(&storage, "all");
    bytes[8] += 1;
    put(&storage, &path, &bytes);
    let told = found(&storage);
    assert_eq!(
        told,
        [(Severity::Error, FindingKind::Unsupported, Some(path.to_string()))]
    );
}

const KEY: CoverageKey = CoverageKey {
    series: None,
    interval: Some(0),
};

fn record(at: i64) -> CoverageRecord<'static> {
    CoverageRecord {
        start: at,
        end: at + 1,
        state: CoverageState::Complete,
        first_commit: i64::MIN,
        commit: i64::MIN,
        rows: None,
        content: 0,
        fetched_at: 0,
        source: "",
        batch: "",
    }
}

/// Commits a coverage file of table `quote` that holds one range of a key, described as `change` says.
fn commit_file(db: &Database, key: CoverageKey, change: impl Fn(&mut CoverageRef)) {
    let engine = db.engine();
    let version = db.version().expect("a version");
    let table = version.table("quote").expect("it is there").meta().table;
    let new = write_coverage(engine, (table, "quote"), &[(key, vec![record(0)])]).expect("a file");
    let committed = engine.commit(|version, now| {
        let mut file = new.reference().clone();
        (file.created, file.commit) = (version.number() + 1, now);
        change(&mut file);
        Ok(vec![EditItem::AddCoverage(file)])
    });
    committed.expect("a commit");
    new.keep();
}

#[test]
fn a_coverage_file_that_contradicts_the_manifest_or_the_symbols_is_an_error() {
    let of_series = CoverageKey {
        series: Some(3),
        interval: None,
    };
    type Case = (CoverageKey, fn(&mut CoverageRef), FindingKind, &'static str);
    let cases: [Case; 3] = [
        (
            KEY,
            |file| file.ranges = 2,
            FindingKind::Coverage,
            "number of ranges 1, the manifest says 2",
        ),
        (
            KEY,
            |file| file.bytes += 1,
            FindingKind::Coverage,
            "not the file that was committed",
        ),
        (
            of_series,
            |_| {},
            FindingKind::SymbolCode,
            "series 3, and the table's domain has 0",
        ),
    ];
    for (key, change, kind, message) in cases {
        let storage = fixture::database();
        {
            let db = fixture::open(&storage, Mode::ReadWrite).expect("a sound database");
            commit_file(&db, key, change);
        }
        let report = run(&storage);
        let mut errors = report.findings.iter().filter(|it| it.severity == Severity::Error);
        let told = errors
            .next()
            .unwrap_or_else(|| panic!("{message}: nothing found"));
        assert!(told.kind == kind && told.message.contains(message), "{told}");
        assert_eq!(errors.next(), None);
    }
}

#[test]
fn a_calendar_that_cannot_be_read_is_an_error_that_names_it() {
    let storage = fixture::database();
    {
        let db = fixture::open(&storage, Mode::ReadWrite).expect("a sound database");
        let calendar = |name: &str, text: &str| {
            EditItem::Calendar(CalendarMeta {
                name: name.to_owned(),
                text: text.to_owned(),
                changed: 0,
            })
        };
        let sound = crate::calendar::Calendar::always_open().to_text();
        let commit = |item: EditItem| db.engine().commit(|_, _| Ok(vec![item.clone()]));
        commit(calendar("sound", &sound)).expect("a commit");
        commit(calendar("broken", "zone = 7")).expect("a commit");
        db.create_snapshot("with both").expect("a snapshot");
        commit(calendar("broken", &sound)).expect("a commit");
        commit(calendar("newer", "[[[")).expect("a commit");
    }
    let report = run(&storage);
    let told: Vec<_> = report
        .findings
        .iter()
        .filter(|it| it.kind == FindingKind::Calendar)
        .collect();
    assert_eq!(told.len(), 2, "{:#?}", report.findings);
    let of = |name: &str| {
        let start = format!("calendar {name:?} of version ");
        told.iter().find(|it| it.message.starts_with(&start))
    };
    let file = |name: &str| of(name).and_then(|it| it.file.clone()).unwrap_or_default();
    assert!(file("broken").starts_with("manifest/snapshot-"), "{told:#?}");
    assert!(file("newer").ends_with(".log"), "{told:#?}");
    assert!(told.iter().all(|it| it.severity == Severity::Error));
}

#[test]
fn strange_names_among_coverage_files_are_told() {
    let storage = fixture::database();
    let strays = [
        "tables/all/coverage/notes.txt",
        "tables/all/coverage/c-1.cov",
        "tables/all/coverage/c-00000007-xyz.cov",
        "tables/all/coverage/c-00000007-000001.cov.tmp",
        "tables/all/2026-11-20/coverage",
        "tables/coverage",
    ];
    for path in strays {
        storage
            .create(&RelPath::new(path).expect("sound"))
            .expect("the name is free");
    }
    let directory = "tables/quote/coverage/c-00000007-000001.cov";
    storage
        .create_dir(&RelPath::new(directory).expect("sound"))
        .expect("the name is free");
    let mut told = found(&storage);
    assert!(
        told.iter()
            .all(|it| (it.0, it.1) == (Severity::Warning, FindingKind::Stray)),
        "{told:#?}"
    );
    let mut named: Vec<String> = told.drain(..).filter_map(|it| it.2).collect();
    named.sort();
    let mut expected: Vec<&str> = strays.into_iter().chain([directory]).collect();
    expected.sort_unstable();
    assert_eq!(named, expected);
}

#[test]
fn a_coverage_file_that_no_version_names_is_a_note_whoever_made_it() {
    let storage = fixture::database();
    let path = RelPath::new("tables/all/coverage/c-00000007-000001.cov").expect("sound");
    storage.create(&path).expect("the name is free");
    let told = |kind| [(Severity::Note, kind, Some(path.to_string()))];
    assert_eq!(found(&storage), told(FindingKind::Leftover));
    let pin = RelPath::new("readers/00000007.pin").expect("sound");
    let _alive = storage.lock(&pin, LockMode::Exclusive, false).expect("memory");
    assert_eq!(found(&storage), told(FindingKind::Orphan));
}

/// The files that were merged wait for the garbage collection, which a reader may put off.
#[test]
fn a_coverage_file_that_was_merged_with_others_is_a_leftover() {
    let storage = fixture::database();
    let db = fixture::open(&storage, Mode::ReadWrite).expect("a sound database");
    let table = db.table("quote").expect("it is there");
    let state = |at: i64| {
        // So many that the file before is small beside them.
        let said = (0..16).map(|number| crate::Attestation::new(100 * number + at..100 * number + at + 1));
        let nothing = arrow_array::RecordBatch::new_empty(table.schema().expect("a schema"));
        table.append_covering(&nothing, said, None).expect("statements");
        db.flush().expect("a flush");
    };
    // This merge leaves what the fixture's snapshot needs, the next one what only the reader does.
    state(0);
    assert_eq!(found(&storage), []);
    let named = coverage_files(&storage);
    assert_eq!((named.len(), run(&storage).coverage_files), (4, 4));
    let reader = db.snapshot().expect("a snapshot");
    state(2);
    let told = found(&storage);
    assert_eq!(told.len(), 1, "{told:#?}");
    let (severity, kind, file) = &told[0];
    assert_eq!((*severity, *kind), (Severity::Note, FindingKind::Leftover));
    assert!(
        named.iter().any(|it| file.as_deref() == Some(it.0.as_str())),
        "{file:?}"
    );
    drop(reader);
    db.collect_garbage().expect("a collection");
    assert_eq!(found(&storage), []);
    assert_eq!(coverage_files(&storage).len(), 4);
}

#[test]
fn the_check_runs_beside_a_writer_that_merges_coverage_files() {
    let storage = fixture::database();
    let db = fixture::open(&storage, Mode::ReadWrite).expect("a database");
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut at = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let said = [crate::Attestation::new(at..at + 1)];
                fixture::write_covering(&db, "quote", fixture::quote_batch(at, 1), said);
                db.collect_garbage().expect("a collection");
                at += 2;
            }
        });
        let outcomes: Vec<_> = (0..20)
            .map(|_| check(&shared, &CheckOptions::default()))
            .collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for outcome in outcomes {
            let report = outcome.expect("a database");
            assert!(report.is_clean(), "{:#?}", report.findings);
        }
    });
}
