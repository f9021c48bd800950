//! What the check says about particular damage.

use std::sync::Arc;

use super::super::{CheckOptions, CheckReport, FindingKind, Severity, check};
use super::fixture::{self, files, put};
use crate::database::Mode;
use crate::io::{MemoryStorage, RelPath, Storage};

fn run(storage: &MemoryStorage) -> CheckReport {
    let storage: Arc<dyn Storage> = Arc::new(storage.read_only());
    check(&storage, &CheckOptions::default()).expect("a database")
}

fn path_of(storage: &MemoryStorage, end: &str) -> RelPath {
    let found = files(storage);
    let path = found
        .iter()
        .map(|(path, _)| path)
        .find(|path| path.as_str().ends_with(end));
    path.unwrap_or_else(|| panic!("no file ends with {end}")).clone()
}

#[test]
fn a_sound_database_is_clean_and_counted() {
    let storage = fixture::database();
    let report = run(&storage);
    assert!(report.is_clean(), "{:#?}", report.findings);
    let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::SymbolsUncommitted], "{:#?}", report.findings);
    assert_eq!((report.tables, report.snapshots), (2, 1));
    assert_eq!(report.rows, 11 + 6 + 9 + 3 + 70);
    assert_eq!(report.coverage_files, 3);
    assert!(report.segments >= 5 && report.files > 100 && report.bytes > 10_000);
}

#[test]
fn every_missing_file_is_an_error_that_names_it() {
    let storage = fixture::database();
    for (path, bytes) in files(&storage) {
        storage.remove_file(&path).expect("the file is there");
        let report = run(&storage);
        let name = path.to_string();
        let named = |severity| {
            let mut findings = report.findings.iter();
            findings.any(|f| f.file.as_deref() == Some(&name) && f.severity == severity)
        };
        match name.as_str() {
            "manifest/LOCK" => assert!(named(Severity::Warning), "{name}: {:#?}", report.findings),
            // Locks with no content, made again when they are needed.
            "manifest/CREATE" => {}
            name if name.ends_with(".lock") => {}
            name => assert!(named(Severity::Error), "{name}: {:#?}", report.findings),
        }
        let mut file = storage.create(&path).expect("the name is free");
        file.append(&bytes).expect("memory takes it");
    }
    assert!(run(&storage).is_clean());
}

#[test]
fn files_that_were_swapped_are_errors_also_when_both_are_sound() {
    let storage = fixture::database();
    let all = files(&storage);
    let mut swapped = 0;
    for (i, (a, a_bytes)) in all.iter().enumerate() {
        let extension = |path: &RelPath| path.as_str().rsplit_once('.').map(|(_, e)| e.to_owned());
        let twin = all[i + 1..].iter().find(|(b, b_bytes)| {
            let alike = extension(a).is_some() && extension(a) == extension(b);
            alike && a_bytes.len() == b_bytes.len() && a_bytes != b_bytes
        });
        let Some((b, b_bytes)) = twin else { continue };
        put(&storage, a, b_bytes);
        put(&storage, b, a_bytes);
        let report = run(&storage);
        for path in [a, b] {
            let name = path.to_string();
            assert!(
                report
                    .findings
                    .iter()
                    .any(|f| f.severity == Severity::Error && f.file.as_deref() == Some(&name)),
                "{a} swapped with {b}: {:#?}",
                report.findings
            );
        }
        put(&storage, a, a_bytes);
        put(&storage, b, b_bytes);
        swapped += 1;
    }
    assert!(swapped > 20, "{swapped} pairs");
}

#[test]
fn a_meta_of_another_segment_is_named_with_both() {
    let storage = fixture::database();
    let all = files(&storage);
    let metas: Vec<_> = all
        .iter()
        .filter(|(p, _)| p.as_str().ends_with("segment.meta"))
        .collect();
    put(&storage, &metas[0].0, &metas[1].1);
    let report = run(&storage);
    let first = report
        .findings
        .iter()
        .find(|f| f.kind == FindingKind::SegmentMeta);
    let first = first.expect("the meta is an error");
    assert_eq!(first.file.as_deref(), Some(metas[0].0.as_str()));
    assert!(first.message.contains("not the file that was committed"));
}

