//! One export file: written under a temporary name, synced, then renamed.
//!
//! - Until `finish` returns, the final name does not exist or is what it was before.
//! - A writer that is dropped before `finish` leaves nothing behind.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::error::{ErrorKind, InterchangeError, Result};
use crate::write::cells::check_type;
use crate::write::text::{push_csv, push_csv_header, push_json};

/// Level 3 is zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// A file format that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFormat {
    /// Delimited text, RFC 4180.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet with zstd, dictionaries and statistics.
    Parquet,
    /// The Arrow IPC file format, not compressed; symbols are written as plain text.
    ArrowIpc,
}

impl FromStr for WriteFormat {
    type Err = InterchangeError;

    /// Reads a format's name, or one of its extensions.
    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "csv" | "tsv" => Ok(WriteFormat::Csv),
            "jsonl" | "ndjson" | "json" => Ok(WriteFormat::JsonLines),
            "parquet" | "pq" => Ok(WriteFormat::Parquet),
            "arrow" | "ipc" | "feather" => Ok(WriteFormat::ArrowIpc),
            _ => Err(InterchangeError::invalid("is not a format that can be written")
                .with_value(text.as_bytes())
                .with_hint("formats are csv, jsonl, parquet and arrow")),
        }
    }
}

/// How a file is written.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// The byte between CSV fields (default: a comma).
    pub delimiter: u8,
    /// Whether the first CSV line holds the column names (default: true).
    pub header: bool,
    /// The most rows of a Parquet row group (default: 1,048,576).
    pub row_group_rows: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions {
            delimiter: b',',
            header: true,
            row_group_rows: 1 << 20,
        }
    }
}

/// Writes one file.
pub struct Writer {
    path: PathBuf,
    temporary: Temporary,
    /// The same open file, to sync it.
    file: File,
    sink: Sink,
    schema: SchemaRef,
    rows: u64,
}

enum Sink {
    Csv { out: Compressed, delimiter: u8 },
    JsonLines { out: Compressed },
    Parquet(Box<ArrowWriter<BufWriter<File>>>),
    ArrowIpc(Box<FileWriter<BufWriter<File>>>),
}

impl Writer {
    /// Starts to write `path`, whose directories are made. Text is compressed when the name ends in `.gz` or `.zst`.
    ///
    /// # Errors
    /// When the file cannot be made, or the format cannot hold a column; the column is named.
    pub fn create(
        path: &Path,
        format: WriteFormat,
        schema: SchemaRef,
        options: &WriteOptions,
    ) -> Result<Self> {
        let failed = |error: std::io::Error| InterchangeError::io("cannot be written", &error).at_file(path);
        if matches!(format, WriteFormat::Csv | WriteFormat::JsonLines) {
            for field in schema.fields() {
                check_type(field.data_type()).map_err(|error| error.in_column(field.name()).at_file(path))?;
            }
        }
        if path.is_dir() {
            return Err(InterchangeError::invalid("is a directory").at_file(path));
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let (temporary, file) = Temporary::create(path).map_err(failed)?;
        let out = BufWriter::with_capacity(1 << 20, file.try_clone().map_err(failed)?);
        let sink = match format {
            WriteFormat::Csv => {
                let mut out = Compressed::new(out, path).map_err(failed)?;
                if options.header {
                    let mut header = Vec::new();
                    push_csv_header(&schema, options.delimiter, &mut header);
                    out.write_all(&header).map_err(failed)?;
                }
                Sink::Csv {
                    out,
                    delimiter: options.delimiter,
                }
            }
            WriteFormat::JsonLines => Sink::JsonLines {
                out: Compressed::new(out, path).map_err(failed)?,
            },
            WriteFormat::Parquet => {
                let properties = properties(options).map_err(|error| parquet_error(&error).at_file(path))?;
                let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties));
                Sink::Parquet(Box::new(
                    writer.map_err(|error| parquet_error(&error).at_file(path))?,
                ))
            }
            WriteFormat::ArrowIpc => {
                let writer = FileWriter::try_new(out, &plain_schema(&schema));
                Sink::ArrowIpc(Box::new(
                    writer.map_err(|error| arrow_error(&error).at_file(path))?,
                ))
            }
        };
        Ok(Writer {
            path: path.to_path_buf(),
            temporary,
            file,
            sink,
            schema,
            rows: 0,
        })
    }

    /// Adds the rows of `batch`.
    ///
    /// # Errors
    /// When its columns are not those of the schema, or the disk refuses. The file is then useless.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let path = &self.path;
        let failed = |error: std::io::Error| InterchangeError::io("cannot be written", &error).at_file(path);
        let types = |schema: &Schema| {
            schema
                .fields()
                .iter()
                .map(|f| (f.name().clone(), f.data_type().clone()))
                .collect()
        };
        let (found, wanted): (Vec<_>, Vec<_>) = (types(batch.schema_ref()), types(&self.schema));
        if found != wanted {
            let reason = format!("the batch has the columns {found:?}, the file {wanted:?}");
            return Err(InterchangeError::invalid(reason).at_file(path));
        }
        match &mut self.sink {
            Sink::Csv { out, delimiter } => {
                let mut text = Vec::new();
                push_csv(batch, *delimiter, &mut text).map_err(|error| error.at_file(path))?;
                out.write_all(&text).map_err(failed)?;
            }
            Sink::JsonLines { out } => {
                let mut text = Vec::new();
                push_json(batch, &mut text).map_err(|error| error.at_file(path))?;
                out.write_all(&text).map_err(failed)?;
            }
            Sink::Parquet(writer) => writer
                .write(batch)
                .map_err(|error| parquet_error(&error).at_file(path))?,
            Sink::ArrowIpc(writer) => {
                let plain = plain_batch(batch).and_then(|plain| writer.write(&plain));
                plain.map_err(|error| arrow_error(&error).at_file(path))?;
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// How many rows were written.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Completes the file, syncs it and gives it its name. When this returns, the file is durable.
    ///
    /// # Errors
    /// When the disk refuses; the final name is then untouched.
    pub fn finish(self) -> Result<()> {
        let Writer {
            path,
            mut temporary,
            file,
            sink,
            ..
        } = self;
        let failed = |error: std::io::Error| InterchangeError::io("cannot be written", &error).at_file(&path);
        match sink {
            Sink::Csv { out, .. } | Sink::JsonLines { out } => out.finish().map_err(failed)?,
            Sink::Parquet(writer) => {
                let mut out = writer
                    .into_inner()
                    .map_err(|error| parquet_error(&error).at_file(&path))?;
                out.flush().map_err(failed)?;
            }
            Sink::ArrowIpc(mut writer) => {
                let finished = writer.finish().and_then(|()| writer.into_inner());
                let mut out = finished.map_err(|error| arrow_error(&error).at_file(&path))?;
                out.flush().map_err(failed)?;
            }
        }
        file.sync_all().map_err(failed)?;
        temporary.rename_to(&path).map_err(failed)
    }
}

fn properties(options: &WriteOptions) -> Result<WriterProperties, parquet::errors::ParquetError> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(options.row_group_rows.max(1)))
        .set_created_by(format!("gapless {}", env!("CARGO_PKG_VERSION")))
        .build())
}

