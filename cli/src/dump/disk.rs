//! Files below the database, read with plain `std::fs`; no symbolic link is followed.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A directory to dump.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    root: PathBuf,
}

/// A file open for reading.
#[derive(Debug)]
pub(super) struct Open {
    file: File,
    pub(super) len: u64,
}

/// Why something cannot be read: text for the place where it would stand.
pub(super) type Outcome<T> = Result<T, String>;

impl Disk {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a regular file by its path in the database.
    pub(super) fn open(&self, path: &str) -> Outcome<Open> {
        let full = self.resolve(path)?;
        open(&full).map_err(|error| format!("{path}: {error}"))
    }

    /// The whole content of a file.
    pub(super) fn read(&self, path: &str) -> Outcome<Vec<u8>> {
        let mut open = self.open(path)?;
        let len = open.len;
        open.range(0..len).map_err(|error| format!("{path}: {error}"))
    }

    /// Names in a directory, sorted: the name, whether it is a directory, and the length of a file. A link or another
    /// thing that is neither is told as `None`.
    pub(super) fn list(&self, path: &str) -> Outcome<Vec<(String, Option<bool>, u64)>> {
        let full = self.resolve(path)?;
        let failed = |error: std::io::Error| format!("{path}: {error}");
        let mut names = Vec::new();
        for entry in fs::read_dir(full).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(metadata) = fs::symlink_metadata(entry.path()) else {
                continue;
            };
            let kind = (metadata.is_dir() || metadata.is_file()).then_some(metadata.is_dir());
            let name = entry.file_name().to_string_lossy().into_owned();
            names.push((name, kind, metadata.len()));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The real path, once no component below the root is a link or leads upwards.
    fn resolve(&self, path: &str) -> Outcome<PathBuf> {
        let mut full = self.root.clone();
        for component in path.split('/').filter(|component| !component.is_empty()) {
            if component == "." || component == ".." || component.contains('\0') {
                return Err(format!("{path}: leads out of the database, not followed"));
            }
            full.push(component);
            match fs::symlink_metadata(&full) {
                Ok(metadata) if metadata.file_type().is_symlink() => {
                    return Err(format!(
                        "{path}: {component} is a symbolic link, which is not followed"
                    ));
                }
                Ok(_) => {}
                Err(error) => return Err(format!("{path}: {error}")),
            }
        }
        Ok(full)
    }
}

/// Opens a regular file; a FIFO or a device is refused before it can block.
pub(super) fn open(path: &Path) -> Outcome<Open> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    Ok(Open {
        file,
        len: metadata.len(),
    })
}

impl Open {
    /// Takes the file's lock shared, until it is closed.
    pub(super) fn try_lock_shared(&self) -> Result<(), fs::TryLockError> {
        self.file.try_lock_shared()
    }

    /// Bytes of a range. Nothing is reserved that the file does not have.
    pub(super) fn range(&mut self, range: Range<u64>) -> Outcome<Vec<u8>> {
        if range.start > range.end || range.end > self.len {
            return Err(format!(
                "bytes {} to {} are not there, the file has {}",
                range.start, range.end, self.len
            ));
        }
        let len = range.end - range.start;
        let failed = |error: std::io::Error| error.to_string();
        self.file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        let mut bytes = Vec::new();
        (&mut self.file)
            .take(len)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        match bytes.len() as u64 == len {
            true => Ok(bytes),
            false => Err(format!(
                "the file ended at byte {}",
                range.start + bytes.len() as u64
            )),
        }
    }

    /// The first bytes, at most `len`.
    pub(super) fn head(&mut self, len: u64) -> Outcome<Vec<u8>> {
        self.range(0..self.len.min(len))
    }
}
