//! Symbol files: a header, then frames of symbols. A symbol's code is its position.
//!
//! - Every frame's checksum covers the one before it (the *chain*), so frames cannot be lost, doubled or reordered
//!   unseen. The first frame's predecessor is [`CHAIN_START`].
//! - A frame is checked as a whole: one checksum, one UTF-8 check of all its text, one pass over the ends.

use crate::bytes::{Reader, Writer};
use crate::checksum::{seal, unseal};
use crate::error::FormatError;
use crate::types::NULL_CODE;
use crate::version::{read_prelude, write_prelude};

/// The first eight bytes of a symbol file.
pub const SYMBOL_MAGIC: &[u8; 8] = b"GAPLSYM\0";
/// The chain before the first frame.
pub const CHAIN_START: u64 = 0;
/// Bytes of a frame before the ends of its symbols.
pub const FRAME_HEADER_LEN: usize = 24;
/// Most bytes of text that the encoder puts into one frame, and the longest symbol.
pub const FRAME_TEXT_MAX: usize = 1 << 30;

/// Bytes of a symbol file's header before the domain's name.
const FIXED_LEN: usize = 32;

/// The start of a symbol file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SymbolFileHeader {
    /// Full name of the domain, whatever the file is called.
    pub domain: String,
    /// Id of the database that it belongs to.
    pub database: u128,
}

impl SymbolFileHeader {
    /// The header's bytes; the first frame follows them.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(FIXED_LEN + 12 + self.domain.len());
        write_prelude(&mut writer, SYMBOL_MAGIC);
        writer.count(FIXED_LEN + 4 + self.domain.len() + 8);
        writer.u128(self.database);
        writer.string(&self.domain);
        seal(writer)
    }

    /// Reads the header at the start of `bytes`; answers it and its length, where the first frame begins.
    ///
    /// # Errors
    /// `Unsupported` for a newer major version, `Corrupt` for anything else that is wrong, torn when `bytes` ends
    /// before the header.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), FormatError> {
        let mut reader = Reader::new(bytes);
        let (_, minor) = read_prelude(&mut reader, SYMBOL_MAGIC)?;
        let len = reader.u32("symbol header length")? as usize;
        if len < FIXED_LEN + 12 {
            return Err(FormatError::corrupt(
                12,
                format!("symbol header length: found {len}, expected at least 44"),
            ));
        }
        let Some(header) = bytes.get(..len) else {
            return Err(FormatError::torn(
                0,
                "symbol header",
                len as u64,
                bytes.len() as u64,
            ));
        };
        let covered = unseal(header, 0, "symbol header")?;
        let mut reader = Reader::with_base(covered.get(16..).unwrap_or_default(), 16);
        let database = reader.u128("database id")?;
        let domain = reader.string("domain")?.to_owned();
        // A newer minor version may add fields behind the ones known here.
        let may_have_more = minor > crate::FORMAT_MINOR;
        if !may_have_more {
            reader.finish("symbol header")?;
        }
        Ok((Self { domain, database }, len))
    }
}

/// One frame of a symbol file, checked, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Code of the first symbol.
    pub first_code: u32,
    /// Number of symbols.
    pub count: u32,
    /// The chain after this frame: its own checksum.
    pub chain: u64,
    /// Bytes of the frame; the next one begins behind them.
    pub len: usize,
    ends: &'a [[u8; 4]],
    text: &'a str,
}

/// The bytes of the symbols `first_code, first_code + 1, ...` as a frame, and the chain after it.
///
/// More than 1 GiB of text becomes several frames, one behind the other. No symbols are no bytes.
///
/// # Panics
/// When a symbol is longer than [`FRAME_TEXT_MAX`], or a code would reach [`NULL_CODE`].
pub fn encode_frame<S: AsRef<str>>(first_code: u32, symbols: &[S], chain: u64) -> (Vec<u8>, u64) {
    let (mut bytes, mut chain, mut first_code, mut rest) = (Vec::new(), chain, first_code, symbols);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(frame_count(rest));
        let frame = encode_one_frame(first_code, now, chain);
        chain = frame.last_chunk().map_or(chain, |sum| u64::from_le_bytes(*sum));
        first_code += now.len() as u32;
        rest = later;
        if bytes.is_empty() {
            bytes = frame;
        } else {
            bytes.extend_from_slice(&frame);
        }
    }
    (bytes, chain)
}

/// How many of `symbols` go into one frame: at least one.
fn frame_count<S: AsRef<str>>(symbols: &[S]) -> usize {
    let mut text = 0;
    let full = symbols.iter().position(|symbol| {
        text += symbol.as_ref().len();
        text > FRAME_TEXT_MAX
    });
    full.unwrap_or(symbols.len()).max(1)
}

