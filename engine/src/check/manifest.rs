//! `manifest/`: which log is in use, every record of it, how far it was durable, and what snapshots keep.
//!
//! A damaged log is read up to the damage, and the layers below are checked against the version that stands there.

use std::sync::Arc;

use gapless_format::{
    Current, EditItem, FormatError, HEADER_LEN, LogHeader, RecordBody, RecordOutcome, Tail, decode_record,
};

use super::finding::{Finding, FindingKind, Sink};
use super::source::Source;
use crate::error::{ErrorKind, Result};
use crate::io::{EntryKind, RelPath};
use crate::manifest::{Version, log};

/// A log that is switched while it is read is read again this often.
const SWITCH_RETRIES: usize = 20;
/// Largest CURRENT or LOCK that is read.
const SMALL_FILE_MAX: u64 = 4096;

/// What the manifest says, as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct ManifestView {
    /// The newest version that can be read.
    pub(super) version: Option<Arc<Version>>,
    /// Number of the log it was read from.
    pub(super) log: Option<u64>,
    /// The database's id, from the identity or else from the log.
    pub(super) database: Option<u128>,
    /// The versions of named snapshots.
    pub(super) snapshots: Vec<(String, Arc<Version>)>,
    /// CURRENT or the log did not read to the durable length. What `version` does not name may be live all the same.
    pub(super) is_damaged: bool,
}

/// Checks the whole manifest.
pub(super) fn check(source: &Source<'_>, database: Option<u128>, sink: &Sink) -> ManifestView {
    let current = RelPath::from_static("manifest/CURRENT");
    let stamp = || source.storage.stamp(&current).ok().flatten();
    for _ in 0..SWITCH_RETRIES {
        let (before, attempt) = (stamp(), Sink::default());
        let mut view = active_log(source, database, &attempt);
        check_snapshots(source, &mut view, &attempt);
        // A writer may have switched logs or dropped a snapshot meanwhile: what was found then means nothing.
        let moved = stamp() != before || has_moved_on(source, &view);
        if attempt.len() == 0 || !moved {
            let (found, _) = attempt.into_found();
            found.into_iter().for_each(|finding| sink.add(finding));
            return view;
        }
    }
    active_log(source, database, sink)
}

/// Whether a commit was made after the view was read.
fn has_moved_on(source: &Source<'_>, view: &ManifestView) -> bool {
    let newest = view.database.and_then(|id| log::load(source.storage, id).ok());
    match (newest, &view.version) {
        (Some((newest, _)), Some(version)) => newest.number() != version.number(),
        _ => false,
    }
}

fn active_log(source: &Source<'_>, database: Option<u128>, sink: &Sink) -> ManifestView {
    let attempt = Sink::default();
    let mut view = read_active_log(source, database, &attempt);
    view.is_damaged |= view.version.is_none() || attempt.has_errors();
    let (found, _) = attempt.into_found();
    found.into_iter().for_each(|finding| sink.add(finding));
    view
}

fn read_active_log(source: &Source<'_>, database: Option<u128>, sink: &Sink) -> ManifestView {
    let tail = check_lock(source, sink);
    let Some(number) = check_current(source, sink).or_else(|| newest_log(source, sink)) else {
        return ManifestView {
            database,
            ..ManifestView::default()
        };
    };
    let mut view = ManifestView {
        log: Some(number),
        database,
        ..ManifestView::default()
    };
    let Ok(path) = log::log_path(number) else {
        return view;
    };
    let Some(bytes) = source.whole(&path, sink) else {
        return view;
    };
    view.database = check_header(&path, &bytes, number, database, sink);
    if let Some(tail) = tail
        && tail.log > number
    {
        sink.add(
            Finding::error(
                FindingKind::Current,
                format!(
                    "it names log {number}, but commits went to log {}: CURRENT is an older copy, or the newer log is \
                     gone; restore the newer one",
                    tail.log
                ),
            )
            .file(&RelPath::from_static("manifest/CURRENT")),
        );
    }
    let tail = tail.filter(|tail| tail.log == number);
    let replayed = replay(&path, readable(&path, &bytes, tail.as_ref(), sink), sink);
    check_end(&path, &bytes, &replayed, tail.as_ref(), sink);
    // Without LOCK, a torn end may have been durable.
    view.is_damaged = tail.is_none() && replayed.torn.is_some();
    view.version = replayed.version.map(Arc::new);
    view
}

/// The log without what a failed sync has left in it.
fn readable<'a>(path: &RelPath, bytes: &'a [u8], tail: Option<&Tail>, sink: &Sink) -> &'a [u8] {
    let Some(tail) = tail.filter(|tail| tail.suspect) else {
        return bytes;
    };
    sink.add(
        Finding::warning(
            FindingKind::SuspectTail,
            "the sync of the commit at this byte has failed; it is not read. The next commit starts a new log",
        )
        .file(path)
        .at(tail.committed_len),
    );
    let end = usize::try_from(tail.committed_len).unwrap_or(usize::MAX);
    bytes.get(..end).unwrap_or(bytes)
}

