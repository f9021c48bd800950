//! Values of a column chunk, page by page, as JSON values; symbols resolved where their file can be read.

use gapless_format::encoded::{decode_part, unpack};
use gapless_format::page::page_rows;
use gapless_format::{
    Codec, ColumnMeta, ColumnType, EncodedPage, EncodedPart, Encoding, HEADER_LEN, NULL_CODE, Number,
    PageStats, TimeUnit, VectorKind, checksum, encoded_slots, file_name,
};
use serde_json::Value;

use super::disk::{Disk, Open, Outcome};
use super::symbols;
use crate::render::instant_iso;

/// Path of a file of a column chunk.
pub(super) fn vector_path(segment: &str, column: &ColumnMeta, kind: VectorKind) -> Outcome<String> {
    let name = file_name(&column.name).map_err(|error| error.to_string())?;
    Ok(format!("{segment}/{name}.{}", kind.extension()))
}

/// The files of one chunk.
pub(super) struct Chunk<'a> {
    disk: &'a Disk,
    segment: &'a str,
    meta: &'a ColumnMeta,
    rows: u64,
}

/// What stands on disk for one page, and whether its checksums are right.
pub(super) struct PageBytes {
    values: Vec<u8>,
    offsets: Vec<u8>,
    validity: Vec<u8>,
    /// What is damaged: `values`, `offsets`, `validity`.
    pub(super) damaged: Vec<&'static str>,
}

impl<'a> Chunk<'a> {
    pub(super) fn new(disk: &'a Disk, segment: &'a str, meta: &'a ColumnMeta, rows: u64) -> Self {
        Self {
            disk,
            segment,
            meta,
            rows,
        }
    }

    fn open(&self, kind: VectorKind) -> Outcome<Open> {
        self.disk.open(&vector_path(self.segment, self.meta, kind)?)
    }

    fn body(&self, kind: VectorKind, start: u64, end: u64) -> Outcome<Vec<u8>> {
        let header = HEADER_LEN as u64;
        let mut open = self.open(kind)?;
        open.range(header.saturating_add(start)..header.saturating_add(end))
            .map_err(|error| {
                format!(
                    "{}: {error}",
                    vector_path(self.segment, self.meta, kind).unwrap_or_default()
                )
            })
    }

    /// Reads one page.
    pub(super) fn page(&self, page: u64) -> Outcome<PageBytes> {
        let rows = page_rows(page, self.rows);
        let stats = usize::try_from(page)
            .ok()
            .and_then(|page| self.meta.pages.get(page));
        let stats = stats.ok_or_else(|| format!("there is no page {page}"))?;
        if self.meta.encoding == Encoding::Paged {
            return self.encoded_page(page, stats);
        }
        let mut damaged = Vec::new();
        let mut offsets = Vec::new();
        let (mut start, mut end) = match self.meta.column_type.value_width() {
            Some(width) => (rows.start * width as u64, rows.end * width as u64),
            None => (rows.start / 8, rows.end.div_ceil(8)),
        };
        if self.meta.column_type.has_offsets() {
            offsets = self.body(VectorKind::Offsets, rows.start * 4, (rows.end + 1) * 4)?;
            if checksum(&offsets) != stats.offsets_checksum {
                damaged.push("offsets");
            }
            let item = u64::from(self.meta.column_type.body_width());
            start = u64::from(u32_at(&offsets, 0)) * item;
            end = u64::from(u32_at(&offsets, offsets.len() / 4 - 1)) * item;
        }
        let values = self.body(VectorKind::Values, start, end)?;
        if checksum(&values) != stats.checksum {
            damaged.push("values");
        }
        let mut validity = Vec::new();
        if self.meta.validity_bytes > 0 {
            validity = self.body(VectorKind::Validity, rows.start / 8, rows.end.div_ceil(8))?;
            if checksum(&validity) != stats.validity_checksum {
                damaged.push("validity");
            }
        }
        Ok(PageBytes {
            values,
            offsets,
            validity,
            damaged,
        })
    }
}

