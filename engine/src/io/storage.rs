//! The traits between the engine and a disk.
//!
//! Every `dyn` call here stands for at least one system call; what scans touch is a [`Region`], which is concrete.

use std::fmt::Debug;
use std::sync::Arc;

use super::{Region, RelPath};
use crate::error::Result;

/// A tree of files and directories, with the few operations the commit protocol needs.
///
/// Kinds of errors, common to all methods: `NotFound` when the path or its parent is missing; `Invalid` when the
/// path names something of another kind (a directory, symbolic link, device or FIFO where a file must be), when a
/// part of it is no directory, or when the storage is read-only and the call would write; `Io` for what the
/// operating system refuses. The message names the operation and the path. After an error nothing has changed,
/// except where a method says otherwise.
pub trait Storage: Send + Sync + Debug + 'static {
    /// Creates an empty file and opens it for writing. Its name is durable after [`Storage::sync_dir`] of its parent.
    ///
    /// # Errors
    /// `Conflict` when the name is taken, whatever it names.
    fn create(&self, path: &RelPath) -> Result<Box<dyn WritableFile>>;

    /// Opens an existing file to append to it.
    ///
    /// # Errors
    /// `NotFound` when it is missing; `Invalid` when it has a second name (a hard link), which may lie elsewhere.
    fn append_to(&self, path: &RelPath) -> Result<Box<dyn WritableFile>>;

    /// Opens a regular file for reading. Never blocks on a FIFO or a device.
    ///
    /// # Errors
    /// See [`Storage`].
    fn open(&self, path: &RelPath) -> Result<Arc<dyn ReadableFile>>;

    /// The bytes of a whole small file. Allocates no more than the file's real size.
    ///
    /// # Errors
    /// `Corrupt` when the file is larger than `limit` bytes.
    fn read(&self, path: &RelPath, limit: u64) -> Result<Vec<u8>>;

    /// Gives a file or directory another name; atomic. A file that has the new name is replaced, and so is an empty
    /// directory by a directory. Durable after [`Storage::sync_dir`] of both parents.
    ///
    /// # Errors
    /// `Conflict` when `to` is a directory that is not empty; `Invalid` when one is a file and the other a directory,
    /// or `to` lies inside `from`.
    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<()>;

    /// Removes the name of a file. Who has the file open or mapped keeps its bytes.
    ///
    /// # Errors
    /// `Invalid` for a directory.
    fn remove_file(&self, path: &RelPath) -> Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `Conflict` when it is not empty; `Invalid` when it is no directory.
    fn remove_dir(&self, path: &RelPath) -> Result<()>;

    /// Creates a directory. Durable after [`Storage::sync_dir`] of its parent.
    ///
    /// # Errors
    /// `Conflict` when the name is taken.
    fn create_dir(&self, path: &RelPath) -> Result<()>;

    /// Makes the names inside a directory durable: creations, renames and removals that returned before.
    ///
    /// # Errors
    /// `Io` when the sync failed: what was pending may be lost, and a second try would prove nothing. Never retried.
    fn sync_dir(&self, path: &RelPath) -> Result<()>;

    /// The entries of a directory, sorted by name. A name that is not UTF-8 comes as [`EntryKind::Other`], spelled
    /// lossily. An entry that vanishes meanwhile is left out.
    ///
    /// # Errors
    /// See [`Storage`].
    fn list(&self, path: &RelPath) -> Result<Vec<DirEntry>>;

    /// Which file a path names now, and how long it is; `None` when there is none. Cheap: no file is opened for it.
    ///
    /// # Errors
    /// See [`Storage`]; a missing path is not an error.
    fn stamp(&self, path: &RelPath) -> Result<Option<FileStamp>>;

    /// Takes an advisory lock on a file and keeps it until the returned value is dropped or the process ends.
    /// The file is created when missing. Threads of one process exclude each other like processes do. `None` when
    /// `wait` is false and another holds it. The caller checks [`Storage::lock_path_is`] where the file may be removed.
    ///
    /// On a read-only storage the file must exist and is not written; locking works all the same.
    ///
    /// # Errors
    /// See [`Storage`].
    fn lock(&self, path: &RelPath, mode: LockMode, wait: bool) -> Result<Option<Box<dyn FileLock>>>;

    /// True when the file that `lock` holds is still the one its path names.
    ///
    /// # Errors
    /// See [`Storage`]; a removed file is `false`, not an error.
    fn lock_path_is(&self, lock: &dyn FileLock) -> Result<bool> {
        Ok(self
            .stamp(lock.path())?
            .is_some_and(|stamp| stamp.identity == lock.identity()))
    }

    /// True when every call that would change a byte or a name is refused.
    fn is_read_only(&self) -> bool;

    /// Two numbers that tell this tree from every other one now open on this machine (device and inode of the root).
    fn identity(&self) -> (u64, u64);
}