/// The type that an IPC file gets: its format allows one dictionary per column, but each batch of a scan has its own.
fn plain_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => value,
        other => other,
    }
}

fn plain_schema(schema: &Schema) -> Schema {
    let plain = |field: &Field| {
        field
            .clone()
            .with_data_type(plain_type(field.data_type()).clone())
    };
    let fields: Vec<Field> = schema.fields().iter().map(|field| plain(field)).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

fn plain_batch(batch: &RecordBatch) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let columns = batch
        .columns()
        .iter()
        .map(|array| arrow_cast::cast(array, plain_type(array.data_type())));
    RecordBatch::try_new(
        plain_schema(batch.schema_ref()).into(),
        columns.collect::<Result<Vec<_>, _>>()?,
    )
}

fn parquet_error(error: &parquet::errors::ParquetError) -> InterchangeError {
    InterchangeError::new(ErrorKind::Io, format!("cannot be written as Parquet: {error}"))
}

fn arrow_error(error: &arrow_schema::ArrowError) -> InterchangeError {
    InterchangeError::new(ErrorKind::Io, format!("cannot be written as Arrow: {error}"))
}

/// Text, compressed as the file's name says.
enum Compressed {
    Plain(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

impl Compressed {
    fn new(out: BufWriter<File>, path: &Path) -> std::io::Result<Self> {
        let extension = path
            .extension()
            .map(|e| e.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        Ok(match extension.as_str() {
            "gz" => Compressed::Gzip(flate2::write::GzEncoder::new(out, flate2::Compression::default())),
            "zst" => Compressed::Zstd(zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?),
            _ => Compressed::Plain(out),
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Compressed::Plain(out) => out.write_all(bytes),
            Compressed::Gzip(out) => out.write_all(bytes),
            Compressed::Zstd(out) => out.write_all(bytes),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Compressed::Plain(mut out) => out.flush(),
            Compressed::Gzip(out) => out.finish()?.flush(),
            Compressed::Zstd(out) => out.finish()?.flush(),
        }
    }
}

/// A file under a temporary name beside its final one; removed when dropped.
struct Temporary {
    path: Option<PathBuf>,
}

impl Temporary {
    fn create(target: &Path) -> std::io::Result<(Temporary, File)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut name = OsString::from(".");
        name.push(
            target
                .file_name()
                .ok_or_else(|| std::io::Error::other("the path names no file"))?,
        );
        name.push(format!(
            ".{}-{}.tmp",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        ));
        let path = target.with_file_name(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok((Temporary { path: Some(path) }, file))
    }

    /// Gives the file its name and makes the name durable.
    fn rename_to(&mut self, target: &Path) -> std::io::Result<()> {
        if let Some(path) = &self.path {
            std::fs::rename(path, target)?;
        }
        self.path = None;
        let directory = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Directories cannot be opened as files everywhere; where they can, the rename is synced.
        match File::open(directory) {
            Ok(directory) if cfg!(unix) => directory.sync_all(),
            _ => Ok(()),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // A leftover is harmless, and there is nobody to tell.
            let _ = std::fs::remove_file(path);
        }
    }
}
