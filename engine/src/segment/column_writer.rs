//! Writes one column chunk: values, offsets and validity files, page statistics, and the column's indexes.
//!
//! Rows come in their final order, in arrays of any length; whole pages are written straight from them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use gapless_format::encoded::pack;
use gapless_format::{
    Attribute, ColumnMeta, ColumnSpec, ColumnType, EncodedPage, EncodedPart, Encoding, HEADER_LEN, Number,
    PAGE_ROWS, PageStats, VectorHeader, VectorKind, checksum, file_name,
};

use super::encode::{Encoder, EncodingPolicy};
use super::index_writer::IndexWriter;
use super::stats;
use crate::error::{Error, Result};
use crate::io::{RelPath, Storage, WritableFile};

/// Bytes that are collected before they are handed to the file.
const WRITE_BYTES: usize = 256 * 1024;

/// The file of one part of a column chunk.
pub(crate) fn vector_path(segment: &RelPath, column: &str, kind: VectorKind) -> Result<RelPath> {
    let name = file_name(column).map_err(|error| Error::invalid(format!("column {column:?}: {error}")))?;
    let extension = match kind {
        VectorKind::Values => "col",
        VectorKind::Offsets => "offsets",
        VectorKind::Validity => "validity",
        VectorKind::Parted => "parted",
        VectorKind::Grouped => "grouped",
        VectorKind::Unique => "unique",
    };
    segment.join(&format!("{name}.{extension}"))
}

/// A vector file being written. The header goes in front when the length is known.
pub(crate) struct VectorFile {
    kind: VectorKind,
    path: RelPath,
    file: Box<dyn WritableFile>,
    pending: Vec<u8>,
    started: bool,
    body_len: u64,
}

