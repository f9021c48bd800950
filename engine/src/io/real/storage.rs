//! The [`Storage`] calls on a directory of the operating system.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, mkdirat, renameat, unlinkat};
use rustix::io::Errno;

use super::super::{
    DirEntry, EntryKind, FileLock, FileStamp, LockMode, ReadableFile, RelPath, Storage, WritableFile,
};
use super::failure::failure;
use super::file::{RealReadable, RealWritable};
use super::known::KnownDirectories;
use super::lock::RealLock;
use super::resolve::Resolver;
use super::stat::Stat;
use crate::error::{Error, ErrorKind, Result};

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIRECTORY_MODE: Mode = Mode::RWXU;

/// How [`ReadableFile::map`] gets at the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Map the file; small ones are copied. For directories that only gapless writes: if another program cuts a
    /// mapped file, touching the lost part ends the process with SIGBUS.
    #[default]
    Map,
    /// Copy every file into memory. For directories that somebody else may write while they are open.
    Copy,
}

/// How a directory is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Refuse every call that would change a byte or a name, the creation of lock files included.
    pub read_only: bool,
    /// How files are read.
    pub access: Access,
}

/// A directory of the operating system, as a [`Storage`].
#[derive(Debug)]
pub struct RealStorage {
    resolver: Resolver,
    known: KnownDirectories,
    root: PathBuf,
    options: Options,
    identity: (u64, u64),
    /// The process that opened it.
    process: u32,
}

impl RealStorage {
    /// Opens an existing directory.
    ///
    /// # Errors
    /// `NotFound` when it is missing, `Invalid` when it is no directory, `Io` otherwise.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self> {
        let root = absolute(dir.as_ref())?;
        let fail = |errno: Errno| failure("open directory", &root, errno);
        let resolver = Resolver::new(&root).map_err(fail)?;
        let stat = rustix::fs::fstat(resolver.root()).map_err(fail)?;
        Ok(Self {
            resolver,
            known: KnownDirectories::default(),
            root,
            options,
            identity: (stat.st_dev, stat.st_ino),
            process: std::process::id(),
        })
    }

    /// Creates the directory with mode 0700, makes its name durable, and opens it for writing. One that is there
    /// already is opened as it is. The directory it lies in must exist.
    ///
    /// # Errors
    /// `NotFound` when the directory it lies in is missing; see [`RealStorage::open`].
    pub fn create(dir: impl AsRef<Path>) -> Result<Self> {
        let root = absolute(dir.as_ref())?;
        match rustix::fs::mkdir(&root, DIRECTORY_MODE) {
            Ok(()) => sync_parent(&root)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(failure("create directory", &root, errno)),
        }
        Self::open(root, Options::default())
    }

    /// The absolute path of the root, as it was when opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    #[cfg(test)]
    pub(in super::super) fn without_openat2(mut self) -> Self {
        self.resolver = self.resolver.without_openat2();
        self
    }

    fn full_path(&self, path: &RelPath) -> PathBuf {
        if path.is_root() {
            self.root.clone()
        } else {
            self.root.join(path.as_str())
        }
    }

    fn fail(&self, operation: &str, path: &RelPath, errno: Errno) -> Error {
        failure(operation, &self.full_path(path), errno)
    }

    /// A fork has copies of values whose drop removes files: pins, spills, segments under way. They are its parent's.
    fn check_writable(&self, operation: &str, path: &RelPath) -> Result<()> {
        if std::process::id() != self.process {
            return Err(Error::invalid(format!(
                "cannot {operation} {}: it was opened by process {}, of which this one is a fork",
                self.full_path(path).display(),
                self.process
            )));
        }
        if self.options.read_only {
            let path = self.full_path(path);
            return Err(Error::invalid(format!(
                "cannot {operation} {}: the database was opened read-only; open it for writing",
                path.display()
            )));
        }
        Ok(())
    }

    /// Opens `path` and checks that it is a regular file. `O_NONBLOCK`: a FIFO must not stop us before the check.
    fn open_file(&self, operation: &str, path: &RelPath, flags: OFlags) -> Result<(File, Stat)> {
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mode = if flags.contains(OFlags::CREATE) {
            FILE_MODE
        } else {
            Mode::empty()
        };
        let fd = self
            .resolver
            .open(path, flags, mode)
            .map_err(|e| self.fail(operation, path, e))?;
        let stat = Stat::of(&fd).map_err(|errno| self.fail(operation, path, errno))?;
        self.check_regular(operation, path, stat.kind)?;
        Ok((File::from(fd), stat))
    }

    fn check_regular(&self, operation: &str, path: &RelPath, kind: FileType) -> Result<()> {
        let found = match kind {
            FileType::RegularFile => return Ok(()),
            FileType::Directory => return Err(self.fail(operation, path, Errno::ISDIR)),
            FileType::Symlink => return Err(self.fail(operation, path, Errno::LOOP)),
            FileType::Fifo => "a FIFO",
            FileType::Socket => "a socket",
            FileType::CharacterDevice | FileType::BlockDevice => "a device",
            _ => "of an unknown kind",
        };
        let path = self.full_path(path);
        Err(Error::invalid(format!(
            "cannot {operation} {}: it is {found}, expected a regular file; remove it",
            path.display()
        )))
    }

    /// A second name may lie outside of the database, or in another one.
    fn check_one_link(&self, operation: &str, path: &RelPath, stat: &Stat) -> Result<()> {
        if stat.links > 1 {
            let (path, links) = (self.full_path(path), stat.links);
            return Err(Error::invalid(format!(
                "cannot {operation} {}: it has {links} names (hard links), expected 1; replace it with a copy of itself",
                path.display()
            )));
        }
        Ok(())
    }

    fn open_readable(&self, path: &RelPath) -> Result<RealReadable> {
        let (file, stat) = self.open_file("open", path, OFlags::RDONLY)?;
        let access = self.options.access;
        Ok(RealReadable {
            file,
            path: self.full_path(path),
            len: stat.len,
            access,
        })
    }

    fn open_dir(&self, operation: &str, path: &RelPath) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = self.resolver.open(path, flags, Mode::empty());
        opened.map_err(|errno| self.fail(operation, path, errno))
    }

    fn unlink(&self, operation: &str, path: &RelPath, flags: AtFlags) -> Result<()> {
        self.check_writable(operation, path)?;
        let place = self.resolver.place(path);
        place
            .and_then(|place| unlinkat(&place, place.name, flags))
            .map_err(|errno| self.fail(operation, path, errno))
    }

    fn stat(&self, path: &RelPath) -> rustix::io::Result<Stat> {
        // Nothing between the root and the name that could be a link: one system call.
        if let Some(("", name)) = path.split_last() {
            match Stat::at(self.resolver.root(), name, AtFlags::empty()) {
                Err(Errno::NOSYS | Errno::PERM) => {}
                other => return other,
            }
        }
        match self.known.stat(&self.resolver, path) {
            None | Some(Err(Errno::NOSYS | Errno::PERM)) => {}
            Some(other) => return other,
        }
        Stat::of(self.resolver.open(path, OFlags::PATH, Mode::empty())?)
    }
}

