//! One vector file of a column chunk, mapped.
//!
//! Pages are verified against their checksum when they are first handed out, once for each mapping.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::DictionaryArray;
use arrow_array::types::UInt32Type;
use arrow_buffer::Buffer;
use gapless_format::{HEADER_LEN, PAGE_ROWS, VectorHeader, VectorKind, checksum};

use crate::error::{Error, Result};
use crate::io::{RelPath, Storage};

/// A mapped vector file.
#[derive(Debug)]
pub(crate) struct Vector {
    path: RelPath,
    buffer: Buffer,
    verified: Box<[AtomicU64]>,
    /// Pages of codes as dictionary arrays. Arrow checks every key when one is made; a slice of it is free.
    dictionaries: OnceLock<Box<[OnceLock<DictionaryArray<UInt32Type>>]>>,
    pages: usize,
}

impl Vector {
    /// Maps a file and checks its header against what the segment says of it.
    ///
    /// # Errors
    /// `Corrupt` with the path, what was found and what was expected.
    pub(crate) fn open(
        storage: &dyn Storage,
        path: RelPath,
        segment: u64,
        kind: VectorKind,
        len: u64,
        pages: usize,
    ) -> Result<Self> {
        let file = storage
            .open(&path)
            .map_err(|error| error.missing_is_corrupt(&path))?;
        if file.len() != len {
            return Err(Error::corrupt(format!(
                "{path} has {} bytes, its segment.meta says {len}",
                file.len()
            )));
        }
        let buffer = file.map()?.buffer();
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
            .require_plain()
            .map_err(|error| Error::from_format(&path.to_string(), &error))?;
        // Pages are counted by the segment's rows. The header counts values, which for text are bytes, and in an
        // index it may lie.
        let pages = pages.max(1);
        let verified = (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Self {
            path,
            buffer,
            verified,
            dictionaries: OnceLock::new(),
            pages,
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