/// A file open for writing, by one owner.
pub trait WritableFile: Send + Debug {
    /// Writes `bytes` at [`WritableFile::len`] and moves it on.
    ///
    /// # Errors
    /// `Io`. `len` is then unchanged and the bytes behind it are undefined: [`WritableFile::truncate`] to `len` cuts them.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// As [`WritableFile::append`], and `space` zeros behind the bytes where the file ends with them. Later appends fill
    /// the space; as they leave the file's length alone, their sync has bytes to write and no metadata. `len` does not
    /// count the space, [`WritableFile::truncate`] takes it away. Returns how many bytes were written.
    ///
    /// # Errors
    /// As for [`WritableFile::append`].
    fn append_with_space(&mut self, bytes: &[u8], space: usize) -> Result<usize> {
        let _ = space; // Where a sync costs nothing, space saves nothing.
        self.append(bytes)?;
        Ok(bytes.len())
    }

    /// Overwrites bytes the file already has. Only for a file that nobody else knows yet (a header patched at the end).
    ///
    /// # Errors
    /// `Invalid` when the range passes the end; `Io`, with the range undefined.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Cuts the file to `len` bytes: a torn tail, under the lock that guards the file.
    ///
    /// # Errors
    /// `Invalid` when `len` is beyond the end.
    fn truncate(&mut self, len: u64) -> Result<()>;

    /// Returns when all bytes written so far are on the disk (not the file's name, see [`Storage::sync_dir`]).
    ///
    /// # Errors
    /// `Io`: bytes may be lost while the file still shows them. Never retried: the owner treats the database as poisoned.
    fn sync(&mut self) -> Result<()>;

    /// The length: what it was when opened plus what was appended here, without space for more.
    fn len(&self) -> u64;

    /// True when nothing is in the file.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the real length again, with space for more, and returns it: for a file others append to as well, under the lock that guards it.
    ///
    /// # Errors
    /// `Io`.
    fn refresh_len(&mut self) -> Result<u64>;
}

/// A file open for reading, at the length it had then.
#[expect(
    clippy::len_without_is_empty,
    reason = "the length is that of a file, not of a collection"
)]
pub trait ReadableFile: Send + Sync + Debug {
    /// The length when it was opened.
    fn len(&self) -> u64;

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `Corrupt` when the file ends before.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// The whole file as one region. It stays valid after this handle is dropped and after the file is removed.
    ///
    /// # Errors
    /// `Corrupt` when the file is shorter than when it was opened; `Io` when there is no memory or map left.
    fn map(&self) -> Result<Region>;
}

/// A lock file, locked when it is handed out. Dropping it releases the lock and leaves the file.
#[expect(
    clippy::len_without_is_empty,
    reason = "the length is that of a file, not of a collection"
)]
pub trait FileLock: Send + Sync + Debug {
    /// Fills `buf` with the lock file's content from `offset` on.
    ///
    /// # Errors
    /// `Corrupt` when the file ends before.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// Writes into the lock file, which grows as needed. Not synced: after a crash of the machine the content may
    /// be the old one, a mixture at 512 bytes, or missing.
    ///
    /// # Errors
    /// `Io`; `Invalid` on a read-only storage.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Cuts the lock file to `len` bytes. Not synced.
    ///
    /// # Errors
    /// `Io`; `Invalid` on a read-only storage.
    fn truncate(&self, len: u64) -> Result<()>;

    /// The present length of the lock file.
    ///
    /// # Errors
    /// `Io`.
    fn len(&self) -> Result<u64>;

    /// Gives the lock up and keeps the file open, so that [`FileLock::acquire`] costs one system call.
    ///
    /// # Errors
    /// `Io`; whether the lock is still held is then not known, dropping it gives it up.
    fn release(&self) -> Result<()>;

    /// Takes the lock again after [`FileLock::release`]; false when `wait` is false and another holds it. Not to be
    /// called while it is held.
    ///
    /// # Errors
    /// `Io`.
    fn acquire(&self, mode: LockMode, wait: bool) -> Result<bool>;

    /// The path it was taken with.
    fn path(&self) -> &RelPath;

    /// The locked file's [`FileStamp::identity`].
    fn identity(&self) -> u64;
}

/// Who may hold a lock together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// One holder.
    Exclusive,
    /// Many holders, no exclusive one.
    Shared,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name in the directory.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// The length of a file; 0 for everything else.
    pub len: u64,
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, device, FIFO, socket, or a name that is not UTF-8: nothing of ours.
    Other,
}

/// Which file a path names, and its length. Two stamps of a path differ when the file has grown or was replaced.
///
/// One exception on a real disk: a file that was removed *and* made again with the same length within one tick of the
/// file system's clock (some milliseconds) may get the same inode and time of birth, and then looks the same.
/// A file never looks like the one it replaced by [`Storage::rename`]: both exist at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// A number of the file itself, kept through renames: inode and time of birth, since inodes are used again.
    pub identity: u64,
    /// The length in bytes; 0 for a directory.
    pub len: u64,
}
