//! Encoded pages: the compressed form of a column chunk's pages, and how they become plain bytes again.
//!
//! - A part of a page (values, offsets, validity) has a codec and a length of its own, kept in `segment.meta`.
//! - The decoded length follows from type, rows and nulls, or is bounded, before a byte is reserved for it.
//! - A decoder fills exactly the memory it is given, or says why it cannot.
//!
//! This module does not choose codecs: that is the writer's.

use std::cell::RefCell;
use std::ops::Range;

use bytemuck::Pod;
use pco::ChunkConfig;
use pco::data_types::Number as PcoNumber;
use pco::standalone::{simple_compress, simple_decompress_into};

use crate::bytes::{Reader, Writer, tags};
use crate::error::FormatError;
use crate::page::PageStats;
use crate::types::{ColumnType, Number, TimeUnit};

/// Stored bytes of one page's encoding.
pub const ENCODED_PAGE_LEN: usize = 28;
/// Bytes that a page with another codec than plain decodes to at most. What is larger is stored plain.
pub const DECODED_PAGE_BYTES_MAX: u64 = 64 << 20;
/// Encoded parts begin at multiples of this many bytes in the body.
pub const ENCODED_ALIGNMENT: u64 = 64;

/// How one part of a page is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// The bytes of the plain encoding.
    Plain,
    /// One zstd frame of them (RFC 8878).
    Zstd,
    /// The numbers in pco's standalone format (<https://github.com/pcodec/pcodec/blob/main/docs/format.md>).
    Pco,
}
tags!(Codec { Plain = 0, Zstd = 1, Pco = 2 });

impl Codec {
    /// `plain`, `zstd` or `pco`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Zstd => "zstd",
            Self::Pco => "pco",
        }
    }
}

/// One part of an encoded page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodedPart {
    /// How it is stored.
    pub codec: Codec,
    /// Bytes stored, without the zeros up to the next part.
    pub len: u64,
}

impl EncodedPart {
    /// A part that is not there.
    pub const NONE: Self = Self {
        codec: Codec::Plain,
        len: 0,
    };

    /// Bytes that it takes in the body, with the zeros up to the next part; the page's checksum covers them all.
    pub const fn slot(self) -> u64 {
        match self.len.checked_next_multiple_of(ENCODED_ALIGNMENT) {
            Some(slot) => slot,
            None => u64::MAX,
        }
    }
}

/// How one page of a paged column chunk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodedPage {
    /// In the values file.
    pub values: EncodedPart,
    /// In the offsets file: rows + 1 offsets that count from the page's first value.
    pub offsets: EncodedPart,
    /// In the validity file.
    pub validity: EncodedPart,
    /// Whether the values of nulls are left out.
    pub packed: bool,
    /// Bytes of the values, decoded.
    pub decoded_len: u64,
}

impl EncodedPage {
    /// Appends the 28 bytes.
    ///
    /// # Panics
    /// When offsets or validity take 4 GiB or more, which no page's do.
    pub fn encode(&self, writer: &mut Writer) {
        let short = |len: u64| u32::try_from(len).expect("offsets and validity of a page are below 4 GiB");
        writer.u8(self.values.codec.tag());
        writer.u8(self.offsets.codec.tag());
        writer.u8(self.validity.codec.tag());
        writer.bool(self.packed);
        writer.u32(short(self.offsets.len));
        writer.u32(short(self.validity.len));
        writer.u64(self.values.len);
        writer.u64(self.decoded_len);
    }

    /// Reads the 28 bytes.
    ///
    /// # Errors
    /// `Unsupported` for an unknown codec.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let values = reader.tag(Codec::from_tag, "values codec")?;
        let offsets = reader.tag(Codec::from_tag, "offsets codec")?;
        let validity = reader.tag(Codec::from_tag, "validity codec")?;
        let packed = reader.bool("packed flag")?;
        let part = |codec, len| EncodedPart { codec, len };
        let offsets = part(offsets, u64::from(reader.u32("encoded offsets length")?));
        let validity = part(validity, u64::from(reader.u32("encoded validity length")?));
        Ok(Self {
            values: part(values, reader.u64("encoded values length")?),
            offsets,
            validity,
            packed,
            decoded_len: reader.u64("decoded values length")?,
        })
    }

    /// Checks the lengths against the column's type, the page's rows and its nulls.
    pub(crate) fn check(
        &self,
        column_type: &ColumnType,
        rows: u64,
        stats: &PageStats,
        has_validity: bool,
        offset: u64,
    ) -> Result<(), FormatError> {
        let stored = match self.packed {
            true => rows.saturating_sub(u64::from(stats.null_count)),
            false => rows,
        };
        let fits = match column_type.value_width() {
            Some(width) => {
                stored.checked_mul(width as u64) == Some(self.decoded_len) && (has_validity || !self.packed)
            }
            None if self.packed => false,
            None if *column_type == ColumnType::Bool => self.decoded_len == rows.div_ceil(8),
            None => self
                .decoded_len
                .is_multiple_of(u64::from(column_type.body_width())),
        };
        let offsets = if column_type.has_offsets() {
            4 * (rows + 1)
        } else {
            0
        };
        let validity = if has_validity { rows.div_ceil(8) } else { 0 };
        let sound = fits
            && part_fits(self.values, self.decoded_len, column_type.lane())
            && part_fits(self.offsets, offsets, Some(Number::U32))
            && part_fits(self.validity, validity, None);
        if sound {
            return Ok(());
        }
        Err(FormatError::corrupt(
            offset,
            format!(
                "encoded page: found {self:?}, which {rows} rows of {} with {} nulls do not take",
                column_type.name(),
                stats.null_count
            ),
        ))
    }
}

