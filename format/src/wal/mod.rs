//! The write-ahead log of one stream: file header, record framing, and what records carry.
//!
//! - A record is valid only if its two checksums match, its LSN is where it stands, and every record before it is
//!   valid. The first invalid one ends the log ([`WalOutcome::Torn`]); nothing behind it is interpreted.
//! - The body's checksum stands in the header, so a writer can compute it before it knows LSN and commit time.
//! - Rows are stored column by column. Integers are narrowed to the width that the range of the batch needs.

mod header;
mod item;
mod packed;
mod record;

pub use header::{WAL_MAGIC, WalHeader};
pub use item::{WalColumn, WalItem, WalRows, WalValues, encode_wal_rows, tag};
pub use packed::Packed;
pub use record::{WAL_RECORD_HEADER_LEN, WalOutcome, WalRecord, decode_wal_record, wal_record_header};
