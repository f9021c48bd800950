//! Tables: their description, their Arrow types and the handle through which they are used.

mod handle;
mod spec;
pub(crate) mod types;

pub use handle::Table;
pub use spec::TableSpec;
