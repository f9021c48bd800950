//! The log of leases: file header, record framing, and what records say.
//!
//! - A record is valid only if its checksum matches, its chain is the checksum before it, and every record before it is
//!   valid. The first invalid one ends the log ([`LeaseOutcome::Torn`]); nothing behind it is interpreted.
//! - A record is one change of the leases: all of its items or none.

use crate::bytes::{Reader, Writer, tags};
use crate::checksum::{checksum, seal, unseal};
use crate::error::FormatError;
use crate::item::{Item, MUST_UNDERSTAND, next_item, write_item};
use crate::vector::{HEADER_LEN, fixed, header_of};
use crate::version::{read_prelude, write_prelude};

/// The first eight bytes of the log of leases.
pub const LEASES_MAGIC: &[u8; 8] = b"GAPLLEAS";
/// Bytes of a record around its items: length, kind and chain in front, checksum behind.
pub const LEASE_RECORD_LEN_MIN: usize = 24;
/// Most bytes of a record: a greater length is no record, and nobody reserves memory for it.
pub const LEASE_RECORD_LEN_MAX: usize = 32 << 20;
/// A lease whose work is all done, in thousandths.
pub const COMPLETION_PERMILLE_MAX: u16 = 1000;

const KIND_CHANGES: u32 = 1;

/// Tags of the items in a record.
pub mod tag {
    /// A lease begins.
    pub const CLAIM: u16 = 1;
    /// A lease lasts longer, or has got further.
    pub const RENEW: u16 = 2;
    /// A lease ends.
    pub const END: u16 = 3;
}

/// The header of the log of leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseLogHeader {
    /// Id of the database that it belongs to.
    pub database: u128,
    /// The greatest epoch that was ever given before this file was made, 0 for none.
    pub last_epoch: u64,
}

/// A lease, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseRecord {
    /// Its fencing number: greater than that of every lease before it.
    pub epoch: u64,
    /// Id of the table.
    pub table: u32,
    /// Grid step in nanoseconds, 0 for none.
    pub interval: i64,
    /// First time of the range.
    pub start: i64,
    /// First time behind the range.
    pub end: i64,
    /// When it was claimed.
    pub claimed_at: i64,
    /// When it may be taken over.
    pub expires_at: i64,
    /// How much of the work is done, in thousandths.
    pub completion_permille: u16,
    /// The point in time that the work is as of.
    pub as_of: Option<i64>,
    /// The series' symbol; `None` for a table without series.
    pub series: Option<String>,
    /// The world that the rows are for; may be empty.
    pub world: String,
    /// Who has it.
    pub holder: String,
    /// The batch that it is for; may be empty.
    pub batch: String,
}

/// How a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeaseEnd {
    /// The work is done.
    Completed,
    /// The holder gave up.
    Failed,
    /// It was given back, or taken away by hand.
    Released,
    /// Its time was over and nobody had taken the range.
    Expired,
}

tags!(LeaseEnd {
    Completed = 1,
    Failed = 2,
    Released = 3,
    Expired = 4
});

/// One change of the leases.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LeaseItem {
    /// A lease begins. Those that it overlaps are over.
    Claim(LeaseRecord),
    /// A lease lasts longer, or has got further.
    Renew {
        /// Which one.
        epoch: u64,
        /// When it may be taken over from now on.
        expires_at: i64,
        /// How much of the work is done, in thousandths.
        completion_permille: u16,
    },
    /// A lease is over.
    End {
        /// Which one.
        epoch: u64,
        /// How.
        how: LeaseEnd,
    },
}

