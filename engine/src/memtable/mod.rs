//! Streamed rows in memory, until a flush has put them into segments.
//!
//! - A [`Memtable`] is what one log file of a stream holds, so that both go together.
//! - Rows lie in [`Block`]s, in order of arrival, one list for each partition of a table. A block is never changed;
//!   small ones are replaced by larger ones that hold the same rows.
//! - A scan reads a block as a segment: its rows are sorted once, when they are first asked for.
//!
//! Who may see which rows is decided by commit times: a reader takes the rows up to one.

mod block;
mod segment;
mod table;

pub(crate) use block::{Block, StreamColumn, array_bytes};
pub(crate) use table::{Memtable, Statements, StreamRows, deletion_bytes};
