//! One vector file of a column chunk, mapped.
//!
//! Pages are verified against their checksum when they are first handed out, once for each mapping.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::DictionaryArray;
use arrow_array::types::UInt32Type;
use arrow_buffer::Buffer;
use gapless_format::{
    EncodedPart, Encoding, HEADER_LEN, PAGE_ROWS, VectorHeader, VectorKind, checksum, encoded_slots,
};

use crate::error::{Error, Result};
use crate::io::{Region, RelPath, Storage};

/// A mapped vector file.
#[derive(Debug)]
pub(crate) struct Vector {
    path: RelPath,
    region: Region,
    buffer: Buffer,
    verified: Box<[AtomicU64]>,
    /// Pages of codes as dictionary arrays. Arrow checks every key when one is made; a slice of it is free.
    dictionaries: OnceLock<Box<[OnceLock<DictionaryArray<UInt32Type>>]>>,
    pages: usize,
    /// Where encoded pages lie in the body; empty for a plain one.
    slots: Box<[Range<usize>]>,
}

/// What `segment.meta` says of a file.
pub(crate) struct Described<'a> {
    pub(crate) segment: u64,
    pub(crate) kind: VectorKind,
    pub(crate) encoding: Encoding,
    pub(crate) len: u64,
    pub(crate) pages: usize,
    /// Its part of each encoded page, in order; nothing for a plain file.
    pub(crate) parts: &'a mut dyn Iterator<Item = EncodedPart>,
}

impl Vector {
    /// Maps a file and checks its header against what the segment says of it.
    ///
    /// # Errors
    /// `Corrupt` with the path, what was found and what was expected.
    pub(crate) fn open(storage: &dyn Storage, path: RelPath, described: Described<'_>) -> Result<Self> {
        let Described {
            segment,
            kind,
            encoding,
            len,
            pages,
            parts,
        } = described;
        let file = storage
            .open(&path)
            .map_err(|error| error.missing_is_corrupt(&path))?;
        if file.len() != len {
            return Err(Error::corrupt(format!(
                "{path} has {} bytes, its segment.meta says {len}",
                file.len()
            )));
        }
        let region = file.map()?;
        let buffer = region.buffer();
        // Alone: what comes with it would only be waited for.
        region.will_need(0..HEADER_LEN);
        let header =
            VectorHeader::decode(&buffer).map_err(|error| Error::from_format(&path.to_string(), &error))?;
        header
            .check_len(buffer.len() as u64)
            .map_err(|error| Error::from_format(&path.to_string(), &error))?;
        if header.segment != segment || header.kind != kind {
            return Err(Error::corrupt(format!(
                "{path} is {:?} of segment {:016x}, expected {kind:?} of segment {segment:016x}: it was put here from \
                 elsewhere",
                header.kind, header.segment
            )));
        }
        header
            .check_encoding(encoding)
            .map_err(|error| Error::from_format(&path.to_string(), &error))?;
        // Pages are counted by the segment's rows. The header counts values, which for text are bytes, and in an
        // index it may lie.
        let pages = pages.max(1);
        let verified = (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let slots = encoded_slots(parts)
            .map(|slot| place(slot.start)..place(slot.end))
            .collect();
        Ok(Self {
            path,
            region,
            buffer,
            verified,
            dictionaries: OnceLock::new(),
            pages,
            slots,
        })
    }

    /// A page of codes as a dictionary array, made once.
    pub(crate) fn dictionary(
        &self,
        page: usize,
        make: impl FnOnce() -> Result<DictionaryArray<UInt32Type>>,
    ) -> Result<&DictionaryArray<UInt32Type>> {
        let pages = self
            .dictionaries
            .get_or_init(|| (0..self.pages).map(|_| OnceLock::new()).collect());
        let slot = pages
            .get(page)
            .ok_or_else(|| Error::internal("a page outside of its column"))?;
        if let Some(made) = slot.get() {
            return Ok(made);
        }
        let made = make()?;
        Ok(slot.get_or_init(|| made))
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &RelPath {
        &self.path
    }

    /// The body, in the map.
    pub(crate) fn body(&self) -> Buffer {
        self.buffer.slice(HEADER_LEN)
    }

    /// The body's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.as_slice().get(HEADER_LEN..).unwrap_or_default()
    }

    /// The stored bytes of an encoded page's part, verified.
    pub(crate) fn part(&self, page: usize, part: EncodedPart, expected: Option<u64>) -> Result<Buffer> {
        let slot = self.slot(page);
        let first = page * PAGE_ROWS;
        self.verify(first..first + 1, |_| expected, |_| slot.clone())?;
        let len = usize::try_from(part.len).unwrap_or(usize::MAX);
        if len > slot.len() || slot.end > self.bytes().len() {
            return Err(Error::corrupt(format!("{} ends before its pages do", self.path)));
        }
        Ok(self.body().slice_with_length(slot.start, len))
    }

    /// Verifies the pages that `rows` touch and that were not verified before.
    ///
    /// `expected` gives a page's checksum, `bytes_of` the body bytes that it covers.
    pub(crate) fn verify(
        &self,
        rows: Range<usize>,
        expected: impl Fn(usize) -> Option<u64>,
        bytes_of: impl Fn(usize) -> Range<usize>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for page in rows.start / PAGE_ROWS..=(rows.end - 1) / PAGE_ROWS {
            let (word, bit) = (page / 64, 1u64 << (page % 64));
            let Some(word) = self.verified.get(word) else {
                return Err(Error::corrupt(format!("{}: there is no page {page}", self.path)));
            };
            if word.load(Ordering::Acquire) & bit == 0 {
                self.verify_page(page, expected(page), bytes_of(page))?;
                word.fetch_or(bit, Ordering::AcqRel);
            }
        }
        Ok(())
    }

    /// Begins to read the pages that `rows` touch, if one of them was not verified before. Pages that were are in memory, unless
    /// they had to make room.
    pub(crate) fn will_need(&self, rows: &Range<usize>, bytes_of: impl Fn(usize) -> Range<usize>) {
        let is_verified = |page: usize| {
            let word = self.verified.get(page / 64);
            word.is_none_or(|word| word.load(Ordering::Acquire) & (1 << (page % 64)) != 0)
        };
        let mut pages =
            (rows.start / PAGE_ROWS..rows.end.div_ceil(PAGE_ROWS)).filter(|page| !is_verified(*page));
        if let Some(first) = pages.next() {
            let last = pages.next_back().unwrap_or(first);
            let (start, end) = (bytes_of(first).start, bytes_of(last).end);
            self.region.will_need(HEADER_LEN + start..HEADER_LEN + end);
        }
    }

    /// Where an encoded page lies in the body.
    pub(crate) fn slot(&self, page: usize) -> Range<usize> {
        self.slots.get(page).cloned().unwrap_or_default()
    }

    /// Verifies one page, whether or not it was verified before.
    pub(crate) fn verify_page(&self, page: usize, expected: Option<u64>, range: Range<usize>) -> Result<()> {
        let (at, end) = (HEADER_LEN + range.start, range.end);
        let found = self.bytes().get(range).map(checksum);
        if found.is_some() && found == expected {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "{}: page {page}, bytes {at} to {}, is damaged: its checksum is {}, segment.meta says {}. `gapless check` \
             says which rows it holds; restore the file from a copy",
            self.path,
            HEADER_LEN + end,
            show(found),
            show(expected)
        )))
    }
}

fn show(checksum: Option<u64>) -> String {
    checksum.map_or("missing".to_owned(), |checksum| format!("{checksum:016x}"))
}