#[test]
fn a_flipped_byte_of_a_page_is_located_down_to_page_and_byte() {
    let storage = fixture::database();
    let path = path_of(&storage, "/f64.col");
    let mut bytes = storage.read(&path, u64::MAX).expect("a file");
    bytes[64 + 9] ^= 4;
    put(&storage, &path, &bytes);
    let report = run(&storage);
    let errors: Vec<_> = report
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let found = errors[0];
    assert_eq!(found.kind, FindingKind::PageChecksum);
    assert_eq!(found.table.as_deref(), Some("all"));
    assert_eq!(found.column.as_deref(), Some("f64"));
    assert_eq!((found.page, found.rows.clone()), (Some(0), Some(0..11)));
    assert_eq!(found.offset, Some(64));
    let text = found.to_string();
    assert!(text.starts_with("error: table all / 2026-11-20 / s-"), "{text}");
}

#[test]
fn strange_files_are_told_and_left_alone() {
    let storage = fixture::database();
    let segment = path_of(&storage, "/segment.meta").parent().expect("a directory");
    let strays = [
        RelPath::new("notes.txt").expect("sound"),
        RelPath::new("tables/all/readme").expect("sound"),
        RelPath::new("manifest/old").expect("sound"),
        RelPath::new("readers/x").expect("sound"),
        RelPath::new("staging/x").expect("sound"),
        segment.join("price.col").expect("sound"),
    ];
    for path in &strays {
        storage.create(path).expect("the name is free");
    }
    let report = run(&storage);
    let found: Vec<_> = report
        .findings
        .iter()
        .filter(|f| f.kind == FindingKind::Stray)
        .collect();
    assert_eq!(found.len(), strays.len(), "{found:#?}");
    assert!(found.iter().all(|f| f.severity == Severity::Warning));
    for path in &strays {
        assert!(storage.stamp(path).expect("memory").is_some());
    }
}

#[test]
fn a_segment_of_a_dead_process_is_an_orphan_and_of_a_living_one_a_note() {
    let storage = fixture::database();
    let orphan = RelPath::new("tables/all/2026-11-20/s-00000007-000001").expect("sound");
    storage.create_dir(&orphan).expect("the name is free");
    let severity = |storage: &MemoryStorage| {
        let report = run(storage);
        let found = report
            .findings
            .into_iter()
            .find(|f| f.kind == FindingKind::Orphan);
        found.map(|f| f.severity)
    };
    assert_eq!(severity(&storage), Some(Severity::Warning));
    let pin = RelPath::new("readers/00000007.pin").expect("sound");
    let _alive = storage
        .lock(&pin, crate::io::LockMode::Exclusive, false)
        .expect("memory");
    assert_eq!(severity(&storage), Some(Severity::Note));
}

#[test]
fn a_cut_in_the_log_is_an_error_and_an_unfinished_commit_a_note() {
    let storage = fixture::database();
    let path = path_of(&storage, ".log");
    let bytes = storage.read(&path, u64::MAX).expect("a file");
    put(&storage, &path, &[&bytes[..], &[9; 40]].concat());
    let report = run(&storage);
    assert!(report.is_clean(), "{:#?}", report.findings);
    assert!(report.findings.iter().any(|f| f.kind == FindingKind::LogTail));
    put(&storage, &path, &bytes[..bytes.len() - 1]);
    let report = run(&storage);
    let found = report.findings.iter().find(|f| f.kind == FindingKind::Log);
    assert!(found.expect("an error").message.contains("was durable up to"));
    // What the log still says is checked all the same.
    assert!(report.segments > 0);
}

/// Once every live segment was called an orphan that the garbage collection removes, and the intact checkpoint of a
/// snapshot unnamed: whoever read that deleted good data.
#[test]
fn while_the_manifest_is_damaged_nothing_is_called_superfluous() {
    let flip = |name: &str, at: fn(usize) -> usize| {
        let storage = fixture::database();
        let path = path_of(&storage, name);
        let mut bytes = storage.read(&path, u64::MAX).expect("a file");
        let at = at(bytes.len());
        bytes[at] ^= 1;
        put(&storage, &path, &bytes);
        run(&storage)
    };
    let reports = [
        flip(".log", |len| len * 2 / 3),
        flip(".log", |_| 70),
        flip(".log", |_| 3),
        flip("manifest/CURRENT", |_| 9),
    ];
    for report in reports {
        assert!(report.count(Severity::Error) > 0);
        assert_eq!(report.count(Severity::Warning), 0, "{:#?}", report.findings);
        let notes: Vec<_> = report
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Note && f.kind != FindingKind::Current)
            .collect();
        assert_eq!(notes.len(), 1, "{notes:#?}");
        assert!(notes[0].message.ends_with("delete nothing"), "{notes:#?}");
    }
}

