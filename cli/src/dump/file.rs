//! `dump FILE`: any single file of a database, recognised by its first eight bytes.
//!
//! The fields are read from where FORMAT.md says they are, so they show also when the decoder refuses the file.

use std::path::Path;

use gapless_format::coverage::COVERAGE_MAGIC;
use gapless_format::manifest::LOG_MAGIC;
use gapless_format::marks::{CURRENT_MAGIC, IDENTITY_MAGIC, PIN_MAGIC, TAIL_MAGIC};
use gapless_format::segment::SEGMENT_MAGIC;
use gapless_format::symbols::SYMBOL_MAGIC;
use gapless_format::vector::VECTOR_MAGIC;
use gapless_format::wal::WAL_MAGIC;
use gapless_format::{
    ColumnType, Current, Encoding, HEADER_LEN, Identity, Number, PAGE_ROWS, Pin, SegmentMeta,
    SymbolFileHeader, Tail, VectorHeader, VectorKind, body_checksum, checksum,
};
use serde_json::Value;

use super::disk::{self, Disk};
use super::section::Section;
use super::values::{fixed, hex};
use super::{coverage, records, segment, symbols, wal};

/// Bytes shown of a file that is not understood.
const HEX_BYTES: usize = 256;
/// Bytes shown in one line of hexadecimal.
const HEX_LINE: usize = 16;

