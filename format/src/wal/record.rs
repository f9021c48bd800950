//! Framing of one record.

use crate::bytes::{Reader, Writer};
use crate::checksum::{checksum, seal, unseal};
use crate::error::FormatError;

use super::item::{WalItem, decode_items};

/// Bytes of a record before its body.
pub const WAL_RECORD_HEADER_LEN: usize = 40;

const KIND_COMMIT: u32 = 1;

/// A valid record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalRecord<'a> {
    /// Its position in the stream.
    pub lsn: u64,
    /// Its commit time: greater than that of the record before.
    pub commit: i64,
    /// Its bytes; the next record begins behind them.
    pub len: usize,
    body: &'a [u8],
    offset: u64,
}

/// What stands at a position of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalOutcome<'a> {
    /// A valid record.
    Record(WalRecord<'a>),
    /// The input is at its end, or space that was reserved and not written begins: a whole header of zeros.
    End,
    /// No valid record: cut short, or a wrong checksum. Nothing behind it is to be read.
    Torn {
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// The bytes before a record's body of `body_len` bytes with the checksum `body_checksum`.
pub fn wal_record_header(lsn: u64, commit: i64, body_len: u32, body_checksum: u64) -> Vec<u8> {
    let mut writer = Writer::with_capacity(WAL_RECORD_HEADER_LEN);
    writer.u32(body_len.saturating_add(WAL_RECORD_HEADER_LEN as u32));
    writer.u32(KIND_COMMIT);
    writer.u64(lsn);
    writer.i64(commit);
    writer.u64(body_checksum);
    seal(writer)
}

/// Reads the record at the start of `bytes`, which must have the LSN `lsn`; `offset` is its place in the file.
///
/// # Errors
/// `Unsupported` for a valid record of a kind that a newer gapless wrote.
pub fn decode_wal_record(bytes: &[u8], lsn: u64, offset: u64) -> Result<WalOutcome<'_>, FormatError> {
    // Not the length alone: a flipped bit can make that 0.
    if bytes.iter().take(WAL_RECORD_HEADER_LEN).all(|byte| *byte == 0) {
        return Ok(WalOutcome::End);
    }
    match frame(bytes, lsn, offset) {
        Ok((record, kind)) if kind == KIND_COMMIT => Ok(WalOutcome::Record(record)),
        Ok((_, kind)) => Err(FormatError::unsupported(
            offset + 4,
            format!("log record kind: found {kind}, which this version does not know"),
        )),
        Err(error) => Ok(WalOutcome::Torn {
            offset,
            reason: error.message,
        }),
    }
}

fn frame(bytes: &[u8], lsn: u64, offset: u64) -> Result<(WalRecord<'_>, u32), FormatError> {
    let header = bytes.get(..WAL_RECORD_HEADER_LEN).ok_or_else(|| {
        FormatError::torn(
            offset,
            "log record",
            WAL_RECORD_HEADER_LEN as u64,
            bytes.len() as u64,
        )
    })?;
    unseal(header, offset, "log record header")?;
    let mut reader = Reader::with_base(header, offset);
    let len = reader.u32("record length")? as usize;
    let kind = reader.u32("record kind")?;
    let found = reader.u64("lsn")?;
    let commit = reader.i64("commit time")?;
    let sum = reader.u64("body checksum")?;
    if found != lsn {
        return Err(FormatError::corrupt(
            offset,
            format!("log record: found LSN {found}, expected {lsn}"),
        ));
    }
    let body = bytes
        .get(WAL_RECORD_HEADER_LEN..len)
        .ok_or_else(|| FormatError::torn(offset, "log record", len as u64, bytes.len() as u64))?;
    if checksum(body) != sum {
        return Err(FormatError::corrupt(
            offset,
            "log record: its body's checksum is wrong",
        ));
    }
    let record = WalRecord {
        lsn,
        commit,
        len,
        body,
        offset,
    };
    Ok((record, kind))
}

impl<'a> WalRecord<'a> {
    /// What the record carries.
    ///
    /// # Errors
    /// `Unsupported` for an item that a newer gapless wrote, `Corrupt` for one that contradicts itself.
    pub fn items(&self) -> Result<Vec<WalItem<'a>>, FormatError> {
        decode_items(Reader::with_base(
            self.body,
            self.offset + WAL_RECORD_HEADER_LEN as u64,
        ))
    }
}