impl Chunk<'_> {
    /// The stored bytes of an encoded page's part, and whether their checksum is right.
    fn part(
        &self,
        page: u64,
        kind: VectorKind,
        of: fn(&EncodedPage) -> EncodedPart,
        expected: u64,
    ) -> Outcome<(Vec<u8>, bool)> {
        let at = usize::try_from(page).map_err(|_| format!("there is no page {page}"))?;
        let parts = self.meta.encoded.iter().map(of);
        let slot = encoded_slots(parts).nth(at).unwrap_or_default();
        let mut stored = self.body(kind, slot.start, slot.end)?;
        let sound = checksum(&stored) == expected;
        let part = self.meta.encoded.get(at).map_or(EncodedPart::NONE, of);
        stored.truncate(usize::try_from(part.len).unwrap_or(usize::MAX));
        Ok((stored, sound))
    }

    fn encoded_page(&self, page: u64, stats: &PageStats) -> Outcome<PageBytes> {
        let rows = page_rows(page, self.rows);
        let rows = usize::try_from(rows.end - rows.start).map_err(|error| error.to_string())?;
        let at = usize::try_from(page).unwrap_or(usize::MAX);
        let encoded = self.meta.encoded.get(at);
        let encoded = encoded.ok_or_else(|| format!("there is no page {page}"))?;
        let mut damaged = Vec::new();
        let mut plain = |kind: VectorKind, of: fn(&EncodedPage) -> EncodedPart, sum, lane, len: usize| {
            let (stored, sound) = self.part(page, kind, of, sum)?;
            if !sound {
                damaged.push(kind_name(kind));
            }
            let codec = of(encoded).codec;
            if codec == Codec::Plain {
                return Ok(stored);
            }
            let mut bytes = vec![0; len];
            match decode_part(codec, lane, &stored, &mut bytes) {
                Ok(()) => Ok(bytes),
                Err(error) => Err(format!("page {page} does not decode: {error}")),
            }
        };
        let mut validity = Vec::new();
        if self.meta.validity_bytes > 0 {
            let (of, sum): (fn(&EncodedPage) -> EncodedPart, _) =
                (|page| page.validity, stats.validity_checksum);
            validity = plain(VectorKind::Validity, of, sum, None, rows.div_ceil(8))?;
        }
        let mut offsets = Vec::new();
        if self.meta.column_type.has_offsets() {
            let (of, sum): (fn(&EncodedPage) -> EncodedPart, _) =
                (|page| page.offsets, stats.offsets_checksum);
            offsets = plain(VectorKind::Offsets, of, sum, Some(Number::U32), (rows + 1) * 4)?;
        }
        let len = usize::try_from(encoded.decoded_len).map_err(|error| error.to_string())?;
        let lane = self.meta.column_type.lane();
        let mut values = plain(VectorKind::Values, |page| page.values, stats.checksum, lane, len)?;
        if let (Some(width), true) = (self.meta.column_type.value_width(), encoded.packed) {
            let mut placed = vec![self.meta.column_type.null_fill(); rows.saturating_mul(width)];
            unpack(&validity, width, &values, &mut placed)
                .map_err(|error| format!("page {page} does not decode: {error}"))?;
            values = placed;
        }
        Ok(PageBytes {
            values,
            offsets,
            validity,
            damaged,
        })
    }
}

/// The symbols of a column's domain; empty for another type.
pub(super) fn symbols_of(disk: &Disk, column_type: &ColumnType) -> Outcome<Vec<String>> {
    let ColumnType::Symbol { domain } = column_type else {
        return Ok(Vec::new());
    };
    let name = file_name(domain).map_err(|error| error.to_string())?;
    let parsed = symbols::parse(&disk.read(&format!("symbols/{name}.sym"))?);
    match parsed.error {
        // What could be read helps all the same.
        Some(error) if parsed.texts.is_empty() => Err(format!("symbols/{name}.sym: {error}")),
        _ => Ok(parsed.texts),
    }
}

impl PageBytes {
    /// Values that are in memory; offsets are u32, none for types of fixed width, validity empty without nulls.
    pub(super) fn new(values: Vec<u8>, offsets: Vec<u8>, validity: Vec<u8>) -> Self {
        Self {
            values,
            offsets,
            validity,
            damaged: Vec::new(),
        }
    }