/// What stands at a position of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// A valid record.
    Record {
        /// What it says, in order.
        items: Vec<LeaseItem>,
        /// The chain of the next record.
        chain: u64,
        /// Its bytes; the next record begins behind them.
        len: usize,
    },
    /// The input is at its end.
    End,
    /// No valid record: cut short, a wrong checksum, or not the next one. Nothing behind it is to be read.
    Torn {
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl LeaseLogHeader {
    /// The 64 bytes, and the chain of the first record, which follows them.
    pub fn encode(&self) -> ([u8; HEADER_LEN], u64) {
        let mut writer = Writer::with_capacity(HEADER_LEN);
        write_prelude(&mut writer, LEASES_MAGIC);
        writer.u32(0);
        writer.u128(self.database);
        writer.u64(self.last_epoch);
        writer.zeros(16);
        let chain = checksum(writer.as_slice());
        (fixed(seal(writer)), chain)
    }

    /// Reads the header at the start of `bytes`. Answers the chain of the first record, too.
    ///
    /// # Errors
    /// `Unsupported` for a newer major version whose checksum is right, `Corrupt` for anything else that is wrong: the log
    /// is made anew when it is damaged, and a version that nobody wrote is damage.
    pub fn decode(bytes: &[u8]) -> Result<(Self, u64), FormatError> {
        let bytes = header_of(bytes, "lease header")?;
        unseal(bytes, 0, "lease header")?;
        let mut reader = Reader::new(bytes);
        read_prelude(&mut reader, LEASES_MAGIC)?;
        reader.u32("reserved")?;
        let header = Self {
            database: reader.u128("database id")?,
            last_epoch: reader.u64("last epoch")?,
        };
        reader.raw(16, "reserved")?;
        Ok((header, reader.u64("checksum")?))
    }
}

impl LeaseItem {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Claim(lease) => write_item(writer, tag::CLAIM, MUST_UNDERSTAND, |w| lease.encode(w)),
            Self::Renew {
                epoch,
                expires_at,
                completion_permille,
            } => write_item(writer, tag::RENEW, MUST_UNDERSTAND, |w| {
                w.u64(*epoch);
                w.i64(*expires_at);
                w.u16(*completion_permille);
            }),
            Self::End { epoch, how } => write_item(writer, tag::END, MUST_UNDERSTAND, |w| {
                w.u64(*epoch);
                w.u8(how.tag());
            }),
        }
    }

    /// `None` for an item that may be skipped.
    fn decode(mut item: Item<'_>) -> Result<Option<Self>, FormatError> {
        let payload = &mut item.payload;
        let known = match item.tag {
            tag::CLAIM => Self::Claim(LeaseRecord::decode(payload)?),
            tag::RENEW => Self::Renew {
                epoch: payload.u64("epoch")?,
                expires_at: payload.i64("expires at")?,
                completion_permille: completion(payload)?,
            },
            tag::END => Self::End {
                epoch: payload.u64("epoch")?,
                how: payload.tag(LeaseEnd::from_tag, "how a lease ended")?,
            },
            _ => {
                item.skip("lease record")?;
                return Ok(None);
            }
        };
        item.payload.finish("lease item")?;
        Ok(Some(known))
    }
}

impl LeaseRecord {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.epoch);
        writer.u32(self.table);
        writer.i64(self.interval);
        writer.i64(self.start);
        writer.i64(self.end);
        writer.i64(self.claimed_at);
        writer.i64(self.expires_at);
        writer.u16(self.completion_permille);
        writer.bool(self.as_of.is_some());
        writer.i64(self.as_of.unwrap_or(0));
        writer.bool(self.series.is_some());
        writer.string(self.series.as_deref().unwrap_or(""));
        writer.string(&self.world);
        writer.string(&self.holder);
        writer.string(&self.batch);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let begin = reader.offset();
        let epoch = reader.u64("epoch")?;
        let table = reader.u32("table")?;
        let interval = reader.i64("interval")?;
        let (start, end) = (reader.i64("start")?, reader.i64("end")?);
        if interval < 0 || start >= end {
            return Err(FormatError::corrupt(
                begin,
                format!("lease {epoch}: found interval {interval} and range [{start}, {end})"),
            ));
        }
        let claimed_at = reader.i64("claimed at")?;
        let expires_at = reader.i64("expires at")?;
        let completion_permille = completion(reader)?;
        let has_as_of = reader.bool("has as of")?;
        let as_of = reader.i64("as of")?;
        let has_series = reader.bool("has series")?;
        let series = reader.string("series")?;
        Ok(Self {
            epoch,
            table,
            interval,
            start,
            end,
            claimed_at,
            expires_at,
            completion_permille,
            as_of: has_as_of.then_some(as_of),
            series: has_series.then(|| series.to_owned()),
            world: reader.string("world")?.to_owned(),
            holder: reader.string("holder")?.to_owned(),
            batch: reader.string("batch")?.to_owned(),
        })
    }
}

