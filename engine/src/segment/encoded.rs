//! Reads encoded column chunks: a page is verified, decoded as a whole, and kept in the cache of decoded pages.
//!
//! - Only pages that are touched are decoded, and what is handed out are slices of them.
//! - No more memory is reserved than type, rows and `segment.meta`'s bounded length allow.
//! - A page whose codec is plain points into the map.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, StringArray, UInt32Array, new_empty_array};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer};
use arrow_select::concat::concat;
use arrow_select::take::take;
use gapless_format::encoded::{decode_part, unpack};
use gapless_format::page::page_rows;
use gapless_format::{
    Codec, ColumnMeta, ColumnSpec, ColumnType, EncodedPage, EncodedPart, Encoding, FormatError, Number,
    PAGE_ROWS, VectorKind,
};

use super::cache::SegmentCache;
use super::reader::{Segment, fixed_array, native_slice, variable_array, with_symbols};
use crate::error::{Error, Result};
use crate::table::types;

/// One page of a column, decoded.
#[derive(Debug)]
pub(crate) struct DecodedPage {
    array: ArrayRef,
    /// Bytes of memory that are its own.
    bytes: u64,
    /// Codes as keys. Arrow checks every key when they are made; a slice of them is free.
    dictionary: OnceLock<DictionaryArray<UInt32Type>>,
}

impl DecodedPage {
    /// Its rows in the column's storage type.
    pub(super) fn array(&self) -> &ArrayRef {
        &self.array
    }

    /// Bytes of memory that are its own.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The plain bytes of the parts of an encoded page.
#[derive(Debug)]
pub(crate) struct PagePart {
    pub(crate) bytes: Buffer,
    /// Whether they were decoded into memory of their own.
    pub(crate) is_own: bool,
}

/// A part's plain bytes, of which there are `decoded` many.
pub(crate) fn decoded_part(
    part: EncodedPart,
    lane: Option<Number>,
    stored: Buffer,
    decoded: usize,
) -> Result<PagePart, FormatError> {
    if part.codec == Codec::Plain {
        return Ok(PagePart {
            bytes: stored,
            is_own: false,
        });
    }
    let mut bytes = MutableBuffer::from_len_zeroed(decoded);
    decode_part(part.codec, lane, &stored, bytes.as_slice_mut())?;
    Ok(PagePart {
        bytes: bytes.into(),
        is_own: true,
    })
}

/// The values of a page, those of nulls in their places.
pub(crate) fn decoded_values(
    column_type: &ColumnType,
    encoded: &EncodedPage,
    stored: Buffer,
    rows: usize,
    validity: Option<&[u8]>,
) -> Result<PagePart, FormatError> {
    let decoded = usize::try_from(encoded.decoded_len).unwrap_or(usize::MAX);
    let values = decoded_part(encoded.values, column_type.lane(), stored, decoded)?;
    let (Some(width), true) = (column_type.value_width(), encoded.packed) else {
        return Ok(values);
    };
    let validity = validity.ok_or_else(|| FormatError::corrupt(0, "packed values: found no validity"))?;
    let len = rows
        .checked_mul(width)
        .ok_or_else(|| FormatError::corrupt(0, "a page is too large"))?;
    let mut bytes = MutableBuffer::from_len_zeroed(len);
    if column_type.null_fill() != 0 {
        bytes.as_slice_mut().fill(column_type.null_fill());
    }
    unpack(validity, width, &values.bytes, bytes.as_slice_mut())?;
    Ok(PagePart {
        bytes: bytes.into(),
        is_own: true,
    })
}

impl Segment {
    /// A page of an encoded column, from the cache.
    pub(super) fn decoded_page(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        page: usize,
    ) -> Result<Arc<DecodedPage>> {
        cache.page((self.meta().segment, column.column_id, page), || {
            self.decode_page(cache, column, page)
        })
    }

    /// Rows of an encoded column; a slice of the decoded page where they lie in one.
    pub(super) fn read_encoded(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        rows: Range<usize>,
    ) -> Result<ArrayRef> {
        let arrays = pages_of(&rows)
            .map(|(page, inside)| {
                let decoded = self.decoded_page(cache, column, page)?;
                Ok(decoded.array.slice(inside.start, inside.len()))
            })
            .collect::<Result<Vec<_>>>()?;
        joined(&arrays, column)
    }

    /// As [`Segment::read`], for rows in one page that are read only this time: decoded pages are not kept.
    pub(super) fn read_once(
        &self,
        cache: &SegmentCache,
        spec: &ColumnSpec,
        rows: Range<usize>,
    ) -> Result<ArrayRef> {
        let page = rows.start / PAGE_ROWS;
        match self.column(spec.column_id) {
            Some(column) if column.encoding == Encoding::Paged => {
                let decoded = self.decode_page(cache, column, page)?;
                let at = rows.start - page * PAGE_ROWS;
                if at + rows.len() > decoded.array.len() {
                    return Err(Error::internal("rows outside of a page"));
                }
                Ok(decoded.array.slice(at, rows.len()))
            }
            _ => self.read(cache, spec, rows),
        }
    }

