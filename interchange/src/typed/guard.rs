//! Lengths that a binary file declares, checked against its size before a decoder allocates them.
//!
//! The decoders reserve memory for declared lengths unseen; a forged one would end the process, which no caller can
//! catch. Here nothing is decoded: what passes may still be damaged, and the decoder says so.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use arrow_ipc::{Block, Message, MessageHeader, RecordBatch, root_as_footer, root_as_message};

use crate::error::{InterchangeError, Result};

/// The longest buffer that a compressed one may expand to, and the most rows of a batch.
const BUFFER_BYTES_MAX: i64 = 4 << 30;
const ROWS_MAX: i64 = 1 << 32;
const CONTINUATION: [u8; 4] = [0xFF; 4];
const IPC_MAGIC: &[u8] = b"ARROW1";

/// Checks the footer of a Parquet file.
pub(crate) fn check_parquet(file: &mut File, bytes: u64) -> Result<()> {
    let tail = read_at(
        file,
        bytes.checked_sub(8).ok_or_else(|| damaged("it ends early"))?,
        8,
    )?;
    let [a, b, c, d, magic @ ..] = tail.as_slice() else {
        return Err(damaged("it ends early"));
    };
    let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    if magic != b"PAR1" || length > bytes - 8 {
        return Err(damaged("it does not end in a footer and PAR1; it may be cut off"));
    }
    let footer = read_at(file, bytes - 8 - length, length)?;
    let mut walk = ThriftWalk { rest: &footer };
    walk.structure(0)
        .ok_or_else(|| damaged("its footer does not hold what it declares"))
}

/// Checks the messages of an Arrow IPC file or stream.
pub(crate) fn check_ipc(file: &mut File, bytes: u64, is_file: bool) -> Result<()> {
    if is_file {
        check_ipc_file(file, bytes)
    } else {
        check_ipc_stream(file, bytes)
    }
}

fn check_ipc_file(file: &mut File, bytes: u64) -> Result<()> {
    let tail = read_at(
        file,
        bytes.checked_sub(10).ok_or_else(|| damaged("it ends early"))?,
        10,
    )?;
    let [a, b, c, d, magic @ ..] = tail.as_slice() else {
        return Err(damaged("it ends early"));
    };
    let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    if magic != IPC_MAGIC || length > bytes - 10 {
        return Err(damaged(
            "it does not end in a footer and ARROW1; it may be cut off",
        ));
    }
    let footer = read_at(file, bytes - 10 - length, length)?;
    let footer = root_as_footer(&footer).map_err(|error| damaged(&error.to_string()))?;
    let blocks = footer
        .dictionaries()
        .into_iter()
        .flatten()
        .chain(footer.recordBatches().into_iter().flatten());
    blocks
        .into_iter()
        .try_for_each(|block| check_block(file, block, bytes))
}

fn check_block(file: &mut File, block: &Block, bytes: u64) -> Result<()> {
    let unsigned = |length: i64| u64::try_from(length).map_err(|_| damaged("a length is negative"));
    let (start, body) = (unsigned(block.offset())?, unsigned(block.bodyLength())?);
    let metadata = unsigned(i64::from(block.metaDataLength()))?;
    let end = start.checked_add(metadata).and_then(|end| end.checked_add(body));
    if end.is_none_or(|end| end > bytes) || metadata < 8 {
        return Err(damaged("a batch lies beyond its end"));
    }
    let message = read_at(file, start, metadata)?;
    let skipped = if message.starts_with(&CONTINUATION) { 8 } else { 4 };
    check_message(
        file,
        message.get(skipped..).unwrap_or_default(),
        start + metadata,
        bytes,
    )
    .map(drop)
}

fn check_ipc_stream(file: &mut File, bytes: u64) -> Result<()> {
    let mut at = 0;
    while at + 4 <= bytes {
        let mut start = read_at(file, at, 4)?;
        at += 4;
        if start == CONTINUATION {
            if at + 4 > bytes {
                return Err(damaged("it ends early"));
            }
            start = read_at(file, at, 4)?;
            at += 4;
        }
        let length = start
            .try_into()
            .map(u32::from_le_bytes)
            .map(u64::from)
            .unwrap_or(u64::MAX);
        if length == 0 {
            return Ok(());
        }
        if length > bytes - at {
            return Err(damaged("a message lies beyond its end"));
        }
        let message = read_at(file, at, length)?;
        at += length;
        at += check_message(file, &message, at, bytes)?;
    }
    Ok(())
}

