//! The disk, as the engine sees it: one [`Storage`] trait and its implementations.
//!
//! - Nothing else in the engine names `std::fs`, `rustix::fs` or `memmap2`.
//! - A [`RelPath`] cannot leave the database, and [`RealStorage`] follows no symbolic link inside it.
//! - Bytes are read through [`Region`]s (a whole file, mapped or copied), so scans never call a trait.
//! - Nothing is ever written through a map, and a failed sync is never tried again.
//!
//! | storage | for |
//! | --- | --- |
//! | [`RealStorage`] | a directory of the operating system |
//! | [`MemoryStorage`] | tests: the same semantics in memory |
//! | [`FaultyStorage`] | tests: fails on command, loses power |
//! | [`UnsyncedStorage`] | any other, with syncs left out: benches, scratch data |
//!
//! What a sync promises: [`WritableFile::sync`] makes the bytes of a file durable but not its name;
//! [`Storage::sync_dir`] makes the names in one directory durable, and not the name of that directory.

mod faulty;
mod host;
mod memory;
mod mmap;
mod path;
mod priority;
mod real;
mod region;
mod storage;
mod unsynced;
mod window;

pub use faulty::{CrashImages, Fault, FaultPlan, FaultyStorage};
pub(crate) use host::host_name;
pub use memory::MemoryStorage;
pub use path::RelPath;
pub(crate) use priority::lower_priority;
pub use real::{Access, COPY_BYTES_MAX, Options, RealStorage};
pub use region::{REGION_ALIGNMENT, Region};
pub use storage::{DirEntry, EntryKind, FileLock, FileStamp, LockMode, ReadableFile, Storage, WritableFile};
pub use unsynced::UnsyncedStorage;
pub(crate) use window::ReadWindow;
