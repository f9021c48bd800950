//! Export: record batches as other formats, in files and elsewhere.

mod cells;
mod encoder;
mod format;
mod hive;
mod instant;
mod text;
mod writer;

pub use cells::plain_type;
pub use encoder::Encoder;
pub use format::{WriteFormat, WriteOptions};
pub use hive::hive_path;
pub use writer::Writer;
