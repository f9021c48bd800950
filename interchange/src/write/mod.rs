//! Export: record batches into files of other formats.

mod cells;
mod hive;
mod instant;
mod text;
mod writer;

pub use hive::hive_path;
pub use writer::{WriteFormat, WriteOptions, Writer};