    /// Some rows of a column, ascending. Of an encoded column only the pages that hold them are decoded.
    ///
    /// # Errors
    /// As [`Segment::read`].
    pub(crate) fn take(&self, cache: &SegmentCache, spec: &ColumnSpec, rows: &[u32]) -> Result<ArrayRef> {
        let column = self.column(spec.column_id);
        let Some(column) = column.filter(|column| column.encoding == Encoding::Paged) else {
            return self.take_plain(cache, spec, rows);
        };
        let arrays = rows
            .chunk_by(|a, b| page_of(a) == page_of(b))
            .map(|rows| {
                let page = rows.first().map_or(0, page_of);
                let decoded = self.decoded_page(cache, column, page)?;
                if rows.last().map_or(0, |row| *row as usize) >= page * PAGE_ROWS + decoded.array.len() {
                    return Err(Error::internal("rows outside of a segment"));
                }
                gathered(&decoded.array, rows, page * PAGE_ROWS)
            })
            .collect::<Result<Vec<_>>>()?;
        self.in_type_of(spec, column, joined(&arrays, column)?)
    }

    /// As [`Segment::take`], of a column that is plain, in memory or missing: only pages of these rows are touched.
    fn take_plain(&self, cache: &SegmentCache, spec: &ColumnSpec, rows: &[u32]) -> Result<ArrayRef> {
        let span_of = |rows: &[u32]| match (rows.first(), rows.last()) {
            (Some(first), Some(last)) => *first as usize..(*last as usize + 1).max(*first as usize),
            _ => 0..0,
        };
        let span = span_of(rows);
        let stored = self.column(spec.column_id).filter(|_| !self.is_in_memory());
        let Some(column) = stored.filter(|_| span.len() > PAGE_ROWS) else {
            return gathered(&self.read(cache, spec, span.clone())?, rows, span.start);
        };
        let pages = rows.chunk_by(|a, b| page_of(a) == page_of(b));
        if column.column_type.has_offsets() {
            let arrays = pages
                .map(|rows| {
                    let span = span_of(rows);
                    gathered(&self.read(cache, spec, span.clone())?, rows, span.start)
                })
                .collect::<Result<Vec<_>>>()?;
            return joined(&arrays, column);
        }
        if span.end > self.rows() {
            return Err(Error::internal("rows outside of a segment"));
        }
        for rows in pages {
            self.verified(cache, column, VectorKind::Values, span_of(rows))?;
        }
        let array = self.read_fixed(cache, column, span.clone())?;
        self.in_type_of(spec, column, gathered(&array, rows, span.start)?)
    }

    /// Values of a column as it is stored here, in its present type.
    fn in_type_of(&self, spec: &ColumnSpec, column: &ColumnMeta, array: ArrayRef) -> Result<ArrayRef> {
        if column.column_type == spec.column_type {
            return Ok(array);
        }
        types::widened(&array, &spec.column_type)
            .map_err(|error| error.context(format!("{}: column {:?}", self.path(), spec.name)))
    }

    /// As [`Segment::read_symbols`], of rows in one page without nulls.
    pub(super) fn encoded_symbols(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        rows: Range<usize>,
        symbols: &Arc<StringArray>,
    ) -> Result<ArrayRef> {
        let page = rows.start / PAGE_ROWS;
        let decoded = self.decoded_page(cache, column, page)?;
        let keys = match decoded.dictionary.get() {
            Some(keys) => keys,
            None => {
                let codes = decoded.array.as_primitive_opt::<UInt32Type>();
                let codes = codes.ok_or_else(|| Error::internal("codes are no u32"))?;
                let made = DictionaryArray::try_new(codes.clone(), Arc::clone(symbols) as ArrayRef).map_err(
                    |error| {
                        Error::corrupt(format!(
                            "{} column {:?} page {page}: a code is not in its domain: {error}",
                            self.path(),
                            column.name
                        ))
                    },
                )?;
                decoded.dictionary.get_or_init(|| made)
            }
        };
        let slice = keys.slice(rows.start - page * PAGE_ROWS, rows.len());
        Ok(with_symbols(&slice, symbols))
    }

