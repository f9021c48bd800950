//! [`FaultyStorage`]: a file system in memory that fails on command and can lose power.
//!
//! It keeps two things apart that a real machine keeps apart: the *live* view (page cache: what every process sees)
//! and the *disk* (what a power cut leaves). The crash model:
//!
//! - A file's writes and cuts since its last sync are each on the disk, missing, torn at 512 bytes (the part before or
//!   the part behind a cut point), or only their length is, reading as zeros.
//! - The creations, removals and renames in a directory since its last sync are on the disk as any subset, in order.
//!   A rename is atomic, and one name goes through its changes in order: a new file under a name that a rename freed
//!   implies the rename. Syncing a file does not make its name durable.
//! - The name of a new directory belongs to the directory it lies in.
//! - Locks are gone after a crash. What was written into lock files was pending like any other write.
//!
//! Not modelled: stale bytes of other files in an extended tail, bytes that rot, hard links, a disk that lies on sync.
//! The memory of everything ever written is kept, so this is for short scripts.

mod disk;
mod file;
mod image;
mod plan;
mod storage;
#[cfg(test)]
mod tests;

pub use image::CrashImages;
pub use plan::{Fault, FaultPlan};
pub use storage::FaultyStorage;
