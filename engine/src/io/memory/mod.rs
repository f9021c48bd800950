//! [`MemoryStorage`]: the same tree of files as a real directory, in memory.
//!
//! - Every call has the outcome, and every error the kind, that [`RealStorage`](super::RealStorage) has for it;
//!   a property test runs random scripts on both.
//! - An open file stays readable when its name is removed, as on a real disk.
//! - Syncs do nothing: what survives a crash is the business of [`FaultyStorage`](super::FaultyStorage).

mod file;
mod storage;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use file::{FileNode, MemoryLock, check_within, overwrite};
pub use storage::MemoryStorage;
pub(super) use tree::{Node, NodeId, Place, ROOT, Tree};
