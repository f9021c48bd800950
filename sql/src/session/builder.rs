//! What a session may use.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use gapless_engine::{Database, Result};

use super::Session;
use super::context::Planner;
use super::runtime::Runtime;

/// Memory that statements may use together, unless told otherwise.
const MEMORY_BYTES_MAX: usize = 1 << 30;
/// Bytes that they may put on disk, unless told otherwise.
const SPILL_BYTES_MAX: u64 = 100 << 30;

/// What a [`Session`] may use.
#[derive(Debug, Clone)]
pub struct SessionBuilder {
    pub(super) database: Database,
    pub(super) threads: usize,
    pub(super) memory_bytes_max: usize,
    pub(super) spill_directory: Option<PathBuf>,
    pub(super) spill_bytes_max: u64,
    pub(super) files: bool,
    pub(super) snapshot: Option<String>,
    pub(super) native: bool,
}

impl SessionBuilder {
    pub(super) fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            memory_bytes_max: MEMORY_BYTES_MAX,
            spill_directory: None,
            spill_bytes_max: SPILL_BYTES_MAX,
            files: true,
            snapshot: None,
            native: true,
        }
    }

    /// Threads that statements run on; all cores unless told otherwise.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Memory that all statements of the session may use together for what they have to keep: sorts, groups, joins; 1 GiB unless
    /// told otherwise. What can be is put on disk when it is used up; the rest is refused (`Overloaded`). Rows that only pass
    /// through do not count.
    #[must_use]
    pub fn memory_bytes_max(mut self, bytes: usize) -> Self {
        self.memory_bytes_max = bytes;
        self
    }

    /// Where sorts, groups and joins that do not fit into memory are put; the system's directory for temporary files unless told
    /// otherwise.
    #[must_use]
    pub fn spill_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.spill_directory = Some(directory.into());
        self
    }

    /// Bytes that may be put there; 0 for none, 100 GiB unless told otherwise.
    #[must_use]
    pub fn spill_bytes_max(mut self, bytes: u64) -> Self {
        self.spill_bytes_max = bytes;
        self
    }

    /// Whether `COPY ... TO` may write files with the rights of this process; it may unless told otherwise. Turn it off for SQL of
    /// people who may not.
    #[must_use]
    pub fn files(mut self, allowed: bool) -> Self {
        self.files = allowed;
        self
    }

    /// Statements read the version that a named snapshot keeps, and none writes.
    #[must_use]
    pub fn as_of(mut self, snapshot: impl Into<String>) -> Self {
        self.snapshot = Some(snapshot.into());
        self
    }

    /// Whether the operators of gapless run what they can; they do unless told otherwise. Answers are the same: this is for tests
    /// that compare them, and for comparing times.
    #[doc(hidden)]
    #[must_use]
    pub fn native_operators(mut self, native: bool) -> Self {
        self.native = native;
        self
    }

    /// Opens the session.
    ///
    /// # Errors
    /// `NotFound` for the named snapshot; `Io` when threads cannot be started or the directory for spilling is not there.
    pub fn open(self) -> Result<Session> {
        let runtime = Runtime::new(self.threads)?;
        Ok(Session {
            runtime: Arc::new(runtime),
            planner: Arc::new(Planner::new(&self)?),
        })
    }
}