fn completion(reader: &mut Reader<'_>) -> Result<u16, FormatError> {
    let offset = reader.offset();
    let found = reader.u16("completion")?;
    if found <= COMPLETION_PERMILLE_MAX {
        return Ok(found);
    }
    Err(FormatError::corrupt(
        offset,
        format!("completion: found {found} thousandths, expected at most {COMPLETION_PERMILLE_MAX}"),
    ))
}

/// The record that says `items`, behind one that ended with `chain`; and the chain of the next one.
///
/// # Panics
/// When it would have more than [`LEASE_RECORD_LEN_MAX`] bytes.
pub fn encode_lease_record(chain: u64, items: &[LeaseItem]) -> (Vec<u8>, u64) {
    let mut writer = Writer::with_capacity(LEASE_RECORD_LEN_MIN + 192 * items.len());
    writer.u32(0);
    writer.u32(KIND_CHANGES);
    writer.u64(chain);
    items.iter().for_each(|item| item.encode(&mut writer));
    let len = writer.len() + 8;
    assert!(len <= LEASE_RECORD_LEN_MAX, "a lease record has at most 32 MiB");
    writer.patch_u32(0, len as u32);
    let next = checksum(writer.as_slice());
    writer.u64(next);
    (writer.into_vec(), next)
}

/// Reads the record at the start of `bytes`, which must have the chain `chain`; `offset` is its place in the file.
///
/// # Errors
/// Only for a record that is valid otherwise: `Unsupported` for one that a newer gapless wrote, `Corrupt` for one that
/// contradicts itself.
pub fn decode_lease_record(bytes: &[u8], chain: u64, offset: u64) -> Result<LeaseOutcome, FormatError> {
    if bytes.is_empty() {
        return Ok(LeaseOutcome::End);
    }
    let (mut reader, len, next) = match frame(bytes, chain, offset) {
        Ok(found) => found,
        Err(error) => {
            return Ok(LeaseOutcome::Torn {
                offset,
                reason: error.message,
            });
        }
    };
    let kind_offset = reader.offset();
    let kind = reader.u32("record kind")?;
    if kind != KIND_CHANGES {
        return Err(FormatError::unsupported(
            kind_offset,
            format!("lease record kind: found {kind}, which this version does not know"),
        ));
    }
    reader.u64("chain")?;
    let mut items = Vec::new();
    while let Some(item) = next_item(&mut reader)? {
        items.extend(LeaseItem::decode(item)?);
    }
    Ok(LeaseOutcome::Record {
        items,
        chain: next,
        len,
    })
}

/// What stands behind the length of a record, its length, and its checksum: once they and the chain are right.
fn frame(bytes: &[u8], chain: u64, offset: u64) -> Result<(Reader<'_>, usize, u64), FormatError> {
    let len = Reader::with_base(bytes, offset).u32("record length")? as usize;
    if !(LEASE_RECORD_LEN_MIN..=LEASE_RECORD_LEN_MAX).contains(&len) {
        return Err(FormatError::corrupt(
            offset,
            format!(
                "lease record length: found {len}, expected {LEASE_RECORD_LEN_MIN} to {LEASE_RECORD_LEN_MAX}"
            ),
        ));
    }
    let Some(record) = bytes.get(..len) else {
        let found = bytes.len() as u64;
        return Err(FormatError::torn(offset, "lease record", len as u64, found));
    };
    let covered = unseal(record, offset, "lease record")?;
    let mut reader = Reader::with_base(covered, offset);
    reader.u32("record length")?;
    let behind = reader.clone();
    reader.u32("record kind")?;
    let found = reader.u64("chain")?;
    if found != chain {
        return Err(FormatError::corrupt(
            offset,
            format!("lease record chain: found {found:#018x}, expected {chain:#018x}"),
        ));
    }
    let next = record
        .last_chunk()
        .map_or(0, |sum: &[u8; 8]| u64::from_le_bytes(*sum));
    Ok((behind, len, next))
}
