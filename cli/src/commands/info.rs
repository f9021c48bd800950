//! `gapless info`: what a database holds, on one page.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use gapless::{Database, PartitionUnit, Snapshot, StreamInfo};
use gapless_format::{Identity, WrittenBytes};
use serde::Serialize;

use crate::bounds::time_bounds;
use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::render::{Align, Grid, bytes, count, instant, instant_iso, plural};

/// Which database.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapless info market.db\n  gapless info market.db --json | jq .version")]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
}

#[derive(Serialize)]
struct Info {
    database: String,
    database_id: String,
    format_version: String,
    version: u64,
    committed_at: Option<String>,
    tables: Vec<TableInfo>,
    symbol_domains: Vec<DomainInfo>,
    snapshots: Vec<SnapshotInfo>,
    streams: Vec<StreamLine>,
    rows: u64,
    unflushed_rows: u64,
    segments: usize,
    bytes: u64,
    written: WrittenInfo,
}

/// Bytes written since the database was made.
#[derive(Serialize)]
struct WrittenInfo {
    log: u64,
    bulk: u64,
    flushed: u64,
    compacted: u64,
    /// Bytes written for each byte of data.
    amplification: Option<f64>,
}

#[derive(Serialize)]
struct TableInfo {
    table: String,
    rows: u64,
    /// Of these, rows that are streamed and not in segments yet.
    unflushed_rows: u64,
    columns: usize,
    time: String,
    series: Option<String>,
    partition: &'static str,
    partitions: PartitionCounts,
    segments: usize,
    segments_per_partition: PerPartition,
    bytes: u64,
    first_time: Option<String>,
    last_time: Option<String>,
    #[serde(skip)]
    bounds: Option<(i64, i64)>,
}

/// How many segments the partitions have.
#[derive(Serialize, Default)]
struct PerPartition {
    max: usize,
    mean: f64,
    /// Partitions by their number of segments.
    histogram: BTreeMap<usize, usize>,
}

impl PerPartition {
    fn of(counts: impl Iterator<Item = usize>) -> Self {
        let mut histogram = BTreeMap::new();
        for count in counts {
            *histogram.entry(count).or_default() += 1;
        }
        let partitions: usize = histogram.values().sum();
        let segments: usize = histogram
            .iter()
            .map(|(count, partitions)| count * partitions)
            .sum();
        Self {
            max: histogram.keys().next_back().copied().unwrap_or_default(),
            mean: segments as f64 / partitions.max(1) as f64,
            histogram,
        }
    }
}

/// Partitions that hold rows, by unit.
#[derive(Serialize, Default)]
struct PartitionCounts {
    hour: usize,
    day: usize,
    month: usize,
    year: usize,
}

#[derive(Serialize)]
struct DomainInfo {
    domain: String,
    symbols: u32,
    bytes: u64,
}

#[derive(Serialize)]
struct SnapshotInfo {
    name: String,
    version: u64,
}

/// The log of one writing process.
#[derive(Serialize)]
struct StreamLine {
    stream: String,
    alive: bool,
    /// Bytes of the log that are not in segments yet.
    wal_bytes: u64,
    unflushed_rows: u64,
    memory_bytes: u64,
}