    fn decode_page(&self, cache: &SegmentCache, column: &ColumnMeta, page: usize) -> Result<DecodedPage> {
        let no_page = || Error::internal(format!("{}: there is no page {page}", self.path()));
        let encoded = column.encoded.get(page).ok_or_else(no_page)?;
        let stats = column.pages.get(page).ok_or_else(no_page)?;
        let range = page_rows(page as u64, self.meta().rows);
        let rows = usize::try_from(range.end - range.start).map_err(|_| no_page())?;
        let stored = |kind: VectorKind, part: EncodedPart, sum: u64| {
            let vector = self.vector(cache, column, kind)?;
            vector.part(page, part, Some(sum))
        };
        let located = |kind: VectorKind, error: &FormatError| {
            let file = format!(
                "{}/{}.{}, page {page}",
                self.path(),
                column.name,
                kind.extension()
            );
            Error::from_format(&file, error)
        };
        let mut bytes = 0u64;
        let mut counted = |part: PagePart| {
            bytes += if part.is_own { part.bytes.len() as u64 } else { 0 };
            part.bytes
        };
        let mut validity = None;
        if column.validity_bytes > 0 && stats.null_count > 0 {
            let kind = VectorKind::Validity;
            let body = stored(kind, encoded.validity, stats.validity_checksum)?;
            let part = decoded_part(encoded.validity, None, body, rows.div_ceil(8));
            validity = Some(counted(part.map_err(|error| located(kind, &error))?));
        }
        let kind = VectorKind::Values;
        let body = stored(kind, encoded.values, stats.checksum)?;
        let bits = validity.as_deref();
        let part = decoded_values(&column.column_type, encoded, body, rows, bits);
        let values = counted(part.map_err(|error| located(kind, &error))?);
        let cut = || {
            Error::corrupt(format!(
                "{} column {:?} page {page} is cut short",
                self.path(),
                column.name
            ))
        };
        let nulls = match validity {
            Some(bits) if bits.len() >= rows.div_ceil(8) => {
                Some(NullBuffer::new(BooleanBuffer::new(bits, 0, rows)))
            }
            Some(_) => return Err(cut()),
            None => None,
        };
        let array = if column.column_type.has_offsets() {
            let kind = VectorKind::Offsets;
            let body = stored(kind, encoded.offsets, stats.offsets_checksum)?;
            let part = decoded_part(encoded.offsets, Some(Number::U32), body, (rows + 1) * 4);
            let offsets = counted(part.map_err(|error| located(kind, &error))?);
            let offsets = page_offsets(&column.column_type, offsets, rows, values.len())
                .map_err(|error| located(kind, &error))?;
            variable_array(&column.column_type, offsets, values, nulls).map_err(|error| {
                let error = FormatError::corrupt(0, error.to_string());
                located(VectorKind::Values, &error)
            })?
        } else {
            fixed_array(&column.column_type, values, 0..rows, nulls).ok_or_else(cut)?
        };
        Ok(DecodedPage {
            array,
            bytes,
            dictionary: OnceLock::new(),
        })
    }
}

/// The offsets of an encoded page: from 0 to the end of its values, not descending.
pub(crate) fn page_offsets(
    column_type: &ColumnType,
    offsets: Buffer,
    rows: usize,
    values_len: usize,
) -> Result<OffsetBuffer<i32>, FormatError> {
    let offsets = native_slice::<i32>(offsets, &(0..rows + 1))
        .ok_or_else(|| FormatError::corrupt(0, "offsets end before their rows do"))?;
    let end = offsets.last().map_or(0, |last| i64::from(*last)) * i64::from(column_type.body_width());
    let begins = offsets.first() == Some(&0);
    if !begins || end != i64::try_from(values_len).unwrap_or(i64::MAX) || !offsets.is_sorted() {
        return Err(FormatError::corrupt(
            0,
            format!("offsets descend, or do not go from 0 to the {values_len} bytes of the page's values"),
        ));
    }
    Ok(OffsetBuffer::new(offsets))
}

/// The pages that rows lie in, each with the rows inside of it.
fn pages_of(rows: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
    let (start, end) = (rows.start, rows.end);
    let pages = start / PAGE_ROWS..end.div_ceil(PAGE_ROWS).max(start / PAGE_ROWS);
    pages.map(move |page| {
        let first = page * PAGE_ROWS;
        (page, start.max(first) - first..end.min(first + PAGE_ROWS) - first)
    })
}

fn page_of(row: &u32) -> usize {
    *row as usize / PAGE_ROWS
}

/// Some rows of an array that begins with the row `base`.
fn gathered(array: &ArrayRef, rows: &[u32], base: usize) -> Result<ArrayRef> {
    let base = u32::try_from(base).unwrap_or_default();
    let rows: UInt32Array = rows.iter().map(|row| row.wrapping_sub(base)).collect();
    take(array, &rows, None).map_err(|error| Error::internal(format!("rows do not gather: {error}")))
}

fn joined(arrays: &[ArrayRef], column: &ColumnMeta) -> Result<ArrayRef> {
    match arrays {
        [] => Ok(new_empty_array(&types::storage_type(&column.column_type))),
        [one] => Ok(Arc::clone(one)),
        many => {
            let arrays: Vec<&dyn Array> = many.iter().map(AsRef::as_ref).collect();
            concat(&arrays).map_err(|error| Error::internal(format!("pages do not join: {error}")))
        }
    }
}
