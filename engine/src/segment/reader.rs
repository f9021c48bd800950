//! Reads one segment: its description at once, its columns when they are asked for.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeListArray, ListArray,
    PrimitiveArray, StringArray, TimestampNanosecondArray, UInt32Array, new_null_array,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use gapless_format::{
    AttributeKind, COMMIT_COLUMN, ColumnMeta, ColumnSpec, ColumnType, EncodedPage, EncodedPart, Encoding,
    GroupedIndex, Number, PAGE_ROWS, PageStats, PartedIndex, SegmentMeta, SegmentRef, TimeUnit, UniqueIndex,
    VectorKind, checksum,
};

use super::cache::SegmentCache;
use super::column_writer::vector_path;
use super::vector::{Described, Vector};
use crate::error::{Error, Result};
use crate::io::{RelPath, Storage};
use crate::table::types;

/// An open segment.
#[derive(Debug)]
pub struct Segment {
    reference: Arc<SegmentRef>,
    path: RelPath,
    meta: SegmentMeta,
    memory: Option<MemoryRows>,
}

/// The rows of a segment that has no files.
#[derive(Debug)]
pub(crate) struct MemoryRows {
    /// Columns by id, sorted by (series, time).
    pub(crate) columns: Vec<(u32, ArrayRef)>,
    /// Body of the series column's parted index.
    pub(crate) parted: Vec<u8>,
}

impl MemoryRows {
    fn column(&self, column_id: u32) -> Option<&ArrayRef> {
        let found = self.columns.iter().find(|(id, _)| *id == column_id);
        found.map(|(_, array)| array)
    }
}

impl Segment {
    /// A column of a segment that has no files.
    pub(super) fn in_memory_column(&self, column_id: u32) -> Option<Result<&ArrayRef>> {
        let memory = self.memory.as_ref()?;
        let column = memory.column(column_id);
        Some(column.ok_or_else(|| Error::internal("a column of a block is missing")))
    }

    /// A segment of rows in memory.
    pub(crate) fn in_memory(reference: Arc<SegmentRef>, meta: SegmentMeta, rows: MemoryRows) -> Self {
        Self {
            reference,
            path: RelPath::root(),
            meta,
            memory: Some(rows),
        }
    }

    /// Reads `segment.meta` and checks it against what the manifest says of it.
    ///
    /// # Errors
    /// `Corrupt` with path, found and expected; `Unsupported` for a newer format.
    pub(crate) fn open(storage: &dyn Storage, path: RelPath, reference: &Arc<SegmentRef>) -> Result<Self> {
        let file = path.join("segment.meta")?;
        let bytes = storage
            .read(&file, reference.meta_len.max(1))
            .map_err(|error| error.missing_is_corrupt(&file))?;
        if bytes.len() as u64 != reference.meta_len || checksum(&bytes) != reference.meta_checksum {
            if let Err(error) = SegmentMeta::decode(&bytes)
                && error.kind == gapless_format::FormatErrorKind::Unsupported
            {
                return Err(Error::from_format(&file.to_string(), &error));
            }
            return Err(Error::corrupt(format!(
                "{file} is not the file that was committed: {} bytes with checksum {:016x}, expected {} with {:016x}",
                bytes.len(),
                checksum(&bytes),
                reference.meta_len,
                reference.meta_checksum
            )));
        }
        let meta =
            SegmentMeta::decode(&bytes).map_err(|error| Error::from_format(&file.to_string(), &error))?;
        if meta.segment != reference.segment || meta.rows != reference.rows {
            return Err(Error::corrupt(format!(
                "{file} describes segment {:016x} with {} rows, the manifest names {:016x} with {}",
                meta.segment, meta.rows, reference.segment, reference.rows
            )));
        }
        Ok(Self {
            reference: Arc::clone(reference),
            path,
            meta,
            memory: None,
        })
    }

    /// What the manifest says of it.
    pub fn reference(&self) -> &Arc<SegmentRef> {
        &self.reference
    }

    /// What `segment.meta` says of it.
    pub fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    /// Its directory.
    pub fn path(&self) -> &RelPath {
        &self.path
    }

    /// Its rows.
    pub fn rows(&self) -> usize {
        usize::try_from(self.meta.rows).unwrap_or(usize::MAX)
    }

