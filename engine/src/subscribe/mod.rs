//! Subscriptions: what is committed to a table, in order, each row once, from any position on.
//!
//! - A [`Position`] is a version and, for each stream, the newest commit that was delivered. What comes after it lies
//!   in segments that a bulk commit or a flush has added since, live or removed meanwhile, and in memtables. A
//!   compaction adds nothing new: what it has replaced is read in its place.
//! - A [`Subscription`] pins its position, so that what it has not read yet stays. It reads from segments what it has
//!   missed: a slow one falls behind, and no writer waits for it.
//! - [`replay`] gives the rows of a version as they are stored, [`delta`] what was committed between a position and a
//!   snapshot, merged by commit time.
//!
//! Deletions are not delivered. Neither are rows that were hidden before they were read and that a flush or a
//! compaction has left out: overwritten ones of a table that keeps one row for a key, deleted or expired ones.

mod delta;
mod position;
mod replay;
mod source;
mod subscription;

pub use position::Position;
pub use subscription::{Committed, Subscription};
