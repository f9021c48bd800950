//! `gapless export`: rows into files of other formats, streamed from one pinned version.
//!
//! - Each file is written under a temporary name, synced and renamed: a file that is there is whole.
//! - A tree of partitions is `date=2026-11-20/part-000000.parquet`, and below it `hour=13` if by hour. A file holds
//!   one day or hour, rows by series, then time.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use gapless::scan::{Order, Scan};
use gapless::{PartitionKey, PartitionUnit, Snapshot};
use gapless_interchange::{WriteFormat, WriteOptions, Writer, hive_path};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::error::CliError;
use crate::options::{self, Selection};
use crate::output::Output;
use crate::progress;
use crate::render::{bytes, count, plural, seconds};

/// Which rows, and where they go.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapless export market.db trade --to trade/\n  \
    gapless export market.db trade --to aapl.csv.gz --series AAPL --start 2026-11-20 --end 2026-11-21\n  \
    gapless export market.db trade --to out/ --format arrow --partition-by hour --as-of month-end\n\n\
    A directory gets a Hive-partitioned tree, as DuckDB, Polars and Spark read it: \
    date=2026-11-20/part-000000.parquet.\nA name that ends in .parquet, .csv, .jsonl or .arrow (text also .gz or .zst) \
    is one file.")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// The directory or file to write.
    #[arg(long, value_name = "DIR|FILE")]
    to: PathBuf,
    /// The file format: parquet, csv, jsonl or arrow [default: what the file's name says, or parquet].
    #[arg(long, value_name = "FORMAT", value_parser = write_format)]
    format: Option<WriteFormat>,
    /// One file for each UTC day or hour, or one for all [default: day for a directory, none for a file].
    #[arg(long, value_name = "UNIT", value_enum)]
    partition_by: Option<By>,
    /// Replace files that are there.
    #[arg(long)]
    overwrite: bool,
}

/// What one file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Day,
    Hour,
    None,
}

