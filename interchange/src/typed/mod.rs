//! Files that carry their types: Parquet and Arrow IPC.

mod conform;
mod guard;
mod reader;
mod types;

pub(crate) use conform::conform;
pub(crate) use reader::TypedReader;
pub use types::type_name_of;
pub(crate) use types::{is_text, stored_type};
