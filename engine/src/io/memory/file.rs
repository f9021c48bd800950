//! Files in memory: their bytes, their locks, and the handles on them.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex, RwLock};

use super::super::real::{beyond_end, checked_len};
use super::super::{FileLock, LockMode, ReadableFile, Region, RelPath, WritableFile};
use super::NodeId;
use crate::error::{Error, Result};

/// One file. Handles keep it alive when its name is gone.
#[derive(Debug)]
pub(in super::super) struct FileNode {
    pub(in super::super) id: NodeId,
    /// Shared with the copies of the file system; copied when written.
    content: RwLock<Arc<Vec<u8>>>,
    holders: Mutex<Holders>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct Holders {
    exclusive: bool,
    shared: usize,
}

impl FileNode {
    pub(in super::super) fn new(id: NodeId, content: Arc<Vec<u8>>) -> Self {
        let content = RwLock::new(content);
        Self {
            id,
            content,
            holders: Mutex::default(),
            released: Condvar::new(),
        }
    }

    pub(in super::super) fn content(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.content.read())
    }

    pub(in super::super) fn len(&self) -> u64 {
        self.content.read().len() as u64
    }

    /// Writes `bytes` at `offset`; a hole before it reads as zeros.
    pub(in super::super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        overwrite(Arc::make_mut(&mut self.content.write()), offset, bytes)
    }

    pub(in super::super) fn truncate(&self, len: u64) {
        let mut content = self.content.write();
        Arc::make_mut(&mut content).truncate(usize::try_from(len).unwrap_or(usize::MAX));
    }

    pub(in super::super) fn read_at(&self, path: &RelPath, offset: u64, buf: &mut [u8]) -> Result<()> {
        if buf.is_empty() {
            return Ok(());
        }
        let content = self.content.read();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buf.len());
        let bytes = content.get(start..end).ok_or_else(|| {
            let found = content.len();
            Error::corrupt(format!(
                "memory:{path} ends at byte {found}, expected at least {end}"
            ))
        })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    /// Takes the lock of the file for `path`; `None` when it is held and `wait` is false.
    pub(in super::super) fn lock(
        self: &Arc<Self>,
        path: &RelPath,
        mode: LockMode,
        wait: bool,
    ) -> Option<MemoryLock> {
        self.hold(mode, wait).then(|| MemoryLock {
            node: Arc::clone(self),
            path: path.clone(),
            mode: Mutex::new(Some(mode)),
            read_only: false,
        })
    }

    /// One more holder; false when the lock is held and `wait` is false.
    fn hold(&self, mode: LockMode, wait: bool) -> bool {
        let mut holders = self.holders.lock();
        while holders.exclusive || (mode == LockMode::Exclusive && holders.shared > 0) {
            if !wait {
                return false;
            }
            self.released.wait(&mut holders);
        }
        match mode {
            LockMode::Exclusive => holders.exclusive = true,
            LockMode::Shared => holders.shared += 1,
        }
        true
    }
}

/// Writes `bytes` into `content` at `offset`, as `pwrite` does.
pub(in super::super) fn overwrite(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) -> Result<()> {
    let too_long = || Error::io("a file in memory would pass the address space");
    let start = usize::try_from(offset).map_err(|_| too_long())?;
    let end = start.checked_add(bytes.len()).ok_or_else(too_long)?;
    if bytes.is_empty() {
        return Ok(());
    }
    if content.len() < end {
        content.try_reserve(end - content.len()).map_err(|_| too_long())?;
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
    Ok(())
}

/// A held lock of a file in memory.
#[derive(Debug)]
pub(in super::super) struct MemoryLock {
    pub(in super::super) node: Arc<FileNode>,
    path: RelPath,
    /// `None` while it is released.
    mode: Mutex<Option<LockMode>>,
    pub(super) read_only: bool,
}

impl MemoryLock {
    fn let_go(&self) {
        let Some(mode) = self.mode.lock().take() else {
            return;
        };
        let mut holders = self.node.holders.lock();
        match mode {
            LockMode::Exclusive => holders.exclusive = false,
            LockMode::Shared => holders.shared -= 1,
        }
        drop(holders);
        self.node.released.notify_all();
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl FileLock for MemoryLock {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.node.read_at(&self.path, offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        if self.read_only {
            return Err(Error::invalid(format!(
                "cannot write memory:{}: opened read-only",
                self.path
            )));
        }
        self.node.write(offset, bytes)
    }

    fn truncate(&self, len: u64) -> Result<()> {
        if self.read_only {
            return Err(Error::invalid(format!(
                "cannot cut memory:{}: opened read-only",
                self.path
            )));
        }
        self.node.truncate(len);
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        Ok(self.node.len())
    }

    fn release(&self) -> Result<()> {
        self.let_go();
        Ok(())
    }

    fn acquire(&self, mode: LockMode, wait: bool) -> Result<bool> {
        let is_held = self.node.hold(mode, wait);
        if is_held {
            *self.mode.lock() = Some(mode);
        }
        Ok(is_held)
    }

    fn path(&self) -> &RelPath {
        &self.path
    }

    fn identity(&self) -> u64 {
        self.node.id
    }
}

/// A file in memory, opened for reading.
#[derive(Debug)]
pub(super) struct MemoryReadable {
    pub(super) node: Arc<FileNode>,
    pub(super) path: RelPath,
    pub(super) len: u64,
}

impl ReadableFile for MemoryReadable {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.node.read_at(&self.path, offset, buf)
    }

    fn map(&self) -> Result<Region> {
        let content = self.node.content();
        let len = checked_len(&self.path, self.len, u64::MAX)?;
        let bytes = content.get(..len).ok_or_else(|| {
            let (path, found) = (&self.path, content.len());
            Error::corrupt(format!("memory:{path} ends at byte {found}, expected {len}"))
        })?;
        Region::copy_of(bytes)
    }
}

/// A file in memory, opened for writing.
#[derive(Debug)]
pub(super) struct MemoryWritable {
    pub(super) node: Arc<FileNode>,
    pub(super) path: RelPath,
    pub(super) len: u64,
}

impl WritableFile for MemoryWritable {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.node.write(self.len, bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        check_within(
            "write",
            &self.path,
            offset.saturating_add(bytes.len() as u64),
            self.len,
        )?;
        self.node.write(offset, bytes)
    }

    fn truncate(&mut self, len: u64) -> Result<()> {
        check_within("truncate", &self.path, len, self.len)?;
        self.node.truncate(len);
        self.len = len;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn refresh_len(&mut self) -> Result<u64> {
        self.len = self.node.len();
        Ok(self.len)
    }
}

/// Only `append` makes a file longer.
pub(in super::super) fn check_within(operation: &str, path: &RelPath, end: u64, len: u64) -> Result<()> {
    if end > len {
        Err(beyond_end(operation, path, end, len))
    } else {
        Ok(())
    }
}