impl VectorFile {
    pub(crate) fn create(
        storage: &dyn Storage,
        segment: &RelPath,
        column: &str,
        kind: VectorKind,
    ) -> Result<Self> {
        let path = vector_path(segment, column, kind)?;
        let file = storage.create(&path)?;
        Ok(Self {
            kind,
            path,
            file,
            pending: vec![0; HEADER_LEN],
            started: false,
            body_len: 0,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.body_len += bytes.len() as u64;
        if self.pending.len() + bytes.len() < WRITE_BYTES {
            self.pending.extend_from_slice(bytes);
            return Ok(());
        }
        self.flush()?;
        if bytes.len() < WRITE_BYTES / 4 {
            self.pending.extend_from_slice(bytes);
            Ok(())
        } else {
            self.file.append(bytes)
        }
    }

    /// Writes an encoded part with the zeros behind it, and gives the checksum of both.
    fn write_part(&mut self, part: EncodedPart, bytes: &[u8]) -> Result<u64> {
        let slot = usize::try_from(part.slot()).map_err(|_| Error::internal("a page is too large"))?;
        let mut padded = Vec::with_capacity(slot);
        padded.extend_from_slice(bytes);
        padded.resize(slot, 0);
        self.write(&padded)?;
        Ok(checksum(&padded))
    }

    fn flush(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.file.append(&self.pending)?;
            self.pending.clear();
            self.started = true;
        }
        Ok(())
    }

    /// Writes the header and gives the file, to be synced, with its whole length.
    pub(crate) fn finish(mut self, header: VectorHeader) -> Result<(Box<dyn WritableFile>, u64)> {
        let header = VectorHeader {
            kind: self.kind,
            body_len: self.body_len,
            ..header
        };
        header
            .check_len(HEADER_LEN as u64 + self.body_len)
            .map_err(|error| {
                Error::internal(format!("{} was written with a wrong length: {error}", self.path))
            })?;
        if self.started {
            self.flush()?;
            self.file.write_at(0, &header.encode())?;
        } else if let Some(front) = self.pending.get_mut(..HEADER_LEN) {
            front.copy_from_slice(&header.encode());
            self.flush()?;
        }
        Ok((self.file, HEADER_LEN as u64 + self.body_len))
    }
}

/// A column chunk being written.
pub(crate) struct ColumnWriter {
    storage: Arc<dyn Storage>,
    segment_path: RelPath,
    segment: u64,
    spec: ColumnSpec,
    values: VectorFile,
    offsets: Option<VectorFile>,
    validity: Option<VectorFile>,
    partial: Vec<ArrayRef>,
    partial_rows: usize,
    rows: usize,
    value_bytes: u64,
    null_count: u64,
    pages: Vec<PageStats>,
    encoder: Option<Encoder>,
    encoded: Vec<EncodedPage>,
    indexes: Vec<IndexWriter>,
}

/// A column chunk that is written but not yet synced.
pub(crate) struct WrittenColumn {
    pub(crate) meta: ColumnMeta,
    pub(crate) files: Vec<Box<dyn WritableFile>>,
}

impl ColumnWriter {
    pub(crate) fn create(
        storage: &Arc<dyn Storage>,
        segment_path: &RelPath,
        segment: u64,
        spec: &ColumnSpec,
        is_series: bool,
        policy: &EncodingPolicy,
    ) -> Result<Self> {
        let encoder = policy.encoder(spec.column_id);
        let create = |kind| VectorFile::create(&**storage, segment_path, &spec.name, kind);
        let mut offsets = None;
        if spec.column_type.has_offsets() {
            let mut file = create(VectorKind::Offsets)?;
            if encoder.is_none() {
                file.write(&0u32.to_le_bytes())?;
            }
            offsets = Some(file);
        }
        Ok(Self {
            storage: Arc::clone(storage),
            segment_path: segment_path.clone(),
            segment,
            values: create(VectorKind::Values)?,
            offsets,
            validity: None,
            partial: Vec::new(),
            partial_rows: 0,
            rows: 0,
            value_bytes: 0,
            null_count: 0,
            pages: Vec::new(),
            encoder,
            encoded: Vec::new(),
            indexes: spec
                .attributes
                .iter()
                .map(|kind| IndexWriter::new(*kind, is_series))
                .collect(),
            spec: spec.clone(),
        })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// `Invalid` when a value breaks an attribute, `Io` when a file cannot be written.
    pub(crate) fn push(&mut self, array: &ArrayRef) -> Result<()> {
        let mut at = 0;
        while at < array.len() {
            let count = (PAGE_ROWS - self.partial_rows).min(array.len() - at);
            let slice = array.slice(at, count);
            if count == PAGE_ROWS {
                self.page(&slice)?;
            } else {
                self.partial.push(slice);
                self.partial_rows += count;
                if self.partial_rows == PAGE_ROWS {
                    self.flush_partial()?;
                }
            }
            at += count;
        }
        Ok(())
    }

    fn flush_partial(&mut self) -> Result<()> {
        let partial = std::mem::take(&mut self.partial);
        self.partial_rows = 0;
        match partial.as_slice() {
            [] => Ok(()),
            [one] => self.page(one),
            many => {
                let arrays: Vec<&dyn Array> = many.iter().map(AsRef::as_ref).collect();
                let page = concat(&arrays)
                    .map_err(|error| Error::internal(format!("pages do not join: {error}")))?;
                self.page(&page)
            }
        }
    }

    fn page(&mut self, page: &ArrayRef) -> Result<()> {
        let bounds = stats::bounds(page, &self.spec.column_type)?;
        for index in &mut self.indexes {
            index.push(page, self.rows, &self.spec.name)?;
        }
        let bytes = PageBytes::of(page)?;
        let (sums, encoded) = match self.encoder {
            None => (self.write_plain(&bytes, page.len())?, None),
            Some(encoder) => {
                let (sums, encoded) = self.write_encoded(&encoder, &bytes, page.len())?;
                (sums, Some(encoded))
            }
        };
        self.pages.push(PageStats {
            min: bounds.min,
            max: bounds.max,
            has_nan: bounds.has_nan,
            null_count: u32::try_from(page.null_count()).unwrap_or(u32::MAX),
            checksum: sums.values,
            offsets_checksum: sums.offsets,
            validity_checksum: sums.validity,
        });
        self.encoded.extend(encoded);
        self.null_count += page.null_count() as u64;
        self.rows += page.len();
        Ok(())
    }

    fn write_plain(&mut self, bytes: &PageBytes, rows: usize) -> Result<Sums> {
        let offsets = match (&mut self.offsets, &bytes.offsets) {
            (Some(file), Some(offsets)) => {
                let base = self.value_bytes / bytes.width.max(1) as u64;
                let absolute = absolute_offsets(offsets, base, &self.spec.name)?;
                file.write(absolute.get(4..).unwrap_or_default())?;
                checksum(&absolute)
            }
            _ => 0,
        };
        let values = bytes.values.as_slice();
        self.values.write(values)?;
        self.value_bytes += values.len() as u64;
        Ok(Sums {
            values: checksum(values),
            offsets,
            validity: self.write_validity(bytes.validity.as_deref(), rows)?,
        })
    }

    /// The validity file is made at the first null; the pages before it are all valid.
    fn write_validity(&mut self, validity: Option<&[u8]>, rows: usize) -> Result<u64> {
        if validity.is_none() && self.validity.is_none() {
            return Ok(0);
        }
        if self.validity.is_none() {
            let full = [0xff; PAGE_ROWS / 8];
            let mut file = self.create_validity()?;
            for stats in &mut self.pages {
                file.write(&full)?;
                stats.validity_checksum = checksum(&full);
            }
            self.validity = Some(file);
        }
        let all = all_valid(rows);
        let bytes = validity.unwrap_or(&all);
        if let Some(file) = &mut self.validity {
            file.write(bytes)?;
        }
        Ok(checksum(bytes))
    }

    fn create_validity(&self) -> Result<VectorFile> {
        VectorFile::create(
            &*self.storage,
            &self.segment_path,
            &self.spec.name,
            VectorKind::Validity,
        )
    }

    fn write_encoded(
        &mut self,
        encoder: &Encoder,
        bytes: &PageBytes,
        rows: usize,
    ) -> Result<(Sums, EncodedPage)> {
        let mut sums = Sums::default();
        let mut offsets_part = EncodedPart::NONE;
        if let (Some(file), Some(offsets)) = (&mut self.offsets, &bytes.offsets) {
            // The limit is that of plain files: a segment can be rewritten either way.
            let base = self.value_bytes / bytes.width.max(1) as u64;
            absolute_offsets(offsets, base, &self.spec.name)?;
            let local = local_offsets(offsets);
            let (part, encoded) = encoder.part(Some(Number::U32), &local)?;
            sums.offsets = file.write_part(part, &encoded)?;
            offsets_part = part;
        }
        let values = bytes.values.as_slice();
        let width = self.spec.column_type.value_width();
        let packed = match (&bytes.validity, width) {
            (Some(validity), Some(width)) => Some(pack(validity, width, values)),
            _ => None,
        };
        let stored = packed.as_deref().unwrap_or(values);
        let (values_part, encoded) = encoder.part(self.spec.column_type.lane(), stored)?;
        sums.values = self.values.write_part(values_part, &encoded)?;
        self.value_bytes += values.len() as u64;
        let (validity_part, validity_sum) = self.encode_validity(encoder, bytes.validity.as_deref(), rows)?;
        sums.validity = validity_sum;
        let page = EncodedPage {
            values: values_part,
            offsets: offsets_part,
            validity: validity_part,
            packed: packed.is_some(),
            decoded_len: stored.len() as u64,
        };
        Ok((sums, page))
    }

    /// As [`Self::write_validity`].
    fn encode_validity(
        &mut self,
        encoder: &Encoder,
        validity: Option<&[u8]>,
        rows: usize,
    ) -> Result<(EncodedPart, u64)> {
        if validity.is_none() && self.validity.is_none() {
            return Ok((EncodedPart::NONE, 0));
        }
        if self.validity.is_none() {
            let full = all_valid(PAGE_ROWS);
            let (part, encoded) = encoder.part(None, &full)?;
            let mut file = self.create_validity()?;
            for (stats, page) in self.pages.iter_mut().zip(&mut self.encoded) {
                stats.validity_checksum = file.write_part(part, &encoded)?;
                page.validity = part;
            }
            self.validity = Some(file);
        }
        let all = all_valid(rows);
        let (part, encoded) = encoder.part(None, validity.unwrap_or(&all))?;
        let sum = match &mut self.validity {
            Some(file) => file.write_part(part, &encoded)?,
            None => 0,
        };
        Ok((part, sum))
    }

    /// Writes what is left and gives the chunk's description and its files.
    pub(crate) fn finish(mut self) -> Result<WrittenColumn> {
        self.flush_partial()?;
        let mut files = Vec::new();
        let rows = self.rows as u64;
        let encoding = match self.encoder {
            None => Encoding::Plain,
            Some(_) => Encoding::Paged,
        };
        let header = |rows: u64, width: usize, sums: Vec<u64>| VectorHeader {
            kind: VectorKind::Values,
            encoding,
            column_type_tag: self.spec.column_type.tag(),
            width: u32::try_from(width).unwrap_or(u32::MAX),
            rows,
            body_len: 0,
            body_checksum: checksum(&sums.iter().flat_map(|sum| sum.to_le_bytes()).collect::<Vec<_>>()),
            segment: self.segment,
        };
        let width = self.spec.column_type.body_width() as usize;
        let items = match &self.spec.column_type {
            column_type if column_type.has_offsets() => self.value_bytes / width.max(1) as u64,
            _ => rows,
        };
        let sums = |sum: fn(&PageStats) -> u64| self.pages.iter().map(sum).collect::<Vec<_>>();
        // Offsets of encoded pages count from each page's beginning.
        let offset_count = match encoding {
            Encoding::Plain => rows + 1,
            Encoding::Paged => rows + self.pages.len() as u64,
        };
        let (file, values_bytes) = self
            .values
            .finish(header(items, width, sums(|page| page.checksum)))?;
        files.push(file);
        let mut offsets_bytes = 0;
        if let Some(offsets) = self.offsets {
            let (file, bytes) =
                offsets.finish(header(offset_count, 4, sums(|page| page.offsets_checksum)))?;
            files.push(file);
            offsets_bytes = bytes;
        }
        let mut validity_bytes = 0;
        if let Some(validity) = self.validity {
            let (file, bytes) = validity.finish(header(rows, 0, sums(|page| page.validity_checksum)))?;
            files.push(file);
            validity_bytes = bytes;
        }
        let mut attributes: Vec<Attribute> = Vec::new();
        for index in self.indexes {
            let (attribute, file) =
                index.finish(&*self.storage, &self.segment_path, &self.spec, self.segment, rows)?;
            attributes.push(attribute);
            files.extend(file);
        }
        let meta = ColumnMeta {
            name: self.spec.name,
            column_id: self.spec.column_id,
            column_type: self.spec.column_type,
            encoding,
            null_count: self.null_count,
            values_bytes,
            offsets_bytes,
            validity_bytes,
            attributes,
            pages: self.pages,
            encoded: self.encoded,
        };
        Ok(WrittenColumn { meta, files })
    }
}

/// The checksums of a page's parts.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    values: u64,
    offsets: u64,
    validity: u64,
}

/// The plain bytes of a page's parts.
struct PageBytes {
    values: Buffer,
    /// Bytes of one value, of one item for lists.
    width: usize,
    /// Positions in the array's items, as Arrow has them.
    offsets: Option<OffsetBuffer<i32>>,
    /// Where a row is null.
    validity: Option<Vec<u8>>,
}

impl PageBytes {
    fn of(page: &ArrayRef) -> Result<Self> {
        let variable = |offsets: &OffsetBuffer<i32>, items: &Buffer, width: usize| {
            Ok::<_, Error>((items_of(offsets, items, width)?, width, Some(offsets.clone())))
        };
        let (values, width, offsets) = match page.data_type() {
            DataType::Boolean => {
                let bits = page.as_boolean().values().sliced();
                let bytes = bits.as_slice().get(..page.len().div_ceil(8)).unwrap_or_default();
                (Buffer::from(clear_padding(bytes, page.len())), 0, None)
            }
            DataType::Utf8 => {
                let array = page.as_string::<i32>();
                variable(array.offsets(), array.values(), 1)?
            }
            DataType::Binary => {
                let array = page.as_binary::<i32>();
                variable(array.offsets(), array.values(), 1)?
            }
            DataType::List(_) => {
                let array = page.as_list::<i32>();
                let (items, width) = fixed_bytes(array.values())?;
                variable(array.offsets(), &items, width)?
            }
            _ => {
                let (bytes, width) = fixed_bytes(page)?;
                (bytes, width, None)
            }
        };
        let validity = page.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| {
            let bits = nulls.inner().sliced();
            let bytes = bits.as_slice().get(..page.len().div_ceil(8)).unwrap_or_default();
            clear_padding(bytes, page.len())
        });
        Ok(Self {
            values,
            width,
            offsets,
            validity,
        })
    }
}

