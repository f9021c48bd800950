//! The header of a log file.

use crate::bytes::{Reader, Writer};
use crate::checksum::{seal, unseal};
use crate::error::FormatError;
use crate::vector::{HEADER_LEN, header_of};
use crate::version::{read_prelude, write_prelude};

/// The first eight bytes of a log file.
pub const WAL_MAGIC: &[u8; 8] = b"GAPLWAL\0";

/// The first 64 bytes of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalHeader {
    /// Id of the stream.
    pub stream: u64,
    /// LSN of the first record, as in the file's name: the end of the file before.
    pub first_lsn: u64,
    /// Id of the database.
    pub database: u128,
}

impl WalHeader {
    /// The 64 bytes of the header.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(HEADER_LEN);
        write_prelude(&mut writer, WAL_MAGIC);
        writer.u32(0);
        writer.u64(self.stream);
        writer.u64(self.first_lsn);
        writer.u128(self.database);
        writer.u64(0);
        seal(writer)
    }

    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// `Unsupported` for a newer version; `Corrupt` for anything else that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let header = header_of(bytes, "log header")?;
        let mut reader = Reader::new(header);
        read_prelude(&mut reader, WAL_MAGIC)?;
        unseal(header, 0, "log header")?;
        reader.u32("reserved")?;
        Ok(Self {
            stream: reader.u64("stream")?,
            first_lsn: reader.u64("first lsn")?,
            database: reader.u128("database")?,
        })
    }
}
