//! Bulk writes: batches in any order become sorted segments, one for each partition they touch.
//!
//! [`normalize`] gives incoming columns the table's types, [`partition`] splits rows by partition, [`sort`] orders
//! them, [`spill`] keeps sorted runs on disk when memory is short, and [`BulkWriter`] runs it all.

mod bulk;
mod normalize;
mod partition;
mod sort;
mod spill;

pub(crate) use bulk::{BuiltSegments, BulkWriter, SegmentOutput};
pub use bulk::{WriteOptions, WriteReport};
