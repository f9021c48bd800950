//! `symbols/*.sym`: every frame, and what the manifest names of them. One frame is in memory at a time.

use std::collections::HashMap;
use std::sync::Arc;

use gapless_format::symbols::FRAME_HEADER_LEN;
use gapless_format::{DomainMeta, Frame, SymbolFileHeader, checksum, decode_frame, file_name};

use super::finding::{Finding, FindingKind, Sink};
use super::source::Source;
use crate::io::{ReadableFile, RelPath};
use crate::manifest::Version;
use crate::symbols;

/// Committed symbols of each domain.
pub(crate) type Counts = HashMap<String, u32>;

/// Longest header of a symbol file: its domain's name is bounded by what a file name can be.
const HEADER_LEN_MAX: u64 = 4096;

/// Checks every domain that a version names; gives how many symbols each has.
pub(super) fn check(
    source: &Source<'_>,
    version: &Version,
    snapshots: &[(String, Arc<Version>)],
    database: Option<u128>,
    sink: &Sink,
) -> Counts {
    let mut counts = Counts::new();
    for domain in version.domains() {
        counts.insert(domain.domain.clone(), domain.symbols);
        let kept: Vec<&DomainMeta> = snapshots
            .iter()
            .filter_map(|(_, version)| version.domain(&domain.domain))
            .collect();
        check_domain(source, domain, &kept, database, sink);
    }
    counts
}

/// A position between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Boundary {
    len: u64,
    symbols: u32,
    chain: u64,
}

impl Boundary {
    fn of(meta: &DomainMeta) -> Self {
        Self {
            len: meta.committed_len,
            symbols: meta.symbols,
            chain: meta.chain,
        }
    }
}

fn check_domain(
    source: &Source<'_>,
    meta: &DomainMeta,
    kept: &[&DomainMeta],
    database: Option<u128>,
    sink: &Sink,
) {
    let expected = file_name(&meta.domain).ok();
    let Some(path) = symbols::directory().join(&format!("{}.sym", meta.file)).ok() else {
        return;
    };
    if expected.as_ref() != Some(&meta.file) {
        let message = format!(
            "the manifest names this file for domain {:?}, expected {expected:?}",
            meta.domain
        );
        sink.add(Finding::error(FindingKind::Symbols, message).file(&path));
    }
    let Some(file) = source.open(&path, sink) else {
        return;
    };
    let Some(start) = check_header(source, &*file, &path, meta, database, sink) else {
        return;
    };
    let mut hashes: Vec<(u64, u32)> = Vec::new();
    let mut boundaries = vec![Boundary {
        len: start,
        symbols: 0,
        chain: gapless_format::symbols::CHAIN_START,
    }];
    let walked = walk(source, &*file, &path, start, |frame, end| {
        hashes.extend((frame.first_code..).zip(frame.symbols()).map(hash_and_code));
        boundaries.push(Boundary {
            len: end,
            symbols: frame.first_code.saturating_add(frame.count),
            chain: frame.chain,
        });
        true
    });
    let committed = Boundary::of(meta);
    let damaged = matches!(&walked, Err(stop) if stop.at < committed.len);
    match walked {
        // Damage where a commit has been, or the end of the file before it.
        Err(stop) if stop.at < committed.len => sink.add(stop.finding(&path)),
        Err(stop) => sink.add(
            Finding::note(
                FindingKind::SymbolsUncommitted,
                format!(
                    "an append that did not finish ({}); the next one cuts it off",
                    stop.reason()
                ),
            )
            .file(&path)
            .at(stop.at),
        ),
        Ok(()) => {}
    }
    if !damaged {
        check_boundaries(&path, &boundaries, committed, kept, sink);
    }
    check_twice(source, &*file, &path, start, hashes, sink);
}

fn hash_and_code((code, symbol): (u32, &str)) -> (u64, u32) {
    (checksum(symbol.as_bytes()), code)
}

fn check_header(
    source: &Source<'_>,
    file: &dyn ReadableFile,
    path: &RelPath,
    meta: &DomainMeta,
    database: Option<u128>,
    sink: &Sink,
) -> Option<u64> {
    let bytes = match source.range(file, 0..file.len().min(HEADER_LEN_MAX)) {
        Ok(bytes) => bytes,
        Err(error) => {
            sink.add(Finding::of_error(path, &error));
            return None;
        }
    };
    let (header, len) = match SymbolFileHeader::decode(&bytes) {
        Ok(decoded) => decoded,
        Err(error) => {
            sink.add(Finding::of_format(
                FindingKind::Symbols,
                path,
                &error,
                "codes of this domain cannot be read as text: restore the file from a copy",
            ));
            return None;
        }
    };
    if header.domain != meta.domain || database.is_some_and(|id| id != header.database) {
        let message = format!(
            "it holds domain {:?} of database {:032x}, expected {:?}: it was put here from elsewhere",
            header.domain, header.database, meta.domain
        );
        sink.add(Finding::error(FindingKind::Symbols, message).file(path));
    }
    Some(len as u64)
}