/// The bytes of the items between the first and the last offset.
fn items_of(offsets: &[i32], items: &Buffer, width: usize) -> Result<Buffer> {
    let position = |offset: Option<&i32>| {
        let offset = offset.map_or(Ok(0), |offset| usize::try_from(*offset));
        offset.unwrap_or(usize::MAX).saturating_mul(width)
    };
    let (start, end) = (position(offsets.first()), position(offsets.last()));
    if start > end || end > items.len() {
        return Err(Error::internal("list offsets leave their values"));
    }
    Ok(items.slice_with_length(start, end - start))
}

/// Offsets as a plain file has them: from the segment's beginning.
fn absolute_offsets(offsets: &[i32], base: u64, column: &str) -> Result<Vec<u8>> {
    let first = offsets.first().copied().unwrap_or_default();
    let mut bytes = Vec::with_capacity(offsets.len() * 4);
    for offset in offsets {
        let offset = base + u64::from(offset.wrapping_sub(first).cast_unsigned());
        let offset = u32::try_from(offset)
            .ok()
            .filter(|offset| *offset <= i32::MAX.unsigned_abs());
        let offset = offset.ok_or_else(|| {
            Error::internal(format!(
                "column {column:?} has over 2 GiB of values in one segment"
            ))
        })?;
        bytes.extend_from_slice(&offset.to_le_bytes());
    }
    Ok(bytes)
}