    /// A column by id; `None` when the segment is older than the column.
    pub fn column(&self, column_id: u32) -> Option<&ColumnMeta> {
        self.meta
            .columns
            .iter()
            .find(|column| column.column_id == column_id)
    }

    pub(super) fn vector(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        kind: VectorKind,
    ) -> Result<Arc<Vector>> {
        cache.vector((self.meta.segment, column.column_id, kind), || {
            let len = match kind {
                VectorKind::Values => column.values_bytes,
                VectorKind::Offsets => column.offsets_bytes,
                VectorKind::Validity => column.validity_bytes,
                VectorKind::Parted => index_bytes(column, AttributeKind::Parted),
                VectorKind::Grouped => index_bytes(column, AttributeKind::Grouped),
                VectorKind::Unique => index_bytes(column, AttributeKind::Unique),
            };
            let path = vector_path(&self.path, &column.name, kind)?;
            let part: fn(&EncodedPage) -> EncodedPart = match kind {
                VectorKind::Offsets => |page| page.offsets,
                VectorKind::Validity => |page| page.validity,
                _ => |page| page.values,
            };
            let described = Described {
                segment: self.meta.segment,
                kind,
                encoding: if kind.is_index() {
                    Encoding::Plain
                } else {
                    column.encoding
                },
                len,
                pages: column.pages.len(),
                parts: &mut column.encoded.iter().map(part).filter(|_| !kind.is_index()),
            };
            Vector::open(cache.storage(), path, described)
        })
    }

    /// Rows `rows` of a column in its storage type: zero-copy for values of fixed width.
    ///
    /// A column that the segment does not have reads as null, its commit times as the oldest, one that was widened
    /// since in its present type.
    ///
    /// # Errors
    /// `Corrupt` naming file, page and rows when a checksum does not match; `Io`.
    pub(crate) fn read(
        &self,
        cache: &SegmentCache,
        spec: &ColumnSpec,
        rows: Range<usize>,
    ) -> Result<ArrayRef> {
        if rows.start > rows.end || rows.end > self.rows() {
            return Err(Error::internal("rows outside of a segment"));
        }
        let Some(column) = self.column(spec.column_id) else {
            if spec.column_id == COMMIT_COLUMN {
                let commits = TimestampNanosecondArray::from_value(self.reference.first_commit, rows.len());
                return Ok(Arc::new(commits));
            }
            return Ok(new_null_array(
                &types::storage_type(&spec.column_type),
                rows.len(),
            ));
        };
        let array = self.read_stored(cache, column, rows)?;
        if column.column_type == spec.column_type {
            return Ok(array);
        }
        types::widened(&array, &spec.column_type)
            .map_err(|error| error.context(format!("{}: column {:?}", self.path, spec.name)))
    }

    /// Whether its rows are in memory. Of such rows several may have the same key.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Rows of a column in the type that it has in this segment.
    fn read_stored(&self, cache: &SegmentCache, column: &ColumnMeta, rows: Range<usize>) -> Result<ArrayRef> {
        if let Some(memory) = &self.memory {
            let array = memory.column(column.column_id);
            let array = array.ok_or_else(|| Error::internal("a column of a block is missing"))?;
            return Ok(array.slice(rows.start, rows.len()));
        }
        if column.encoding == Encoding::Paged {
            return self.read_encoded(cache, column, rows);
        }
        if column.column_type.has_offsets() {
            let nulls = self.read_validity(cache, column, rows.clone())?;
            return self.read_variable(cache, column, rows, nulls);
        }
        self.verified(cache, column, VectorKind::Values, rows.clone())?;
        self.read_fixed(cache, column, rows)
    }

    /// Rows of a plain column of fixed width, whose pages the caller has verified where their values are looked at.
    pub(super) fn read_fixed(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        rows: Range<usize>,
    ) -> Result<ArrayRef> {
        let nulls = self.read_validity(cache, column, rows.clone())?;
        let vector = self.vector(cache, column, VectorKind::Values)?;
        fixed_array(&column.column_type, vector.body(), rows, nulls)
            .ok_or_else(|| Error::corrupt(format!("{} ends before its rows do", vector.path())))
    }

