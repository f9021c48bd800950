//! Tagged items: the part of a structure that may grow without a new major version.
//!
//! An item is `u16 tag, u16 flags, u32 length, bytes`. The fields of a known item never change; a new
//! fact is a new tag. A reader skips a tag it does not know, unless flag bit 0 (*must understand*) is set:
//! then the whole structure is unsupported.

use crate::bytes::{Reader, Writer};
use crate::error::FormatError;

/// Bytes before an item's payload.
pub const ITEM_HEADER_LEN: usize = 8;
/// Flag bit 0: a reader that does not know the tag must refuse the structure.
pub const MUST_UNDERSTAND: u16 = 1;

/// One tagged item, its payload unread.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// What the payload is.
    pub tag: u16,
    /// See [`MUST_UNDERSTAND`].
    pub flags: u16,
    /// Where the item begins.
    pub offset: u64,
    /// The payload.
    pub payload: Reader<'a>,
}

/// Appends an item whose payload `fill` writes.
///
/// # Panics
/// When the payload is 4 GiB or more.
pub fn write_item(writer: &mut Writer, tag: u16, flags: u16, fill: impl FnOnce(&mut Writer)) {
    writer.u16(tag);
    writer.u16(flags);
    let at = writer.len();
    writer.u32(0);
    fill(writer);
    let len = writer.len() - at - 4;
    writer.patch_u32(at, u32::try_from(len).expect("an item's payload is below 4 GiB"));
}

/// The next item, or `None` at the end of the input.
///
/// # Errors
/// `Corrupt` when the item does not fit in what is left.
pub fn next_item<'a>(reader: &mut Reader<'a>) -> Result<Option<Item<'a>>, FormatError> {
    if reader.remaining() == 0 {
        return Ok(None);
    }
    let offset = reader.offset();
    let tag = reader.u16("item tag")?;
    let flags = reader.u16("item flags")?;
    let len = reader.count(1, "item length")?;
    let base = reader.offset();
    let payload = Reader::with_base(reader.raw(len, "item payload")?, base);
    Ok(Some(Item {
        tag,
        flags,
        offset,
        payload,
    }))
}

impl Item<'_> {
    /// Answers for a tag that the reader does not know.
    ///
    /// # Errors
    /// `Unsupported` when the writer said that it must be understood.
    pub fn skip(&self, what: &str) -> Result<(), FormatError> {
        if self.flags & MUST_UNDERSTAND == 0 {
            return Ok(());
        }
        Err(FormatError::unsupported(
            self.offset,
            format!(
                "{what}: found item tag {}, which must be understood and is not known to this version",
                self.tag
            ),
        ))
    }
}
