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
mod encode;
mod encoded;
mod index_writer;
pub(crate) mod key;
mod reader;
mod reencode;
pub(crate) mod stats;
pub(crate) mod sync;
mod times;
mod vector;
mod writer;

pub(crate) use cache::{DECODED_BYTES_MAX, SegmentCache, VECTORS_MAX};
pub(crate) use column_writer::{clear_padding, fixed_bytes, is_list, vector_path};
pub(crate) use commits::{COMMIT_COLUMN_NAME, commit_spec};
pub use encode::{ColumnEncoding, EncodingPolicy};
pub(crate) use encoded::{PagePart, decoded_part, decoded_values, page_offsets};
pub(crate) use index_writer::{first_descent, is_hashed};
pub use reader::Segment;
pub(crate) use reader::{MemoryRows, fixed_array, variable_array};
pub(crate) use reencode::stored_columns;
#[allow(unused_imports, reason = "maintenance rewrites cold partitions with it")]
pub(crate) use reencode::{NewSegment, Reencoded, reencode};
pub(crate) use times::Times;
pub(crate) use writer::{
    SEGMENT_ROWS_MAX, SegmentWriter, create_file_with_parents, create_with_parents, segment_path, table_path,
};