#[test]
fn a_torn_log_without_lock_keeps_its_orphans_unnamed() {
    let storage = fixture::database();
    let path = path_of(&storage, ".log");
    let bytes = storage.read(&path, u64::MAX).expect("a file");
    put(&storage, &path, &bytes[..bytes.len() - 1]);
    let lock = RelPath::new("manifest/LOCK").expect("sound");
    storage.remove_file(&lock).expect("it is there");
    let orphan = RelPath::new("tables/all/2026-11-20/s-00000007-000001").expect("sound");
    storage.create_dir(&orphan).expect("the name is free");
    let report = run(&storage);
    let mut orphans = report.findings.iter().filter(|f| f.kind == FindingKind::Orphan);
    assert!(
        orphans
            .next()
            .is_some_and(|f| f.message.ends_with("delete nothing"))
    );
    assert!(orphans.next().is_none());
}

#[test]
fn a_newer_format_is_unsupported_and_not_damage() {
    let storage = fixture::database();
    let path = RelPath::new("GAPLESS").expect("sound");
    let mut identity = gapless_format::Identity::new(7);
    identity.major += 1;
    put(&storage, &path, &identity.encode());
    let report = run(&storage);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].kind, FindingKind::Unsupported);
}

#[test]
fn a_directory_that_is_no_database_is_refused_and_an_unknown_table_too() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let error = check(&storage, &CheckOptions::default()).expect_err("nothing is there");
    assert_eq!(error.kind(), crate::ErrorKind::Invalid);
    let storage: Arc<dyn Storage> = Arc::new(fixture::database());
    let options = CheckOptions {
        table: Some("nope".into()),
        ..CheckOptions::default()
    };
    let error = check(&storage, &options).expect_err("there is no such table");
    assert_eq!(error.kind(), crate::ErrorKind::NotFound);
}

#[test]
fn one_table_alone_can_be_checked() {
    let storage: Arc<dyn Storage> = Arc::new(fixture::database());
    let told = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let options = CheckOptions {
        table: Some("quote".into()),
        progress: Some(Arc::new(move |_, total| {
            count.store(total, std::sync::atomic::Ordering::Relaxed);
        })),
    };
    let report = check(&storage, &options).expect("a database");
    assert_eq!(report.rows, 9);
    assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), report.segments);
}

#[test]
fn the_check_runs_beside_writers_and_leaves_no_pin() {
    let storage = fixture::database();
    let db = fixture::open(&storage, Mode::ReadWrite).expect("a database");
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let spec = crate::TableSpec::new(
                    "busy",
                    arrow_schema::Schema::new(vec![arrow_schema::Field::new(
                        "ts",
                        arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, None),
                        false,
                    )]),
                )
                .time("ts");
                let table = db.create_table(&spec).expect("the name is free");
                let times = arrow_array::TimestampNanosecondArray::from_iter_values(0..50);
                let column: arrow_array::ArrayRef = Arc::new(times);
                let batch = arrow_array::RecordBatch::try_from_iter([("ts", column)]).expect("one column");
                table.write([batch]).expect("rows are written");
                db.drop_table("busy").expect("the table is there");
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
    drop(db);
    let pins = storage
        .list(&RelPath::new("readers").expect("sound"))
        .expect("a directory");
    assert!(pins.is_empty(), "{pins:?}");
}

/// Once told only for the first domain: the cut falls between two frames, where every frame left is sound.
#[test]
fn a_symbol_file_cut_between_two_frames_is_an_error_in_every_domain() {
    let storage = fixture::database();
    for name in ["symbols/sym.sym", "symbols/venues.sym"] {
        let path = RelPath::new(name).expect("sound");
        let bytes = storage.read(&path, u64::MAX).expect("a file");
        let (_, header) = gapless_format::SymbolFileHeader::decode(&bytes).expect("sound");
        put(&storage, &path, &bytes[..header]);
        let report = run(&storage);
        let found = report.findings.iter().find(|f| f.file.as_deref() == Some(name));
        assert_eq!(
            found.map(|f| (f.kind, f.severity)),
            Some((FindingKind::Symbols, Severity::Error))
        );
        put(&storage, &path, &bytes);
    }
}
