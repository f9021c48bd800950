//! The 64-byte header of a vector file: values, offsets, validity or an index of one column chunk.
//!
//! The body starts at offset 64 and ends with the file, so a plain body is what
//! `numpy.memmap(file, dtype, offset=64)` reads and what Arrow points into.

use crate::bytes::{Reader, Writer, tags};
use crate::checksum::{checksum, seal, unseal};
use crate::error::FormatError;
use crate::version::{read_prelude, write_prelude};

/// Bytes of a vector file before its body; also of the manifest log's and the identity file's header.
pub const HEADER_LEN: usize = 64;
/// The first eight bytes of a vector file.
pub const VECTOR_MAGIC: &[u8; 8] = b"GAPLCOL\0";

/// What a vector file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VectorKind {
    /// `<column>.col`: the values.
    Values,
    /// `<column>.offsets`: rows + 1 u32 positions in the values.
    Offsets,
    /// `<column>.validity`: one bit per row, least significant first, 1 = not null.
    Validity,
    /// `<column>.parted`: a [`crate::PartedIndex`].
    Parted,
    /// `<column>.grouped`: a [`crate::GroupedIndex`].
    Grouped,
    /// `<column>.unique`: a [`crate::UniqueIndex`].
    Unique,
}
tags!(VectorKind { Values = 0, Offsets = 1, Validity = 2, Parted = 3, Grouped = 4, Unique = 5 });

impl VectorKind {
    /// The file name's extension.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Values => "col",
            Self::Offsets => "offsets",
            Self::Validity => "validity",
            Self::Parted => "parted",
            Self::Grouped => "grouped",
            Self::Unique => "unique",
        }
    }

    /// Whether the body is an index, checksummed whole, and not pages of rows.
    pub const fn is_index(self) -> bool {
        matches!(self, Self::Parted | Self::Grouped | Self::Unique)
    }
}

/// How a body is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Little-endian values, one after the other.
    Plain,
    /// Pages that are encoded one by one: see [`crate::EncodedPage`].
    Paged,
}
tags!(Encoding { Plain = 0, Paged = 1 });

/// The header of a vector file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorHeader {
    /// What the body is.
    pub kind: VectorKind,
    /// How it is stored.
    pub encoding: Encoding,
    /// [`crate::ColumnType::tag`] of the column.
    pub column_type_tag: u8,
    /// Bytes per value ([`crate::ColumnType::body_width`]); 0 for bit-packed bodies and indexes, 4 for offsets.
    pub width: u32,
    /// Values in the body. Values: rows, but bytes for text and elements for variable lists;
    /// offsets: rows + 1; validity and indexes: rows.
    pub rows: u64,
    /// Bytes of the body.
    pub body_len: u64,
    /// [`crate::body_checksum`] of the page checksums; of an index, [`checksum`] of the body.
    pub body_checksum: u64,
    /// The segment that the file belongs to.
    pub segment: u64,
}

