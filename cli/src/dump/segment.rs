//! One segment: its description, its columns with their attributes, its pages and whether they are whole.

use gapless_format::page::page_rows;
use gapless_format::{
    AttributeKind, Bound, ColumnMeta, ColumnType, EncodedPage, HEADER_LEN, PAGE_ROWS, SegmentMeta,
    VectorHeader, VectorKind,
};
use serde_json::Value;

use super::disk::Disk;
use super::section::{Section, hex64};
use super::state;
use super::tree::{self, Place};
use super::values::{Chunk, symbols_of, vector_path};
use crate::render::instant_iso;

/// Pages listed without being asked for.
const PAGES_MAX: usize = 200;

/// A column whose values are wanted.
#[derive(Debug, Clone)]
pub(crate) struct ColumnChoice {
    /// Its name.
    pub(crate) name: String,
    /// Values to show of each segment.
    pub(crate) rows: usize,
    /// The page to begin with.
    pub(crate) page: u64,
}

/// The segments of a table that were asked for.
pub(crate) fn segments(
    disk: &Disk,
    table: &str,
    partition: Option<&str>,
    segment: Option<&str>,
    column: Option<&ColumnChoice>,
) -> Section {
    let mut section = Section::new(format!("table {table}"));
    let manifest = state::load(disk);
    let places = tree::places(disk, &manifest, &mut section);
    let wanted = places.iter().filter(|place| {
        place.table == table
            && partition.is_none_or(|wanted| tree::is_in(&place.partition, wanted))
            && segment.is_none_or(|wanted| place.directory.starts_with(wanted))
    });
    let mut misses = Vec::new();
    let mut shown = 0;
    for place in wanted {
        let mut inner = one(disk, place, column);
        shown += 1;
        misses.extend(inner.miss().map(str::to_owned));
        if manifest.damage.is_some() {
            inner.field("from", place.from());
        }
        section.push(inner);
    }
    if shown == 0 {
        section.set_miss(no_segment(&places, table, partition, segment));
    } else if misses.len() == shown {
        // Where another segment has it, a column that came later or a page of a longer one is no mistake.
        misses.into_iter().take(1).for_each(|miss| section.set_miss(miss));
    }
    section
}

/// Which of the names is the first that is not there.
fn no_segment(places: &[Place], table: &str, partition: Option<&str>, segment: Option<&str>) -> String {
    let of_table = || places.iter().filter(|place| place.table == table);
    let is_in = |wanted: &str| of_table().any(|place| tree::is_in(&place.partition, wanted));
    match (partition, segment) {
        _ if of_table().next().is_none() => format!("there is no table {table:?} with segments"),
        (Some(wanted), _) if !is_in(wanted) => format!("table {table:?} has no partition {wanted:?}"),
        (Some(partition), Some(wanted)) => {
            format!("partition {partition:?} of table {table:?} has no segment that begins with {wanted:?}")
        }
        _ => format!("table {table:?} has no such segment"),
    }
}

fn one(disk: &Disk, place: &Place, choice: Option<&ColumnChoice>) -> Section {
    let title = format!("{} / {} / {}", place.table, place.partition, place.directory);
    let mut section = Section::new(title);
    let path = match place.path() {
        Ok(path) => path,
        Err(error) => {
            section.error(error);
            return section;
        }
    };
    section.field("path", path.clone());
    let file = format!("{path}/segment.meta");
    let decoded = disk.read(&file).and_then(|bytes| {
        let meta = SegmentMeta::decode(&bytes).map_err(|error| format!("{file}: {error}"))?;
        Ok((bytes, meta))
    });
    let (bytes, meta) = match decoded {
        Ok(decoded) => decoded,
        Err(error) => {
            section.error(error);
            files(disk, &path, &mut section);
            return section;
        }
    };
    if let Some(reference) = &place.reference {
        let found = gapless_format::checksum(&bytes);
        if found != reference.meta_checksum || meta.segment != reference.segment {
            section.error(format!(
                "{file}: is not the file that was committed: checksum {found:016x}, the manifest says {:016x}",
                reference.meta_checksum
            ));
        }
    }
    match choice {
        Some(choice) => column_values(disk, &path, &meta, choice, &mut section),
        None => describe(disk, Some(&path), &meta, &mut section),
    }
    section
}

/// Files of a directory whose description cannot be read.
fn files(disk: &Disk, path: &str, section: &mut Section) {
    section.columns(["file", "bytes", "kind", "rows", "segment", "problem"]);
    let entries = match disk.list(path) {
        Ok(entries) => entries,
        Err(error) => return section.error(error),
    };
    for (name, _, len) in entries {
        let header = disk
            .open(&format!("{path}/{name}"))
            .and_then(|mut open| open.head(HEADER_LEN as u64))
            .and_then(|head| VectorHeader::decode(&head).map_err(|error| error.to_string()));
        match header {
            Ok(header) => section.row([
                name.into(),
                len.into(),
                format!("{:?}", header.kind).to_lowercase().into(),
                header.rows.into(),
                hex64(header.segment),
                Value::Null,
            ]),
            Err(error) => section.row([
                name.into(),
                len.into(),
                Value::Null,
                Value::Null,
                Value::Null,
                error.into(),
            ]),
        }
    }
}