/// Offsets as an encoded page has them: from its first value.
fn local_offsets(offsets: &[i32]) -> Vec<u8> {
    let first = offsets.first().copied().unwrap_or_default();
    offsets
        .iter()
        .flat_map(|offset| offset.wrapping_sub(first).to_le_bytes())
        .collect()
}

fn all_valid(rows: usize) -> Vec<u8> {
    clear_padding(&vec![0xff; rows.div_ceil(8)], rows)
}

/// The bits after the last row are zero, so that equal rows have equal bytes.
pub(crate) fn clear_padding(bytes: &[u8], rows: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut()
        && !rows.is_multiple_of(8)
    {
        *last &= (1u8 << (rows % 8)) - 1;
    }
    bytes
}

/// The bytes of an array of fixed width, with the width of one value (of one item, for fixed-size lists).
pub(crate) fn fixed_bytes(array: &ArrayRef) -> Result<(Buffer, usize)> {
    if let DataType::FixedSizeList(_, len) = array.data_type() {
        let list = array.as_fixed_size_list();
        let len = usize::try_from(*len).unwrap_or_default();
        let values = list
            .values()
            .slice(list.value_offset(0).unsigned_abs() as usize, array.len() * len);
        return fixed_bytes(&values);
    }
    let width = array
        .data_type()
        .primitive_width()
        .ok_or_else(|| Error::internal(format!("{} has no fixed width", array.data_type())))?;
    let data = array.to_data();
    let buffer = data
        .buffers()
        .first()
        .ok_or_else(|| Error::internal("an array has no values"))?;
    Ok((
        buffer.slice_with_length(data.offset() * width, data.len() * width),
        width,
    ))
}

/// Whether a type is a list, whose items may not be null.
pub(crate) fn is_list(column_type: &ColumnType) -> bool {
    matches!(column_type, ColumnType::List(_) | ColumnType::FixedList { .. })
}