/// A field: name, offset, bytes.
type Field = (&'static str, usize, usize);

const IDENTITY: &[Field] = &[
    ("major", 8, 2),
    ("minor", 10, 2),
    ("database", 16, 16),
    ("checksum", 56, 8),
];
const MARK: &[Field] = &[("first", 8, 8), ("second", 16, 8), ("checksum", 24, 8)];
const LOG: &[Field] = &[
    ("major", 8, 2),
    ("minor", 10, 2),
    ("number", 16, 8),
    ("database", 24, 16),
    ("checksum", 56, 8),
];
const SEGMENT: &[Field] = &[
    ("major", 8, 2),
    ("minor", 10, 2),
    ("columns", 12, 4),
    ("length", 16, 8),
    ("segment", 24, 8),
    ("created_at", 32, 8),
    ("rows", 40, 8),
    ("min_time", 48, 8),
    ("max_time", 56, 8),
    ("time_column", 64, 4),
    ("series_column", 68, 4),
];
const SYMBOLS: &[Field] = &[
    ("major", 8, 2),
    ("minor", 10, 2),
    ("header_length", 12, 4),
    ("database", 16, 16),
    ("domain_length", 32, 4),
];
const WAL: &[Field] = &[
    ("major", 8, 2),
    ("minor", 10, 2),
    ("stream", 16, 8),
    ("first_lsn", 24, 8),
    ("database", 32, 16),
    ("checksum", 56, 8),
];
const COVERAGE: &[Field] = &[
    ("major", 8, 2),
    ("minor", 10, 2),
    ("keys", 12, 4),
    ("database", 16, 16),
    ("file", 32, 8),
    ("ranges", 40, 8),
    ("texts", 48, 4),
    ("text_length", 52, 4),
];
const VECTOR: &[Field] = &[
    ("major", 8, 2),
    ("minor", 10, 2),
    ("kind", 12, 1),
    ("encoding", 13, 1),
    ("column_type", 14, 1),
    ("width", 16, 4),
    ("rows", 24, 8),
    ("body_length", 32, 8),
    ("body_checksum", 40, 8),
    ("segment", 48, 8),
    ("checksum", 56, 8),
];

/// Values of a column file and symbols shown unless told otherwise.
pub(crate) const ROWS: usize = 20;

/// A single file. `rows` values of a column file, symbols of a symbol file, rows of each record of a log (none unless
/// they are asked for).
pub(crate) fn file(path: &Path, rows: Option<usize>) -> Section {
    let rows_of_records = rows.unwrap_or(0);
    let rows = rows.unwrap_or(ROWS);
    let name = path.display().to_string();
    let mut section = Section::new(name.clone());
    let mut open = match disk::open(path) {
        Ok(open) => open,
        Err(error) => {
            section.error(error);
            return section;
        }
    };
    section.field("bytes", open.len);
    if open.len == 0 && is_rightly_empty(path) {
        section.field("kind", "a file that is locked and holds nothing");
        return section;
    }
    let head = match open.head(4096) {
        Ok(head) => head,
        Err(error) => {
            section.error(error);
            return section;
        }
    };
    let Some(magic) = head.first_chunk::<8>() else {
        section.error(format!("{} bytes are no file of gapless", head.len()));
        dump_hex(&head, &mut section);
        return section;
    };
    let whole = |open: &mut disk::Open| {
        let len = open.len;
        open.range(0..len)
    };
    let checked = match magic {
        VECTOR_MAGIC => vector(&mut open, &head, rows, &mut section),
        IDENTITY_MAGIC => small("identity", IDENTITY, &head, &mut section, || {
            Identity::decode(&head).map(drop)
        }),
        CURRENT_MAGIC => small("current log", MARK, &head, &mut section, || {
            Current::decode(&head).map(drop)
        }),
        TAIL_MAGIC => small("commit tail", MARK, &head, &mut section, || {
            Tail::decode(&head).map(drop)
        }),
        PIN_MAGIC => small("reader pin", MARK, &head, &mut section, || {
            Pin::decode(&head).map(drop)
        }),
        LOG_MAGIC => {
            fields("manifest log", LOG, &head, &mut section);
            whole(&mut open).map(|bytes| section.push(records::log("records", &bytes)))
        }
        WAL_MAGIC => {
            fields("write-ahead log", WAL, &head, &mut section);
            whole(&mut open).map(|bytes| section.push(wal::file(&bytes, rows_of_records)))
        }
        SYMBOL_MAGIC => {
            fields("symbol file", SYMBOLS, &head, &mut section);
            if let Ok((header, _)) = SymbolFileHeader::decode(&head) {
                section.field("domain", header.domain);
            }
            whole(&mut open).map(|bytes| section.push(symbols::file("symbols", &bytes, None, rows)))
        }
        COVERAGE_MAGIC => {
            fields("coverage file", COVERAGE, &head, &mut section);
            whole(&mut open).map(|bytes| section.push(coverage::parsed("ranges", &bytes, None, &[])))
        }
        SEGMENT_MAGIC => {
            fields("segment.meta", SEGMENT, &head, &mut section);
            whole(&mut open).and_then(|bytes| {
                let meta = SegmentMeta::decode(&bytes).map_err(|error| error.to_string())?;
                let mut inner = Section::new("segment");
                segment::describe(&Disk::new("."), None, &meta, &mut inner);
                section.push(inner);
                Ok(())
            })
        }
        _ => Err(format!(
            "the first bytes are \"{}\", which no file of gapless begins with",
            magic.escape_ascii()
        )),
    };
    if let Err(error) = checked {
        section.error(error);
        dump_hex(&head, &mut section);
    }
    section
}

/// Files that processes only lock, and pins that hold no version yet.
fn is_rightly_empty(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name == "CREATE" || name == "LOCK" || name.ends_with(".lock") || name.ends_with(".pin")
}

fn small(
    what: &'static str,
    layout: &[Field],
    head: &[u8],
    section: &mut Section,
    decode: impl FnOnce() -> Result<(), gapless_format::FormatError>,
) -> Result<(), String> {
    fields(what, layout, head, section);
    decode().map_err(|error| error.to_string())
}

/// The header's fields with their offsets.
fn fields(what: &'static str, layout: &[Field], head: &[u8], section: &mut Section) {
    section.field("kind", what);
    let mut header = Section::new("header");
    header.columns(["offset", "bytes", "field", "value", "hex"]);
    header.row([
        0.into(),
        8.into(),
        "magic".into(),
        ascii(head.get(..8)),
        Value::Null,
    ]);
    for (name, offset, len) in layout {
        let Some(bytes) = head.get(*offset..offset + len) else {
            continue;
        };
        let mut wide = [0u8; 16];
        wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let value = u128::from_le_bytes(wide);
        let shown = match u64::try_from(value) {
            // Ids and checksums are compared as hexadecimal.
            Ok(value) if !["checksum", "body_checksum", "database"].contains(name) => match *name {
                "created_at" | "min_time" | "max_time" => value.cast_signed().into(),
                _ => value.into(),
            },
            _ => Value::Null,
        };
        let digits = format!("{value:0width$x}", width = len * 2);
        header.row([
            (*offset).into(),
            (*len).into(),
            (*name).into(),
            shown,
            digits.into(),
        ]);
    }
    section.push(header);
}

fn ascii(bytes: Option<&[u8]>) -> Value {
    bytes.unwrap_or_default().escape_ascii().to_string().into()
}

fn vector(open: &mut disk::Open, head: &[u8], rows: usize, section: &mut Section) -> Result<(), String> {
    fields("vector file", VECTOR, head, section);
    let header = VectorHeader::decode(head).map_err(|error| error.to_string())?;
    section.field("holds", format!("{:?}", header.kind).to_lowercase());
    header.check_len(open.len).map_err(|error| error.to_string())?;
    if header.encoding == Encoding::Paged {
        section.field(
            "body",
            "encoded page by page, as segment.meta beside it says: dump the segment with --column to see values",
        );
        return Ok(());
    }
    if header.kind.is_index() {
        let len = open.len;
        let body = open.range(HEADER_LEN as u64..len)?;
        header
            .check_index_body(&body)
            .map_err(|error| error.to_string())?;
        section.field("body", "its checksum is right");
        return Ok(());
    }
    check_body(open, &header, section)?;
    let mut values = Section::new("values");
    values.columns(["at", "value"]);
    let end = open
        .len
        .min(HEADER_LEN as u64 + rows as u64 * u64::from(header.width.max(1)));
    let body = open.range(HEADER_LEN as u64..end)?;
    let count = usize::try_from(header.rows).unwrap_or(usize::MAX).min(rows);
    match shape(&header) {
        Shape::Bits => {
            for at in 0..count {
                let bit = body.get(at / 8).map(|byte| byte >> (at % 8) & 1);
                values.row([at.into(), bit.into()]);
            }
        }
        Shape::Values(column_type, width) => {
            for (at, bytes) in body.chunks_exact(width).enumerate().take(count) {
                values.row([at.into(), fixed(bytes, &column_type, &[])]);
            }
        }
        Shape::Bytes(width) => {
            for (at, bytes) in body.chunks(width).enumerate().take(count) {
                values.row([at.into(), hex(bytes).into()]);
            }
        }
    }
    section.push(values);
    Ok(())
}

/// Compares the body with the header's checksum, where the pages are known without segment.meta: not for text, bytes
/// and lists, whose pages are cut by their offsets.
fn check_body(open: &mut disk::Open, header: &VectorHeader, section: &mut Section) -> Result<(), String> {
    let variable = header.kind == VectorKind::Values && matches!(header.column_type_tag, 17 | 18 | 20);
    if variable {
        section.field(
            "body",
            "not checked: the pages of this type are told by its offsets",
        );
        return Ok(());
    }
    let (page_rows, width) = (PAGE_ROWS as u64, u64::from(header.width));
    // A page of offsets begins with the last offset of the page before.
    let rows = header.rows - u64::from(header.kind == VectorKind::Offsets);
    let mut sums = Vec::new();
    for page in 0..gapless_format::page::page_count(rows) {
        let (first, last) = (page * page_rows, (page + 1).saturating_mul(page_rows).min(rows));
        let range = match (header.kind, width) {
            (VectorKind::Offsets, _) => first * 4..(last + 1) * 4,
            (_, 0) => first / 8..last.div_ceil(8),
            (_, width) => first * width..last * width,
        };
        let at = HEADER_LEN as u64;
        sums.push(checksum(&open.range(at + range.start..at + range.end)?));
    }
    let found = body_checksum(sums);
    if found == header.body_checksum {
        section.field("body", "its checksum is right");
    } else {
        section.error(format!(
            "the body is damaged: checksum is {found:016x}, the header says {:016x}; values as they stand",
            header.body_checksum
        ));
    }
    Ok(())
}

/// How the values of a file look, as far as its header alone can tell.
enum Shape {
    Bits,
    Values(ColumnType, usize),
    Bytes(usize),
}

fn shape(header: &VectorHeader) -> Shape {
    let width = header.width.max(1) as usize;
    let number = |number: Number| Shape::Values(ColumnType::Number(number), number.width());
    match header.kind {
        VectorKind::Offsets => number(Number::U32),
        _ if header.width == 0 => Shape::Bits,
        _ => match header.column_type_tag {
            // Date, time and duration are integers; decimals and codes need segment.meta to say more.
            12 => number(Number::I32),
            13..=15 if width == 8 => number(Number::I64),
            13..=15 => number(Number::I32),
            16 => number(Number::U32),
            tag => match Number::from_tag(tag) {
                Some(found) if found.width() == width => number(found),
                _ if matches!(tag, 17 | 18) => Shape::Bytes(HEX_LINE),
                _ => Shape::Bytes(width),
            },
        },
    }
}

/// The first bytes, sixteen in a line.
fn dump_hex(bytes: &[u8], section: &mut Section) {
    let mut inner = Section::new("bytes");
    inner.columns(["offset", "hex", "text"]);
    for (line, chunk) in bytes.chunks(HEX_LINE).take(HEX_BYTES / HEX_LINE).enumerate() {
        let spaced: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let printable = |byte: &u8| match byte {
            0x20..=0x7e => char::from(*byte),
            _ => '.',
        };
        inner.row([
            (line * HEX_LINE).into(),
            spaced.join(" ").into(),
            chunk.iter().map(printable).collect::<String>().into(),
        ]);
    }
    section.push(inner);
}
