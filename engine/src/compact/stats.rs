//! How many bytes the engine has written for how many it was given.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes written since the database was opened in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MaintenanceStats {
    /// Bytes of the segments in which rows were first stored: by bulk commits and flushes.
    pub flushed_bytes: u64,
    /// Bytes of the segments that maintenance has written.
    pub compacted_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Bytes of the rows that were given: as many as their plain columns have.
    pub ingested_bytes: u64,
}

impl MaintenanceStats {
    /// Bytes written for each byte given; `None` before anything was given.
    pub fn write_amplification(&self) -> Option<f64> {
        let written = self.flushed_bytes + self.compacted_bytes + self.wal_bytes;
        #[expect(clippy::cast_precision_loss, reason = "a ratio to be read by people")]
        let ratio = written as f64 / self.ingested_bytes as f64;
        (self.ingested_bytes > 0).then_some(ratio)
    }
}

/// The counters behind [`MaintenanceStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    flushed: AtomicU64,
    compacted: AtomicU64,
    wal: AtomicU64,
    ingested: AtomicU64,
}

impl Counters {
    /// A bulk commit has written rows into segments of `bytes`.
    pub(crate) fn bulk(&self, bytes: u64) {
        self.flushed.fetch_add(bytes, Ordering::Relaxed);
        self.ingested.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A flush has written segments.
    #[expect(dead_code, reason = "called by the streams")]
    pub(crate) fn flushed(&self, bytes: u64) {
        self.flushed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Maintenance has written segments.
    pub(crate) fn compacted(&self, bytes: u64) {
        self.compacted.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Rows of `ingested` bytes were appended, which took `wal` bytes of the log.
    #[expect(dead_code, reason = "called by the streams")]
    pub(crate) fn appended(&self, ingested: u64, wal: u64) {
        self.ingested.fetch_add(ingested, Ordering::Relaxed);
        self.wal.fetch_add(wal, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> MaintenanceStats {
        MaintenanceStats {
            flushed_bytes: self.flushed.load(Ordering::Relaxed),
            compacted_bytes: self.compacted.load(Ordering::Relaxed),
            wal_bytes: self.wal.load(Ordering::Relaxed),
            ingested_bytes: self.ingested.load(Ordering::Relaxed),
        }
    }
}