#[derive(Serialize)]
struct Report {
    table: String,
    rows: u64,
    files: Vec<File>,
    bytes: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct File {
    file: String,
    rows: u64,
    bytes: u64,
}

fn write_format(text: &str) -> Result<WriteFormat, String> {
    text.parse::<WriteFormat>().map_err(|error| error.to_string())
}

/// Exports.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let began = Instant::now();
    let destination = Destination::of(&args)?;
    let database = options::open(&args.selection.database)?;
    let snapshot = args.selection.snapshot(&database)?;
    let scan = args.selection.scan(&snapshot)?.order(Order::Series);
    destination.check_free(args.overwrite)?;
    let mut files = Vec::new();
    let exported = write_all(&args, &destination, &snapshot, &scan, &mut files);
    exported.map_err(|error| match files.len() {
        0 => error,
        done => error.with_note(&format!("{} are complete", plural(done as u64, "file"))),
    })?;
    let report = Report {
        table: args.selection.table.clone(),
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        files,
        seconds: began.elapsed().as_secs_f64(),
    };
    if output.is_json() {
        output.json(&report)?;
    } else {
        print(&report, &args.to, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &Report, to: &Path, output: &mut Output) -> Result<(), CliError> {
    output.line(format!(
        "exported {} of {} to {} in {}, {}, in {}: {} rows/s",
        plural(report.rows, "row"),
        report.table,
        to.display(),
        plural(report.files.len() as u64, "file"),
        bytes(report.bytes),
        seconds(std::time::Duration::from_secs_f64(report.seconds)),
        count((report.rows as f64 / report.seconds.max(1e-9)) as u64)
    ))
}

/// Where rows go, and in which form.
struct Destination {
    path: PathBuf,
    format: WriteFormat,
    by: By,
    is_tree: bool,
}

impl Destination {
    fn of(args: &Args) -> Result<Self, CliError> {
        let named = WriteFormat::of_name(&args.to);
        let is_tree = args.to.is_dir() || named.is_none();
        let by = args
            .partition_by
            .unwrap_or(if is_tree { By::Day } else { By::None });
        if !is_tree && by != By::None {
            return Err(CliError::invalid(format!(
                "{} is one file, and --partition-by makes many",
                args.to.display()
            ))
            .hint("name a directory"));
        }
        let format = args.format.or(named).unwrap_or(WriteFormat::Parquet);
        Ok(Self {
            path: args.to.clone(),
            format,
            by,
            is_tree,
        })
    }

    /// Nothing is replaced, and no rows are mixed with those of another export, unless asked for.
    fn check_free(&self, overwrite: bool) -> Result<(), CliError> {
        if overwrite {
            return Ok(());
        }
        let is_taken = if self.is_tree {
            std::fs::read_dir(&self.path).is_ok_and(|mut entries| entries.next().is_some())
        } else {
            self.path.symlink_metadata().is_ok()
        };
        if !is_taken {
            return Ok(());
        }
        let what = if self.is_tree { "is not empty" } else { "exists" };
        Err(CliError::invalid(format!("{} {what}", self.path.display()))
            .hint("name another place, or pass --overwrite to replace files of the same name"))
    }

    /// The file of a day or hour; `key` is what the tree calls the day.
    fn file(&self, key: &str, partition: Option<PartitionKey>) -> PathBuf {
        if !self.is_tree {
            return self.path.clone();
        }
        let path = partition.map(|partition| partition.path()).unwrap_or_default();
        let (date, hour) = path.split_once('/').unwrap_or((&path, ""));
        let mut parts = vec![(key, date), ("hour", hour)];
        parts.retain(|(_, value)| !value.is_empty());
        hive_path(&self.path, &parts, 0).with_extension(self.format.extension())
    }
}

fn write_all(
    args: &Args,
    destination: &Destination,
    snapshot: &Snapshot,
    scan: &Scan,
    files: &mut Vec<File>,
) -> Result<(), CliError> {
    let unit = match destination.by {
        By::None => {
            let bar = progress::count(snapshot.table(&args.selection.table)?.rows(), "writing rows");
            let path = destination.file("date", None);
            // One file is made even when there are no rows: the columns are worth something.
            files.extend(write_file(scan.clone(), &path, destination.format, &bar, true)?);
            bar.finish_and_clear();
            return Ok(());
        }
        By::Day => PartitionUnit::Day,
        By::Hour => PartitionUnit::Hour,
    };
    let key = day_key(scan);
    let (start, end) = args.selection.range();
    let partitions = snapshot.partitions_between(&args.selection.table, unit, &(start..end))?;
    let bar = progress::count(partitions.len() as u64, "writing files");
    let rows = ProgressBar::hidden();
    for partition in partitions {
        // The greatest end means no end, for the last partition as for the range.
        let part = scan
            .clone()
            .between(partition.start.max(start), partition.end().min(end));
        let path = destination.file(key, Some(partition));
        files.extend(write_file(part, &path, destination.format, &rows, false)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// `date`, unless the table has a column of that name, which readers of the tree would then see twice.
fn day_key(scan: &Scan) -> &'static str {
    let taken = scan
        .meta()
        .columns
        .iter()
        .any(|column| column.name == "date" || column.name == "hour");
    if taken { "partition_date" } else { "date" }
}

/// Writes one file; none if there are no rows, unless `even_empty`.
fn write_file(
    scan: Scan,
    path: &Path,
    format: WriteFormat,
    bar: &ProgressBar,
    even_empty: bool,
) -> Result<Option<File>, CliError> {
    let schema = scan.schema()?;
    let create = || Writer::create(path, format, schema.clone(), &WriteOptions::default());
    let mut writer = if even_empty { Some(create()?) } else { None };
    for batch in scan.stream()? {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(create()?),
        };
        writer.write(&batch)?;
        bar.inc(batch.num_rows() as u64);
    }
    let Some(writer) = writer else { return Ok(None) };
    let rows = writer.rows();
    writer.finish()?;
    let bytes = path.metadata().map(|metadata| metadata.len());
    Ok(Some(File {
        file: path.display().to_string(),
        rows,
        bytes: bytes.map_err(|error| CliError::io(path.display(), &error))?,
    }))
}
