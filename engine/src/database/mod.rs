//! The open database: engine, handle, transactions, snapshots and what keeps their files alive.

mod allocator;
mod background;
mod builder;
mod calendars;
mod durability;
mod engine;
pub(crate) mod garbage;
mod handle;
mod leases;
mod live;
mod partitions;
pub(crate) mod pins;
mod session;
mod settle;
mod signal;
mod snapshot;
mod stats;
mod streams;
mod transaction;

pub use background::Maintenance;
pub use builder::{Builder, Mode};
pub use durability::Durability;
pub(crate) use engine::Engine;
pub use garbage::GarbageReport;
pub use handle::Database;
pub(crate) use pins::PinGuard;
pub use snapshot::Snapshot;
pub use stats::WriteStats;
pub use streams::StreamInfo;
pub use transaction::Transaction;
pub(crate) use transaction::series_domain;
