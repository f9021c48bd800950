//! The small files of constant size: identity, current log, commit-lock tail and reader pins.
//!
//! Each is the whole content of its file; a longer or shorter file is damage.

use crate::bytes::{Reader, Writer};
use crate::checksum::{seal, unseal};
use crate::error::FormatError;
use crate::vector::{HEADER_LEN, fixed};
use crate::version::{FORMAT_MAJOR, FORMAT_MINOR, read_magic, read_prelude};

/// Bytes of CURRENT, LOCK and a pin.
pub const MARK_LEN: usize = 32;
/// The first eight bytes of `GAPLESS`.
pub const IDENTITY_MAGIC: &[u8; 8] = b"GAPLESS\0";
/// The first eight bytes of `manifest/CURRENT`.
pub const CURRENT_MAGIC: &[u8; 8] = b"GAPLCURR";
/// The first eight bytes of `manifest/LOCK`.
pub const TAIL_MAGIC: &[u8; 8] = b"GAPLTAIL";
/// The first eight bytes of a file in `readers/`.
pub const PIN_MAGIC: &[u8; 8] = b"GAPLPIN\0";

/// Content of `GAPLESS`: what the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Major format version of the database.
    pub major: u16,
    /// Minor format version of the database.
    pub minor: u16,
    /// Random id of the database, repeated in logs and symbol files.
    pub database: u128,
}

/// Content of `manifest/CURRENT`: the active log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Current {
    /// Number of the active log.
    pub log: u64,
}

/// Content of `manifest/LOCK`: a lower bound under which the log must be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tail {
    /// Number of the log.
    pub log: u64,
    /// Bytes of it that were synced.
    pub committed_len: u64,
    /// The sync of what follows has failed: nobody may read it.
    pub suspect: bool,
}

/// Content of a file in `readers/`: the version that a reader holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin {
    /// The pinned version.
    pub version: u64,
}

impl Identity {
    /// The identity of a database of this format version.
    pub fn new(database: u128) -> Self {
        Self {
            major: FORMAT_MAJOR,
            minor: FORMAT_MINOR,
            database,
        }
    }

    /// The 64 bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut writer = Writer::with_capacity(HEADER_LEN);
        writer.raw(IDENTITY_MAGIC);
        writer.u16(self.major);
        writer.u16(self.minor);
        writer.u32(0);
        writer.u128(self.database);
        writer.zeros(24);
        fixed(seal(writer))
    }

    /// Reads the whole content of `GAPLESS`.
    ///
    /// # Errors
    /// `Unsupported` for a newer major version, `Corrupt` for anything else that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let (major, minor) = read_prelude(&mut reader, IDENTITY_MAGIC)?;
        exact(bytes, HEADER_LEN, "identity")?;
        unseal(bytes, 0, "identity")?;
        reader.u32("reserved")?;
        Ok(Self {
            major,
            minor,
            database: reader.u128("database id")?,
        })
    }
}

impl Current {
    /// The 32 bytes.
    pub fn encode(&self) -> [u8; MARK_LEN] {
        encode_mark(CURRENT_MAGIC, self.log, 0)
    }

    /// Reads the whole content of `manifest/CURRENT`.
    ///
    /// # Errors
    /// `Corrupt` when it is not 32 sound bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (log, _) = decode_mark(bytes, CURRENT_MAGIC, "current log")?;
        Ok(Self { log })
    }
}

/// The highest bit of the committed length: what follows it is suspect.
pub const TAIL_SUSPECT: u64 = 1 << 63;

impl Tail {
    /// The 32 bytes.
    pub fn encode(&self) -> [u8; MARK_LEN] {
        let suspect = if self.suspect { TAIL_SUSPECT } else { 0 };
        encode_mark(TAIL_MAGIC, self.log, self.committed_len & !TAIL_SUSPECT | suspect)
    }

    /// Reads the whole content of `manifest/LOCK`.
    ///
    /// # Errors
    /// `Corrupt` when it is not 32 sound bytes; torn when it is shorter (a new LOCK is empty).
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (log, len) = decode_mark(bytes, TAIL_MAGIC, "commit tail")?;
        Ok(Self {
            log,
            committed_len: len & !TAIL_SUSPECT,
            suspect: len & TAIL_SUSPECT != 0,
        })
    }
}

impl Pin {
    /// The 32 bytes.
    pub fn encode(&self) -> [u8; MARK_LEN] {
        encode_mark(PIN_MAGIC, self.version, 0)
    }

    /// Reads the whole content of a file in `readers/`.
    ///
    /// # Errors
    /// `Corrupt` when it is not 32 sound bytes; torn when it is shorter.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (version, _) = decode_mark(bytes, PIN_MAGIC, "reader pin")?;
        Ok(Self { version })
    }
}

fn encode_mark(magic: &[u8; 8], first: u64, second: u64) -> [u8; MARK_LEN] {
    let mut writer = Writer::with_capacity(MARK_LEN);
    writer.raw(magic);
    writer.u64(first);
    writer.u64(second);
    fixed(seal(writer))
}

fn decode_mark(bytes: &[u8], magic: &[u8; 8], what: &str) -> Result<(u64, u64), FormatError> {
    exact(bytes, MARK_LEN, what)?;
    let mut reader = Reader::new(bytes);
    read_magic(&mut reader, magic)?;
    unseal(bytes, 0, what)?;
    Ok((reader.u64(what)?, reader.u64(what)?))
}

fn exact(bytes: &[u8], len: usize, what: &str) -> Result<(), FormatError> {
    if bytes.len() < len {
        return Err(FormatError::torn(0, what, len as u64, bytes.len() as u64));
    }
    if bytes.len() > len {
        return Err(FormatError::corrupt(
            len as u64,
            format!("{what}: found {} bytes, expected {len}", bytes.len()),
        ));
    }
    Ok(())
}
