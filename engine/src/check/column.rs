//! The files of one column chunk: headers, lengths, checksums, and what the values of every page must satisfy.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use gapless_format::page::page_rows;
use gapless_format::{
    Bound, ColumnMeta, ColumnType, EncodedPage, EncodedPart, Encoding, FormatError, HEADER_LEN, NULL_CODE,
    Number, PageStats, VectorHeader, VectorKind, body_checksum, checksum, encoded_slots,
};

use super::finding::{Finding, FindingKind, Sink};
use super::source::Source;
use crate::io::{ReadableFile, RelPath};
use crate::segment::{
    PagePart, decoded_part, decoded_values, fixed_array, page_offsets, stats, variable_array, vector_path,
};

const RESTORE: &str = "restore the file from a copy, or write the rows again";

/// One file of a chunk, open.
struct Part {
    path: RelPath,
    file: Arc<dyn ReadableFile>,
}

/// The open files of one column chunk.
pub(super) struct Chunk<'a> {
    source: &'a Source<'a>,
    meta: &'a ColumnMeta,
    rows: u64,
    values: Option<Part>,
    offsets: Option<Part>,
    validity: Option<Part>,
}

impl<'a> Chunk<'a> {
    /// Opens the files and checks headers and lengths.
    pub(super) fn open(
        source: &'a Source<'a>,
        segment_path: &RelPath,
        segment: u64,
        rows: u64,
        meta: &'a ColumnMeta,
        sink: &Sink,
    ) -> Self {
        let part = |kind: VectorKind, len: u64| {
            let path = vector_path(segment_path, &meta.name, kind).ok()?;
            open_part(
                source,
                &path,
                &Expected {
                    meta,
                    segment,
                    rows,
                    kind,
                    len,
                },
                sink,
            )
        };
        Self {
            source,
            meta,
            rows,
            values: part(VectorKind::Values, meta.values_bytes),
            offsets: (meta.offsets_bytes > 0)
                .then(|| part(VectorKind::Offsets, meta.offsets_bytes))
                .flatten(),
            validity: (meta.validity_bytes > 0)
                .then(|| part(VectorKind::Validity, meta.validity_bytes))
                .flatten(),
        }
    }

    /// The rows of a page as an array of the storage type, if its bytes are those that were written and can be one.
    pub(super) fn page(&self, page: usize, sink: &Sink) -> Option<ArrayRef> {
        let stats = self.meta.pages.get(page)?;
        let rows = page_rows(page as u64, self.rows);
        let count = usize::try_from(rows.end - rows.start).ok()?;
        if self.meta.encoding == Encoding::Paged {
            return self.encoded_page(page, &rows, stats, sink);
        }
        let validity = self.validity_page(page, &rows, stats, sink);
        let array = if self.meta.column_type.has_offsets() {
            self.variable_page(page, &rows, stats, validity?, sink)?
        } else {
            let range = match self.meta.column_type.value_width() {
                Some(width) => rows.start * width as u64..rows.end * width as u64,
                None => rows.start / 8..rows.end.div_ceil(8),
            };
            let body = self.values.as_ref()?.read(
                self.source,
                &Page {
                    page,
                    rows: &rows,
                    range,
                    checksum: stats.checksum,
                },
                sink,
            )?;
            fixed_array(&self.meta.column_type, body, 0..count, validity?)?
        };
        Some(array)
    }

    /// `Some(None)` where no row is null.
    fn validity_page(
        &self,
        page: usize,
        rows: &Range<u64>,
        stats: &PageStats,
        sink: &Sink,
    ) -> Option<Option<NullBuffer>> {
        if self.meta.validity_bytes == 0 {
            return Some(None);
        }
        let part = self.validity.as_ref()?;
        let body = part.read(
            self.source,
            &Page {
                page,
                rows,
                range: rows.start / 8..rows.end.div_ceil(8),
                checksum: stats.validity_checksum,
            },
            sink,
        )?;
        let nulls = counted_nulls(part, body, page, rows, stats, sink)?;
        Some((nulls.null_count() > 0).then_some(nulls))
    }

