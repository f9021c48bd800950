//! What is known of the streams: whose they are, and what of them is not in segments yet.

use super::snapshot::Snapshot;
use crate::error::{ErrorKind, Result};
use crate::io::{LockMode, Storage};
use crate::stream::{first_lsn, lock_path, stream_path};

/// A stream: the write-ahead log of one writing process, and its rows that are not in segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its id, which names its directory below `wal/`.
    pub stream: u64,
    /// Whether it is the one that this process writes.
    pub is_own: bool,
    /// Whether its process lives. The stream of a dead one is flushed when the database is next opened to write.
    pub is_alive: bool,
    /// Bytes of its log that are still needed: what is not in segments.
    pub wal_bytes: u64,
    /// Rows of all tables in them.
    pub rows: u64,
    /// Bytes that these rows take in memory.
    pub memory_bytes: u64,
}

impl Snapshot {
    /// The streams that may hold rows outside of segments, by id.
    ///
    /// # Errors
    /// `Io` when a stream's directory cannot be read.
    pub fn streams(&self) -> Result<Vec<StreamInfo>> {
        let storage = &**self.engine().storage();
        let mut streams = Vec::new();
        for meta in self.version().streams() {
            let (rows, memory_bytes) = self.live().size_of(meta.stream);
            streams.push(StreamInfo {
                stream: meta.stream,
                is_own: self.engine().owns_stream(meta.stream),
                is_alive: is_alive(storage, meta.stream)?,
                wal_bytes: wal_bytes(storage, meta.stream, meta.checkpoint)?,
                rows,
                memory_bytes,
            });
        }
        Ok(streams)
    }

    /// Rows of a table that are streamed and not in segments yet.
    ///
    /// # Errors
    /// `NotFound`, listing the tables there are.
    pub fn unflushed_rows(&self, table: &str) -> Result<u64> {
        self.live().rows(self.table(table)?.meta().table)
    }

    /// Least and greatest time of the rows of a table that are streamed and not in segments yet; none of them is read.
    ///
    /// # Errors
    /// `NotFound`, listing the tables there are.
    pub fn unflushed_times(&self, table: &str) -> Result<Option<(i64, i64)>> {
        let table = self.table(table)?.meta().table;
        let blocks = self.live().blocks(table, &(i64::MIN..i64::MAX))?;
        let first = blocks.iter().map(|block| block.min_time).min();
        let last = blocks.iter().map(|block| block.max_time).max();
        Ok(first.zip(last))
    }
}

/// Whether somebody holds the stream. Its lock is neither made nor kept.
fn is_alive(storage: &dyn Storage, stream: u64) -> Result<bool> {
    let path = lock_path(stream)?;
    if storage.stamp(&path)?.is_none() {
        return Ok(false);
    }
    match storage.lock(&path, LockMode::Shared, false) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        lock => Ok(lock?.is_none()),
    }
}

fn wal_bytes(storage: &dyn Storage, stream: u64, checkpoint: u64) -> Result<u64> {
    let entries = match storage.list(&stream_path(stream)?) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let needed = entries
        .iter()
        .filter(|entry| first_lsn(&entry.name).is_some_and(|lsn| lsn >= checkpoint));
    Ok(needed.map(|entry| entry.len).sum())
}
