//! Bulk writes: batches in any order become sorted segments, one for each partition they touch.
//!
//! [`normalize`] gives incoming columns the table's types, [`partition`] splits rows by partition, [`sort`] orders
//! them, [`dedup`] leaves the rows that count, [`spill`] keeps sorted runs on disk when memory is short, and [`BulkWriter`] runs it all.

mod bulk;
mod dedup;
mod normalize;
mod partition;
mod sort;
mod spill;

pub(crate) use bulk::{Bounds, BuiltSegments, BulkWriter};
pub use bulk::{WriteOptions, WriteReport};
pub(crate) use normalize::is_lossless;