    /// Rows of a symbol column without nulls that lie in one page, as a dictionary array over all symbols of the
    /// domain; `None` where that is not so.
    ///
    /// # Errors
    /// As [`Segment::read`].
    pub(crate) fn read_symbols(
        &self,
        cache: &SegmentCache,
        spec: &ColumnSpec,
        rows: Range<usize>,
        symbols: &Arc<StringArray>,
    ) -> Result<Option<ArrayRef>> {
        let page = rows.start / PAGE_ROWS;
        let Some(column) = self.column(spec.column_id).filter(|_| self.memory.is_none()) else {
            return Ok(None);
        };
        let has_nulls = column.pages.get(page).is_none_or(|page| page.null_count > 0);
        if rows.is_empty() || has_nulls || (rows.end - 1) / PAGE_ROWS != page {
            return Ok(None);
        }
        let first = page * PAGE_ROWS;
        if column.encoding == Encoding::Paged {
            return self.encoded_symbols(cache, column, rows, symbols).map(Some);
        }
        let vector = self.verified(cache, column, VectorKind::Values, rows.clone())?;
        let made = vector.dictionary(page, || {
            let codes = native_slice::<u32>(vector.body(), &(first..(first + PAGE_ROWS).min(self.rows())))
                .ok_or_else(|| Error::corrupt(format!("{} ends before its rows do", vector.path())))?;
            let symbols: ArrayRef = Arc::clone(symbols) as ArrayRef;
            DictionaryArray::try_new(UInt32Array::new(codes, None), symbols).map_err(|error| {
                Error::corrupt(format!("{}: a code is not in its domain: {error}", vector.path()))
            })
        })?;
        Ok(Some(with_symbols(
            &made.slice(rows.start - first, rows.len()),
            symbols,
        )))
    }

    /// Maps one part of a chunk and verifies the pages of `rows`.
    pub(super) fn verified(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        kind: VectorKind,
        rows: Range<usize>,
    ) -> Result<Arc<Vector>> {
        let vector = self.vector(cache, column, kind)?;
        let sum: fn(&PageStats) -> u64 = match kind {
            VectorKind::Validity => |page| page.validity_checksum,
            VectorKind::Offsets => |page| page.offsets_checksum,
            _ => |page| page.checksum,
        };
        vector.verify(
            rows,
            |page| column.pages.get(page).map(sum),
            |page| self.page_bytes(column, kind, page),
        )?;
        Ok(vector)
    }

    /// Where a page of a plain part lies in the body, of values that all have one width.
    fn page_bytes(&self, column: &ColumnMeta, kind: VectorKind, page: usize) -> Range<usize> {
        let (first, last) = (page * PAGE_ROWS, ((page + 1) * PAGE_ROWS).min(self.rows()));
        let width = match kind {
            VectorKind::Values => column.column_type.value_width(),
            _ => None,
        };
        match (kind, width) {
            (VectorKind::Offsets, _) => first * 4..(last + 1) * 4,
            (_, Some(width)) => first * width..last * width,
            (_, None) => first / 8..last.div_ceil(8),
        }
    }

    /// Begins to read `rows` of a column, so that several columns are waited for at once. Not the values of text, whose place is
    /// not known before their offsets are read.
    ///
    /// # Errors
    /// As [`Segment::read`], for a file that is missing or another one.
    pub(crate) fn will_need(
        &self,
        cache: &SegmentCache,
        spec: &ColumnSpec,
        rows: &Range<usize>,
    ) -> Result<()> {
        let Some(column) = self.column(spec.column_id).filter(|_| self.memory.is_none()) else {
            return Ok(());
        };
        let kind = match column.column_type.has_offsets() && column.encoding != Encoding::Paged {
            true => VectorKind::Offsets,
            false => VectorKind::Values,
        };
        let vector = self.vector(cache, column, kind)?;
        match column.encoding {
            Encoding::Paged => vector.will_need(rows, |page| vector.slot(page)),
            _ => vector.will_need(rows, |page| self.page_bytes(column, kind, page)),
        }
        Ok(())
    }