    /// As [`Self::page`], of an encoded chunk.
    fn encoded_page(
        &self,
        page: usize,
        rows: &Range<u64>,
        stats: &PageStats,
        sink: &Sink,
    ) -> Option<ArrayRef> {
        let encoded = self.meta.encoded.get(page)?;
        let count = usize::try_from(rows.end - rows.start).ok()?;
        let column_type = &self.meta.column_type;
        let stored = |file: &Part, of: fn(&EncodedPage) -> EncodedPart, sum: u64| {
            let slot = encoded_slots(self.meta.encoded.iter().map(of)).nth(page)?;
            let what = Page {
                page,
                rows,
                range: slot.clone(),
                checksum: sum,
            };
            let bytes = file.read(self.source, &what, sink)?;
            let len = usize::try_from(of(encoded).len).ok()?;
            if bytes.get(len..)?.iter().any(|byte| *byte != 0) {
                let error = FormatError::corrupt(0, "found bytes that are not zero behind the page");
                wrong_page(file, &slot, &what, &error, sink);
            }
            Some((bytes.slice_with_length(0, len), slot))
        };
        let sound = |file: &Part, slot: &Range<u64>, sum: u64, part: Result<PagePart, FormatError>| {
            let what = Page {
                page,
                rows,
                range: slot.clone(),
                checksum: sum,
            };
            part.map_err(|error| wrong_page(file, slot, &what, &error, sink))
                .ok()
                .map(|part| part.bytes)
        };
        let mut validity = None;
        if self.meta.validity_bytes > 0 {
            let (file, sum) = (self.validity.as_ref()?, stats.validity_checksum);
            let (bytes, slot) = stored(file, |page| page.validity, sum)?;
            let part = decoded_part(encoded.validity, None, bytes, count.div_ceil(8));
            let bits = sound(file, &slot, sum, part)?;
            counted_nulls(file, bits.clone(), page, rows, stats, sink)?;
            validity = Some(bits);
        }
        let (values_file, sum) = (self.values.as_ref()?, stats.checksum);
        let (bytes, slot) = stored(values_file, |page| page.values, sum)?;
        let part = decoded_values(column_type, encoded, bytes, count, validity.as_deref());
        let values = sound(values_file, &slot, sum, part)?;
        let nulls = validity
            .map(|bits| NullBuffer::new(BooleanBuffer::new(bits, 0, count)))
            .filter(|nulls| nulls.null_count() > 0);
        if !column_type.has_offsets() {
            return fixed_array(column_type, values, 0..count, nulls);
        }
        let (file, sum) = (self.offsets.as_ref()?, stats.offsets_checksum);
        let (bytes, slot) = stored(file, |page| page.offsets, sum)?;
        let part = decoded_part(encoded.offsets, Some(Number::U32), bytes, (count + 1) * 4);
        let offsets = sound(file, &slot, sum, part)?;
        let offsets = match page_offsets(column_type, offsets, count, values.len()) {
            Ok(offsets) => offsets,
            Err(error) => {
                let message = format!("{}; {RESTORE}", error.message);
                let finding = Finding::error(FindingKind::Offsets, message).file(&file.path);
                sink.add(finding.page(page).rows(rows.clone()));
                return None;
            }
        };
        if let Some(row) = first_not_utf8(column_type, &offsets, &values) {
            let message = format!("the text is not UTF-8; {RESTORE}");
            let finding = Finding::error(FindingKind::Utf8, message).file(&values_file.path);
            sink.add(finding.page(page).row(rows.start + row as u64));
            return None;
        }
        variable_array(column_type, offsets, values, nulls).ok()
    }

    fn variable_page(
        &self,
        page: usize,
        rows: &Range<u64>,
        stats: &PageStats,
        nulls: Option<NullBuffer>,
        sink: &Sink,
    ) -> Option<ArrayRef> {
        let part = self.offsets.as_ref()?;
        let range = rows.start * 4..(rows.end + 1) * 4;
        let what = Page {
            page,
            rows,
            range,
            checksum: stats.offsets_checksum,
        };
        let body = part.read(self.source, &what, sink)?;
        let count = usize::try_from(rows.end - rows.start).ok()? + 1;
        let offsets = ScalarBuffer::<i32>::new(body, 0, count);
        let values = self.values.as_ref()?;
        let item = u64::from(self.meta.column_type.body_width());
        let items_end = (self.meta.values_bytes.saturating_sub(HEADER_LEN as u64)) / item.max(1);
        if let Some((row, why)) = offsets_problem(&offsets, rows, self.rows, items_end) {
            let message = format!("{why}; {RESTORE}");
            sink.add(
                Finding::error(FindingKind::Offsets, message)
                    .file(&part.path)
                    .at(HEADER_LEN as u64 + row * 4)
                    .page(page)
                    .row(row),
            );
            return None;
        }
        let position = |at: Option<&i32>| u64::from(at.copied().unwrap_or_default().unsigned_abs()) * item;
        let range = position(offsets.first())..position(offsets.last());
        let what = Page {
            page,
            rows,
            range: range.clone(),
            checksum: stats.checksum,
        };
        let items = values.read(self.source, &what, sink)?;
        let base = offsets.first().copied().unwrap_or_default();
        let rebased: ScalarBuffer<i32> = offsets.iter().map(|offset| offset - base).collect();
        if let Some(row) = first_not_utf8(&self.meta.column_type, &rebased, &items) {
            let start = rebased.get(row).copied().unwrap_or_default().unsigned_abs();
            sink.add(
                Finding::error(FindingKind::Utf8, format!("the text is not UTF-8; {RESTORE}"))
                    .file(&values.path)
                    .at(HEADER_LEN as u64 + range.start + u64::from(start))
                    .page(page)
                    .row(rows.start + row as u64),
            );
            return None;
        }
        variable_array(&self.meta.column_type, OffsetBuffer::new(rebased), items, nulls).ok()
    }

