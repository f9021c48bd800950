//! One segment: `segment.meta` against the manifest, every column, and the order of the rows.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use gapless_format::page::page_rows;
use gapless_format::{
    AttributeKind, ColumnMeta, ColumnType, HEADER_LEN, NULL_CODE, SegmentMeta, SegmentRef, TableMeta,
    VectorHeader, VectorKind, checksum,
};
use roaring::RoaringBitmap;

use super::attribute::{self, Prover, vector_of};
use super::column::Chunk;
use super::finding::{Finding, FindingKind, Sink};
use super::source::Source;
use super::symbols::Counts;
use crate::io::{EntryKind, RelPath};
use crate::segment::{segment_path, vector_path};
use crate::table::types::arrow_type;
use crate::write::is_lossless;

const RESTORE: &str = "restore the segment from a copy, or write its rows again";

/// A segment to check.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its table at the version that needs it.
    pub(crate) table: Arc<TableMeta>,
    /// What the manifest says of it.
    pub(crate) reference: Arc<SegmentRef>,
}

/// Opens the columns of a segment whose description is sound.
pub(super) fn chunks<'a>(source: &'a Source<'a>, path: &RelPath, meta: &'a SegmentMeta) -> Vec<Chunk<'a>> {
    let silent = Sink::default();
    let columns = meta.columns.iter();
    columns
        .map(|column| Chunk::open(source, path, meta.segment, meta.rows, column, &silent))
        .collect()
}

/// Checks one segment.
pub(super) fn check(source: &Source<'_>, target: &Target, symbols: &Counts) -> Sink {
    let reference = &target.reference;
    let sink = Sink::of_segment(
        &target.table.name,
        reference.partition.path(),
        &reference.directory,
    );
    let Ok(path) = segment_path(&target.table.name, reference.partition, &reference.directory) else {
        return sink;
    };
    match read_meta(source, &path, reference, &sink) {
        Some(meta) if meta.segment == reference.segment => {
            check_against_manifest(&path, &meta, reference, &sink);
            check_against_table(&path, &meta, &target.table, &sink);
            check_files(source, &path, &meta, &sink);
            check_columns(source, &path, &meta, &target.table, symbols, &sink);
            check_rows(source, &path, &meta, reference, &sink);
        }
        _ => check_headers(source, &path, reference.segment, &sink),
    }
    sink
}

fn read_meta(
    source: &Source<'_>,
    path: &RelPath,
    reference: &SegmentRef,
    sink: &Sink,
) -> Option<SegmentMeta> {
    let file = path.join("segment.meta").ok()?;
    let bytes = source.whole(&file, sink)?;
    let found = checksum(&bytes);
    let committed = bytes.len() as u64 == reference.meta_len && found == reference.meta_checksum;
    if !committed {
        let message = format!(
            "it is not the file that was committed: {} bytes with checksum {found:#018x}, expected {} with {:#018x}; \
             {RESTORE}",
            bytes.len(),
            reference.meta_len,
            reference.meta_checksum
        );
        sink.add(Finding::error(FindingKind::SegmentMeta, message).file(&file));
    }
    match SegmentMeta::decode(&bytes) {
        Ok(meta) => Some(meta),
        Err(error) => {
            sink.add(Finding::of_format(
                FindingKind::SegmentMeta,
                &file,
                &error,
                RESTORE,
            ));
            None
        }
    }
}

fn check_against_manifest(path: &RelPath, meta: &SegmentMeta, reference: &SegmentRef, sink: &Sink) {
    let sizes = |column: &ColumnMeta| {
        let indexes: u64 = column.attributes.iter().map(|index| index.index_bytes).sum();
        column.values_bytes + column.offsets_bytes + column.validity_bytes + indexes
    };
    let bytes = meta
        .columns
        .iter()
        .map(sizes)
        .fold(reference.meta_len, u64::saturating_add);
    let facts = [
        ("rows", meta.rows.to_string(), reference.rows.to_string()),
        (
            "least time",
            meta.min_time.to_string(),
            reference.min_time.to_string(),
        ),
        (
            "greatest time",
            meta.max_time.to_string(),
            reference.max_time.to_string(),
        ),
        ("bytes", bytes.to_string(), reference.bytes.to_string()),
    ];
    for (name, found, expected) in facts {
        if found != expected {
            let message = format!("{name} {found}, the manifest says {expected}; {RESTORE}");
            let finding = Finding::error(FindingKind::SegmentMismatch, message);
            sink.add(match path.join("segment.meta") {
                Ok(file) => finding.file(&file),
                Err(_) => finding,
            });
        }
    }
}

