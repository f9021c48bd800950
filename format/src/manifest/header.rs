//! The 64 bytes at the start of `manifest/<number>.log`.

use crate::bytes::{Reader, Writer};
use crate::checksum::{seal, unseal};
use crate::error::FormatError;
use crate::vector::{HEADER_LEN, fixed, header_of};
use crate::version::{read_prelude, write_prelude};

/// The first eight bytes of a manifest log.
pub const LOG_MAGIC: &[u8; 8] = b"GAPLMANI";

/// The header of a manifest log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogHeader {
    /// Number of the log, as in its file name.
    pub number: u64,
    /// Id of the database that it belongs to.
    pub database: u128,
}

impl LogHeader {
    /// The 64 bytes; the first record follows them.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut writer = Writer::with_capacity(HEADER_LEN);
        write_prelude(&mut writer, LOG_MAGIC);
        writer.u32(0);
        writer.u64(self.number);
        writer.u128(self.database);
        writer.zeros(16);
        fixed(seal(writer))
    }

    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// `Unsupported` for a newer major version, `Corrupt` for anything else that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let bytes = header_of(bytes, "manifest header")?;
        let mut reader = Reader::new(bytes);
        read_prelude(&mut reader, LOG_MAGIC)?;
        unseal(bytes, 0, "manifest header")?;
        reader.u32("reserved")?;
        Ok(Self {
            number: reader.u64("log number")?,
            database: reader.u128("database id")?,
        })
    }
}