/// All of a description; with the path of its segment, also whether the files are what it says.
pub(super) fn describe(disk: &Disk, path: Option<&str>, meta: &SegmentMeta, section: &mut Section) {
    let name = |id: u32| meta.column(id).map(|column| column.name.clone());
    section.field("segment", hex64(meta.segment));
    section.field("created_at", instant_iso(meta.created_at));
    section.field("row_count", meta.rows);
    section.field("first_time", instant_iso(meta.min_time));
    section.field("last_time", instant_iso(meta.max_time));
    section.field("time", name(meta.time_column));
    section.field("series", meta.series_column.and_then(name));
    section.field("series_present", meta.series.len());
    section.field("null_series", meta.null_series);
    section.columns([
        "column",
        "id",
        "type",
        "encoding",
        "nulls",
        "value_bytes",
        "offset_bytes",
        "validity_bytes",
        "ratio",
        "attributes",
    ]);
    for column in &meta.columns {
        let attributes = column.attributes.iter().map(|attribute| match attribute.kind {
            AttributeKind::Sorted => "sorted".into(),
            kind => format!("{} ({} bytes)", kind.name(), attribute.index_bytes).into(),
        });
        section.row([
            column.name.clone().into(),
            column.column_id.into(),
            column.column_type.name().into(),
            format!("{:?}", column.encoding).to_lowercase().into(),
            column.null_count.into(),
            column.values_bytes.into(),
            column.offsets_bytes.into(),
            column.validity_bytes.into(),
            column_ratio(column, meta.rows),
            attributes.collect::<Vec<Value>>().into(),
        ]);
    }
    let pages: usize = meta.columns.iter().map(|column| column.pages.len()).sum();
    let mut below = Section::new("pages");
    if pages > PAGES_MAX {
        below.field("pages", pages);
        below.field("hint", "too many to list: choose a column with --column");
    } else {
        page_columns(&mut below);
        for column in &meta.columns {
            pages_of(disk, path, meta, column, &mut below);
        }
    }
    if let Some(path) = path {
        for column in &meta.columns {
            indexes(disk, path, column, &mut below);
        }
    }
    section.push(below);
}

fn page_columns(section: &mut Section) {
    section.columns([
        "column", "page", "rows", "min", "max", "nan", "nulls", "checksum", "codec", "bytes", "ratio",
        "matches",
    ]);
}

/// What a page's parts would take plain.
fn plain_bytes(column: &ColumnMeta, encoded: &EncodedPage, rows: u64) -> u64 {
    let values = match column.column_type.value_width() {
        Some(width) => rows.saturating_mul(width as u64),
        None => encoded.decoded_len,
    };
    let offsets = if column.offsets_bytes > 0 { rows * 4 } else { 0 };
    let validity = if column.validity_bytes > 0 {
        rows.div_ceil(8)
    } else {
        0
    };
    values.saturating_add(offsets + validity)
}

fn stored_bytes(encoded: &EncodedPage) -> u64 {
    [encoded.values, encoded.offsets, encoded.validity]
        .iter()
        .fold(0, |sum, part| part.slot().saturating_add(sum))
}

/// Plain bytes to stored ones.
fn ratio(plain: u64, stored: u64) -> Value {
    match stored {
        0 => Value::Null,
        _ => ((plain as f64 / stored as f64 * 100.0).round() / 100.0).into(),
    }
}

fn column_ratio(column: &ColumnMeta, rows: u64) -> Value {
    let pages = (0..).zip(&column.encoded).map(|(page, encoded)| {
        let rows = page_rows(page, rows);
        (
            plain_bytes(column, encoded, rows.end - rows.start),
            stored_bytes(encoded),
        )
    });
    let (plain, stored) = pages.fold((0u64, 0u64), |sums, page| {
        (sums.0.saturating_add(page.0), sums.1.saturating_add(page.1))
    });
    ratio(plain, stored)
}

/// Codec, stored bytes and ratio of a page.
fn encoding_of(column: &ColumnMeta, page: u64, rows: u64) -> [Value; 3] {
    let at = usize::try_from(page).unwrap_or(usize::MAX);
    let Some(encoded) = column.encoded.get(at) else {
        return [Value::Null, Value::Null, Value::Null];
    };
    let mut codec = encoded.values.codec.name().to_owned();
    if encoded.packed {
        codec.push_str(" without nulls");
    }
    for (name, part) in [("offsets", encoded.offsets), ("validity", encoded.validity)] {
        if part.len > 0 {
            codec.push_str(&format!(", {name} {}", part.codec.name()));
        }
    }
    let stored = stored_bytes(encoded);
    [
        codec.into(),
        stored.into(),
        ratio(plain_bytes(column, encoded, rows), stored),
    ]
}

