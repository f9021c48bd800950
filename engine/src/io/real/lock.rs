//! File locks of the operating system: `flock` on a descriptor of its own.
//!
//! `flock` belongs to the open file description. It excludes threads of one process from each other, is not lost when
//! some other descriptor of the file is closed (as POSIX record locks are), and ends with the process.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::super::{FileLock, LockMode, RelPath};
use super::failure::failure;
use crate::error::{Error, Result};

/// A file with a lock on it; closing the descriptor releases it.
#[derive(Debug)]
pub(super) struct RealLock {
    pub(super) file: File,
    pub(super) path: RelPath,
    pub(super) full_path: PathBuf,
    pub(super) identity: u64,
    pub(super) read_only: bool,
}

impl RealLock {
    fn flock(&self, operation: FlockOperation) -> rustix::io::Result<()> {
        loop {
            match flock(&self.file, operation) {
                Err(Errno::INTR) => {}
                other => return other,
            }
        }
    }
}

impl FileLock for RealLock {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.file
            .read_exact_at(buf, offset)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    let end = offset.saturating_add(buf.len() as u64);
                    let path = self.full_path.display();
                    Error::corrupt(format!("{path} ends before byte {end}"))
                }
                _ => failure("read", &self.full_path, error),
            })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        if self.read_only {
            let path = self.full_path.display();
            return Err(Error::invalid(format!("cannot write {path}: opened read-only")));
        }
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| failure("write", &self.full_path, error))
    }

    fn truncate(&self, len: u64) -> Result<()> {
        if self.read_only {
            let path = self.full_path.display();
            return Err(Error::invalid(format!("cannot cut {path}: opened read-only")));
        }
        self.file
            .set_len(len)
            .map_err(|error| failure("truncate", &self.full_path, error))
    }

    fn len(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        Ok(metadata
            .map_err(|error| failure("stat", &self.full_path, error))?
            .len())
    }

    fn release(&self) -> Result<()> {
        self.flock(FlockOperation::Unlock)
            .map_err(|errno| failure("unlock", &self.full_path, errno))
    }

    fn acquire(&self, mode: LockMode, wait: bool) -> Result<bool> {
        let operation = match (mode, wait) {
            (LockMode::Exclusive, true) => FlockOperation::LockExclusive,
            (LockMode::Exclusive, false) => FlockOperation::NonBlockingLockExclusive,
            (LockMode::Shared, true) => FlockOperation::LockShared,
            (LockMode::Shared, false) => FlockOperation::NonBlockingLockShared,
        };
        match self.flock(operation) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) if !wait => Ok(false),
            Err(errno) => Err(failure("lock", &self.full_path, errno)),
        }
    }

    fn path(&self) -> &RelPath {
        &self.path
    }

    fn identity(&self) -> u64 {
        self.identity
    }
}