    /// Checks what the values of a page must satisfy besides their checksum.
    pub(super) fn check_values(&self, page: usize, array: &ArrayRef, symbols: Option<u32>, sink: &Sink) {
        let Some(stats) = self.meta.pages.get(page) else {
            return;
        };
        let rows = page_rows(page as u64, self.rows);
        if self.meta.validity_bytes == 0
            && stats.null_count > 0
            && !matches!(self.meta.column_type, ColumnType::Symbol { .. })
        {
            let message = format!(
                "page has {} nulls in segment.meta but no validity",
                stats.null_count
            );
            sink.add(
                Finding::error(FindingKind::NullCount, message)
                    .page(page)
                    .rows(rows.clone()),
            );
        }
        self.check_bounds(page, array, stats, &rows, sink);
        if matches!(self.meta.column_type, ColumnType::Symbol { .. }) {
            self.check_codes(page, array, symbols, &rows, sink);
        }
    }

    fn check_bounds(
        &self,
        page: usize,
        array: &ArrayRef,
        stored: &PageStats,
        rows: &Range<u64>,
        sink: &Sink,
    ) {
        let Ok(found) = stats::bounds(array, &self.meta.column_type) else {
            return;
        };
        if found.min == stored.min && found.max == stored.max && found.has_nan == stored.has_nan {
            return;
        }
        let message = format!(
            "page holds values from {} to {}{}, segment.meta says {} to {}{}: reads that use the statistics {}",
            show(found.min),
            show(found.max),
            nan(found.has_nan),
            show(stored.min),
            show(stored.max),
            nan(stored.has_nan),
            "may miss rows; write the rows again"
        );
        sink.add(
            Finding::error(FindingKind::PageStatistics, message)
                .page(page)
                .rows(rows.clone()),
        );
    }

    /// Codes are of the domain, and the null code stands where the validity says null.
    fn check_codes(
        &self,
        page: usize,
        array: &ArrayRef,
        symbols: Option<u32>,
        rows: &Range<u64>,
        sink: &Sink,
    ) {
        let Some(codes) = array.as_primitive_opt::<UInt32Type>() else {
            return;
        };
        let Some(symbols) = symbols else { return };
        let told_by_code = self.meta.validity_bytes == 0;
        let wrong = (0..codes.len()).find(|row| {
            let code = codes.values().get(*row).copied().unwrap_or(NULL_CODE);
            match codes.is_null(*row) {
                true => code != NULL_CODE,
                false => code >= symbols && !(told_by_code && code == NULL_CODE),
            }
        });
        let Some(row) = wrong else { return };
        let code = codes.values().get(row).copied().unwrap_or_default();
        let message = match codes.is_null(row) {
            true => format!("row is null but has code {code}, expected {NULL_CODE}"),
            false => format!("row has code {code}, its domain has {symbols} committed symbols"),
        };
        let at = rows.start + row as u64;
        let finding = Finding::error(FindingKind::SymbolCode, format!("{message}; {RESTORE}"))
            .page(page)
            .row(at)
            .at(HEADER_LEN as u64 + at * 4);
        sink.add(match &self.values {
            Some(part) => finding.file(&part.path),
            None => finding,
        });
    }
}

