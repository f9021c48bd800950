//! The manifest: which tables, segments, symbols and snapshots are live at each version.
//!
//! - [`Version`] is one immutable state; applying an edit gives the next one and shares what did not change.
//! - [`log`] is its file: a checkpoint and the edits since, read by every process, appended under the commit lock.
//! - [`Manifest`] is this process's view of it: the current version, followed and committed to.
//!
//! A version exists as soon as its record is whole in the log; there is no other place that says what is live.

mod commit;
mod coverage;
pub(crate) mod log;
mod version;

pub(crate) use commit::{LOG_BYTES_MIN, Manifest};
pub use version::{TableState, Version};
