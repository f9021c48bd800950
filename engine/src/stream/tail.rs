//! Follows the logs of other streams: what they commit is seen here without a message.

use std::collections::BTreeMap;
use std::sync::Arc;

use gapless_format::{StreamMeta, TableMeta, Tail as TailMark, WalHeader, WalItem, WalRecord};
use parking_lot::Mutex;

use super::codec;
use super::log::{self, LogEnd, LogReader};
use crate::clock::CommitClock;
use crate::error::{Error, ErrorKind, Result};
use crate::io::Storage;
use crate::memtable::{Memtable, Statements};

/// Tells what a table is that a record names; `None` for one that was dropped.
pub(crate) type TableOf<'a> = &'a dyn Fn(u32) -> Result<Option<Arc<TableMeta>>>;

/// The streams of other processes, as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    tails: Mutex<BTreeMap<u64, Tail>>,
}

impl Tails {
    /// Reads on in some streams. True when something was new.
    ///
    /// # Errors
    /// `Corrupt` with file and offset; `NotFound` when a file has gone that was needed: the caller's version is old.
    pub(crate) fn follow<'a>(
        &self,
        storage: &dyn Storage,
        clock: &CommitClock,
        database: u128,
        streams: impl Iterator<Item = &'a StreamMeta>,
        table_of: TableOf<'_>,
    ) -> Result<bool> {
        let mut tails = self.tails.lock();
        let mut kept = BTreeMap::new();
        let mut is_new = false;
        for meta in streams {
            let mut tail = tails
                .remove(&meta.stream)
                .unwrap_or_else(|| Tail::new(meta.stream, database));
            tail.skip_to(meta.checkpoint);
            is_new |= tail.follow(storage, clock, table_of)?;
            kept.insert(meta.stream, tail);
        }
        *tails = kept;
        Ok(is_new)
    }

    /// The memtables of a stream from a checkpoint on.
    pub(crate) fn view(&self, meta: &StreamMeta) -> Vec<Arc<Memtable>> {
        let tails = self.tails.lock();
        let Some(tail) = tails.get(&meta.stream) else {
            return Vec::new();
        };
        let live = tail.memtables.iter();
        live.filter(|memtable| memtable.start_lsn() >= meta.checkpoint)
            .cloned()
            .collect()
    }
}

/// One stream of another process.
#[derive(Debug)]
pub(crate) struct Tail {
    stream: u64,
    database: u128,
    /// First LSN of the file that is read.
    file: u64,
    next_lsn: u64,
    last_commit: i64,
    memtables: Vec<Arc<Memtable>>,
}

impl Tail {
    /// A stream of which nothing was read.
    pub(crate) fn new(stream: u64, database: u128) -> Self {
        Self {
            stream,
            database,
            file: 0,
            next_lsn: 0,
            last_commit: i64::MIN,
            memtables: Vec::new(),
        }
    }

    /// What lies before the checkpoint is in segments.
    pub(crate) fn skip_to(&mut self, checkpoint: u64) {
        self.memtables
            .retain(|memtable| memtable.start_lsn() >= checkpoint);
        if self.file < checkpoint {
            (self.file, self.next_lsn) = (checkpoint, checkpoint);
        }
    }

    /// What was read, by log file.
    pub(crate) fn memtables(&self) -> &[Arc<Memtable>] {
        &self.memtables
    }

    /// Reads whole records from where it is to the end of the log. True when there was one.
    ///
    /// # Errors
    /// `Corrupt` when the log is damaged, or ends before what its owner has made durable; also when a newer version
    /// does not need what is missing.
    pub(crate) fn follow(
        &mut self,
        storage: &dyn Storage,
        clock: &CommitClock,
        table_of: TableOf<'_>,
    ) -> Result<bool> {
        // Read before the log: what was durable by now is in it.
        let mark = read_mark(storage, self.stream)?;
        if mark.is_none() && storage.stamp(&log::stream_path(self.stream)?)?.is_none() {
            return Err(is_missing(self.stream));
        }
        let limit = mark.filter(|mark| mark.suspect).map(|mark| mark.committed_len);
        let durable = mark.map_or(0, |mark| mark.committed_len);
        let mut is_new = false;
        // What is torn was perhaps being written; if the file is whole by now, reading once more tells.
        for _ in 0..2 {
            let (found, torn) = self.read_on(storage, clock, limit, table_of)?;
            is_new |= found;
            match torn {
                None if self.next_lsn >= durable => return Ok(is_new),
                Some(_) if self.next_lsn >= durable && !self.has_later_file(storage)? => return Ok(is_new),
                _ => {}
            }
        }
        self.check_durable(storage, durable)?;
        Ok(is_new)
    }

