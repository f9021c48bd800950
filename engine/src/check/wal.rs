//! `wal/`: the logs of the streams that the manifest names, from their checkpoints on.
//!
//! - Below a checkpoint, which is where a file begins, nothing is needed, so nothing is looked at.
//! - A torn end of the last file is a commit that did not finish, if it was not durable; anywhere else it is damage.
//! - A stream that flushes meanwhile is looked at again with its new checkpoint. One record is in memory at a time.
//!
//! Symbol codes and types are not compared with the tables: what a record says of a dropped table or column is not read.

use std::collections::HashSet;

use gapless_format::wal::{
    WAL_RECORD_HEADER_LEN, WalHeader, WalItem, WalOutcome, WalRecord, WalRows, decode_wal_record,
};
use gapless_format::{HEADER_LEN, StreamMeta, Tail};

use super::finding::{Finding, FindingKind, Sink};
use super::manifest::ManifestView;
use super::source::Source;
use super::strays;
use crate::error::Result;
use crate::io::{EntryKind, LockMode, ReadableFile, RelPath};
use crate::manifest::{Version, log};

/// A stream that moves its checkpoint while it is read is read again this often.
const FLUSH_RETRIES: usize = 20;

/// What to do about damage that a copy may heal.
const RESTORE: &str = "restore it from a copy, or the commits from here on are lost";

/// Checks the log of every stream, and names in `wal/` that are none.
pub(super) fn check(source: &Source<'_>, view: &ManifestView, sink: &Sink) {
    let root = RelPath::from_static("wal");
    let Some(version) = &view.version else {
        return;
    };
    for (path, entry) in strays::list(source, &root, sink) {
        match hex16(&entry.name).filter(|_| entry.kind == EntryKind::Directory) {
            Some(stream) if version.stream(stream).is_none() => {
                if !view.is_damaged && !is_alive(source, &path) && named(source, view, stream).is_none() {
                    let message =
                        "the log of a stream that no version names: it has ended, or it never committed";
                    sink.add(Finding::note(FindingKind::Leftover, message).file(&path));
                }
            }
            Some(_) => {}
            None => sink.add(strays::stray(&path, &entry)),
        }
    }
    for meta in version.streams() {
        if let Ok(directory) = root.join(&format!("{:016x}", meta.stream)) {
            check_stream(source, view, *meta, &directory, sink);
        }
    }
}

/// 16 lower-case hexadecimal digits.
fn hex16(text: &str) -> Option<u64> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let sound = text.len() == 16 && text.bytes().all(is_hex);
    u64::from_str_radix(text, 16).ok().filter(|_| sound)
}

/// Whether somebody holds the stream's lock. The file is neither made nor removed.
fn is_alive(source: &Source<'_>, directory: &RelPath) -> bool {
    let held = || -> Result<bool> {
        let path = directory.join("LOCK")?;
        if source.storage.stamp(&path)?.is_none() {
            return Ok(false);
        }
        Ok(source.storage.lock(&path, LockMode::Shared, false)?.is_none())
    };
    held().unwrap_or(true)
}

/// What the newest version says of a stream.
fn named(source: &Source<'_>, view: &ManifestView, stream: u64) -> Option<StreamMeta> {
    let newest = log::load(source.storage, view.database?).ok();
    newest.and_then(|(version, _)| Version::stream(&version, stream).copied())
}

fn check_stream(
    source: &Source<'_>,
    view: &ManifestView,
    mut meta: StreamMeta,
    directory: &RelPath,
    sink: &Sink,
) {
    for round in 0..=FLUSH_RETRIES {
        let attempt = Sink::default();
        check_files(source, view, &meta, directory, &attempt);
        if attempt.has_errors() && round < FLUSH_RETRIES && !view.is_damaged {
            // Files below the checkpoint go when it moves: what was missing then was rightly so.
            match named(source, view, meta.stream) {
                None => return,
                Some(newest) if newest != meta => {
                    meta = newest;
                    continue;
                }
                Some(_) => {}
            }
        }
        let (found, _) = attempt.into_found();
        found.into_iter().for_each(|finding| sink.add(finding));
        return;
    }
}

