//! Open files of a [`FaultyStorage`](super::FaultyStorage): live bytes in memory, changes recorded as pending.

use std::sync::Arc;

use super::super::memory::{FileNode, MemoryLock, check_within};
use super::super::real::with_space;
use super::super::{FileLock, LockMode, ReadableFile, Region, RelPath, WritableFile};
use super::disk::Pending;
use super::plan::{CallKind, Fault};
use super::storage::{Shared, Verdict, struck};
use crate::error::Result;

/// A file opened for writing.
#[derive(Debug)]
pub(super) struct FaultyWritable {
    shared: Arc<Shared>,
    node: Arc<FileNode>,
    path: RelPath,
    len: u64,
    sync_failed: bool,
}

impl FaultyWritable {
    pub(super) fn new(shared: Arc<Shared>, node: Arc<FileNode>, path: &RelPath, len: u64) -> Self {
        Self {
            shared,
            node,
            path: path.clone(),
            len,
            sync_failed: false,
        }
    }
}

/// Writes, if the plan lets it; half of the bytes if it does not.
fn write(
    shared: &Shared,
    node: &FileNode,
    offset: u64,
    bytes: &[u8],
    describe: impl FnOnce() -> String,
) -> Result<()> {
    let (mut state, verdict) = shared.begin(CallKind::Change, describe)?;
    let (part, outcome) = match verdict {
        Verdict::Proceed => (bytes, Ok(())),
        Verdict::Crash => (bytes, Err(struck(Fault::Crash))),
        Verdict::Fail(fault) => (&bytes[..bytes.len() / 2], Err(struck(fault))),
    };
    node.write(offset, part)?;
    state.disk.wrote(node.id, offset, part);
    outcome
}

impl WritableFile for FaultyWritable {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let (offset, path) = (self.len, &self.path);
        write(&self.shared, &self.node, offset, bytes, || {
            format!("append {} bytes at {offset} to {path}", bytes.len())
        })?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn append_with_space(&mut self, bytes: &[u8], space: usize) -> Result<usize> {
        let (offset, path) = (self.len, &self.path);
        if offset + bytes.len() as u64 <= self.node.len() {
            self.append(bytes)?;
            return Ok(bytes.len());
        }
        let padded = with_space(bytes, space);
        write(&self.shared, &self.node, offset, &padded, || {
            format!(
                "append {} bytes and {space} of space at {offset} to {path}",
                bytes.len()
            )
        })?;
        self.len += bytes.len() as u64;
        Ok(padded.len())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        check_within(
            "write",
            &self.path,
            offset.saturating_add(bytes.len() as u64),
            self.len,
        )?;
        let path = &self.path;
        write(&self.shared, &self.node, offset, bytes, || {
            format!("write {} bytes at {offset} into {path}", bytes.len())
        })
    }

    fn truncate(&mut self, len: u64) -> Result<()> {
        check_within("truncate", &self.path, len, self.len)?;
        let describe = || format!("truncate {} to {len}", self.path);
        let (mut state, verdict) = self.shared.begin(CallKind::Change, describe)?;
        if let Verdict::Fail(fault) = verdict {
            return Err(struck(fault));
        }
        self.node.truncate(len);
        state.disk.pending.push(Pending::Truncate {
            file: self.node.id,
            len,
        });
        if verdict == Verdict::Crash {
            return Err(struck(Fault::Crash));
        }
        self.len = len;
        Ok(())
    }

    /// A retry is let through, and noted: the tests are to see it.
    fn sync(&mut self) -> Result<()> {
        if self.sync_failed {
            self.shared.note_retried_sync(format!("sync {}", self.path));
        }
        let describe = || format!("sync {}", self.path);
        let (mut state, verdict) = self.shared.begin(CallKind::Sync, describe)?;
        let fault = match verdict {
            Verdict::Proceed => return state.disk.synced(self.node.id),
            Verdict::Crash => Fault::Crash,
            Verdict::Fail(fault) => fault,
        };
        if fault == Fault::LostSync {
            state.disk.lost(self.node.id);
        }
        self.sync_failed = true;
        Err(struck(fault))
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn refresh_len(&mut self) -> Result<u64> {
        self.shared.check_power()?;
        self.len = self.node.len();
        Ok(self.len)
    }
}

/// A file opened for reading. Its regions outlive the power, as memory of this process.
#[derive(Debug)]
pub(super) struct FaultyReadable {
    pub(super) inner: Arc<dyn ReadableFile>,
    pub(super) shared: Arc<Shared>,
}

impl ReadableFile for FaultyReadable {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.shared.check_power()?;
        self.inner.read_at(offset, buf)
    }

    fn map(&self) -> Result<Region> {
        self.shared.check_power()?;
        self.inner.map()
    }
}

/// A held lock.
#[derive(Debug)]
pub(super) struct FaultyLock {
    pub(super) inner: MemoryLock,
    pub(super) shared: Arc<Shared>,
}

impl FileLock for FaultyLock {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.shared.check_power()?;
        self.inner.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        write(&self.shared, &self.inner.node, offset, bytes, || {
            format!(
                "write {} bytes at {offset} into lock file {}",
                bytes.len(),
                self.path()
            )
        })
    }

    fn truncate(&self, len: u64) -> Result<()> {
        let describe = || format!("truncate lock file {} to {len}", self.path());
        let (mut state, verdict) = self.shared.begin(CallKind::Change, describe)?;
        if let Verdict::Fail(fault) = verdict {
            return Err(struck(fault));
        }
        self.inner.node.truncate(len);
        state.disk.pending.push(Pending::Truncate {
            file: self.inner.node.id,
            len,
        });
        if verdict == Verdict::Crash {
            return Err(struck(Fault::Crash));
        }
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        self.shared.check_power()?;
        self.inner.len()
    }

    /// Works without power, too: the process that held it is gone then.
    fn release(&self) -> Result<()> {
        self.inner.release()
    }

    fn acquire(&self, mode: LockMode, wait: bool) -> Result<bool> {
        self.shared.check_power()?;
        let is_held = self.inner.acquire(mode, wait)?;
        if let Err(error) = self.shared.check_power() {
            self.inner.release()?;
            return Err(error);
        }
        Ok(is_held)
    }

    fn path(&self) -> &RelPath {
        self.inner.path()
    }

    fn identity(&self) -> u64 {
        self.inner.identity()
    }
}
