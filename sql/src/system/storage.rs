//! `gapless.tables`, `gapless.partitions`, `gapless.segments` and `gapless.columns`: what is stored, from the manifest.

use arrow_array::RecordBatch;
use gapless_engine::manifest::TableState;
use gapless_engine::{Result, Snapshot};
use gapless_format::{ColumnSpec, SegmentOrigin, SegmentRef, TableMeta};

use super::batch::Columns;

/// One row for each table.
pub(super) fn tables(snapshot: &Snapshot, state: Option<&TableState>) -> Result<RecordBatch> {
    let mut unflushed = Vec::new();
    let mut times = Vec::new();
    if let Some(state) = state {
        let name = &state.meta().name;
        unflushed.push(snapshot.unflushed_rows(name)?);
        times.push(union(state.time_bounds(), snapshot.unflushed_times(name)?));
    }
    let each = || state.into_iter();
    let metas = || each().map(|state| state.meta().as_ref());
    Columns::new()
        .text("table_name", metas().map(|meta| &meta.name))
        .count(
            "rows",
            each()
                .zip(&unflushed)
                .map(|(state, unflushed)| state.rows() + unflushed),
        )
        .count("unflushed_rows", unflushed.iter().copied())
        .count("partitions", each().map(|state| state.partition_count() as u64))
        .count("segments", each().map(|state| state.segment_count() as u64))
        .count("bytes", each().map(|state| state.bytes()))
        .some_time(
            "first_time",
            times.iter().map(|times| times.map(|(first, _)| first)),
        )
        .some_time("last_time", times.iter().map(|times| times.map(|(_, last)| last)))
        .text("time_column", metas().map(|meta| name_of(meta, meta.time_column)))
        .some_text(
            "series_column",
            metas().map(|meta| meta.series_column.map(|id| name_of(meta, id))),
        )
        .text("partition_unit", metas().map(|meta| meta.partition_unit.name()))
        .text("keep", metas().map(|meta| meta.keep.name()))
        .some_text("key", metas().map(key_of))
        .finish()
}

fn union(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

fn name_of(meta: &TableMeta, id: u32) -> &str {
    meta.column(id).map_or("", |column| column.name.as_str())
}

/// The key columns, separated by commas.
fn key_of(meta: &TableMeta) -> Option<String> {
    let names: Vec<&str> = meta.key.iter().map(|id| name_of(meta, *id)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// One row for each partition that holds rows in segments.
pub(super) fn partitions(_: &Snapshot, state: Option<&TableState>) -> Result<RecordBatch> {
    let table = state.map_or("", |state| state.meta().name.as_str());
    let held = state.map(TableState::partitions).unwrap_or_default();
    let keys = || held.iter().map(|(key, _)| key);
    let segments = || held.iter().map(|(_, segments)| segments);
    let sum = |of: fn(&SegmentRef) -> u64| {
        segments().map(move |segments| segments.iter().map(|segment| of(segment)).sum())
    };
    Columns::new()
        .text("table_name", keys().map(|_| table))
        .text("partition", keys().map(|key| key.path()))
        .text("unit", keys().map(|key| key.unit.name()))
        .time("start_time", keys().map(|key| key.start))
        .time("end_time", keys().map(|key| key.end()))
        .count("rows", sum(|segment| segment.rows))
        .count("segments", segments().map(|segments| segments.len() as u64))
        .count("bytes", sum(|segment| segment.bytes))
        .some_time(
            "first_time",
            segments().map(|all| all.iter().map(|one| one.min_time).min()),
        )
        .some_time(
            "last_time",
            segments().map(|all| all.iter().map(|one| one.max_time).max()),
        )
        .finish()
}

/// One row for each live segment.
pub(super) fn segments(_: &Snapshot, state: Option<&TableState>) -> Result<RecordBatch> {
    let table = state.map_or("", |state| state.meta().name.as_str());
    let held = state.map(TableState::partitions).unwrap_or_default();
    let each = || held.iter().flat_map(|(_, segments)| segments.iter());
    Columns::new()
        .text("table_name", each().map(|_| table))
        .text("partition", each().map(|segment| segment.partition.path()))
        .text("segment", each().map(|segment| &segment.directory))
        .count("rows", each().map(|segment| segment.rows))
        .count("bytes", each().map(|segment| segment.bytes))
        .time("first_time", each().map(|segment| segment.min_time))
        .time("last_time", each().map(|segment| segment.max_time))
        .text("origin", each().map(|segment| origin(segment.origin)))
        .count("version", each().map(|segment| segment.created))
        .time("first_commit", each().map(|segment| segment.first_commit))
        .time("last_commit", each().map(|segment| segment.last_commit))
        .finish()
}

fn origin(origin: SegmentOrigin) -> &'static str {
    match origin {
        SegmentOrigin::Bulk => "bulk",
        SegmentOrigin::Flush => "flush",
        SegmentOrigin::Compaction => "compaction",
    }
}

/// One row for each column.
pub(super) fn columns(_: &Snapshot, state: Option<&TableState>) -> Result<RecordBatch> {
    let meta = state.map(|state| state.meta().as_ref());
    let held: Vec<(&TableMeta, &ColumnSpec)> = meta
        .into_iter()
        .flat_map(|meta| meta.columns.iter().map(move |column| (meta, column)))
        .collect();
    let each = || held.iter().copied();
    Columns::new()
        .text("table_name", each().map(|(meta, _)| &meta.name))
        .text("column_name", each().map(|(_, column)| &column.name))
        .count("position", (1..).take(held.len()))
        .text("type", each().map(|(_, column)| column.column_type.name()))
        .flag("nullable", each().map(|(_, column)| column.nullable))
        .some_text("role", each().map(|(meta, column)| role(meta, column)))
        .some_text("attributes", each().map(|(_, column)| attributes(column)))
        .finish()
}

fn role(meta: &TableMeta, column: &ColumnSpec) -> Option<&'static str> {
    let id = column.column_id;
    match () {
        () if id == meta.time_column => Some("time"),
        () if Some(id) == meta.series_column => Some("series"),
        () if meta.key.contains(&id) => Some("key"),
        () => None,
    }
}

fn attributes(column: &ColumnSpec) -> Option<String> {
    let names: Vec<&str> = column
        .attributes
        .iter()
        .map(|attribute| attribute.name())
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}