fn pages_of(disk: &Disk, path: Option<&str>, meta: &SegmentMeta, column: &ColumnMeta, section: &mut Section) {
    for (page, stats) in (0u64..).zip(&column.pages) {
        let matches: Value = match path {
            None => Value::Null,
            Some(path) => match Chunk::new(disk, path, column, meta.rows).page(page) {
                Ok(bytes) if bytes.damaged.is_empty() => "yes".into(),
                Ok(bytes) => {
                    let what = bytes.damaged.join(", ");
                    section.error(format!("column {} page {page}: {what} damaged", column.name));
                    format!("NO: {what}").into()
                }
                Err(error) => {
                    section.error(format!("column {} page {page}: {error}", column.name));
                    "NO".into()
                }
            },
        };
        let rows = page_rows(page, meta.rows);
        let [codec, bytes, ratio] = encoding_of(column, page, rows.end - rows.start);
        section.row([
            column.name.clone().into(),
            page.into(),
            (rows.end - rows.start).into(),
            bound(stats.min, &column.column_type),
            bound(stats.max, &column.column_type),
            stats.has_nan.into(),
            stats.null_count.into(),
            hex64(stats.checksum),
            codec,
            bytes,
            ratio,
            matches,
        ]);
    }
}

/// Whether the index files are what the description says.
fn indexes(disk: &Disk, path: &str, column: &ColumnMeta, section: &mut Section) {
    for attribute in &column.attributes {
        let kind = match attribute.kind {
            AttributeKind::Sorted => continue,
            AttributeKind::Parted => VectorKind::Parted,
            AttributeKind::Grouped => VectorKind::Grouped,
            AttributeKind::Unique => VectorKind::Unique,
        };
        let sound = vector_path(path, column, kind).and_then(|file| {
            let bytes = disk.read(&file)?;
            let header = VectorHeader::decode(&bytes).map_err(|error| format!("{file}: {error}"))?;
            let body = bytes.get(HEADER_LEN..).unwrap_or_default();
            header
                .check_index_body(body)
                .map_err(|error| format!("{file}: {error}"))?;
            match header.body_checksum == attribute.checksum {
                true => Ok(()),
                false => Err(format!("{file}: is not the index that segment.meta names")),
            }
        });
        if let Err(error) = sound {
            section.error(error);
        }
    }
}

fn column_values(disk: &Disk, path: &str, meta: &SegmentMeta, choice: &ColumnChoice, section: &mut Section) {
    let Some(column) = meta.columns.iter().find(|column| column.name == choice.name) else {
        let names: Vec<&str> = meta.columns.iter().map(|column| column.name.as_str()).collect();
        let miss = format!(
            "there is no column {:?}, there are {}",
            choice.name,
            names.join(", ")
        );
        section.field("not_there", miss.clone());
        section.set_miss(miss);
        return;
    };
    section.field("column", column.name.clone());
    section.field("type", column.column_type.name());
    section.field("nulls", column.null_count);
    section.field("page_count", column.pages.len());
    let pages = column.pages.len() as u64;
    if choice.page > 0 && choice.page >= pages {
        let miss = format!(
            "column {:?} has no page {}: it has {pages}, counted from 0",
            choice.name, choice.page
        );
        section.field("not_there", miss.clone());
        section.set_miss(miss);
        return;
    }
    let mut pages = Section::new("pages");
    page_columns(&mut pages);
    pages_of(disk, Some(path), meta, column, &mut pages);
    indexes(disk, path, column, &mut pages);
    section.push(pages);
    let mut values = Section::new(format!("values of {}", column.name));
    let symbols = symbols_of(disk, &column.column_type).unwrap_or_else(|error| {
        values.error(error);
        Vec::new()
    });
    values.columns(["row", "value"]);
    let chunk = Chunk::new(disk, path, column, meta.rows);
    let first = choice.page.saturating_mul(PAGE_ROWS as u64).min(meta.rows);
    let end = first.saturating_add(choice.rows as u64).min(meta.rows);
    let mut row = first;
    while row < end {
        let page = row / PAGE_ROWS as u64;
        let rows = page_rows(page, meta.rows);
        match chunk.page(page) {
            Err(error) => values.error(error),
            Ok(bytes) => {
                if !bytes.damaged.is_empty() {
                    values.error(format!(
                        "page {page}: {} damaged, values as they stand",
                        bytes.damaged.join(", ")
                    ));
                }
                for row in row..rows.end.min(end) {
                    let at = usize::try_from(row - rows.start).unwrap_or_default();
                    values.row([row.into(), bytes.value(at, &column.column_type, &symbols)]);
                }
            }
        }
        row = rows.end;
    }
    section.push(values);
}

/// A page's least or greatest value; of symbols it is a code, which the order of the texts does not follow.
fn bound(bound: Bound, column_type: &ColumnType) -> Value {
    let is_symbol = matches!(column_type, ColumnType::Symbol { .. });
    match bound {
        Bound::I64(code) if is_symbol => format!("code {code}").into(),
        Bound::U64(code) if is_symbol => format!("code {code}").into(),
        Bound::None => Value::Null,
        Bound::I64(value) => value.into(),
        Bound::U64(value) => value.into(),
        Bound::F64(value) => {
            serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
        }
        Bound::I128(value) => value.to_string().into(),
    }
}
