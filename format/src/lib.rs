//! The stored bytes of gapless: every structure's encoder and decoder, side by side.
//!
//! The layouts stand in `FORMAT.md` beside this crate, and a test keeps that page equal to the code.
//!
//! - Input is `&[u8]`, output is a value or a [`FormatError`] with the offset where the bytes stop making sense.
//! - A decoder never panics, whatever the bytes, and never allocates more than a small multiple of its input.
//! - What a newer gapless wrote is [`FormatErrorKind::Unsupported`], never [`FormatErrorKind::Corrupt`].
//!
//! This crate knows no files, clocks, threads or `unsafe`.
//!
//! ```
//! use gapless_format::{PartitionKey, PartitionUnit};
//!
//! let key = PartitionKey::containing(PartitionUnit::Hour, 1_795_179_600_000_000_000);
//! assert_eq!(key.path(), "2026-11-20/13");
//! assert_eq!(PartitionKey::parse("2026-11-20/13"), Some(key));
//! ```
#![forbid(unsafe_code)]

pub mod bytes;
pub mod checksum;
pub mod coverage;
pub mod encoded;
pub mod error;
pub mod index;
pub mod item;
pub mod lease;
pub mod manifest;
pub mod marks;
pub mod names;
pub mod page;
pub mod partition;
pub mod segment;
pub mod symbols;
pub mod types;
pub mod vector;
mod version;
pub mod wal;

pub use bytes::{Reader, Writer};
pub use checksum::{body_checksum, checksum};
pub use coverage::{
    Coverage, CoverageFile, CoverageKey, CoverageRecord, CoverageState, encode_coverage_file,
};
pub use encoded::{Codec, EncodedPage, EncodedPart, encoded_slots};
pub use error::{FormatError, FormatErrorKind};
pub use index::{GroupedIndex, PartedIndex, UniqueIndex, encode_grouped, encode_parted, encode_unique};
pub use lease::{
    LeaseEnd, LeaseItem, LeaseLogHeader, LeaseOutcome, LeaseRecord, decode_lease_record, encode_lease_record,
};
pub use manifest::{
    COMMIT_COLUMN, CalendarMeta, CalendarUse, Checkpoint, ColumnSpec, CoverageRef, Deletion, DomainMeta,
    EditItem, Keep, ListingMeta, LogHeader, RecordBody, RecordOutcome, RemovedCoverage, RemovedSegment,
    SegmentOrigin, SegmentRef, SnapshotMeta, StreamMeta, TableMeta, WrittenBytes, decode_record,
    encode_record,
};
pub use marks::{Current, Identity, Pin, Tail};
pub use names::{NameError, decode_file_name, file_name};
pub use page::{Bound, PAGE_ROWS, PageStats, page_rows};
pub use partition::{PartitionKey, PartitionUnit};
pub use segment::{Attribute, AttributeKind, ColumnMeta, SegmentMeta};
pub use symbols::{Frame, SymbolFileHeader, decode_frame, encode_frame};
pub use types::{ColumnType, NULL_CODE, Number, TimeUnit};
pub use vector::{Encoding, HEADER_LEN, VectorHeader, VectorKind};
pub use version::{FORMAT_MAJOR, FORMAT_MINOR};
pub use wal::{WalColumn, WalHeader, WalItem, WalOutcome, WalRecord, WalRows, WalValues};
