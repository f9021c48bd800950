//! Reads: which segments, which rows of them, in which order, as Arrow batches.
//!
//! 1. [`Scan`] says what is wanted.
//! 2. The plan prunes partitions by time, segments by time range and series bitmap, rows by the parted index and binary
//!    search, and by indexes and page statistics for the condition. What is left are pieces: rows of one segment.
//! 3. Pieces are merged into the order asked for, materialized as arrays that point into the maps, and filtered.

mod batching;
mod bind;
mod builder;
mod cluster;
mod deleted;
mod explain;
mod extremes;
mod fold;
mod gather;
mod last;
mod latest;
mod merge;
mod merged;
mod ordered;
mod output;
mod piece;
mod plan;
mod predicate;
mod presence;
mod rows;
mod runs;
mod select;
mod stored;
mod stream;
#[cfg(test)]
mod tests;
mod ties;

pub use builder::{Order, Scan};
pub use explain::Explain;
pub(crate) use merge::Chunk;
pub(crate) use merged::MergeCache;
pub use ordered::{OrderedBatch, OrderedRows, OrderedScan, SeriesRun};
pub(crate) use output::Output;
pub(crate) use piece::Piece;
pub use predicate::{Column, Comparison, Literal, Predicate, col};
pub(crate) use presence::may_have_rows;
pub(crate) use rows::Rows;
pub(crate) use runs::fold_runs;
pub use stored::{Beside, StoredReader, StoredRows, StoredScan};
pub use stream::Batches;
