//! Bulk writes: batches in any order become sorted segments, one for each partition they touch.
//!
//! [`normalize`] gives incoming columns the table's types, [`partition`] splits rows by partition, [`sort`] orders
//! them, [`parts`] gathers them in that order, [`dedup`] leaves the rows that count, [`known`] those that
//! are new, [`spill`] keeps sorted runs on disk when memory is short, and [`BulkWriter`] runs it all.

mod bulk;
mod dedup;
mod known;
pub(crate) mod normalize;
pub(crate) mod partition;
mod parts;
pub(crate) mod sort;
mod spill;

pub(crate) use bulk::{Bounds, BuiltSegments, BulkWriter, EngineEncoder, SegmentOutput};
pub use bulk::{WriteOptions, WriteReport};
pub(crate) use normalize::is_lossless;

/// What a streamed commit did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppendReport {
    /// Rows that were committed.
    pub rows: u64,
    /// The commit's time, by which commits are ordered.
    pub commit: i64,
}
