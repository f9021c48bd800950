//! Rows one by one: a typed writer that collects them into batches for the stream.

mod column;
mod writer;

pub(crate) use writer::RowBuffer;
pub use writer::{Row, RowWriter};
