//! Segments: immutable column files of one commit inside a partition.
//!
//! - [`SegmentWriter`] takes rows in their final order and writes columns, statistics, checksums and indexes.
//! - [`Segment`] reads one: maps columns on first use and verifies the pages it hands out.
//! - [`SegmentCache`] bounds how many are open.
//!
//! A segment is invisible until a commit names it, and never modified after that.

mod cache;
mod column_writer;
mod commits;
pub(crate) mod discard;
mod index_writer;
pub(crate) mod key;
mod reader;
pub(crate) mod stats;
pub(crate) mod sync;
mod vector;
mod writer;

pub(crate) use cache::{SegmentCache, VECTORS_MAX};
pub(crate) use column_writer::{clear_padding, fixed_bytes, is_list, vector_path};
pub(crate) use commits::{COMMIT_COLUMN_NAME, commit_spec};
pub(crate) use index_writer::{first_descent, is_hashed};
pub use reader::Segment;
pub(crate) use reader::{MemoryRows, Times, fixed_array, variable_array};
pub(crate) use writer::{SEGMENT_ROWS_MAX, SegmentWriter, segment_path};