/// Whether a column may have had a type before it got another.
fn is_widened(from: &ColumnType, to: &ColumnType) -> bool {
    let symbols = [from, to]
        .iter()
        .any(|column_type| matches!(column_type, ColumnType::Symbol { .. }));
    !symbols && is_lossless(&arrow_type(from), &arrow_type(to))
}

/// Columns are those of the table, in type, role and nulls.
fn check_against_table(path: &RelPath, meta: &SegmentMeta, table: &TableMeta, sink: &Sink) {
    let file = path.join("segment.meta").unwrap_or_else(|_| path.clone());
    let wrong = |kind, message: String| sink.add(Finding::error(kind, message).file(&file));
    if meta.time_column != table.time_column || meta.series_column != table.series_column {
        wrong(
            FindingKind::ColumnMismatch,
            format!(
                "time and series are columns {} and {:?}, the table's are {} and {:?}; {RESTORE}",
                meta.time_column, meta.series_column, table.time_column, table.series_column
            ),
        );
    }
    for column in &meta.columns {
        sink.set_column(Some(&column.name));
        let Some(spec) = table.column(column.column_id) else {
            continue; // Dropped from the table later.
        };
        if spec.column_type != column.column_type && !is_widened(&column.column_type, &spec.column_type) {
            let (found, expected) = (column.column_type.name(), spec.column_type.name());
            let message = format!("the column is {found} here and {expected} in the table; {RESTORE}");
            wrong(FindingKind::ColumnMismatch, message);
        }
        if column.null_count > 0 && !spec.nullable {
            let message = format!(
                "{} nulls, and the table says that there are none; {RESTORE}",
                column.null_count
            );
            wrong(FindingKind::Null, message);
        }
        for kind in &spec.attributes {
            if !column.attributes.iter().any(|attribute| attribute.kind == *kind) {
                let message = format!(
                    "the segment lacks the attribute {} that the table asks for: reads are right but slower",
                    kind.name()
                );
                sink.add(Finding::note(FindingKind::Attribute, message).file(&file));
            }
        }
    }
    sink.set_column(None);
}

/// Nothing lies in the directory but the files that `segment.meta` names.
fn check_files(source: &Source<'_>, path: &RelPath, meta: &SegmentMeta, sink: &Sink) {
    let Ok(entries) = source.storage.list(path) else {
        return;
    };
    let name =
        |column: &ColumnMeta, kind| Some(vector_path(path, &column.name, kind).ok()?.name()?.to_owned());
    let mut expected: std::collections::HashSet<String> =
        std::iter::once("segment.meta".to_owned()).collect();
    for column in &meta.columns {
        expected.extend(name(column, VectorKind::Values));
        if column.offsets_bytes > 0 {
            expected.extend(name(column, VectorKind::Offsets));
        }
        if column.validity_bytes > 0 {
            expected.extend(name(column, VectorKind::Validity));
        }
        let indexes = column
            .attributes
            .iter()
            .filter_map(|attribute| vector_of(attribute.kind));
        expected.extend(indexes.filter_map(|kind| name(column, kind)));
    }
    for entry in entries {
        if expected.contains(&entry.name) && entry.kind == EntryKind::File {
            continue;
        }
        let what = match entry.kind {
            EntryKind::File => "a file",
            EntryKind::Directory => "a directory",
            EntryKind::Other => "a symbolic link, device or the like",
        };
        let message = format!(
            "{what} called {:?} that segment.meta does not name: look at it and remove it",
            entry.name
        );
        sink.add(Finding::warning(FindingKind::Stray, message).file(path));
    }
}