/// Checks one message whose body begins at `body`; returns the length of the body.
fn check_message(file: &mut File, message: &[u8], body: u64, bytes: u64) -> Result<u64> {
    let message: Message<'_> = root_as_message(message).map_err(|error| damaged(&error.to_string()))?;
    let length = u64::try_from(message.bodyLength()).map_err(|_| damaged("a length is negative"))?;
    if length > bytes.saturating_sub(body) {
        return Err(damaged("a message lies beyond its end"));
    }
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message
            .header_as_dictionary_batch()
            .and_then(|batch| batch.data()),
        _ => None,
    };
    match batch {
        Some(batch) => check_batch(file, batch, body, length).map(|()| length),
        None => Ok(length),
    }
}

fn check_batch(file: &mut File, batch: RecordBatch<'_>, body: u64, length: u64) -> Result<()> {
    let nodes = batch.nodes().into_iter().flatten().map(|node| node.length());
    if std::iter::once(batch.length())
        .chain(nodes)
        .any(|rows| !(0..=ROWS_MAX).contains(&rows))
    {
        return Err(damaged("a batch has an impossible number of rows"));
    }
    for buffer in batch.buffers().into_iter().flatten() {
        let (Ok(start), Ok(bytes)) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length())) else {
            return Err(damaged("a length is negative"));
        };
        if start.checked_add(bytes).is_none_or(|end| end > length) {
            return Err(damaged("a buffer lies beyond its batch"));
        }
        if batch.compression().is_some() && bytes >= 8 {
            let expanded = read_at(file, body + start, 8)?
                .try_into()
                .map(i64::from_le_bytes)
                .unwrap_or(i64::MAX);
            if !(-1..=BUFFER_BYTES_MAX).contains(&expanded) {
                return Err(damaged("a compressed buffer has an impossible length"));
            }
        }
    }
    Ok(())
}

/// `length` bytes from `start`, which the caller has checked against the size of the file.
fn read_at(file: &mut File, start: u64, length: u64) -> Result<Vec<u8>> {
    let unreadable = |error: std::io::Error| InterchangeError::io("cannot be read", &error);
    file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    let mut found = Vec::new();
    file.by_ref()
        .take(length)
        .read_to_end(&mut found)
        .map_err(unreadable)?;
    if found.len() as u64 == length {
        Ok(found)
    } else {
        Err(damaged("it ends early"))
    }
}

fn damaged(what: &str) -> InterchangeError {
    InterchangeError::invalid(format!("cannot be decoded, the file is damaged: {what}"))
}

/// Steps over a value of Thrift's compact protocol, in which Parquet writes its footer, and counts that each list
/// has at least one byte for each of its items.
/// (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>)
struct ThriftWalk<'a> {
    rest: &'a [u8],
}

/// Parquet's own structures are about six deep.
const DEPTH_MAX: usize = 32;

impl ThriftWalk<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn structure(&mut self, depth: usize) -> Option<()> {
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Some(());
            }
            if header >> 4 == 0 {
                self.varint()?;
            }
            match header & 0x0F {
                // A boolean field is its own value.
                1 | 2 => {}
                kind => self.value(kind, depth + 1)?,
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match kind {
            1..=3 => self.skip(1),
            4..=6 => self.varint().map(drop),
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(usize::try_from(length).ok()?)
            }
            9 | 10 => self.list(depth),
            11 => self.map(depth),
            12 => self.structure(depth),
            13 => self.skip(16),
            _ => None,
        }
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        let header = self.byte()?;
        let count = if header >> 4 == 15 {
            self.varint()?
        } else {
            u64::from(header >> 4)
        };
        if count > self.rest.len() as u64 {
            return None;
        }
        (0..count).try_for_each(|_| self.value(header & 0x0F, depth + 1))
    }

    fn map(&mut self, depth: usize) -> Option<()> {
        let count = self.varint()?;
        if count == 0 {
            return Some(());
        }
        let kinds = self.byte()?;
        if count > self.rest.len() as u64 {
            return None;
        }
        (0..count).try_for_each(|_| {
            self.value(kinds >> 4, depth + 1)?;
            self.value(kinds & 0x0F, depth + 1)
        })
    }
}