    fn read_validity(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        rows: Range<usize>,
    ) -> Result<Option<NullBuffer>> {
        if column.validity_bytes == 0 {
            return Ok(None);
        }
        let pages = rows.start / PAGE_ROWS..rows.end.div_ceil(PAGE_ROWS);
        if column
            .pages
            .get(pages)
            .is_some_and(|pages| pages.iter().all(|page| page.null_count == 0))
        {
            return Ok(None);
        }
        let vector = self.verified(cache, column, VectorKind::Validity, rows.clone())?;
        let bits = bit_slice(vector.body(), &rows)
            .ok_or_else(|| Error::corrupt(format!("{} ends before its rows do", vector.path())))?;
        Ok(Some(NullBuffer::new(bits)))
    }

    fn read_variable(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        rows: Range<usize>,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        let offsets = self.verified(cache, column, VectorKind::Offsets, rows.clone())?;
        let damaged = |why: &str| Error::corrupt(format!("{}: {why}", offsets.path()));
        let raw = native_slice::<i32>(offsets.body(), &(rows.start..rows.end + 1))
            .ok_or_else(|| damaged("it ends before its rows do"))?;
        if raw.windows(2).any(|pair| pair[0] > pair[1]) || raw.first().is_some_and(|first| *first < 0) {
            return Err(damaged("offsets descend"));
        }
        let (first, last) = (
            raw.first().copied().unwrap_or_default(),
            raw.last().copied().unwrap_or_default(),
        );
        let item = match &column.column_type {
            ColumnType::List(number) => number.width(),
            _ => 1,
        };
        let values = self.vector(cache, column, VectorKind::Values)?;
        self.verify_variable(column, &offsets, &values, item, rows)?;
        let range = first.unsigned_abs() as usize * item..last.unsigned_abs() as usize * item;
        if range.end > values.bytes().len() {
            return Err(damaged("offsets leave their values"));
        }
        let items = values.body().slice_with_length(range.start, range.len());
        let rebased = if first == 0 {
            raw
        } else {
            raw.iter().map(|offset| offset - first).collect()
        };
        variable_array(&column.column_type, OffsetBuffer::new(rebased), items, nulls)
            .map_err(|error| Error::corrupt(format!("{}: {error}", values.path())))
    }

    /// The value bytes of a page lie between the offsets of its first and last row.
    fn verify_variable(
        &self,
        column: &ColumnMeta,
        offsets: &Vector,
        values: &Vector,
        item: usize,
        rows: Range<usize>,
    ) -> Result<()> {
        let total = self.rows();
        let offset = |row: usize| -> usize {
            let bytes = offsets
                .bytes()
                .get(row * 4..row * 4 + 4)
                .and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(usize::MAX, |bytes| {
                (u32::from_le_bytes(bytes) as usize).saturating_mul(item)
            })
        };
        values.verify(
            rows,
            |page| column.pages.get(page).map(|stats| stats.checksum),
            |page| offset(page * PAGE_ROWS)..offset(((page + 1) * PAGE_ROWS).min(total)),
        )
    }