/// Tells.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let database = options::open(&args.database)?;
    let info = gather(&args, &database)?;
    if output.is_json() {
        output.json(&info)?;
    } else {
        print(&info, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn gather(args: &Args, database: &Database) -> Result<Info, CliError> {
    let identity = read_identity(args)?;
    let snapshot = database.snapshot()?;
    let version = snapshot.version();
    let mut tables = Vec::new();
    for name in version.table_names() {
        let state = version.table(name)?;
        let meta = state.meta();
        let column_name = |id: u32| meta.column(id).map(|column| column.name.clone());
        let mut partitions = PartitionCounts::default();
        let held = state.partitions();
        let per_partition = PerPartition::of(held.iter().map(|(_, segments)| segments.len()));
        for (key, _) in held {
            match key.unit {
                PartitionUnit::Hour => partitions.hour += 1,
                PartitionUnit::Day => partitions.day += 1,
                PartitionUnit::Month => partitions.month += 1,
                PartitionUnit::Year => partitions.year += 1,
            }
        }
        let bounds = time_bounds(&snapshot, name)?;
        let unflushed_rows = snapshot.unflushed_rows(name)?;
        tables.push(TableInfo {
            table: name.to_owned(),
            rows: state.rows() + unflushed_rows,
            unflushed_rows,
            columns: meta.columns.len(),
            time: column_name(meta.time_column).unwrap_or_default(),
            series: meta.series_column.and_then(column_name),
            partition: meta.partition_unit.name(),
            partitions,
            segments: state.segment_count(),
            segments_per_partition: per_partition,
            bytes: state.bytes(),
            first_time: bounds.map(|(first, _)| instant_iso(first)),
            last_time: bounds.map(|(_, last)| instant_iso(last)),
            bounds,
        });
    }
    Ok(Info {
        database: args.database.display().to_string(),
        database_id: format!("{:032x}", identity.database),
        format_version: format!("{}.{}", identity.major, identity.minor),
        version: version.number(),
        committed_at: (version.number() > 0).then(|| instant_iso(version.committed_at())),
        rows: tables.iter().map(|table| table.rows).sum(),
        unflushed_rows: tables.iter().map(|table| table.unflushed_rows).sum(),
        streams: streams(&snapshot)?,
        segments: tables.iter().map(|table| table.segments).sum(),
        bytes: tables.iter().map(|table| table.bytes).sum(),
        tables,
        symbol_domains: version
            .domains()
            .map(|domain| DomainInfo {
                domain: domain.domain.clone(),
                symbols: domain.symbols,
                bytes: domain.committed_len,
            })
            .collect(),
        written: written(version.written()),
        snapshots: version
            .snapshots()
            .map(|(name, version)| SnapshotInfo {
                name: name.to_owned(),
                version,
            })
            .collect(),
    })
}

fn written(written: WrittenBytes) -> WrittenInfo {
    WrittenInfo {
        log: written.log,
        bulk: written.bulk,
        flushed: written.flushed,
        compacted: written.compacted,
        amplification: written.amplification(),
    }
}

fn streams(snapshot: &Snapshot) -> Result<Vec<StreamLine>, CliError> {
    let line = |info: StreamInfo| StreamLine {
        stream: format!("{:016x}", info.stream),
        alive: info.is_alive,
        wal_bytes: info.wal_bytes,
        unflushed_rows: info.rows,
        memory_bytes: info.memory_bytes,
    };
    Ok(snapshot.streams()?.into_iter().map(line).collect())
}

/// The engine keeps the identity to itself; it is one small file.
fn read_identity(args: &Args) -> Result<Identity, CliError> {
    let path = args.database.join("GAPLESS");
    let content = std::fs::read(&path).map_err(|error| CliError::io(path.display(), &error))?;
    Identity::decode(&content)
        .map_err(|error| gapless::Error::from_format(&path.display().to_string(), &error).into())
}

fn print(info: &Info, output: &mut Output) -> Result<(), CliError> {
    output.line(format!("database   {}", info.database))?;
    output.line(format!("id         {}", info.database_id))?;
    output.line(format!("format     {}", info.format_version))?;
    let committed = match &info.committed_at {
        Some(time) => format!(", committed {time}"),
        None => ", nothing committed yet".to_owned(),
    };
    output.line(format!("version    {}{committed}", info.version))?;
    output.line(format!(
        "holds      {}, {}, {}, {}",
        plural(info.tables.len() as u64, "table"),
        plural(info.rows, "row"),
        plural(info.segments as u64, "segment"),
        bytes(info.bytes)
    ))?;
    if info.unflushed_rows > 0 {
        output.line(format!(
            "streamed   {} not in segments yet",
            plural(info.unflushed_rows, "row")
        ))?;
    }
    if let Some(amplification) = info.written.amplification {
        let written = &info.written;
        output.line(format!(
            "written    {} in bulk, {} flushed, {} compacted, {} of log: {amplification:.2} for each byte of data",
            bytes(written.bulk),
            bytes(written.flushed),
            bytes(written.compacted),
            bytes(written.log),
        ))?;
    }
    if !info.tables.is_empty() {
        output.line("")?;
        tables(info).print(output)?;
    }
    if !info.symbol_domains.is_empty() {
        output.line("")?;
        let mut grid = Grid::new([
            ("symbol domain", Align::Left),
            ("symbols", Align::Right),
            ("bytes", Align::Right),
        ]);
        for domain in &info.symbol_domains {
            grid.row([domain.domain.clone(), count(domain.symbols), bytes(domain.bytes)]);
        }
        grid.print(output)?;
    }
    if !info.streams.is_empty() {
        output.line("")?;
        streams_grid(info).print(output)?;
    }
    if !info.snapshots.is_empty() {
        output.line("")?;
        let mut grid = Grid::new([("snapshot", Align::Left), ("version", Align::Right)]);
        for snapshot in &info.snapshots {
            grid.row([snapshot.name.clone(), snapshot.version.to_string()]);
        }
        grid.print(output)?;
    }
    Ok(())
}

fn streams_grid(info: &Info) -> Grid {
    let mut grid = Grid::new([
        ("stream", Align::Left),
        ("process", Align::Left),
        ("log not flushed", Align::Right),
        ("rows", Align::Right),
        ("in memory", Align::Right),
    ]);
    for stream in &info.streams {
        grid.row([
            stream.stream.clone(),
            if stream.alive { "alive" } else { "dead" }.to_owned(),
            bytes(stream.wal_bytes),
            count(stream.unflushed_rows),
            bytes(stream.memory_bytes),
        ]);
    }
    grid
}

fn tables(info: &Info) -> Grid {
    let mut grid = Grid::new([
        ("table", Align::Left),
        ("rows", Align::Right),
        ("columns", Align::Right),
        ("partitions", Align::Left),
        ("segments", Align::Right),
        ("most in one", Align::Right),
        ("bytes", Align::Right),
        ("first time", Align::Left),
        ("last time", Align::Left),
    ]);
    for table in &info.tables {
        let (first, last) = match table.bounds {
            Some((first, last)) => (instant(first), instant(last)),
            None => Default::default(),
        };
        grid.row([
            table.table.clone(),
            count(table.rows),
            count(table.columns as u64),
            table.partitions.text(),
            count(table.segments as u64),
            count(table.segments_per_partition.max as u64),
            bytes(table.bytes),
            first,
            last,
        ]);
    }
    grid
}

impl PartitionCounts {
    /// `366 days, 2 hours`.
    fn text(&self) -> String {
        let counts = [
            (self.year, "year"),
            (self.month, "month"),
            (self.day, "day"),
            (self.hour, "hour"),
        ];
        let there: Vec<String> = counts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, unit)| plural(number as u64, unit))
            .collect();
        if there.is_empty() {
            return "none".to_owned();
        }
        there.join(", ")
    }
}
