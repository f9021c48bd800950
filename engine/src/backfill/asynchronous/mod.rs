//! Backfills whose sources are asynchronous: the same plan, leases, checks, commits, retries and reports.
//!
//! - What waits for a source is a future; gaps are filled concurrently within one task, as many as the job says.
//! - What waits for the disk (claims, commits, renewals) runs on tokio's threads for blocking work, so it holds up no other task.
//!   The one exception: a gap that is dropped while nothing of it is written gives its lease back where it is dropped, which is one
//!   unsynced write of a few bytes.
//! - A future that is dropped begins nothing more. A commit that runs then is finished, or was never there; the leases of its
//!   gaps are given back, and what was not committed is a gap.
//!
//! | file | owns |
//! | --- | --- |
//! | `strategy` | asynchronous sources and strategies |
//! | `writer` | the way into a gap |
//! | `job` | gaps concurrently, cancelling |

mod job;
mod strategy;
#[cfg(test)]
mod tests;
mod writer;

pub use job::AsyncBackfillJob;
pub use strategy::{AsyncBackfillStrategy, AsyncFetcher, AsyncFetcherStrategy};
pub use writer::AsyncGapWriter;