    /// The value of row `at` of the page.
    pub(super) fn value(&self, at: usize, column_type: &ColumnType, symbols: &[String]) -> Value {
        if !self.validity.is_empty() && !bit(&self.validity, at) {
            return Value::Null;
        }
        match column_type {
            ColumnType::Bool => bit(&self.values, at).into(),
            ColumnType::Utf8 => String::from_utf8_lossy(self.slice(at, 1)).into_owned().into(),
            ColumnType::Binary => hex(self.slice(at, 1)).into(),
            ColumnType::List(item) => numbers(self.slice(at, item.width()), *item),
            other => {
                let width = other.value_width().unwrap_or(1);
                let start = at.saturating_mul(width);
                let bytes = self.values.get(start..start.saturating_add(width));
                bytes.map_or(Value::Null, |bytes| fixed(bytes, other, symbols))
            }
        }
    }

    fn slice(&self, at: usize, item: usize) -> &[u8] {
        let base = u32_at(&self.offsets, 0);
        let position = |at| (u32_at(&self.offsets, at).saturating_sub(base) as usize).saturating_mul(item);
        self.values
            .get(position(at)..position(at + 1))
            .unwrap_or_default()
    }
}

/// One value of fixed width.
pub(super) fn fixed(bytes: &[u8], column_type: &ColumnType, symbols: &[String]) -> Value {
    match column_type {
        ColumnType::Number(item) => number(bytes, *item),
        ColumnType::Decimal128 { scale, .. } => {
            let value = bytes.first_chunk().map_or(0, |bytes| i128::from_le_bytes(*bytes));
            match *scale {
                0 => value.to_string().into(),
                scale => format!("{value}e{}", -i16::from(scale)).into(),
            }
        }
        ColumnType::Symbol { .. } => {
            let code = bytes
                .first_chunk()
                .map_or(NULL_CODE, |bytes| u32::from_le_bytes(*bytes));
            let text = usize::try_from(code).ok().and_then(|code| symbols.get(code));
            match text {
                Some(text) => text.clone().into(),
                None if code == NULL_CODE => Value::Null,
                None => format!("code {code}").into(),
            }
        }
        ColumnType::FixedList { item, .. } => numbers(bytes, *item),
        ColumnType::Timestamp { unit, .. } => timestamp(integer(bytes), *unit),
        _ => integer(bytes).into(),
    }
}

fn timestamp(value: i64, unit: TimeUnit) -> Value {
    let factor = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    value
        .checked_mul(factor)
        .map_or_else(|| value.into(), |ns| instant_iso(ns).into())
}

fn integer(bytes: &[u8]) -> i64 {
    match bytes.len() {
        4 => bytes
            .first_chunk()
            .map_or(0, |bytes| i32::from_le_bytes(*bytes))
            .into(),
        _ => bytes.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes)),
    }
}

fn numbers(bytes: &[u8], item: Number) -> Value {
    bytes
        .chunks_exact(item.width())
        .map(|bytes| number(bytes, item))
        .collect()
}

fn number(bytes: &[u8], item: Number) -> Value {
    macro_rules! read {
        ($type:ty) => {
            bytes
                .first_chunk()
                .map(|bytes| <$type>::from_le_bytes(*bytes))
                .unwrap_or_default()
        };
    }
    // JSON has no NaN and no infinities: those are text.
    let float = |value: f64, text: String| {
        serde_json::Number::from_f64(value).map_or(Value::String(text), Value::Number)
    };
    match item {
        Number::I8 => read!(i8).into(),
        Number::I16 => read!(i16).into(),
        Number::I32 => read!(i32).into(),
        Number::I64 => read!(i64).into(),
        Number::U8 => read!(u8).into(),
        Number::U16 => read!(u16).into(),
        Number::U32 => read!(u32).into(),
        Number::U64 => read!(u64).into(),
        Number::F32 => {
            let text = format!("{:?}", read!(f32));
            float(text.parse().unwrap_or(f64::NAN), text)
        }
        Number::F64 => {
            let value = read!(f64);
            float(value, format!("{value:?}"))
        }
    }
}

fn kind_name(kind: VectorKind) -> &'static str {
    match kind {
        VectorKind::Offsets => "offsets",
        VectorKind::Validity => "validity",
        _ => "values",
    }
}

fn bit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let start = at.saturating_mul(4);
    let rest = bytes.get(start..).unwrap_or_default();
    rest.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