/// The validity of a page, after its nulls were counted.
fn counted_nulls(
    part: &Part,
    bits: Buffer,
    page: usize,
    rows: &Range<u64>,
    stats: &PageStats,
    sink: &Sink,
) -> Option<NullBuffer> {
    let count = usize::try_from(rows.end - rows.start).ok()?;
    let nulls = NullBuffer::new(BooleanBuffer::new(bits, 0, count));
    if nulls.null_count() as u64 != u64::from(stats.null_count) {
        let message = format!(
            "page has {} nulls, segment.meta says {}; {RESTORE}",
            nulls.null_count(),
            stats.null_count
        );
        let finding = Finding::error(FindingKind::NullCount, message).file(&part.path);
        sink.add(finding.page(page).rows(rows.clone()));
    }
    Some(nulls)
}

/// Tells that a page's bytes are those that were written and yet no page.
fn wrong_page(file: &Part, slot: &Range<u64>, page: &Page<'_>, error: &FormatError, sink: &Sink) {
    let message = format!("the page does not decode: {}; {RESTORE}", error.message);
    sink.add(
        Finding::error(FindingKind::PageEncoding, message)
            .file(&file.path)
            .at(HEADER_LEN as u64 + slot.start)
            .page(page.page)
            .rows(page.rows.clone()),
    );
}

/// Which bytes of a file a page is.
struct Page<'a> {
    page: usize,
    rows: &'a Range<u64>,
    range: Range<u64>,
    checksum: u64,
}

impl Part {
    /// The bytes of a page, if they are those that were written.
    fn read(&self, source: &Source<'_>, page: &Page<'_>, sink: &Sink) -> Option<Buffer> {
        let header = HEADER_LEN as u64;
        let at = header + page.range.start;
        let place = |finding: Finding| {
            finding
                .file(&self.path)
                .at(at)
                .page(page.page)
                .rows(page.rows.clone())
        };
        // That the file is too short was said when it was opened.
        if page.range.start > page.range.end || header + page.range.end > self.file.len() {
            return None;
        }
        let bytes = match source.range(&*self.file, at..header + page.range.end) {
            Ok(bytes) => bytes,
            Err(error) => {
                sink.add(place(Finding::error(
                    FindingKind::Io,
                    format!("the page cannot be read: {error}"),
                )));
                return None;
            }
        };
        let found = checksum(&bytes);
        if found == page.checksum {
            return Some(bytes);
        }
        let message = format!(
            "bytes {at} to {} are damaged: checksum is {found:#018x}, segment.meta says {:#018x}; {RESTORE}",
            header + page.range.end,
            page.checksum
        );
        sink.add(place(Finding::error(FindingKind::PageChecksum, message)));
        None
    }
}

/// What `segment.meta` says of a file.
pub(super) struct Expected<'a> {
    pub(super) meta: &'a ColumnMeta,
    pub(super) segment: u64,
    pub(super) rows: u64,
    pub(super) kind: VectorKind,
    pub(super) len: u64,
}

fn open_part(source: &Source<'_>, path: &RelPath, expected: &Expected<'_>, sink: &Sink) -> Option<Part> {
    let file = open_vector(source, path, expected, sink)?;
    Some(Part {
        path: path.clone(),
        file,
    })
}

/// Opens a vector file and checks its length and header.
pub(super) fn open_vector(
    source: &Source<'_>,
    path: &RelPath,
    expected: &Expected<'_>,
    sink: &Sink,
) -> Option<Arc<dyn ReadableFile>> {
    let file = source.open(path, sink)?;
    if file.len() != expected.len {
        let message = format!(
            "the file has {} bytes, segment.meta says {}; {RESTORE}",
            file.len(),
            expected.len
        );
        let finding = Finding::error(FindingKind::FileLength, message);
        sink.add(finding.file(path).at(file.len().min(expected.len)));
    }
    let head = match source.range(&*file, 0..file.len().min(HEADER_LEN as u64)) {
        Ok(head) => head,
        Err(error) => {
            sink.add(Finding::of_error(path, &error));
            return None;
        }
    };
    match VectorHeader::decode(&head) {
        Ok(header) => check_header(path, &header, expected, sink),
        Err(error) => sink.add(Finding::of_format(FindingKind::FileHeader, path, &error, RESTORE)),
    }
    Some(file)
}

