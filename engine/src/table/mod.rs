//! Tables: their description, their Arrow types and the handle through which they are used.

mod change;
mod handle;
pub(crate) mod key;
mod spec;
pub(crate) mod types;

pub use change::SchemaChange;
pub use handle::Table;
pub(crate) use handle::schema_of;
pub use spec::TableSpec;
pub use types::arrow_type;
