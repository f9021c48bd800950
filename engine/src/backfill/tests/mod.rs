//! Jobs on a database in memory.

mod chain;
mod events;
mod files;
mod from_table;
mod live_replay;
mod panics;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless_format::Keep;

use super::{FetchError, FetchRequest, Fetched, RetryPolicy};
use crate::io::MemoryStorage;
use crate::{Database, GapQuery, Maintenance, Table, TableSpec};

pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;

/// A database in memory.
pub(crate) fn database() -> Database {
    Database::builder("memory")
        .maintenance(Maintenance::Manual)
        .storage(Arc::new(MemoryStorage::new()))
        .open()
        .expect("a new database")
}

/// A table of a time, a series and numbers.
pub(crate) fn numbers(db: &Database, name: &str, keep: Keep, columns: &[&str]) -> Table {
    let ts = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let mut fields = vec![Field::new("ts", ts, false), Field::new("node", text, false)];
    fields.extend(
        columns
            .iter()
            .map(|name| Field::new(*name, DataType::Float64, true)),
    );
    let spec = TableSpec::new(name, Schema::new(fields))
        .time("ts")
        .series("node")
        .keep(keep);
    db.create_table(&spec).expect("a new table")
}

/// A table of bars with a price.
pub(crate) fn bars(db: &Database) -> Table {
    numbers(db, "bars", Keep::Last, &["price"])
}

/// Rows without a series: times, and a value for each column and row.
pub(crate) fn batch(times: &[i64], columns: &[(&str, Vec<f64>)]) -> RecordBatch {
    let ts = TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC");
    let mut all: Vec<(&str, ArrayRef)> = vec![("ts", Arc::new(ts))];
    for (name, values) in columns {
        all.push((name, Arc::new(Float64Array::from(values.clone()))));
    }
    RecordBatch::try_from_iter(all).expect("columns of one length")
}

/// A bar a minute; its price is its minute.
pub(crate) fn minutes(start: i64, end: i64) -> RecordBatch {
    let times: Vec<i64> = (start..end).step_by(MINUTE as usize).collect();
    let prices = times.iter().map(|time| (time / MINUTE) as f64).collect();
    batch(&times, &[("price", prices)])
}

/// A source that has every minute.
pub(crate) fn all_minutes(request: &FetchRequest) -> Result<Fetched, FetchError> {
    Ok(Fetched::all([minutes(request.start, request.end)]))
}

/// Times and values of a column, by series and time.
pub(crate) fn values(table: &Table, column: &str) -> Vec<(i64, f64)> {
    let batches = table.scan().expect("a scan").collect().expect("rows");
    let mut all = Vec::new();
    for batch in batches {
        let times = batch["ts"].as_primitive::<TimestampNanosecondType>();
        let values = batch[column].as_primitive::<Float64Type>();
        all.extend(
            times
                .values()
                .iter()
                .copied()
                .zip(values.values().iter().copied()),
        );
    }
    all
}

/// The ranges that are missing of a series at an interval.
pub(crate) fn missing(table: &Table, series: &str, interval: i64, start: i64, end: i64) -> Vec<(i64, i64)> {
    let query = GapQuery::new(start, end).series([series]).interval(interval);
    let gaps = table.gaps(&query).expect("gaps");
    gaps.iter().map(|gap| (gap.start, gap.end)).collect()
}

/// Retries without pauses.
pub(crate) fn at_once() -> RetryPolicy {
    RetryPolicy {
        backoff: std::time::Duration::ZERO,
        ..RetryPolicy::default()
    }
}