fn check_header(path: &RelPath, header: &VectorHeader, expected: &Expected<'_>, sink: &Sink) {
    let meta = expected.meta;
    let encoding = match expected.kind.is_index() {
        true => Encoding::Plain,
        false => meta.encoding,
    };
    let body = expected.len.saturating_sub(HEADER_LEN as u64);
    let width = match expected.kind {
        VectorKind::Values => meta.column_type.body_width(),
        VectorKind::Offsets => 4,
        _ => 0,
    };
    let is_paged = encoding == Encoding::Paged;
    let values = match expected.kind {
        VectorKind::Values if is_paged && meta.column_type.has_offsets() => {
            let decoded = meta.encoded.iter().map(|page| page.decoded_len);
            decoded.fold(0, u64::saturating_add) / u64::from(width.max(1))
        }
        VectorKind::Offsets if is_paged => expected.rows + meta.pages.len() as u64,
        VectorKind::Values if meta.column_type.has_offsets() => body / u64::from(width.max(1)),
        VectorKind::Offsets => expected.rows + 1,
        _ => expected.rows,
    };
    let mut wrong: Vec<String> = Vec::new();
    let mut field = |name: &str, found: u64, expected: u64| {
        if found != expected {
            wrong.push(format!("{name} {found:#x}, expected {expected:#x}"));
        }
    };
    field("segment", header.segment, expected.segment);
    field("encoding", header.encoding.tag().into(), encoding.tag().into());
    field("kind", header.kind.tag().into(), expected.kind.tag().into());
    field(
        "column type",
        header.column_type_tag.into(),
        meta.column_type.tag().into(),
    );
    field("width", header.width.into(), width.into());
    field("rows", header.rows, values);
    field("body length", header.body_len, body);
    if let Some(sum) = expected_sum(expected) {
        field("body checksum", header.body_checksum, sum);
    }
    if !wrong.is_empty() {
        let message = format!(
            "the header says {}: the file was put here from elsewhere; {RESTORE}",
            wrong.join(", ")
        );
        sink.add(Finding::error(FindingKind::FileHeader, message).file(path).at(0));
    }
}

fn expected_sum(expected: &Expected<'_>) -> Option<u64> {
    let sum: fn(&PageStats) -> u64 = match expected.kind {
        VectorKind::Values => |page| page.checksum,
        VectorKind::Offsets => |page| page.offsets_checksum,
        VectorKind::Validity => |page| page.validity_checksum,
        VectorKind::Parted | VectorKind::Grouped | VectorKind::Unique => {
            let attributes = expected.meta.attributes.iter();
            let with_index = attributes
                .filter(|attribute| super::attribute::vector_of(attribute.kind) == Some(expected.kind));
            return with_index.map(|attribute| attribute.checksum).next();
        }
    };
    Some(body_checksum(expected.meta.pages.iter().map(sum)))
}

/// The first row whose offsets are wrong, and why.
fn offsets_problem(offsets: &[i32], rows: &Range<u64>, total: u64, items_end: u64) -> Option<(u64, String)> {
    let first = offsets.first().copied().unwrap_or_default();
    let last = offsets.last().copied().unwrap_or_default();
    if first < 0 || rows.start == 0 && first != 0 {
        return Some((
            rows.start,
            format!("the first offset is {first}, expected 0 or more"),
        ));
    }
    if let Some(at) = offsets.windows(2).position(|pair| pair.first() > pair.last()) {
        return Some((
            rows.start + at as u64,
            "offsets descend after this row".to_owned(),
        ));
    }
    let end = u64::from(last.unsigned_abs());
    let is_last = rows.end == total;
    if end > items_end || is_last && end != items_end {
        let message = format!("offsets end at {end}, the values at {items_end}");
        return Some((rows.end.saturating_sub(1), message));
    }
    None
}

fn first_not_utf8(column_type: &ColumnType, offsets: &[i32], items: &[u8]) -> Option<usize> {
    if *column_type != ColumnType::Utf8 {
        return None;
    }
    let text = |pair: &[i32]| {
        let (start, end) = (pair.first()?.unsigned_abs(), pair.last()?.unsigned_abs());
        items.get(start as usize..end as usize)
    };
    offsets
        .windows(2)
        .position(|pair| text(pair).is_none_or(|text| std::str::from_utf8(text).is_err()))
}

fn show(bound: Bound) -> String {
    match bound {
        Bound::None => "none".to_owned(),
        Bound::I64(value) => value.to_string(),
        Bound::U64(value) => value.to_string(),
        Bound::F64(value) => value.to_string(),
        Bound::I128(value) => value.to_string(),
    }
}

fn nan(has_nan: bool) -> &'static str {
    if has_nan { " and NaN" } else { "" }
}
