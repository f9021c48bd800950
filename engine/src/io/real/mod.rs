//! [`RealStorage`]: a directory of the operating system.
//!
//! - The root's descriptor is held; every access starts there, so renaming the directory does no harm.
//! - No symbolic link inside the root is followed, and nothing but regular files is opened.
//! - Directories are made with mode 0700 and files with 0600.

mod failure;
mod file;
mod known;
mod lock;
mod resolve;
mod stat;
mod storage;
#[cfg(test)]
mod tests;

pub use file::COPY_BYTES_MAX;
pub(super) use file::{beyond_end, with_space};
pub(super) use storage::checked_len;
pub use storage::{Access, Options, RealStorage};