fn part_fits(part: EncodedPart, decoded: u64, lane: Option<Number>) -> bool {
    let bounded = decoded > 0 && decoded <= DECODED_PAGE_BYTES_MAX && part.len > 0;
    match part.codec {
        Codec::Plain => part.len == decoded,
        Codec::Zstd => bounded,
        Codec::Pco => bounded && lane.is_some(),
    }
}

/// Where each page's part begins and ends in a paged body, zeros included, in order.
pub fn encoded_slots(parts: impl IntoIterator<Item = EncodedPart>) -> impl Iterator<Item = Range<u64>> {
    parts.into_iter().scan(0u64, |at, part| {
        let start = *at;
        *at = start.saturating_add(part.slot());
        Some(start..*at)
    })
}

impl ColumnType {
    /// The numbers that the values file is made of, as pco takes them; `None` where they are not numbers of at most
    /// eight bytes.
    pub fn lane(&self) -> Option<Number> {
        match self {
            Self::Number(number) | Self::List(number) | Self::FixedList { item: number, .. } => Some(*number),
            Self::Date | Self::Time(TimeUnit::Second | TimeUnit::Millisecond) => Some(Number::I32),
            Self::Time(_) | Self::Timestamp { .. } | Self::Duration(_) => Some(Number::I64),
            Self::Symbol { .. } => Some(Number::U32),
            Self::Bool | Self::Decimal128 { .. } | Self::Utf8 | Self::Binary => None,
        }
    }

    /// The byte that fills the place of a null in values that were packed.
    pub const fn null_fill(&self) -> u8 {
        match self {
            Self::Symbol { .. } => 0xff,
            _ => 0,
        }
    }
}

/// Runs a generic function with the type of a lane.
macro_rules! with_lane {
    ($lane:expr, $call:ident($($argument:expr),*)) => {
        match $lane {
            Number::I8 => $call::<i8>($($argument),*),
            Number::I16 => $call::<i16>($($argument),*),
            Number::I32 => $call::<i32>($($argument),*),
            Number::I64 => $call::<i64>($($argument),*),
            Number::U8 => $call::<u8>($($argument),*),
            Number::U16 => $call::<u16>($($argument),*),
            Number::U32 => $call::<u32>($($argument),*),
            Number::U64 => $call::<u64>($($argument),*),
            Number::F32 => $call::<f32>($($argument),*),
            Number::F64 => $call::<f64>($($argument),*),
        }
    };
}

/// One zstd frame of `plain`.
///
/// # Errors
/// `Corrupt` when zstd fails, which it does for lack of memory only.
pub fn encode_zstd(plain: &[u8], level: i32) -> Result<Vec<u8>, FormatError> {
    zstd::bulk::compress(plain, level)
        .map_err(|error| FormatError::corrupt(0, format!("zstd could not encode: {error}")))
}

/// Numbers of a lane in pco's standalone format.
///
/// # Errors
/// `Corrupt` when the bytes are not whole numbers, or pco refuses the level (0 to 12).
pub fn encode_pco(lane: Number, plain: &[u8], level: usize) -> Result<Vec<u8>, FormatError> {
    with_lane!(lane, pco_of(plain, level))
}

fn pco_of<T: PcoNumber + Pod>(plain: &[u8], level: usize) -> Result<Vec<u8>, FormatError> {
    let width = size_of::<T>();
    if !plain.len().is_multiple_of(width) {
        return Err(FormatError::corrupt(
            0,
            format!("{} bytes are no numbers of {width} bytes", plain.len()),
        ));
    }
    let copied: Vec<T>;
    let numbers = match bytemuck::try_cast_slice::<u8, T>(plain) {
        Ok(numbers) => numbers,
        Err(_) => {
            copied = plain
                .chunks_exact(width)
                .map(bytemuck::pod_read_unaligned)
                .collect();
            &copied
        }
    };
    let config = ChunkConfig::default()
        .with_compression_level(level)
        .with_enable_8_bit(true);
    simple_compress(numbers, &config)
        .map_err(|error| FormatError::corrupt(0, format!("pco could not encode: {error}")))
}