fn check_current(source: &Source<'_>, sink: &Sink) -> Option<u64> {
    let path = RelPath::from_static("manifest/CURRENT");
    let bytes = match source.storage.read(&path, SMALL_FILE_MAX) {
        Ok(bytes) => bytes,
        Err(error) => {
            sink.add(Finding::of_error(&path, &error));
            return None;
        }
    };
    match Current::decode(&bytes) {
        Ok(current) => Some(current.log),
        Err(error) => {
            sink.add(Finding::of_format(
                FindingKind::Current,
                &path,
                &error,
                "the database does not open: restore the file from a copy",
            ));
            None
        }
    }
}

/// The log with the greatest number, where CURRENT cannot say it.
fn newest_log(source: &Source<'_>, sink: &Sink) -> Option<u64> {
    let directory = log::directory();
    let entries = match source.storage.list(&directory) {
        Ok(entries) => entries,
        Err(error) => {
            sink.add(Finding::of_error(&directory, &error));
            return None;
        }
    };
    let logs = entries.iter().filter(|entry| entry.kind == EntryKind::File);
    let newest = logs.filter_map(|entry| log::log_number(&entry.name)).max();
    match newest.and_then(|number| log::log_path(number).ok()) {
        Some(path) => sink.add(
            Finding::note(
                FindingKind::Current,
                "CURRENT cannot be read; the check goes on with this log",
            )
            .file(&path),
        ),
        None => sink.add(
            Finding::error(
                FindingKind::Missing,
                "there is no log: nothing says what is live; restore the manifest from a copy",
            )
            .file(&directory),
        ),
    }
    newest
}

/// What LOCK says about the log. It is a lower bound only, so damage to it loses nothing by itself.
fn check_lock(source: &Source<'_>, sink: &Sink) -> Option<Tail> {
    let path = log::lock_path();
    let warn = |why: String| {
        let message = format!(
            "{why}; until the next commit writes it again, nothing tells whether the log was cut at its end"
        );
        sink.add(Finding::warning(FindingKind::Lock, message).file(&path));
    };
    let mut problem = String::new();
    // A committer writes it without asking readers: what is half written is whole a moment later.
    for _ in 0..3 {
        problem = match source.storage.read(&path, SMALL_FILE_MAX) {
            Ok(bytes) => match Tail::decode(&bytes) {
                Ok(tail) => return Some(tail),
                Err(error) => error.message,
            },
            Err(error) if error.kind() == ErrorKind::NotFound => "the file is missing".to_owned(),
            Err(error) => error.to_string(),
        };
        std::thread::yield_now();
    }
    warn(problem);
    None
}

fn check_header(
    path: &RelPath,
    bytes: &[u8],
    number: u64,
    database: Option<u128>,
    sink: &Sink,
) -> Option<u128> {
    let header = match LogHeader::decode(bytes) {
        Ok(header) => header,
        Err(error) => {
            sink.add(log_finding(path, &error));
            return database;
        }
    };
    let other_database = database.is_some_and(|database| database != header.database);
    if header.number != number || other_database {
        sink.add(
            Finding::error(
                FindingKind::Log,
                format!(
                    "it is log {} of database {:032x}, expected log {number} of {:032x}: a file of another database \
                     or an older copy was put here",
                    header.number,
                    header.database,
                    database.unwrap_or(header.database)
                ),
            )
            .file(path),
        );
    }
    database.or(Some(header.database))
}

fn log_finding(path: &RelPath, error: &FormatError) -> Finding {
    let advice = "what was committed from here on cannot be read: restore the file from a copy";
    Finding::of_format(FindingKind::Log, path, error, advice)
}

/// A log, applied record by record.
struct Replayed {
    version: Option<Version>,
    /// Bytes that are valid records.
    len: u64,
    /// What follows them is no record.
    torn: Option<String>,
}

fn replay(path: &RelPath, bytes: &[u8], sink: &Sink) -> Replayed {
    let mut replayed = Replayed {
        version: None,
        len: HEADER_LEN as u64,
        torn: None,
    };
    loop {
        let at = usize::try_from(replayed.len).unwrap_or(usize::MAX);
        let rest = bytes.get(at..).unwrap_or_default();
        let outcome = match decode_record(rest, replayed.len) {
            Ok(outcome) => outcome,
            Err(error) => {
                sink.add(log_finding(path, &error));
                return replayed;
            }
        };
        let (number, committed_at, body, len) = match outcome {
            RecordOutcome::End => return replayed,
            RecordOutcome::Torn { reason, .. } => {
                replayed.torn = Some(reason);
                return replayed;
            }
            RecordOutcome::Record {
                version,
                committed_at,
                body,
                len,
            } => (version, committed_at, body, len),
        };
        let before = replayed.version.as_ref();
        let problem = match apply(before, number, committed_at, body) {
            Ok(next) => {
                replayed.version = Some(next);
                replayed.len += len as u64;
                continue;
            }
            Err(problem) => problem,
        };
        let message = format!(
            "the record of version {number} does not apply: {problem}; what follows cannot be read, restore the file \
             from a copy"
        );
        sink.add(
            Finding::error(FindingKind::Log, message)
                .file(path)
                .at(replayed.len),
        );
        return replayed;
    }
}

