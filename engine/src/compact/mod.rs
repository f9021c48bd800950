//! Maintenance: what keeps a database fast and small while it is written to.
//!
//! - [`plan`] decides: pure, from one version, a [`Policy`] and the time. It can be shown before it is run.
//! - [`run`] does it: task by task, each one commit, with a budget of bytes for each second.
//! - A task reads its segments the way a scan does, in the order (series code, time, commit), so that deletions and
//!   `keep` mean the same before and after. It writes new segments and never touches old ones.
//! - A task that lost a race against another commit, failed or was cancelled leaves nothing behind.
//!
//! Flushing memtables is not here: it is the business of the streams.

mod budget;
mod deletions;
mod expire;
mod fold;
mod plan;
mod policy;
mod rewrite;
mod run;
#[cfg(test)]
mod tests;

pub(crate) use deletions::may_hide;
pub(crate) use expire::expire;
pub use plan::{Plan, Task, TaskKind, plan};
pub(crate) use policy::cold_encoding;
pub use policy::{Policy, Situation};
pub use run::{MaintenanceProgress, MaintenanceReport, OnProgress, RunOptions};
pub(crate) use run::{maintain, run};

/// Name of the table option that holds how long rows are kept, in nanoseconds.
pub const RETAIN_OPTION: &str = "retain_ns";

/// Name of the table option that holds the age from which partitions are encoded to be small, in nanoseconds.
pub const COLD_AFTER_OPTION: &str = "cold_after_ns";

/// Beginning of the names of table options that hold how a column of a cold partition is stored; its id follows.
pub const COLD_COLUMN_OPTION: &str = "cold_column.";
