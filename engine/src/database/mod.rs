//! The open database: engine, handle, transactions, snapshots and what keeps their files alive.

mod builder;
mod engine;
pub(crate) mod garbage;
mod handle;
pub(crate) mod pins;
mod snapshot;
mod transaction;

pub use builder::{Builder, Mode};
pub(crate) use engine::Engine;
pub use garbage::GarbageReport;
pub use handle::Database;
pub use snapshot::Snapshot;
pub use transaction::Transaction;
