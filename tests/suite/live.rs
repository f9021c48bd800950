//! The live half under load: threads and processes that stream, bulk-load, delete, flush and compact at once, and what
//! happens when memory, the disk or the process gives way.
//!
//! Short in the gate; `GAPLESS_SOAK_SECONDS=n` lets the two soaks run for n seconds each. A failure prints its seed,
//! and `GAPLESS_SOAK_SEED` repeats the decisions (not the schedule).

mod child;
mod failed_sync;
mod fork;
mod model;
mod pressure;
mod processes;
pub(crate) mod streams;
mod threads;