    /// The parted index of a column, verified once.
    pub(crate) fn parted<T>(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        read: impl FnOnce(PartedIndex<'_>) -> T,
    ) -> Result<T> {
        if let Some(memory) = &self.memory {
            let index = PartedIndex::parse(&memory.parted, self.meta.rows)
                .map_err(|error| Error::internal(format!("the runs of a block: {error}")))?;
            return Ok(read(index));
        }
        let vector = self.index(cache, column, AttributeKind::Parted, VectorKind::Parted)?;
        let index =
            PartedIndex::parse(vector.bytes(), self.meta.rows).map_err(|error| located(&vector, &error))?;
        Ok(read(index))
    }

    /// The grouped index of a column, verified once.
    pub(crate) fn grouped<T>(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        read: impl FnOnce(GroupedIndex<'_>) -> Result<T, gapless_format::FormatError>,
    ) -> Result<T> {
        let vector = self.index(cache, column, AttributeKind::Grouped, VectorKind::Grouped)?;
        GroupedIndex::parse(vector.bytes(), self.meta.rows)
            .and_then(read)
            .map_err(|error| located(&vector, &error))
    }

    /// The unique index of a column, verified once.
    pub(crate) fn unique<T>(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        read: impl FnOnce(UniqueIndex<'_>) -> T,
    ) -> Result<T> {
        let vector = self.index(cache, column, AttributeKind::Unique, VectorKind::Unique)?;
        let index =
            UniqueIndex::parse(vector.bytes(), self.meta.rows).map_err(|error| located(&vector, &error))?;
        Ok(read(index))
    }

    fn index(
        &self,
        cache: &SegmentCache,
        column: &ColumnMeta,
        attribute: AttributeKind,
        kind: VectorKind,
    ) -> Result<Arc<Vector>> {
        let vector = self.vector(cache, column, kind)?;
        let expected = column
            .attributes
            .iter()
            .find(|other| other.kind == attribute)
            .map(|other| other.checksum);
        let len = vector.bytes().len();
        vector.verify(0..1, |_| expected, |_| 0..len)?;
        Ok(vector)
    }
}

/// Keys of a page over all symbols. The page may have been made when the domain was shorter; it never shrinks.
pub(super) fn with_symbols(keys: &DictionaryArray<UInt32Type>, symbols: &Arc<StringArray>) -> ArrayRef {
    if symbols.len() > keys.values().len() {
        Arc::new(keys.with_values(Arc::clone(symbols) as ArrayRef))
    } else {
        Arc::new(keys.clone())
    }
}

fn located(vector: &Vector, error: &gapless_format::FormatError) -> Error {
    Error::from_format(&vector.path().to_string(), error)
}

fn index_bytes(column: &ColumnMeta, kind: AttributeKind) -> u64 {
    column
        .attributes
        .iter()
        .find(|attribute| attribute.kind == kind)
        .map_or(0, |attribute| attribute.index_bytes)
}

/// A range of a buffer as native values, without a copy. `None` when it is too short or not aligned.
pub(super) fn native_slice<T: ArrowNativeType>(
    buffer: Buffer,
    rows: &Range<usize>,
) -> Option<ScalarBuffer<T>> {
    let width = size_of::<T>();
    let end = rows.end.checked_mul(width)?;
    if end > buffer.len() || buffer.as_ptr().align_offset(align_of::<T>()) != 0 {
        return None;
    }
    Some(ScalarBuffer::new(buffer, rows.start, rows.len()))
}

fn bit_slice(buffer: Buffer, rows: &Range<usize>) -> Option<BooleanBuffer> {
    (rows.end.div_ceil(8) <= buffer.len()).then(|| BooleanBuffer::new(buffer, rows.start, rows.len()))
}

pub(crate) fn fixed_array(
    column_type: &ColumnType,
    buffer: Buffer,
    rows: Range<usize>,
    nulls: Option<NullBuffer>,
) -> Option<ArrayRef> {
    use TimeUnit as U;
    Some(match column_type {
        ColumnType::Bool => Arc::new(BooleanArray::new(bit_slice(buffer, &rows)?, nulls)),
        ColumnType::Number(number) => number_array(*number, buffer, rows, nulls)?,
        ColumnType::Decimal128 { precision, scale } => {
            let array = primitive::<Decimal128Type>(buffer, &rows, nulls)?;
            Arc::new(array.with_precision_and_scale(*precision, *scale).ok()?)
        }
        ColumnType::Date => Arc::new(primitive::<Date32Type>(buffer, &rows, nulls)?),
        ColumnType::Symbol { .. } => Arc::new(primitive::<UInt32Type>(buffer, &rows, nulls)?),
        ColumnType::Time(U::Second) => Arc::new(primitive::<Time32SecondType>(buffer, &rows, nulls)?),
        ColumnType::Time(U::Millisecond) => {
            Arc::new(primitive::<Time32MillisecondType>(buffer, &rows, nulls)?)
        }
        ColumnType::Time(U::Microsecond) => {
            Arc::new(primitive::<Time64MicrosecondType>(buffer, &rows, nulls)?)
        }
        ColumnType::Time(U::Nanosecond) => Arc::new(primitive::<Time64NanosecondType>(buffer, &rows, nulls)?),
        ColumnType::Duration(U::Second) => Arc::new(primitive::<DurationSecondType>(buffer, &rows, nulls)?),
        ColumnType::Duration(U::Millisecond) => {
            Arc::new(primitive::<DurationMillisecondType>(buffer, &rows, nulls)?)
        }
        ColumnType::Duration(U::Microsecond) => {
            Arc::new(primitive::<DurationMicrosecondType>(buffer, &rows, nulls)?)
        }
        ColumnType::Duration(U::Nanosecond) => {
            Arc::new(primitive::<DurationNanosecondType>(buffer, &rows, nulls)?)
        }
        ColumnType::Timestamp { unit, zone } => {
            timestamp_array(*unit, zone.as_deref(), buffer, &rows, nulls)?
        }
        ColumnType::FixedList { item, len } => {
            let len = *len as usize;
            let items = rows.start.checked_mul(len)?..rows.end.checked_mul(len)?;
            let values = number_array(*item, buffer, items, None)?;
            let DataType::FixedSizeList(field, size) = types::arrow_type(column_type) else {
                return None;
            };
            Arc::new(FixedSizeListArray::try_new(field, size, values, nulls).ok()?)
        }
        ColumnType::Utf8 | ColumnType::Binary | ColumnType::List(_) => return None,
    })
}

fn primitive<T: ArrowPrimitiveType>(
    buffer: Buffer,
    rows: &Range<usize>,
    nulls: Option<NullBuffer>,
) -> Option<PrimitiveArray<T>> {
    PrimitiveArray::try_new(native_slice::<T::Native>(buffer, rows)?, nulls).ok()
}

fn number_array(
    number: Number,
    buffer: Buffer,
    rows: Range<usize>,
    nulls: Option<NullBuffer>,
) -> Option<ArrayRef> {
    Some(match number {
        Number::I8 => Arc::new(primitive::<Int8Type>(buffer, &rows, nulls)?),
        Number::I16 => Arc::new(primitive::<Int16Type>(buffer, &rows, nulls)?),
        Number::I32 => Arc::new(primitive::<Int32Type>(buffer, &rows, nulls)?),
        Number::I64 => Arc::new(primitive::<Int64Type>(buffer, &rows, nulls)?),
        Number::U8 => Arc::new(primitive::<UInt8Type>(buffer, &rows, nulls)?),
        Number::U16 => Arc::new(primitive::<UInt16Type>(buffer, &rows, nulls)?),
        Number::U32 => Arc::new(primitive::<UInt32Type>(buffer, &rows, nulls)?),
        Number::U64 => Arc::new(primitive::<UInt64Type>(buffer, &rows, nulls)?),
        Number::F32 => Arc::new(primitive::<Float32Type>(buffer, &rows, nulls)?),
        Number::F64 => Arc::new(primitive::<Float64Type>(buffer, &rows, nulls)?),
    })
}

fn timestamp_array(
    unit: TimeUnit,
    zone: Option<&str>,
    buffer: Buffer,
    rows: &Range<usize>,
    nulls: Option<NullBuffer>,
) -> Option<ArrayRef> {
    Some(match unit {
        TimeUnit::Second => {
            Arc::new(primitive::<TimestampSecondType>(buffer, rows, nulls)?.with_timezone_opt(zone))
        }
        TimeUnit::Millisecond => {
            Arc::new(primitive::<TimestampMillisecondType>(buffer, rows, nulls)?.with_timezone_opt(zone))
        }
        TimeUnit::Microsecond => {
            Arc::new(primitive::<TimestampMicrosecondType>(buffer, rows, nulls)?.with_timezone_opt(zone))
        }
        TimeUnit::Nanosecond => {
            Arc::new(primitive::<TimestampNanosecondType>(buffer, rows, nulls)?.with_timezone_opt(zone))
        }
    })
}

pub(crate) fn variable_array(
    column_type: &ColumnType,
    offsets: OffsetBuffer<i32>,
    items: Buffer,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, arrow_schema::ArrowError> {
    Ok(match column_type {
        ColumnType::Utf8 => Arc::new(StringArray::try_new(offsets, items, nulls)?),
        ColumnType::Binary => Arc::new(BinaryArray::try_new(offsets, items, nulls)?),
        other => {
            let (ColumnType::List(item), DataType::List(field)) = (other, types::arrow_type(other)) else {
                return Err(arrow_schema::ArrowError::SchemaError(format!(
                    "{} has no offsets",
                    other.name()
                )));
            };
            let count = items.len() / item.width();
            let values = number_array(*item, items, 0..count, None).ok_or_else(|| {
                arrow_schema::ArrowError::InvalidArgumentError("items are cut short".to_owned())
            })?;
            Arc::new(ListArray::try_new(field, offsets, values, nulls)?)
        }
    })
}