impl Storage for RealStorage {
    fn create(&self, path: &RelPath) -> Result<Box<dyn WritableFile>> {
        self.check_writable("create", path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let (file, _) = self.open_file("create", path, flags)?;
        let path = self.full_path(path);
        Ok(Box::new(RealWritable {
            file,
            path,
            len: 0,
            end: 0,
            sync_failed: false,
        }))
    }

    fn append_to(&self, path: &RelPath) -> Result<Box<dyn WritableFile>> {
        self.check_writable("append to", path)?;
        let (file, stat) = self.open_file("append to", path, OFlags::WRONLY)?;
        self.check_one_link("append to", path, &stat)?;
        let path = self.full_path(path);
        Ok(Box::new(RealWritable {
            file,
            path,
            len: stat.len,
            end: stat.len,
            sync_failed: false,
        }))
    }

    fn open(&self, path: &RelPath) -> Result<Arc<dyn ReadableFile>> {
        Ok(Arc::new(self.open_readable(path)?))
    }

    fn read(&self, path: &RelPath, limit: u64) -> Result<Vec<u8>> {
        let file = self.open_readable(path)?;
        let len = checked_len(&file.path.display(), file.len, limit)?;
        let mut bytes = Vec::new();
        if len == 0 {
            return Ok(bytes);
        }
        bytes.try_reserve_exact(len).map_err(|_| {
            Error::io(format!(
                "no memory for the {len} bytes of {}",
                file.path.display()
            ))
        })?;
        file.read_into(&mut bytes, len)?;
        Ok(bytes)
    }

    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        self.check_writable("rename", from)?;
        let old = self
            .resolver
            .place(from)
            .map_err(|errno| self.fail("rename", from, errno))?;
        let new = self
            .resolver
            .place(to)
            .map_err(|errno| self.fail("rename to", to, errno))?;
        renameat(&old, old.name, &new, new.name).map_err(|errno| {
            let operation = format!("rename {} to", self.full_path(from).display());
            self.fail(&operation, to, errno)
        })
    }