/// A log file by its name.
struct LogFile {
    path: RelPath,
    first_lsn: u64,
}

/// What `LOCK` says of a log: how far it was durable, and whether the rest is to be read.
fn check_mark(source: &Source<'_>, meta: &StreamMeta, directory: &RelPath, sink: &Sink) -> Tail {
    let unknown = Tail {
        log: meta.stream,
        committed_len: 0,
        suspect: false,
    };
    let Ok(path) = directory.join("LOCK") else {
        return unknown;
    };
    // Empty before the first sync; a log without it never had an owner that wrote.
    let bytes = source.storage.read(&path, 4096).unwrap_or_default();
    match Tail::decode(&bytes) {
        Ok(mark) if mark.log == meta.stream => {
            if mark.suspect {
                let message = format!(
                    "a sync of this log has failed: what is behind LSN {} is not read",
                    mark.committed_len
                );
                sink.add(Finding::warning(FindingKind::SuspectTail, message).file(&path));
            }
            return mark;
        }
        // Half of it may be written just now.
        _ if bytes.is_empty() || is_alive(source, directory) => {}
        Ok(_) => sink.add(Finding::warning(FindingKind::Lock, "it is of another stream").file(&path)),
        Err(error) => {
            let message = format!(
                "{}; nothing tells whether the log was cut at its end",
                error.message
            );
            sink.add(Finding::warning(FindingKind::Lock, message).file(&path));
        }
    }
    unknown
}

/// The files of a stream from its checkpoint on.
fn needed_files(source: &Source<'_>, checkpoint: u64, directory: &RelPath, sink: &Sink) -> Vec<LogFile> {
    let mut files = Vec::new();
    for (path, entry) in strays::list(source, directory, sink) {
        let is_file = entry.kind == EntryKind::File;
        let first_lsn = entry.name.strip_suffix(".wal").and_then(hex16);
        match first_lsn.filter(|_| is_file) {
            Some(first_lsn) => files.push(LogFile { path, first_lsn }),
            None if is_file && matches!(entry.name.as_str(), "LOCK" | "FLUSH") => {}
            None => sink.add(strays::stray(&path, &entry)),
        }
    }
    files.sort_by_key(|file| file.first_lsn);
    files.retain(|file| file.first_lsn >= checkpoint);
    files
}

fn check_files(
    source: &Source<'_>,
    view: &ManifestView,
    meta: &StreamMeta,
    directory: &RelPath,
    sink: &Sink,
) {
    if matches!(source.storage.stamp(directory), Ok(None)) {
        let message = format!(
            "the directory of a stream is missing: every commit of that process that was in no segment yet; {RESTORE}"
        );
        sink.add(Finding::error(FindingKind::Missing, message).file(directory));
        return;
    }
    // Before the files: what it says is in them then.
    let mark = check_mark(source, meta, directory, sink);
    let files = needed_files(source, meta.checkpoint, directory, sink);
    // Where the log must go on.
    let mut at = meta.checkpoint;
    let mut commit = None;
    for (index, file) in files.iter().enumerate() {
        if file.first_lsn > at && at >= mark.committed_len {
            sink.add(unreached(&file.path, at));
            return;
        }
        if file.first_lsn > at {
            sink.add(gap(&file.path, at, file.first_lsn));
        }
        let mut walk = Walk {
            source,
            view,
            mark: &mark,
            file,
            is_last: index + 1 == files.len(),
            commit,
            sink,
        };
        // The damage is told once; behind it the next file goes on.
        at = match walk.run(at.max(file.first_lsn)) {
            Some(end) => end,
            None => files.get(index + 1).map_or(u64::MAX, |next| next.first_lsn),
        };
        commit = walk.commit;
    }
    if at < mark.committed_len {
        let message = format!(
            "the log ends at LSN {at}, but was durable up to {}: it was cut, damaged or removed; {RESTORE}",
            mark.committed_len
        );
        sink.add(
            Finding::error(FindingKind::Wal, message).file(files.last().map_or(directory, |file| &file.path)),
        );
    }
}