/// All that can be said of column files without `segment.meta`: that each one's header is sound.
fn check_headers(source: &Source<'_>, path: &RelPath, segment: u64, sink: &Sink) {
    let Ok(entries) = source.storage.list(path) else {
        return;
    };
    for entry in entries {
        let extension = entry.name.rsplit_once('.').map(|(_, extension)| extension);
        let ours = ["col", "offsets", "validity", "parted", "grouped", "unique"];
        if entry.kind != EntryKind::File || !extension.is_some_and(|extension| ours.contains(&extension)) {
            continue;
        }
        let Ok(file) = path.join(&entry.name) else {
            continue;
        };
        let Some(open) = source.open(&file, sink) else {
            continue;
        };
        let Ok(head) = source.range(&*open, 0..open.len().min(HEADER_LEN as u64)) else {
            continue;
        };
        let header = VectorHeader::decode(&head).and_then(|header| {
            header.check_len(open.len())?;
            Ok(header)
        });
        match header {
            Ok(header) if header.segment == segment => {}
            Ok(header) => {
                let message = format!(
                    "the file is of segment {:016x}, expected {segment:016x}: it was put here from elsewhere",
                    header.segment
                );
                sink.add(Finding::error(FindingKind::FileHeader, message).file(&file));
            }
            Err(error) => sink.add(Finding::of_format(
                FindingKind::FileHeader,
                &file,
                &error,
                RESTORE,
            )),
        }
    }
}

fn check_columns(
    source: &Source<'_>,
    path: &RelPath,
    meta: &SegmentMeta,
    table: &TableMeta,
    symbols: &Counts,
    sink: &Sink,
) {
    for column in &meta.columns {
        sink.set_column(Some(&column.name));
        check_column(source, path, meta, column, symbols, sink);
    }
    sink.set_column(None);
    let missing = table
        .columns
        .iter()
        .filter(|spec| meta.column(spec.column_id).is_none());
    for spec in missing.filter(|spec| !spec.nullable) {
        let message = format!(
            "the segment has no column {:?}, which may not be null; {RESTORE}",
            spec.name
        );
        sink.add(Finding::error(FindingKind::ColumnMismatch, message));
    }
}

fn check_column(
    source: &Source<'_>,
    path: &RelPath,
    meta: &SegmentMeta,
    column: &ColumnMeta,
    symbols: &Counts,
    sink: &Sink,
) {
    let chunk = Chunk::open(source, path, meta.segment, meta.rows, column, sink);
    let is_series = meta.series_column == Some(column.column_id);
    let indexes: Vec<_> = column
        .attributes
        .iter()
        .filter_map(|index| attribute::load(source, path, meta.segment, meta.rows, column, index, sink))
        .collect();
    let mut provers: Vec<Prover<'_>> = indexes
        .iter()
        .filter_map(|index| Prover::new(index, meta.rows, is_series, sink))
        .collect();
    let committed = domain_symbols(column, symbols, sink);
    let mut nulls = Some(0u64);
    for page in 0..column.pages.len() {
        let array = chunk.page(page, sink);
        if let Some(array) = &array {
            chunk.check_values(page, array, committed, sink);
        }
        nulls = nulls
            .zip(array.as_ref())
            .map(|(nulls, array)| nulls + array.null_count() as u64);
        let first_row = page_rows(page as u64, meta.rows).start;
        for prover in &mut provers {
            prover.page(page, first_row, array.as_ref(), sink);
        }
    }
    for prover in provers {
        prover.finish(sink);
    }
    if let Some(nulls) = nulls
        && nulls != column.null_count
        && column.validity_bytes > 0
    {
        let message = format!(
            "{nulls} nulls, segment.meta says {}; {RESTORE}",
            column.null_count
        );
        sink.add(Finding::error(FindingKind::NullCount, message));
    }
    if is_series
        && !column
            .attributes
            .iter()
            .any(|index| index.kind == AttributeKind::Parted)
    {
        sink.add(Finding::note(
            FindingKind::Attribute,
            "the series column is not parted",
        ));
    }
}

/// How many symbols the column's domain has; `None`, with a finding, when it has no domain.
fn domain_symbols(column: &ColumnMeta, symbols: &Counts, sink: &Sink) -> Option<u32> {
    let gapless_format::ColumnType::Symbol { domain } = &column.column_type else {
        return None;
    };
    let known = symbols.get(domain).copied();
    let only_nulls = column
        .pages
        .iter()
        .all(|page| page.max == gapless_format::Bound::None);
    if known.is_none() && !only_nulls {
        let message = format!(
            "the manifest names no symbol domain {domain:?}, so its codes mean nothing; restore the manifest from a copy"
        );
        sink.add(Finding::error(FindingKind::Missing, message));
    }
    known
}

