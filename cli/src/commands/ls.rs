//! `gapless ls`: the tables of a database, or the partitions of a table.

use std::path::PathBuf;
use std::process::ExitCode;

use gapless::Database;
use serde::Serialize;

use crate::bounds::time_bounds;
use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::render::{Align, Grid, bytes, count, instant, instant_iso, plural};

/// What to list.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless ls market.db\n  gapless ls market.db trade\n  \
                        gapless ls market.db trade --json | jq '.partitions[].rows'"
)]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// A table, to list its partitions.
    #[arg(value_name = "TABLE")]
    table: Option<String>,
}

#[derive(Serialize)]
struct Tables {
    tables: Vec<TableLine>,
}

#[derive(Serialize)]
struct TableLine {
    table: String,
    rows: u64,
    /// Of these, rows that are streamed and not in segments yet.
    unflushed_rows: u64,
    partitions: usize,
    segments: usize,
    bytes: u64,
    first_time: Option<String>,
    last_time: Option<String>,
}

#[derive(Serialize)]
struct Partitions {
    table: String,
    /// Rows that are streamed and in no partition yet.
    unflushed_rows: u64,
    partitions: Vec<PartitionLine>,
}

#[derive(Serialize)]
struct PartitionLine {
    partition: String,
    unit: &'static str,
    start: String,
    rows: u64,
    segments: usize,
    bytes: u64,
    first_time: String,
    last_time: String,
    #[serde(skip)]
    shown: (String, String),
}

/// Lists.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let database = options::open(&args.database)?;
    match &args.table {
        None => tables(&database, output)?,
        Some(table) => partitions(&database, table, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn tables(database: &Database, output: &mut Output) -> Result<(), CliError> {
    let snapshot = database.snapshot()?;
    let version = snapshot.version();
    let mut lines = Vec::new();
    let mut grid = Grid::new([
        ("table", Align::Left),
        ("rows", Align::Right),
        ("partitions", Align::Right),
        ("segments", Align::Right),
        ("bytes", Align::Right),
        ("first time", Align::Left),
        ("last time", Align::Left),
    ]);
    for name in version.table_names() {
        let state = version.table(name)?;
        let bounds = time_bounds(&snapshot, name)?;
        let unflushed_rows = snapshot.unflushed_rows(name)?;
        let rows = state.rows() + unflushed_rows;
        grid.row([
            name.to_owned(),
            count(rows),
            count(state.partition_count() as u64),
            count(state.segment_count() as u64),
            bytes(state.bytes()),
            bounds.map(|(first, _)| instant(first)).unwrap_or_default(),
            bounds.map(|(_, last)| instant(last)).unwrap_or_default(),
        ]);
        lines.push(TableLine {
            table: name.to_owned(),
            rows,
            unflushed_rows,
            partitions: state.partition_count(),
            segments: state.segment_count(),
            bytes: state.bytes(),
            first_time: bounds.map(|(first, _)| instant_iso(first)),
            last_time: bounds.map(|(_, last)| instant_iso(last)),
        });
    }
    if output.is_json() {
        return output.json(&Tables { tables: lines });
    }
    if lines.is_empty() {
        return output.line("no tables");
    }
    grid.print(output)
}

fn partitions(database: &Database, table: &str, output: &mut Output) -> Result<(), CliError> {
    let snapshot = database.snapshot()?;
    let unflushed_rows = snapshot.unflushed_rows(table)?;
    let lines: Vec<PartitionLine> = snapshot
        .table(table)?
        .partitions()
        .into_iter()
        .map(|(key, segments)| {
            let first = segments
                .iter()
                .map(|segment| segment.min_time)
                .min()
                .unwrap_or_default();
            let last = segments
                .iter()
                .map(|segment| segment.max_time)
                .max()
                .unwrap_or_default();
            PartitionLine {
                partition: key.path(),
                unit: key.unit.name(),
                start: instant_iso(key.start),
                rows: segments.iter().map(|segment| segment.rows).sum(),
                segments: segments.len(),
                bytes: segments.iter().map(|segment| segment.bytes).sum(),
                first_time: instant_iso(first),
                last_time: instant_iso(last),
                shown: (instant(first), instant(last)),
            }
        })
        .collect();
    if output.is_json() {
        return output.json(&Partitions {
            table: table.to_owned(),
            unflushed_rows,
            partitions: lines,
        });
    }
    let streamed = (unflushed_rows > 0).then(|| {
        format!(
            "{} streamed and not in segments yet",
            plural(unflushed_rows, "row")
        )
    });
    if lines.is_empty() {
        let has = streamed.unwrap_or_else(|| "no rows".to_owned());
        return output.line(format!("no partitions: the table has {has}"));
    }
    let mut grid = Grid::new([
        ("partition", Align::Left),
        ("unit", Align::Left),
        ("rows", Align::Right),
        ("segments", Align::Right),
        ("bytes", Align::Right),
        ("first time", Align::Left),
        ("last time", Align::Left),
    ]);
    for line in lines {
        grid.row([
            line.partition,
            line.unit.to_owned(),
            count(line.rows),
            count(line.segments as u64),
            bytes(line.bytes),
            line.shown.0,
            line.shown.1,
        ]);
    }
    grid.print(output)?;
    match streamed {
        Some(streamed) => output.line(format!("and {streamed}")),
        None => Ok(()),
    }
}