    /// Reads what is there: whether something was, and why it does not go on.
    fn read_on(
        &mut self,
        storage: &dyn Storage,
        clock: &CommitClock,
        limit: Option<u64>,
        table_of: TableOf<'_>,
    ) -> Result<(bool, Option<String>)> {
        let mut is_new = false;
        loop {
            let header = WalHeader {
                stream: self.stream,
                first_lsn: self.file,
                database: self.database,
            };
            let Some(mut reader) = LogReader::open(storage, header, self.next_lsn)? else {
                return Ok((is_new, None));
            };
            let end = loop {
                if limit.is_some_and(|limit| reader.lsn() >= limit) {
                    return Ok((is_new, None));
                }
                match reader.next(|record| self.take(record, table_of))? {
                    Ok(()) => is_new = true,
                    Err(end) => break end,
                }
                self.next_lsn = reader.lsn();
            };
            clock.observe(self.last_commit);
            let next = log::file_path(self.stream, self.next_lsn)?;
            if self.next_lsn > self.file && storage.stamp(&next)?.is_some() {
                self.file = self.next_lsn;
                continue;
            }
            return Ok(match end {
                LogEnd::End => (is_new, None),
                LogEnd::Torn(reason) => (is_new, Some(format!("{}: {reason}", reader.name()))),
            });
        }
    }

    fn has_later_file(&self, storage: &dyn Storage) -> Result<bool> {
        let entries = storage.list(&log::stream_path(self.stream)?)?;
        let mut files = entries.iter().filter_map(|entry| log::first_lsn(&entry.name));
        Ok(files.any(|first_lsn| first_lsn > self.next_lsn))
    }

    /// Refuses a log that ends before what was durable.
    fn check_durable(&self, storage: &dyn Storage, durable: u64) -> Result<()> {
        if self.next_lsn >= durable {
            return Ok(());
        }
        let directory = log::stream_path(self.stream)?;
        let what = match storage.stamp(&log::file_path(self.stream, self.file)?)? {
            Some(_) => "its files were cut or damaged",
            None => "a file is missing",
        };
        Err(Error::corrupt(format!(
            "{directory} ends at LSN {}, but was durable up to {durable}: {what}. Restore them from a copy; `gapless dump \
             --wal` shows what is still readable, and `gapless recover --accept-loss` goes on with that",
            self.next_lsn
        )))
    }

    fn take(&mut self, record: &WalRecord<'_>, table_of: TableOf<'_>) -> Result<()> {
        let items = record.items().map_err(|error| {
            Error::from_format(&format!("the log of stream {:016x}", self.stream), &error)
        })?;
        let (mut rows, mut deletions, mut coverage) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            match item {
                WalItem::Rows(of_table) => {
                    if let Some(table) = table_of(of_table.table)? {
                        rows.push(
                            codec::decode_rows(&of_table, &table, record.commit).map_err(|error| {
                                error.context(format!("stream {:016x}, LSN {}", self.stream, record.lsn))
                            })?,
                        );
                    }
                }
                WalItem::Delete(mut deletion) => {
                    deletion.commit = record.commit;
                    if table_of(deletion.table)?.is_some() {
                        deletions.push(deletion);
                    }
                }
                WalItem::Coverage(range) => {
                    if table_of(range.table)?.is_some() {
                        coverage.push(range);
                    }
                }
            }
        }
        if self
            .memtables
            .last()
            .is_none_or(|memtable| memtable.start_lsn() != self.file)
        {
            self.memtables.push(Arc::new(Memtable::new(self.file)));
        }
        if let Some(memtable) = self.memtables.last() {
            // What other streams commit between two statements is not known here.
            let statements = Statements {
                coverage,
                join_after: i64::MAX,
            };
            memtable.apply(record.commit, rows, deletions, statements)?;
        }
        self.last_commit = record.commit;
        Ok(())
    }
}

/// The error of a stream whose directory has gone.
pub(crate) fn is_missing(stream: u64) -> Error {
    Error::corrupt(format!(
        "wal/{stream:016x} is missing, and with it every commit of that process that was in no segment yet. Restore it \
         from a copy; `gapless recover --accept-loss` goes on without it"
    ))
}

/// How far a log was durable when its owner last said so. It may be old: the mark itself is not synced.
pub(crate) fn read_mark(storage: &dyn Storage, stream: u64) -> Result<Option<TailMark>> {
    let bytes = match storage.read(&log::lock_path(stream)?, 4096) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    Ok(TailMark::decode(&bytes).ok().filter(|mark| mark.log == stream))
}