/// What the rows of a segment say about order, times and series.
#[derive(Default)]
struct RowFacts {
    last: Option<(u32, i64)>,
    times: Option<(i64, i64)>,
    series: RoaringBitmap,
    null_series: bool,
    unsorted: Option<u64>,
    /// A page could not be read; its findings were told when its column was checked.
    incomplete: bool,
}

impl RowFacts {
    fn take(&mut self, row: u64, code: u32, time: i64) {
        if self.unsorted.is_none() && self.last.is_some_and(|before| before > (code, time)) {
            self.unsorted = Some(row);
        }
        if self.last.is_none_or(|(before, _)| before != code) {
            match code {
                NULL_CODE => self.null_series = true,
                code => {
                    self.series.insert(code);
                }
            }
        }
        self.last = Some((code, time));
        let (min, max) = self.times.unwrap_or((time, time));
        self.times = Some((min.min(time), max.max(time)));
    }
}

fn check_rows(source: &Source<'_>, path: &RelPath, meta: &SegmentMeta, reference: &SegmentRef, sink: &Sink) {
    // What is wrong with the files was told already.
    let silent = Sink::default();
    let chunk = |id: u32| {
        let column = meta.column(id)?;
        Some(Chunk::open(
            source,
            path,
            meta.segment,
            meta.rows,
            column,
            &silent,
        ))
    };
    let Some(times) = chunk(meta.time_column) else {
        return;
    };
    let series = meta.series_column.and_then(chunk);
    let pages = meta
        .column(meta.time_column)
        .map_or(0, |column| column.pages.len());
    let mut facts = RowFacts::default();
    for page in 0..pages {
        let first_row = page_rows(page as u64, meta.rows).start;
        let codes = series.as_ref().map(|series| series.page(page, &silent));
        let time = times.page(page, &silent);
        let (Some(time), false) = (time, matches!(codes, Some(None))) else {
            facts.incomplete = true;
            facts.last = None;
            continue;
        };
        let Some(time) = time.as_primitive_opt::<TimestampNanosecondType>() else {
            return;
        };
        let codes = codes.flatten();
        let codes = codes
            .as_ref()
            .and_then(|codes| codes.as_primitive_opt::<UInt32Type>());
        for (at, time) in time.values().iter().enumerate() {
            let code = codes.map_or(NULL_CODE, |codes| {
                codes.values().get(at).copied().unwrap_or(NULL_CODE)
            });
            facts.take(first_row + at as u64, code, *time);
        }
    }
    report_rows(&facts, meta, reference, sink);
}

fn report_rows(facts: &RowFacts, meta: &SegmentMeta, reference: &SegmentRef, sink: &Sink) {
    if let Some(row) = facts.unsorted {
        let message = format!("the row is not in the order of (series, time); {RESTORE}");
        sink.add(Finding::error(FindingKind::RowOrder, message).row(row));
    }
    if let Some((min, max)) = facts.times {
        if !reference.partition.contains(min) || !reference.partition.contains(max) {
            let message = format!(
                "rows have times from {min} to {max}, the partition holds {} to {}; {RESTORE}",
                reference.partition.start,
                reference.partition.end()
            );
            sink.add(Finding::error(FindingKind::TimeRange, message));
        }
        let outside = min < meta.min_time || max > meta.max_time;
        if outside || !facts.incomplete && (min, max) != (meta.min_time, meta.max_time) {
            let message = format!(
                "rows have times from {min} to {max}, segment.meta says {} to {}; {RESTORE}",
                meta.min_time, meta.max_time
            );
            sink.add(Finding::error(FindingKind::TimeRange, message));
        }
    }
    if meta.series_column.is_none() {
        return;
    }
    let unknown = !facts.series.is_subset(&meta.series) || facts.null_series && !meta.null_series;
    let differs = facts.series != meta.series || facts.null_series != meta.null_series;
    if unknown || differs && !facts.incomplete {
        let message = format!(
            "rows have {} series{}, segment.meta says {}{}: reads by series may miss rows; {RESTORE}",
            facts.series.len(),
            if facts.null_series { " and null" } else { "" },
            meta.series.len(),
            if meta.null_series { " and null" } else { "" },
        );
        sink.add(Finding::error(FindingKind::SeriesSet, message));
    }
}
