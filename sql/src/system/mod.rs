//! The schema `gapless`: what the database knows of itself, as tables.
//!
//! | module | owns |
//! | --- | --- |
//! | `storage` | `tables`, `partitions`, `segments`, `columns` |
//! | `known` | `coverage`, `gaps`, `leases` |
//! | `provider` | rows of a system table when a statement asks for them, table after table |
//! | `function` | `gapless_gaps(...)`: the gaps of a range that is asked for |
//!
//! All but `leases` are of the snapshot that the statement reads.

mod batch;
mod function;
mod known;
mod provider;
mod storage;

pub(crate) use function::GapsFunction;
pub(crate) use provider::{NAMES, SystemTable};