fn encode_one_frame<S: AsRef<str>>(first_code: u32, symbols: &[S], chain: u64) -> Vec<u8> {
    let text: usize = symbols.iter().map(|symbol| symbol.as_ref().len()).sum();
    assert!(
        text <= FRAME_TEXT_MAX,
        "a symbol of {text} bytes is above the limit of {FRAME_TEXT_MAX}"
    );
    let last = first_code as u64 + symbols.len() as u64;
    assert!(
        last <= u64::from(NULL_CODE),
        "a domain holds fewer than 2^32 - 1 symbols"
    );
    let mut writer = Writer::with_capacity(FRAME_HEADER_LEN + symbols.len() * 4 + text + 8);
    writer.u32(first_code);
    writer.count(symbols.len());
    writer.count(text);
    writer.u32(0);
    writer.u64(chain);
    let mut end = 0;
    for symbol in symbols {
        end += symbol.as_ref().len() as u32;
        writer.u32(end);
    }
    symbols
        .iter()
        .for_each(|symbol| writer.raw(symbol.as_ref().as_bytes()));
    seal(writer)
}

/// Reads the frame at the start of `bytes`, a position `base_offset` in its file, and checks everything:
/// code and chain follow on, checksum, UTF-8, and that every symbol ends on a character.
///
/// # Errors
/// `Corrupt`; with `torn` set when `bytes` ends before the frame, which in the committed part of a file is
/// damage and behind it an append that did not finish.
pub fn decode_frame(
    bytes: &[u8],
    expected_first_code: u32,
    chain: u64,
    base_offset: u64,
) -> Result<Frame<'_>, FormatError> {
    let mut reader = Reader::with_base(bytes, base_offset);
    let first_code = reader.u32("frame's first code")?;
    let count = reader.u32("frame's symbol count")?;
    let text_len = reader.u32("frame's text length")?;
    reader.u32("reserved")?;
    let before = reader.u64("frame's chain")?;
    // A forged header must not pass for an unfinished append, so what can be compared now is.
    check_follows(
        (first_code, before),
        (expected_first_code, chain),
        count,
        base_offset,
    )?;
    let len = FRAME_HEADER_LEN as u64 + u64::from(count) * 4 + u64::from(text_len) + 8;
    let frame = usize::try_from(len).ok().and_then(|len| bytes.get(..len));
    let Some(frame) = frame else {
        return Err(FormatError::torn(
            base_offset,
            "symbol frame",
            len,
            bytes.len() as u64,
        ));
    };
    unseal(frame, base_offset, "symbol frame")?;
    let (ends, _) = reader
        .raw(count as usize * 4, "ends of symbols")?
        .as_chunks::<4>();
    let text_at = reader.offset();
    let text = std::str::from_utf8(reader.raw(text_len as usize, "text of symbols")?).map_err(|error| {
        FormatError::corrupt(
            text_at.saturating_add(error.valid_up_to() as u64),
            "symbols: found bytes that are not UTF-8",
        )
    })?;
    check_ends(ends, text, base_offset.saturating_add(FRAME_HEADER_LEN as u64))?;
    let chain = reader.u64("frame checksum")?;
    Ok(Frame {
        first_code,
        count,
        chain,
        len: frame.len(),
        ends,
        text,
    })
}

fn check_follows(
    found: (u32, u64),
    expected: (u32, u64),
    count: u32,
    offset: u64,
) -> Result<(), FormatError> {
    if found != expected {
        return Err(FormatError::corrupt(
            offset,
            format!(
                "symbol frame: found first code {} and chain {:#018x}, expected {} and {:#018x}",
                found.0, found.1, expected.0, expected.1
            ),
        ));
    }
    if count == 0 || found.0.checked_add(count).is_none() {
        return Err(FormatError::corrupt(
            offset.saturating_add(4),
            format!("symbol frame: found {count} symbols, expected at least one and codes below 2^32 - 1"),
        ));
    }
    Ok(())
}

fn check_ends(ends: &[[u8; 4]], text: &str, offset: u64) -> Result<(), FormatError> {
    let mut before = 0;
    for (at, end) in ends.iter().enumerate() {
        let end = u32::from_le_bytes(*end) as usize;
        if end < before || !text.is_char_boundary(end) {
            return Err(FormatError::corrupt(
                offset.saturating_add(at as u64 * 4),
                format!(
                    "symbol {at} of the frame: found its end at {end}, inside a character, before its start or outside the text"
                ),
            ));
        }
        before = end;
    }
    if before != text.len() {
        return Err(FormatError::corrupt(
            offset,
            format!(
                "symbol frame: found symbols of {before} bytes, expected {}",
                text.len()
            ),
        ));
    }
    Ok(())
}

impl<'a> Frame<'a> {
    /// The symbol at position `at` of the frame, whose code is `first_code + at`.
    pub fn get(&self, at: usize) -> Option<&'a str> {
        let end = u32::from_le_bytes(*self.ends.get(at)?) as usize;
        let start = match at.checked_sub(1) {
            Some(before) => u32::from_le_bytes(*self.ends.get(before)?) as usize,
            None => 0,
        };
        self.text.get(start..end)
    }

    /// The symbols in the order of their codes.
    pub fn symbols(&self) -> impl ExactSizeIterator<Item = &'a str> + 'a {
        let (text, mut start) = (self.text, 0);
        self.ends.iter().map(move |end| {
            let end = u32::from_le_bytes(*end) as usize;
            let symbol = text.get(start..end).unwrap_or_default();
            start = end;
            symbol
        })
    }

    /// Where each symbol ends in [`Frame::text`].
    pub fn ends(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.ends.iter().map(|end| u32::from_le_bytes(*end))
    }

    /// All the text of the frame, symbol behind symbol.
    pub fn text(&self) -> &'a str {
        self.text
    }
}