    fn remove_file(&self, path: &RelPath) -> Result<()> {
        self.unlink("remove", path, AtFlags::empty())
    }

    fn remove_dir(&self, path: &RelPath) -> Result<()> {
        self.unlink("remove directory", path, AtFlags::REMOVEDIR)
    }

    fn create_dir(&self, path: &RelPath) -> Result<()> {
        self.check_writable("create directory", path)?;
        let place = self.resolver.place(path);
        place
            .and_then(|place| mkdirat(&place, place.name, DIRECTORY_MODE))
            .map_err(|errno| self.fail("create directory", path, errno))
    }

    fn sync_dir(&self, path: &RelPath) -> Result<()> {
        self.check_writable("sync directory", path)?;
        let fd = self.open_dir("sync directory", path)?;
        ignore_unsyncable(rustix::fs::fsync(fd)).map_err(|errno| self.fail("sync directory", path, errno))
    }

    fn list(&self, path: &RelPath) -> Result<Vec<DirEntry>> {
        let fail = |errno| self.fail("list", path, errno);
        let mut dir = Dir::new(self.open_dir("list", path)?).map_err(fail)?;
        let mut entries = Vec::new();
        while let Some(entry) = dir.read() {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Ok(name) = name.to_str() else {
                let name = name.to_string_lossy().into_owned();
                entries.push(DirEntry {
                    name,
                    kind: EntryKind::Other,
                    len: 0,
                });
                continue;
            };
            let fd = dir.fd().map_err(fail)?;
            if let Some(entry) = describe(fd, name, entry.file_type()).map_err(fail)? {
                entries.push(entry);
            }
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn stamp(&self, path: &RelPath) -> Result<Option<FileStamp>> {
        match self.stat(path) {
            Ok(stat) if stat.kind == FileType::Directory => Ok(Some(stat.stamp())),
            Ok(stat) => {
                self.check_regular("stat", path, stat.kind)?;
                Ok(Some(stat.stamp()))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.fail("stat", path, errno)),
        }
    }

    fn lock(&self, path: &RelPath, mode: LockMode, wait: bool) -> Result<Option<Box<dyn FileLock>>> {
        let read_only = self.options.read_only;
        let flags = if read_only {
            OFlags::RDONLY
        } else {
            OFlags::RDWR | OFlags::CREATE
        };
        let (file, stat) = self.open_file("open lock file", path, flags)?;
        if !read_only {
            self.check_one_link("lock", path, &stat)?;
        }
        let full_path = self.full_path(path);
        let identity = stat.identity;
        let lock = RealLock {
            file,
            path: path.clone(),
            full_path,
            identity,
            read_only,
        };
        Ok(if lock.acquire(mode, wait)? {
            Some(Box::new(lock))
        } else {
            None
        })
    }

    fn is_read_only(&self) -> bool {
        self.options.read_only
    }

    fn identity(&self) -> (u64, u64) {
        self.identity
    }
}

/// The length as `usize`, if it is within `limit`.
pub(in super::super) fn checked_len(path: &dyn std::fmt::Display, len: u64, limit: u64) -> Result<usize> {
    match usize::try_from(len) {
        Ok(size) if len <= limit => Ok(size),
        _ => Err(Error::corrupt(format!(
            "{path} has {len} bytes, expected at most {limit}"
        ))),
    }
}

/// One entry of a list; `None` when it has gone meanwhile. Only files are asked for their length.
fn describe(
    dir: std::os::fd::BorrowedFd<'_>,
    name: &str,
    told: FileType,
) -> rustix::io::Result<Option<DirEntry>> {
    let entry = |kind, len| {
        Some(DirEntry {
            name: name.to_owned(),
            kind,
            len,
        })
    };
    if !matches!(told, FileType::RegularFile | FileType::Unknown) {
        let kind = if told == FileType::Directory {
            EntryKind::Directory
        } else {
            EntryKind::Other
        };
        return Ok(entry(kind, 0));
    }
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => entry(EntryKind::File, u64::try_from(stat.st_size).unwrap_or(0)),
            FileType::Directory => entry(EntryKind::Directory, 0),
            _ => entry(EntryKind::Other, 0),
        }),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("path {path:?}: {error}")).with_source(error))
}

fn sync_parent(root: &Path) -> Result<()> {
    let Some(parent) = root.parent() else {
        return Ok(());
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(parent, flags, Mode::empty())
        .and_then(|fd| ignore_unsyncable(rustix::fs::fsync(fd)))
        .map_err(|errno| failure("sync directory", parent, errno))
}

/// Some file systems keep names durable by themselves and answer EINVAL, as PostgreSQL found too.
fn ignore_unsyncable(synced: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match synced {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }
}
