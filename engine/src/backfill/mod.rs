//! Filling gaps: planned, leased, checked, in one commit with what they cover, and resumable.
//!
//! - [`BackfillStrategy`] says how a gap is filled; [`GapWriter`] is its only way in, and what it commits stays.
//! - [`Backfill`] plans which gaps are asked for together and in which order; [`BackfillJob`] runs workers, with retries.
//! - Every gap is leased while it is filled, and looked at again under the lease: no two workers of any process ask for
//!   the same range at the same time, and nothing is asked for that is covered.
//! - What a crash leaves is a gap, or covered; the next job sees which.
//!
//! | file | owns |
//! | --- | --- |
//! | `fetch` | sources: the question, the answer, the error |
//! | `strategy` | strategies |
//! | `writer` | the way into a gap: checks, commits, leases |
//! | `content` | which fetched rows are here already |
//! | `plan` | gaps to units of work |
//! | `retry` | pauses between attempts |
//! | `run` | one unit from its claim to its report |
//! | `builder` | what is to be run, under which limits |
//! | `job` | workers, progress, cancelling |
//! | `report` | what became of each gap |
//! | `event` | what is told to `tracing` |
//! | `observe` | who looks on |
//! | `fetcher` | the strategy that asks a source |
//! | `chain` | the strategy that tries others in order |
//! | `live_replay` | the strategy that takes recent rows |
//! | `from_table` | the strategy that makes bars of finer rows |
//! | `files` | the strategy that reads files |
//! | `asynchronous` | the same for sources that are asynchronous (feature `tokio`) |
//! | `known` | where another table has all rows |

#[cfg(feature = "tokio")]
mod asynchronous;
mod builder;
mod chain;
mod content;
mod event;
mod fetch;
mod fetcher;
mod files;
mod from_table;
mod job;
mod known;
mod live_replay;
mod observe;
mod plan;
mod report;
mod retry;
mod run;
mod strategy;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

#[cfg(feature = "tokio")]
pub use asynchronous::{
    AsyncBackfillJob, AsyncBackfillStrategy, AsyncFetcher, AsyncFetcherStrategy, AsyncGapWriter,
};
pub use builder::Backfill;
pub use chain::ChainStrategy;
pub use content::RowCounts;
pub use fetch::{FetchError, FetchRequest, Fetched, Fetcher};
pub use fetcher::FetcherStrategy;
pub use files::{FilesAttest, FilesStrategy};
pub use from_table::{Aggregation, FromTableStrategy};
pub use job::{BackfillJob, BackfillProgress};
pub use live_replay::{LiveReplayStrategy, ReplaySource, Replayed};
#[cfg(feature = "metrics")]
pub(crate) use observe::JobObserver;
pub use plan::BackfillOrder;
#[cfg(feature = "metrics")]
pub(crate) use plan::Unit;
pub use report::{BackfillReport, GapOutcome, GapReport};
pub use retry::RetryPolicy;
pub use strategy::{BackfillError, BackfillErrorKind, BackfillStrategy, Filled};
pub use writer::GapWriter;
