//! [`UnsyncedStorage`]: another storage with its syncs left out.

use std::sync::Arc;

use super::{DirEntry, FileLock, FileStamp, LockMode, ReadableFile, RelPath, Storage, WritableFile};
use crate::error::Result;

/// A storage whose syncs do nothing. Survives the end of the process, but neither an OS crash nor a power cut:
/// for tests, benches and data that can be fetched again.
#[derive(Clone, Debug)]
pub struct UnsyncedStorage(Arc<dyn Storage>);

impl UnsyncedStorage {
    /// `inner` without its syncs.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self(inner)
    }
}

impl Storage for UnsyncedStorage {
    fn create(&self, path: &RelPath) -> Result<Box<dyn WritableFile>> {
        Ok(Box::new(UnsyncedFile(self.0.create(path)?)))
    }
    fn append_to(&self, path: &RelPath) -> Result<Box<dyn WritableFile>> {
        Ok(Box::new(UnsyncedFile(self.0.append_to(path)?)))
    }
    fn open(&self, path: &RelPath) -> Result<Arc<dyn ReadableFile>> {
        self.0.open(path)
    }
    fn read(&self, path: &RelPath, limit: u64) -> Result<Vec<u8>> {
        self.0.read(path, limit)
    }
    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        self.0.rename(from, to)
    }
    fn remove_file(&self, path: &RelPath) -> Result<()> {
        self.0.remove_file(path)
    }
    fn remove_dir(&self, path: &RelPath) -> Result<()> {
        self.0.remove_dir(path)
    }
    fn create_dir(&self, path: &RelPath) -> Result<()> {
        self.0.create_dir(path)
    }
    fn sync_dir(&self, _path: &RelPath) -> Result<()> {
        Ok(())
    }
    fn list(&self, path: &RelPath) -> Result<Vec<DirEntry>> {
        self.0.list(path)
    }
    fn stamp(&self, path: &RelPath) -> Result<Option<FileStamp>> {
        self.0.stamp(path)
    }
    fn lock(&self, path: &RelPath, mode: LockMode, wait: bool) -> Result<Option<Box<dyn FileLock>>> {
        self.0.lock(path, mode, wait)
    }
    fn lock_path_is(&self, lock: &dyn FileLock) -> Result<bool> {
        self.0.lock_path_is(lock)
    }
    fn is_read_only(&self) -> bool {
        self.0.is_read_only()
    }
    fn identity(&self) -> (u64, u64) {
        self.0.identity()
    }
}

#[derive(Debug)]
struct UnsyncedFile(Box<dyn WritableFile>);

impl WritableFile for UnsyncedFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.append(bytes)
    }
    fn append_with_space(&mut self, bytes: &[u8], space: usize) -> Result<usize> {
        self.0.append_with_space(bytes, space)
    }
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.0.write_at(offset, bytes)
    }
    fn truncate(&mut self, len: u64) -> Result<()> {
        self.0.truncate(len)
    }
    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
    fn len(&self) -> u64 {
        self.0.len()
    }
    fn refresh_len(&mut self) -> Result<u64> {
        self.0.refresh_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::FaultyStorage;

    #[test]
    fn everything_passes_through_but_the_syncs() -> Result<()> {
        let inner = FaultyStorage::new();
        let storage = UnsyncedStorage::new(Arc::new(inner.clone()));
        let path = RelPath::new("f")?;
        let mut file = storage.create(&path)?;
        file.append(b"1")?;
        file.sync()?;
        storage.sync_dir(&RelPath::root())?;
        assert_eq!(storage.read(&path, 9)?, b"1");
        assert_eq!(inner.op_log(), ["1 create f", "2 append 1 bytes at 0 to f"]);
        assert_eq!(storage.identity(), inner.identity());
        Ok(())
    }
}