fn apply(
    before: Option<&Version>,
    number: u64,
    committed_at: i64,
    body: RecordBody,
) -> Result<Version, String> {
    match (body, before) {
        (RecordBody::Checkpoint(checkpoint), None) => {
            Version::from_checkpoint(checkpoint).map_err(|error| error.to_string())
        }
        (RecordBody::Edit(items), Some(before)) if number == before.number() + 1 => {
            apply_edit(before, number, committed_at, &items)
        }
        (_, None) => Err("it is not a checkpoint, which the first record must be".to_owned()),
        (_, Some(before)) => Err(format!("it follows version {}", before.number())),
    }
}

fn apply_edit(
    before: &Version,
    number: u64,
    committed_at: i64,
    items: &[EditItem],
) -> Result<Version, String> {
    if committed_at <= before.committed_at() && before.number() > 0 {
        return Err(format!(
            "it was committed at {committed_at}, not after the version before ({})",
            before.committed_at()
        ));
    }
    before
        .apply(number, committed_at, items)
        .map_err(|error| error.to_string())
}

/// Tells damage from a commit that did not finish.
fn check_end(path: &RelPath, bytes: &[u8], replayed: &Replayed, tail: Option<&Tail>, sink: &Sink) {
    let at = replayed.len;
    if replayed.version.is_none() {
        let reason = replayed.torn.as_deref().unwrap_or("there is no record");
        let message =
            format!("the log holds no checkpoint, so nothing is known: {reason}; restore it from a copy");
        sink.add(Finding::error(FindingKind::Log, message).file(path).at(at));
        return;
    }
    let committed = tail.map_or(0, |tail| tail.committed_len);
    if at < committed {
        let reason = replayed
            .torn
            .as_deref()
            .unwrap_or("the log ends or stops making sense here");
        let message = format!(
            "the commit at this byte is damaged or missing: {reason}; the log was durable up to byte {committed}. \
             Restore the file from a copy"
        );
        sink.add(Finding::error(FindingKind::Log, message).file(path).at(at));
        return;
    }
    let Some(reason) = &replayed.torn else { return };
    let rest = usize::try_from(at)
        .ok()
        .and_then(|at| bytes.get(at..))
        .unwrap_or_default();
    if is_followed_by_a_record(rest) {
        let message = format!("the commit at this byte is damaged ({reason}), the one after it is whole");
        sink.add(Finding::error(FindingKind::Log, message).file(path).at(at));
    } else {
        let message = format!(
            "{} bytes of a commit that did not finish ({reason}); nobody was told that it happened, and the next \
             commit starts a new log",
            rest.len()
        );
        sink.add(Finding::note(FindingKind::LogTail, message).file(path).at(at));
    }
}

/// Whether the length of a record that is not valid leads to one that is.
fn is_followed_by_a_record(rest: &[u8]) -> bool {
    let len = rest
        .first_chunk()
        .map_or(0, |len| u32::from_le_bytes(*len) as usize);
    let next = rest.get(len..).unwrap_or_default();
    len > 0 && matches!(decode_record(next, 0), Ok(RecordOutcome::Record { .. }))
}

fn check_snapshots(source: &Source<'_>, view: &mut ManifestView, sink: &Sink) {
    let Some(version) = view.version.clone() else {
        return;
    };
    for (name, number) in version.snapshots() {
        if let Some(kept) = check_snapshot(source, name, number, view.database, sink) {
            view.snapshots.push((name.to_owned(), Arc::new(kept)));
        }
    }
}

fn check_snapshot(
    source: &Source<'_>,
    name: &str,
    number: u64,
    database: Option<u128>,
    sink: &Sink,
) -> Option<Version> {
    let path = log::snapshot_path(number).ok()?;
    let bytes = source.whole(&path, sink)?;
    let wrong = |offset: u64, why: &str| {
        let message = format!(
            "snapshot {name:?} of version {number} cannot be read: {why}; restore the file from a copy, or drop the \
             snapshot"
        );
        sink.add(
            Finding::error(FindingKind::Snapshot, message)
                .file(&path)
                .at(offset),
        );
    };
    match LogHeader::decode(&bytes) {
        Err(error) => wrong(error.offset, &error.message),
        Ok(header) if header.number != 0 || database.is_some_and(|id| id != header.database) => {
            wrong(12, &format!("it belongs to database {:032x}", header.database));
        }
        Ok(_) => {}
    }
    let replayed = replay(&path, &bytes, sink);
    match replayed.version {
        None => {
            wrong(
                replayed.len,
                replayed.torn.as_deref().unwrap_or("it holds no checkpoint"),
            );
            None
        }
        Some(version) => {
            if version.number() != number {
                wrong(
                    HEADER_LEN as u64,
                    &format!("it holds version {}", version.number()),
                );
            } else if let Some(reason) = &replayed.torn {
                wrong(replayed.len, reason);
            }
            Some(version)
        }
    }
}