/// A file behind what a loss of power has left of an earlier one.
fn unreached(path: &RelPath, at: u64) -> Finding {
    let message = format!(
        "the log ends at LSN {at}, and nothing says that this file was ever durable: after a loss of power its commits \
         were never acknowledged as durable and are not read; otherwise {RESTORE}"
    );
    Finding::warning(FindingKind::Wal, message).file(path)
}

fn gap(path: &RelPath, from: u64, to: u64) -> Finding {
    let message = format!("the log from LSN {from} to {to} is missing: a file was removed; {RESTORE}");
    Finding::error(FindingKind::Missing, message).file(path)
}

/// One file, record by record.
struct Walk<'a> {
    source: &'a Source<'a>,
    view: &'a ManifestView,
    mark: &'a Tail,
    file: &'a LogFile,
    is_last: bool,
    /// Commit time of the record before.
    commit: Option<i64>,
    sink: &'a Sink,
}

impl Walk<'_> {
    /// Checks the file from an LSN on; the LSN behind its last record, or `None` where damage hides it.
    fn run(&mut self, from: u64) -> Option<u64> {
        let file = self.source.open(&self.file.path, self.sink)?;
        match self.walk(&*file, from) {
            Ok(end) => end,
            Err(error) => {
                self.sink.add(Finding::of_error(&self.file.path, &error));
                None
            }
        }
    }

    fn walk(&mut self, file: &dyn ReadableFile, from: u64) -> Result<Option<u64>> {
        if !self.check_header(file)? {
            return Ok(self.is_last.then_some(from));
        }
        let mut lsn = from;
        let limit = self.mark.suspect.then_some(self.mark.committed_len);
        loop {
            if limit.is_some_and(|limit| lsn >= limit) {
                return Ok(Some(lsn));
            }
            let at = (lsn - self.file.first_lsn).saturating_add(HEADER_LEN as u64);
            let bytes = self.record_at(file, at)?;
            match decode_wal_record(&bytes, lsn, at) {
                Ok(WalOutcome::Record(record)) => {
                    self.record(&record, at);
                    lsn = lsn.saturating_add(record.len as u64);
                }
                Ok(WalOutcome::End) => return Ok(Some(lsn)),
                Ok(WalOutcome::Torn { reason, .. }) => return Ok(self.torn(file, at, lsn, &reason)),
                Err(error) => {
                    let finding = Finding::of_format(FindingKind::Wal, &self.file.path, &error, RESTORE);
                    self.sink.add(finding);
                    return Ok(None);
                }
            }
        }
    }

    /// The bytes of the record at an offset, as far as the file has them.
    fn record_at(&self, file: &dyn ReadableFile, at: u64) -> Result<arrow_buffer::Buffer> {
        let left = file.len().saturating_sub(at);
        if left == 0 {
            return Ok(arrow_buffer::Buffer::from_vec(Vec::<u8>::new()));
        }
        let head = left.min(WAL_RECORD_HEADER_LEN as u64);
        let header = self.source.range(file, at..at + head)?;
        let len = header.first_chunk().map_or(0, |len| u32::from_le_bytes(*len));
        self.source
            .range(file, at..at + left.min(u64::from(len).max(head)))
    }

    /// Whether there is a header; a last file may not have one yet.
    fn check_header(&self, file: &dyn ReadableFile) -> Result<bool> {
        let bytes = self.source.range(file, 0..file.len().min(HEADER_LEN as u64))?;
        let is_short = bytes.len() < HEADER_LEN;
        if self.is_last && (is_short || bytes.iter().all(|byte| *byte == 0)) {
            return Ok(false);
        }
        let path = &self.file.path;
        match WalHeader::decode(&bytes) {
            Ok(header) => {
                let expected = (self.mark.log, self.file.first_lsn);
                let other = self.view.database.is_some_and(|id| id != header.database);
                if (header.stream, header.first_lsn) != expected || other {
                    let message = format!(
                        "it is of stream {:016x} of database {:032x} from LSN {}: it was put here from elsewhere; {RESTORE}",
                        header.stream, header.database, header.first_lsn
                    );
                    self.sink
                        .add(Finding::error(FindingKind::Wal, message).file(path));
                }
                Ok(true)
            }
            Err(error) => {
                self.sink
                    .add(Finding::of_format(FindingKind::Wal, path, &error, RESTORE));
                Ok(false)
            }
        }
    }

    /// What stands at `at` is no record.
    fn torn(&self, file: &dyn ReadableFile, at: u64, lsn: u64, reason: &str) -> Option<u64> {
        let left = file.len().saturating_sub(at);
        let is_lost = lsn < self.mark.committed_len;
        let finding = if is_lost && !self.is_last {
            let message =
                format!("the commit at this byte is damaged ({reason}), and more files follow; {RESTORE}");
            Finding::error(FindingKind::Wal, message)
        } else if is_lost {
            let message = format!("the commit at this byte is damaged ({reason})");
            Finding::error(FindingKind::Wal, message)
        } else if self.is_followed(file, at, lsn).unwrap_or(false) {
            let message = format!(
                "the commit at this byte is damaged ({reason}), the one behind it is whole: after a loss of power this \
                 may be, where no sync had ended; otherwise {RESTORE}"
            );
            Finding::warning(FindingKind::Wal, message)
        } else {
            let message = format!("{left} bytes of a commit that did not finish ({reason})");
            Finding::note(FindingKind::WalTail, message)
        };
        self.sink.add(finding.file(&self.file.path).at(at));
        (self.is_last || !is_lost).then_some(lsn)
    }

    /// Whether the length of a record that is not valid leads to one that is.
    fn is_followed(&self, file: &dyn ReadableFile, at: u64, lsn: u64) -> Result<bool> {
        let left = file.len().saturating_sub(at);
        let header = self.source.range(file, at..at + left.min(4))?;
        let len = u64::from(header.first_chunk().map_or(0, |len| u32::from_le_bytes(*len)));
        if len < WAL_RECORD_HEADER_LEN as u64 || len >= left {
            return Ok(false);
        }
        let bytes = self.record_at(file, at + len)?;
        Ok(matches!(
            decode_wal_record(&bytes, lsn.saturating_add(len), at + len),
            Ok(WalOutcome::Record(_))
        ))
    }

    fn record(&mut self, record: &WalRecord<'_>, at: u64) {
        let wrong = |message: String| {
            let message = format!("the commit at LSN {}: {message}", record.lsn);
            let finding = Finding::error(FindingKind::Wal, message);
            self.sink.add(finding.file(&self.file.path).at(at));
        };
        if self.commit.is_some_and(|before| before >= record.commit) {
            wrong("its commit time is not behind that of the commit before".to_owned());
        }
        self.commit = Some(record.commit);
        let items = match record.items() {
            Ok(items) => items,
            Err(error) => {
                let finding = Finding::of_format(FindingKind::Wal, &self.file.path, &error, RESTORE);
                self.sink.add(finding);
                return;
            }
        };
        for item in &items {
            if let WalItem::Rows(rows) = item
                && let Err(problem) = check_rows(self.view, rows)
            {
                wrong(format!("rows of table id {}: {problem}; {RESTORE}", rows.table));
            }
        }
    }
}

/// Whether rows can be read as rows of their table.
fn check_rows(view: &ManifestView, rows: &WalRows<'_>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for column in &rows.columns {
        if !seen.insert(column.column_id) {
            return Err(format!("column id {} is there twice", column.column_id));
        }
        column.verify().map_err(|error| error.message)?;
    }
    let tables = view.version.iter().flat_map(|version| version.tables());
    let table = tables
        .map(|table| table.meta())
        .find(|table| table.table == rows.table);
    // Of a table that was dropped nothing is known.
    let Some(table) = table.filter(|_| rows.rows > 0) else {
        return Ok(());
    };
    let time = rows
        .columns
        .iter()
        .find(|column| column.column_id == table.time_column);
    match time {
        Some(time) if time.validity.is_none() => Ok(()),
        Some(_) => Err(format!("the time column of table {:?} has nulls", table.name)),
        None => Err(format!("there are no times for table {:?}", table.name)),
    }
}