/// Why the walk over the frames ended early.
struct Stop {
    at: u64,
    error: gapless_format::FormatError,
}

impl Stop {
    fn reason(&self) -> &str {
        &self.error.message
    }

    fn finding(&self, path: &RelPath) -> Finding {
        let advice = "codes from here on cannot be read as text: restore the file from a copy";
        Finding::of_format(FindingKind::Symbols, path, &self.error, advice)
    }
}

/// Calls `visit` with each frame and the position behind it, until it says to stop.
fn walk(
    source: &Source<'_>,
    file: &dyn ReadableFile,
    path: &RelPath,
    start: u64,
    mut visit: impl FnMut(&Frame<'_>, u64) -> bool,
) -> Result<(), Stop> {
    let (mut at, mut code, mut chain) = (start, 0u32, gapless_format::symbols::CHAIN_START);
    while at < file.len() {
        let stop = |error| Stop { at, error };
        let io = |error: crate::error::Error| Stop {
            at,
            error: gapless_format::FormatError::corrupt(at, format!("{path}: {error}")),
        };
        let left = file.len() - at;
        let head = source
            .range(file, at..at + left.min(FRAME_HEADER_LEN as u64))
            .map_err(io)?;
        let field = |at: usize| {
            let bytes = head.get(at..at + 4).and_then(|bytes| bytes.first_chunk::<4>());
            u64::from(bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes)))
        };
        // Count and text length of the header; what they promise beyond the file is not reserved.
        let len = FRAME_HEADER_LEN as u64 + field(4) * 4 + field(8) + 8;
        let bytes = source.range(file, at..at + len.min(left)).map_err(io)?;
        let frame = decode_frame(&bytes, code, chain, at).map_err(stop)?;
        at += frame.len as u64;
        code = code.saturating_add(frame.count);
        chain = frame.chain;
        if !visit(&frame, at) {
            return Ok(());
        }
    }
    Ok(())
}

fn check_boundaries(
    path: &RelPath,
    boundaries: &[Boundary],
    committed: Boundary,
    kept: &[&DomainMeta],
    sink: &Sink,
) {
    let last = boundaries.last().copied();
    let reached = last.map_or(0, |last| last.len);
    if reached < committed.len {
        let message = format!(
            "the file ends with {} symbols at byte {reached}, committed were {} up to byte {}: it was cut; restore it \
             from a copy",
            last.map_or(0, |last| last.symbols),
            committed.symbols,
            committed.len
        );
        sink.add(
            Finding::error(FindingKind::Symbols, message)
                .file(path)
                .at(reached),
        );
    }
    for named in std::iter::once(committed).chain(kept.iter().map(|meta| Boundary::of(meta))) {
        if named.len <= reached && !boundaries.contains(&named) {
            let message = format!(
                "the manifest names {} symbols with chain {:#018x} up to byte {}, which is no end of a frame of this \
                 file: an older or another copy was put here",
                named.symbols, named.chain, named.len
            );
            sink.add(
                Finding::error(FindingKind::Symbols, message)
                    .file(path)
                    .at(named.len),
            );
        } else if named.len > reached && reached >= committed.len {
            let message = format!("a snapshot names bytes up to {}, more than is there", named.len);
            sink.add(
                Finding::error(FindingKind::Symbols, message)
                    .file(path)
                    .at(reached),
            );
        }
    }
    let beyond = last.filter(|last| last.len > committed.len);
    if let Some(last) = beyond {
        let message = format!(
            "{} symbols behind the committed length: appended by a write that is under way or did not commit; the next \
             one takes them over",
            last.symbols.saturating_sub(committed.symbols)
        );
        sink.add(
            Finding::note(FindingKind::SymbolsUncommitted, message)
                .file(path)
                .at(committed.len),
        );
    }
}

/// No symbol has two codes. Equal hashes are compared as text.
fn check_twice(
    source: &Source<'_>,
    file: &dyn ReadableFile,
    path: &RelPath,
    start: u64,
    mut hashes: Vec<(u64, u32)>,
    sink: &Sink,
) {
    hashes.sort_unstable();
    let suspects: Vec<u32> = hashes
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|group| group.len() > 1)
        .flat_map(|group| group.iter().map(|(_, code)| *code))
        .take(10_000)
        .collect();
    drop(hashes);
    if suspects.is_empty() {
        return;
    }
    let mut first_of: HashMap<String, u32> = HashMap::new();
    let wanted: std::collections::BTreeSet<u32> = suspects.into_iter().collect();
    let outcome = walk(source, file, path, start, |frame, _| {
        let last = frame.first_code.saturating_add(frame.count);
        for code in wanted.range(frame.first_code..last) {
            let symbol = frame.get((code - frame.first_code) as usize).unwrap_or_default();
            let first = *first_of.entry(symbol.to_owned()).or_insert(*code);
            if first != *code {
                let message = format!(
                    "codes {first} and {code} are the same symbol: rows of one series lie under two codes"
                );
                sink.add(Finding::error(FindingKind::SymbolTwice, message).file(path));
            }
        }
        true
    });
    drop(outcome);
}
