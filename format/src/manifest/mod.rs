//! The manifest: log header, records, and the values that records carry.
//!
//! - The first record of a log is a checkpoint: the whole version. The others are edits.
//! - A record is valid only if its checksum matches and every record before it is valid.
//! - The first invalid record ends the log ([`RecordOutcome::Torn`]); whether that is damage is for
//!   the caller to say, who knows how much was committed ([`crate::Tail`]).

mod coverage;
mod header;
mod record;
mod segment_ref;
mod stream;
mod table;

pub use coverage::{CalendarMeta, CalendarUse, CoverageRef, ListingMeta, RemovedCoverage};
pub use header::{LOG_MAGIC, LogHeader};
pub use record::{
    Checkpoint, EditItem, RECORD_LEN_MIN, RecordBody, RecordOutcome, decode_record, encode_record, tag,
};
pub use segment_ref::{DomainMeta, RemovedSegment, SegmentOrigin, SegmentRef, SnapshotMeta};
pub use stream::{Deletion, StreamMeta, WrittenBytes};
pub use table::{COMMIT_COLUMN, ColumnSpec, Keep, TableMeta};
