//! The storage engine of gapless: io, manifest, segments, symbols, snapshots, writes and scans.
//!
//! | module | owns |
//! | --- | --- |
//! | [`io`] | the disk, as one [`io::Storage`] trait; the only place that names files |
//! | [`check`] | proves that the files hold what was committed |
//! | [`repair`] | damage to gaps: sound rows are saved, damaged files kept |
//! | [`clock`] | the time; the only place that reads it |
//! | [`manifest`] | which tables, segments, symbols and snapshots are live at each version |
//! | [`symbols`] | symbol domains: strings to codes and back |
//! | [`table`] | what a table is, and its handle |
//! | [`segment`] | immutable column files of one commit in one partition, with statistics and indexes |
//! | [`write`] | batches in any order to segments |
//! | `memtable` | streamed rows in memory, until they are in segments |
//! | `stream` | the write-ahead log of each writing process, its recovery and its flush |
//! | `row` | rows one by one into the stream |
//! | `subscribe` | what is committed, in order, from any position on |
//! | [`scan`] | segments to ordered streams of Arrow batches |
//! | [`coverage`] | what is known of ranges of series, and what is missing |
//! | [`backfill`] | gaps filled from sources: planned, leased, checked, resumable |
//! | `metrics` | what Prometheus is told, and an endpoint for it (feature `metrics`) |
//! | [`lease`] | time-bounded exclusive claims on ranges, with fencing |
//! | [`compact`] | maintenance: which segments are rewritten, and the rewriting |
//! | [`calendar`] | when rows of a series are expected |
//! | [`database`] | handles, transactions, snapshots, and what keeps files alive |

pub mod backfill;
pub mod calendar;
pub mod check;
pub mod clock;
pub mod compact;
pub mod coverage;
pub mod database;
pub mod error;
pub mod io;
pub mod lease;
pub mod manifest;
mod memtable;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod repair;
mod row;
pub mod scan;
pub mod segment;
mod stream;
mod subscribe;
pub mod symbols;
pub mod table;
#[cfg(test)]
mod test_events;
pub mod write;

pub use calendar::{Calendar, Days, Listing};
pub use coverage::{
    Attestation, Completeness, CoverageRange, CoverageState, Gap, GapQuery, Inference, InferredCoverage,
    IntoInterval, LiveSession, SessionBuilder, TableCoverage, duration_ns, duration_text,
};
pub use database::{
    Builder, Database, Durability, GarbageReport, Maintenance, Mode, Snapshot, StreamInfo, Transaction,
    WriteStats,
};
pub use error::{Error, ErrorKind, Result};
pub use gapless_format::{AttributeKind, Keep, PartitionKey, PartitionUnit};
pub use row::{Row, RowWriter};
pub use scan::Scan;
pub use segment::{ColumnEncoding, EncodingPolicy};
pub use subscribe::{Committed, Position, Subscription};
pub use table::{SchemaChange, Table, TableSpec};
pub use write::{AppendReport, WriteOptions, WriteReport};
