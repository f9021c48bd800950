//! What the engine has written since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes since the database was opened by this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteStats {
    /// Rows that were streamed, as they lie in memory.
    pub streamed_bytes: u64,
    /// Records in the log.
    pub wal_bytes: u64,
    /// Segments made of streamed rows.
    pub flushed_bytes: u64,
    /// Segments of bulk commits.
    pub bulk_bytes: u64,
    /// Segments made of other segments.
    pub compacted_bytes: u64,
}

impl WriteStats {
    /// Bytes written to the disk for each byte of data; `None` without data.
    pub fn write_amplification(&self) -> Option<f64> {
        let data = self.streamed_bytes + self.bulk_bytes;
        let written = self.wal_bytes + self.flushed_bytes + self.bulk_bytes + self.compacted_bytes;
        (data > 0).then(|| written as f64 / data as f64)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    streamed: AtomicU64,
    flushed: AtomicU64,
    bulk: AtomicU64,
    compacted: AtomicU64,
}

impl Counters {
    pub(crate) fn note_flushed(&self, written: u64, streamed: u64) {
        self.flushed.fetch_add(written, Ordering::Relaxed);
        self.streamed.fetch_add(streamed, Ordering::Relaxed);
    }

    pub(crate) fn note_bulk(&self, written: u64) {
        self.bulk.fetch_add(written, Ordering::Relaxed);
    }

    pub(crate) fn note_compacted(&self, written: u64) {
        self.compacted.fetch_add(written, Ordering::Relaxed);
    }

    /// The counts; `unflushed` bytes are streamed and still in memory, `wal_bytes` were logged.
    pub(crate) fn stats(&self, unflushed: u64, wal_bytes: u64) -> WriteStats {
        WriteStats {
            streamed_bytes: self.streamed.load(Ordering::Relaxed) + unflushed,
            wal_bytes,
            flushed_bytes: self.flushed.load(Ordering::Relaxed),
            bulk_bytes: self.bulk.load(Ordering::Relaxed),
            compacted_bytes: self.compacted.load(Ordering::Relaxed),
        }
    }
}
