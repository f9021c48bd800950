//! Every file, byte by byte: a changed byte is found, and a scan never gives other rows.
//!
//! A sample of the bytes unless `GAPLESS_FLIPS=all`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::super::{CheckOptions, Severity, check};
use super::fixture::{self, files, put};
use crate::io::{MemoryStorage, RelPath, Storage};

/// Bytes whose change loses nothing, so that the check says at most a warning or a note.
fn why_harmless(path: &str, offset: usize, committed: &BTreeMap<String, usize>) -> Option<&'static str> {
    match path {
        "manifest/LOCK" => Some("LOCK is a lower bound that the next commit writes again"),
        _ if committed.get(path).is_some_and(|len| offset >= *len) => {
            Some("symbols that no commit names are cut or taken over by the next append")
        }
        _ => None,
    }
}

/// Committed lengths of the symbol files.
fn committed(storage: &MemoryStorage) -> BTreeMap<String, usize> {
    let db = fixture::open(&storage.read_only(), crate::Mode::Read).expect("a sound database");
    let version = db.version().expect("a sound manifest");
    let lens = version.domains().map(|domain| {
        let path = format!("symbols/{}.sym", domain.file);
        (path, domain.committed_len as usize)
    });
    lens.collect()
}

#[derive(Default)]
struct Tally {
    tried: AtomicUsize,
    detected: AtomicUsize,
    harmless: AtomicUsize,
    refused_by_scan: AtomicUsize,
}

impl Tally {
    fn one(counter: &AtomicUsize) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn print(&self, what: &str) {
        let get = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        println!(
            "{what}: {} tried, {} an error of the check, {} harmless; {} refused by open or scan, the others gave the \
             right rows",
            get(&self.tried),
            get(&self.detected),
            get(&self.harmless),
            get(&self.refused_by_scan)
        );
    }
}

fn stride(sampled: usize) -> usize {
    match std::env::var("GAPLESS_FLIPS").as_deref() {
        Ok("all") => 1,
        _ => sampled,
    }
}

/// Checks and scans one damaged database.
fn judge(storage: &MemoryStorage, path: &RelPath, what: &str, harmless: bool, rows: &Rows, tally: &Tally) {
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let read_only: Arc<dyn Storage> = Arc::new(storage.read_only());
        let report = check(&read_only, &CheckOptions::default());
        (report, fixture::read_all(&storage.read_only()))
    }));
    let (report, read) = looked.unwrap_or_else(|_| panic!("{path}: {what}: panicked"));
    Tally::one(&tally.tried);
    let report = report.unwrap_or_else(|error| panic!("{path}: {what}: {error}"));
    let name = path.to_string();
    let named = report
        .findings
        .iter()
        .any(|f| f.severity == Severity::Error && f.file.as_deref() == Some(&name));
    match (named, harmless) {
        (true, _) => Tally::one(&tally.detected),
        (false, true) => Tally::one(&tally.harmless),
        (false, false) => panic!("{path}: {what}: not found: {:#?}", report.findings),
    }
    match read {
        Ok(read) => assert!(read == *rows, "{path}: {what}: the scan gave other rows"),
        Err(_) => Tally::one(&tally.refused_by_scan),
    }
}

type Rows = Vec<(String, arrow_array::RecordBatch)>;

#[test]
fn a_changed_byte_of_any_file_is_an_error_or_harmless_and_never_other_rows() {
    let storage = fixture::database();
    let rows = fixture::read_all(&storage.read_only()).expect("a sound database");
    let committed = committed(&storage);
    let tally = Tally::default();
    let stride = stride(7);
    files(&storage)
        .par_iter()
        .enumerate()
        .for_each(|(at, (path, bytes))| {
            let storage = storage.deep_copy();
            for offset in (at % stride.min(bytes.len().max(1))..bytes.len()).step_by(stride) {
                let old = bytes[offset];
                let bit = 1 << ((offset + at) % 8);
                for new in [old ^ bit, 0x00, 0xff] {
                    if new == old {
                        continue;
                    }
                    let mut changed = bytes.clone();
                    changed[offset] = new;
                    put(&storage, path, &changed);
                    let harmless = why_harmless(path.as_str(), offset, &committed).is_some();
                    let what = format!("byte {offset}: {old:#04x} became {new:#04x}");
                    judge(&storage, path, &what, harmless, &rows, &tally);
                }
            }
        });
    tally.print("changed bytes");
    assert!(tally.tried.load(Ordering::Relaxed) > 1000);
}

#[test]
fn a_file_that_was_cut_is_an_error_at_any_length() {
    let storage = fixture::database();
    let rows = fixture::read_all(&storage.read_only()).expect("a sound database");
    let committed = committed(&storage);
    let tally = Tally::default();
    let stride = stride(7);
    files(&storage)
        .par_iter()
        .enumerate()
        .for_each(|(at, (path, bytes))| {
            let storage = storage.deep_copy();
            let lens = (at % stride.min(bytes.len().max(1))..bytes.len()).step_by(stride);
            let ends = bytes.len().checked_sub(1).into_iter().chain([0]);
            for len in lens.chain(ends).filter(|len| *len < bytes.len()) {
                put(&storage, path, &bytes[..len]);
                let harmless = why_harmless(path.as_str(), len, &committed).is_some();
                judge(&storage, path, &format!("cut to {len}"), harmless, &rows, &tally);
            }
            // Longer is wrong as well, but for files that grow.
            put(&storage, path, &[bytes.as_slice(), &[0; 3]].concat());
            let name = path.as_str();
            let grows = [".log", ".sym", ".lock", "/CREATE", "/LOCK"];
            let harmless = grows.iter().any(|end| name.ends_with(end));
            judge(&storage, path, "longer by 3", harmless, &rows, &tally);
        });
    tally.print("cut files");
}