impl VectorHeader {
    /// The 64 bytes of the header.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut writer = Writer::with_capacity(HEADER_LEN);
        write_prelude(&mut writer, VECTOR_MAGIC);
        writer.u8(self.kind.tag());
        writer.u8(self.encoding.tag());
        writer.u8(self.column_type_tag);
        writer.u8(0);
        writer.u32(self.width);
        writer.u32(0);
        writer.u64(self.rows);
        writer.u64(self.body_len);
        writer.u64(self.body_checksum);
        writer.u64(self.segment);
        fixed(seal(writer))
    }

    /// Reads the header at the start of `bytes`; what follows the first 64 bytes is not looked at.
    ///
    /// # Errors
    /// `Unsupported` for a newer version, an unknown kind or encoding; `Corrupt` for anything else that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let bytes = header_of(bytes, "vector header")?;
        let mut reader = Reader::new(bytes);
        read_prelude(&mut reader, VECTOR_MAGIC)?;
        unseal(bytes, 0, "vector header")?;
        let kind = reader.tag(VectorKind::from_tag, "vector kind")?;
        let encoding = reader.tag(Encoding::from_tag, "encoding")?;
        let column_type_tag = reader.u8("column type")?;
        reader.u8("reserved")?;
        let width = reader.u32("width")?;
        reader.u32("reserved")?;
        Ok(Self {
            kind,
            encoding,
            column_type_tag,
            width,
            rows: reader.u64("rows")?,
            body_len: reader.u64("body length")?,
            body_checksum: reader.u64("body checksum")?,
            segment: reader.u64("segment")?,
        })
    }

    /// Checks the file's length against the header, and the body's length against kind, width and rows.
    ///
    /// # Errors
    /// `Corrupt` (torn, when the file is too short) with both lengths.
    pub fn check_len(&self, file_len: u64) -> Result<(), FormatError> {
        let header = HEADER_LEN as u64;
        if let Some(expected) = self.implied_body_len()?
            && expected != self.body_len
        {
            return Err(FormatError::corrupt(
                32,
                format!(
                    "body length: found {}, expected {expected} for {} values of {} bytes",
                    self.body_len, self.rows, self.width
                ),
            ));
        }
        let body = file_len.saturating_sub(header);
        if body < self.body_len {
            return Err(FormatError::torn(header, "vector body", self.body_len, body));
        }
        if file_len < header || body > self.body_len {
            return Err(FormatError::corrupt(
                header,
                format!("vector body: found {body} bytes, expected {}", self.body_len),
            ));
        }
        Ok(())
    }

    /// Checks that the body is stored as `segment.meta` says.
    ///
    /// # Errors
    /// `Corrupt` when it is not.
    pub fn check_encoding(&self, expected: Encoding) -> Result<(), FormatError> {
        if self.encoding == expected {
            return Ok(());
        }
        Err(FormatError::corrupt(
            13,
            format!("encoding: found {:?}, expected {expected:?}", self.encoding),
        ))
    }

    /// Checks an index body against the checksum in the header.
    ///
    /// # Errors
    /// `Corrupt` when they differ.
    pub fn check_index_body(&self, body: &[u8]) -> Result<(), FormatError> {
        let found = checksum(body);
        if self.kind.is_index() && found == self.body_checksum {
            return Ok(());
        }
        Err(FormatError::corrupt(
            HEADER_LEN as u64,
            format!(
                "index body checksum: found {found:#018x}, expected {:#018x}",
                self.body_checksum
            ),
        ))
    }

    /// What kind, width and rows say about the body's length; `None` when they say nothing.
    fn implied_body_len(&self) -> Result<Option<u64>, FormatError> {
        if self.encoding == Encoding::Paged || self.kind.is_index() {
            return Ok(None);
        }
        let bits =
            self.kind == VectorKind::Validity || self.column_type_tag == 0 && self.kind == VectorKind::Values;
        let width_is_right = match self.kind {
            VectorKind::Offsets => self.width == 4 && self.rows > 0,
            _ => bits == (self.width == 0),
        };
        let len = match bits {
            true => Some(self.rows.div_ceil(8)),
            false => self.rows.checked_mul(u64::from(self.width)),
        };
        match len {
            Some(len) if width_is_right => Ok(Some(len)),
            _ => Err(FormatError::corrupt(
                16,
                format!(
                    "width: found {} bytes for {} {:?} of type tag {}",
                    self.width, self.rows, self.kind, self.column_type_tag
                ),
            )),
        }
    }
}

/// The first 64 bytes, which a fixed header must have.
pub(crate) fn header_of<'a>(bytes: &'a [u8], what: &str) -> Result<&'a [u8], FormatError> {
    bytes
        .get(..HEADER_LEN)
        .ok_or_else(|| FormatError::torn(0, what, HEADER_LEN as u64, bytes.len() as u64))
}

/// The bytes of a structure of constant size.
pub(crate) fn fixed<const N: usize>(bytes: Vec<u8>) -> [u8; N] {
    bytes
        .try_into()
        .expect("the encoder writes exactly this many bytes")
}