thread_local! {
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decodes one part into `out`, whose length is the decoded one.
///
/// # Errors
/// `Corrupt` when the bytes do not decode, or to another length.
pub fn decode_part(
    codec: Codec,
    lane: Option<Number>,
    encoded: &[u8],
    out: &mut [u8],
) -> Result<(), FormatError> {
    match (codec, lane) {
        (Codec::Plain, _) if encoded.len() == out.len() => {
            out.copy_from_slice(encoded);
            Ok(())
        }
        (Codec::Plain, _) => Err(wrong_length("plain", encoded.len(), out.len())),
        (Codec::Zstd, _) => decode_zstd(encoded, out),
        (Codec::Pco, Some(lane)) => with_lane!(lane, decode_pco(encoded, out)),
        (Codec::Pco, None) => Err(FormatError::corrupt(
            0,
            "pco: found on values that are no numbers",
        )),
    }
}

fn wrong_length(codec: &str, found: usize, expected: usize) -> FormatError {
    FormatError::corrupt(
        0,
        format!("{codec}: found {found} decoded bytes, expected {expected}"),
    )
}

fn decode_zstd(encoded: &[u8], out: &mut [u8]) -> Result<(), FormatError> {
    let failed = |error: std::io::Error| FormatError::corrupt(0, format!("zstd: {error}"));
    let len = ZSTD.with_borrow_mut(|decoder| {
        let decoder = match decoder {
            Some(decoder) => decoder,
            None => decoder.insert(zstd::bulk::Decompressor::new()?),
        };
        decoder.decompress_to_buffer(encoded, out)
    });
    match len.map_err(failed)? {
        len if len == out.len() => Ok(()),
        len => Err(wrong_length("zstd", len, out.len())),
    }
}

fn decode_pco<T: PcoNumber + Pod>(encoded: &[u8], out: &mut [u8]) -> Result<(), FormatError> {
    let len = out.len();
    if let Ok(numbers) = bytemuck::try_cast_slice_mut::<u8, T>(out) {
        return pco_into(encoded, numbers, len);
    }
    let mut numbers = vec![T::zeroed(); len / size_of::<T>()];
    pco_into(encoded, &mut numbers, len)?;
    out.copy_from_slice(bytemuck::cast_slice(&numbers));
    Ok(())
}

fn pco_into<T: PcoNumber + Pod>(encoded: &[u8], numbers: &mut [T], len: usize) -> Result<(), FormatError> {
    let progress = simple_decompress_into(encoded, numbers)
        .map_err(|error| FormatError::corrupt(0, format!("pco: {error}")))?;
    let found = progress.n_processed.saturating_mul(size_of::<T>());
    match progress.finished && found == len {
        true => Ok(()),
        false => Err(wrong_length("pco", found, len)),
    }
}

/// Puts values that were stored without those of nulls to their rows. `out` is filled with what nulls get.
///
/// # Errors
/// `Corrupt` when validity and values do not agree.
pub fn unpack(validity: &[u8], width: usize, packed: &[u8], out: &mut [u8]) -> Result<(), FormatError> {
    let left = match width {
        1 => unpack_fixed::<1>(validity, packed, out),
        2 => unpack_fixed::<2>(validity, packed, out),
        4 => unpack_fixed::<4>(validity, packed, out),
        8 => unpack_fixed::<8>(validity, packed, out),
        16 => unpack_fixed::<16>(validity, packed, out),
        _ => unpack_any(validity, width.max(1), packed, out),
    };
    match left {
        Some(0) => Ok(()),
        _ => Err(FormatError::corrupt(
            0,
            "packed values: found another number than the validity has valid rows",
        )),
    }
}

/// Gives the values that were left over, `None` when there were too few.
fn unpack_fixed<const WIDTH: usize>(validity: &[u8], packed: &[u8], out: &mut [u8]) -> Option<usize> {
    let (values, _) = packed.as_chunks::<WIDTH>();
    let (rows, _) = out.as_chunks_mut::<WIDTH>();
    let mut left = values;
    for (rows, byte) in rows.chunks_mut(8).zip(validity) {
        if *byte == 0xff {
            let (taken, rest) = left.split_at_checked(rows.len())?;
            rows.copy_from_slice(taken);
            left = rest;
            continue;
        }
        for (at, row) in rows.iter_mut().enumerate() {
            if byte >> at & 1 == 1 {
                let (first, rest) = left.split_first()?;
                *row = *first;
                left = rest;
            }
        }
    }
    Some(left.len())
}

fn unpack_any(validity: &[u8], width: usize, packed: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut left = packed.chunks_exact(width);
    for (at, row) in out.chunks_exact_mut(width).enumerate() {
        if validity.get(at / 8)? >> (at % 8) & 1 == 1 {
            row.copy_from_slice(left.next()?);
        }
    }
    Some(left.len())
}

/// The values of the rows that are not null, one after the other.
pub fn pack(validity: &[u8], width: usize, plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(plain.len());
    for (at, row) in plain.chunks_exact(width.max(1)).enumerate() {
        if validity.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1) {
            packed.extend_from_slice(row);
        }
    }
    packed
}
