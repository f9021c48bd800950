//! Open files of the operating system.
//!
//! Short writes and `EINTR` are handled here. A sync is never repeated: after one that failed, a handle refuses.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

use super::super::{ReadableFile, Region, WritableFile, mmap};
use super::Access;
use super::failure::failure;
use crate::error::{Error, Result};

/// Files of at most this many bytes are copied by [`ReadableFile::map`]: a map costs more than it saves there,
/// and a process has only some 65,000.
pub const COPY_BYTES_MAX: u64 = 32 * 1024 - 1;

/// A regular file opened for reading.
#[derive(Debug)]
pub(super) struct RealReadable {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) len: u64,
    pub(super) access: Access,
}

impl RealReadable {
    /// The first `len` bytes, appended to `memory`, which has room for them; fewer if the file ends before.
    pub(super) fn read_into(&self, memory: &mut Vec<u8>, len: usize) -> Result<()> {
        let start = memory.len();
        while memory.len() < start + len {
            let offset = (memory.len() - start) as u64;
            match pread(&self.file, spare_capacity(memory), offset) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(failure("read", &self.path, errno)),
            }
        }
        memory.truncate(start + len);
        Ok(())
    }

    fn cut_short(&self, found: u64, expected: u64) -> Error {
        Error::corrupt(format!(
            "{} ends at byte {found}, expected at least {expected}; it was cut by another program or is damaged",
            self.path.display()
        ))
    }

    fn copy(&self, len: usize) -> Result<Region> {
        Region::heap(len, |memory| {
            let start = memory.len();
            self.read_into(memory, len)?;
            let read = memory.len() - start;
            if read < len {
                Err(self.cut_short(read as u64, self.len))
            } else {
                Ok(())
            }
        })
        .map_err(|error| error.context(format_args!("cannot read {}", self.path.display())))
    }
}

impl ReadableFile for RealReadable {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        match self.file.read_exact_at(buf, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                let found = self.file.metadata().map_or(self.len, |metadata| metadata.len());
                Err(self.cut_short(found, offset.saturating_add(buf.len() as u64)))
            }
            Err(error) => Err(failure("read", &self.path, error)),
        }
    }

    fn map(&self) -> Result<Region> {
        let len = usize::try_from(self.len)
            .map_err(|_| Error::io(format!("{} is too large to map", self.path.display())))?;
        if self.access == Access::Copy || self.len <= COPY_BYTES_MAX {
            return self.copy(len);
        }
        // A map may reach beyond the end of the file, where touching it would kill the process.
        let found = self
            .file
            .metadata()
            .map_err(|error| failure("stat", &self.path, error))?
            .len();
        if found < self.len {
            return Err(self.cut_short(found, self.len));
        }
        let map = mmap::map_read_only(&self.file, len).map_err(|error| failure("map", &self.path, error))?;
        Ok(Region::mapped(map))
    }
}

/// A regular file opened for writing.
#[derive(Debug)]
pub(super) struct RealWritable {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) len: u64,
    /// The file's length with the space behind `len`.
    pub(super) end: u64,
    pub(super) sync_failed: bool,
}

impl RealWritable {
    fn end_of(&self, offset: u64, bytes: &[u8]) -> Result<u64> {
        offset
            .checked_add(bytes.len() as u64)
            .ok_or_else(|| Error::invalid(format!("{} would pass 2^64 bytes", self.path.display())))
    }
}

impl WritableFile for RealWritable {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.end_of(self.len, bytes)?;
        self.file
            .write_all_at(bytes, self.len)
            .map_err(|error| failure("append to", &self.path, error))?;
        self.len = end;
        self.end = self.end.max(end);
        Ok(())
    }

    fn append_with_space(&mut self, bytes: &[u8], space: usize) -> Result<usize> {
        if self.end_of(self.len, bytes)? <= self.end {
            self.append(bytes)?;
            return Ok(bytes.len());
        }
        let padded = with_space(bytes, space);
        let end = self.end_of(self.len, &padded)?;
        self.file
            .write_all_at(&padded, self.len)
            .map_err(|error| failure("append to", &self.path, error))?;
        self.len += bytes.len() as u64;
        self.end = end;
        Ok(padded.len())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let end = self.end_of(offset, bytes)?;
        if end > self.len {
            return Err(beyond_end("write", &self.path.display(), end, self.len));
        }
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| failure("write into", &self.path, error))
    }

    fn truncate(&mut self, len: u64) -> Result<()> {
        if len > self.len {
            return Err(beyond_end("truncate", &self.path.display(), len, self.len));
        }
        self.file
            .set_len(len)
            .map_err(|error| failure("truncate", &self.path, error))?;
        (self.len, self.end) = (len, len);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        if self.sync_failed {
            return Err(Error::io(format!(
                "{}: an earlier sync failed; what it lost cannot be told, open the database again",
                self.path.display()
            )));
        }
        // fdatasync flushes the bytes and the length; the times of the file may stay behind.
        rustix::fs::fdatasync(&self.file).map_err(|errno| {
            self.sync_failed = true;
            failure("sync", &self.path, errno)
        })
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn refresh_len(&mut self) -> Result<u64> {
        let metadata = self
            .file
            .metadata()
            .map_err(|error| failure("stat", &self.path, error))?;
        (self.len, self.end) = (metadata.len(), metadata.len());
        Ok(self.len)
    }
}

/// Some bytes, and zeros behind them.
pub(in super::super) fn with_space(bytes: &[u8], space: usize) -> Vec<u8> {
    let mut padded = Vec::with_capacity(bytes.len() + space);
    padded.extend_from_slice(bytes);
    padded.resize(bytes.len() + space, 0);
    padded
}

/// The error of a write or cut behind the end, the same for every storage.
pub(in super::super) fn beyond_end(
    operation: &str,
    path: &dyn std::fmt::Display,
    end: u64,
    len: u64,
) -> Error {
    Error::invalid(format!(
        "cannot {operation} {path} up to byte {end}: the file has {len} bytes"
    ))
}
