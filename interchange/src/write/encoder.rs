//! Rows as the bytes of a format, wherever these go: one answer has the same bytes in a file and on a pipe.
//!
//! Bytes are handed on as they come. Parquet holds the rows of a row group until it is full.

use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::DataType;
use arrow_schema::{ArrowError, Field, FieldRef, Fields, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::error::{InterchangeError, Result};
use crate::write::format::{WriteFormat, WriteOptions};
use crate::write::text::{json_rows, push_csv, push_csv_header};

/// Level 3 is zstd's own default.
pub(super) const ZSTD_LEVEL: i32 = 3;

/// Makes the bytes of one file or stream.
///
/// ```
/// # use std::sync::Arc;
/// use arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// use gapless_interchange::{Encoder, WriteFormat, WriteOptions};
///
/// let sizes: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
/// let batch = RecordBatch::try_from_iter([("size", sizes)])?;
/// let mut encoder = Encoder::new(WriteFormat::Json, batch.schema(), &WriteOptions::default())?;
/// encoder.push(&batch)?;
/// assert_eq!(encoder.finish()?, b"[\n  {\"size\":7},\n  {\"size\":null}\n]\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Encoder {
    schema: SchemaRef,
    sink: Sink,
    rows: u64,
}

enum Sink {
    Csv { out: Vec<u8>, delimiter: u8 },
    JsonLines { out: Vec<u8> },
    Json { out: Vec<u8>, is_empty: bool },
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    ArrowIpc(Box<FileWriter<Vec<u8>>>),
    ArrowStream(Box<StreamWriter<Vec<u8>>>),
}

impl Encoder {
    /// Starts with what comes before the first row.
    ///
    /// # Errors
    /// `Invalid` when the format cannot hold a column.
    pub fn new(format: WriteFormat, schema: SchemaRef, options: &WriteOptions) -> Result<Self> {
        let sink = match format {
            WriteFormat::Csv => {
                let (mut out, delimiter) = (Vec::new(), options.delimiter);
                if options.header {
                    push_csv_header(&schema, delimiter, &mut out);
                }
                Sink::Csv { out, delimiter }
            }
            WriteFormat::JsonLines => Sink::JsonLines { out: Vec::new() },
            WriteFormat::Json => Sink::Json {
                out: b"[".to_vec(),
                is_empty: true,
            },
            WriteFormat::Parquet => {
                let properties = properties(options).map_err(|error| parquet_error(&error))?;
                let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties));
                Sink::Parquet(Box::new(writer.map_err(|error| parquet_error(&error))?))
            }
            WriteFormat::ArrowIpc => {
                let writer = FileWriter::try_new(Vec::new(), &plain_schema(&schema));
                Sink::ArrowIpc(Box::new(writer.map_err(|error| arrow_error(&error))?))
            }
            WriteFormat::ArrowStream => {
                let writer = StreamWriter::try_new(Vec::new(), &plain_schema(&schema));
                Sink::ArrowStream(Box::new(writer.map_err(|error| arrow_error(&error))?))
            }
        };
        Ok(Self {
            schema,
            sink,
            rows: 0,
        })
    }

    /// Adds the rows of `batch`.
    ///
    /// # Errors
    /// When its columns are not those of the schema, or a value cannot be written. What was made is then useless.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.check(batch.schema_ref())?;
        match &mut self.sink {
            Sink::Csv { out, delimiter } => push_csv(batch, *delimiter, out)?,
            Sink::JsonLines { out } => json_rows(batch, |row| {
                out.extend_from_slice(row);
                out.push(b'\n');
            })?,
            Sink::Json { out, is_empty } => json_rows(batch, |row| {
                let comma: &[u8] = if std::mem::take(is_empty) {
                    b"\n  "
                } else {
                    b",\n  "
                };
                out.extend_from_slice(comma);
                out.extend_from_slice(row);
            })?,
            Sink::Parquet(writer) => writer.write(batch).map_err(|error| parquet_error(&error))?,
            Sink::ArrowIpc(writer) => {
                let plain = plain_batch(batch).and_then(|plain| writer.write(&plain));
                plain.map_err(|error| arrow_error(&error))?;
            }
            Sink::ArrowStream(writer) => {
                let plain = plain_batch(batch).and_then(|plain| writer.write(&plain));
                plain.map_err(|error| arrow_error(&error))?;
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn check(&self, found: &Schema) -> Result<()> {
        let types = |schema: &Schema| -> Vec<(String, DataType)> {
            let fields = schema.fields().iter();
            fields
                .map(|field| (field.name().clone(), field.data_type().clone()))
                .collect()
        };
        let is_same = |(found, wanted): (&FieldRef, &FieldRef)| {
            found.name() == wanted.name() && found.data_type() == wanted.data_type()
        };
        let (found_fields, wanted_fields) = (found.fields(), self.schema.fields());
        if found_fields.len() == wanted_fields.len() && found_fields.iter().zip(wanted_fields).all(is_same) {
            return Ok(());
        }
        Err(InterchangeError::invalid(format!(
            "the batch has the columns {:?}, the file {:?}",
            types(found),
            types(&self.schema)
        )))
    }

    /// The bytes that were made since this was asked last.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(match &mut self.sink {
            Sink::Csv { out, .. } | Sink::JsonLines { out } | Sink::Json { out, .. } => out,
            // The writer counts bytes before they come here.
            Sink::Parquet(writer) => writer.inner_mut(),
            Sink::ArrowIpc(writer) => writer.get_mut(),
            Sink::ArrowStream(writer) => writer.get_mut(),
        })
    }

    /// How many rows were added.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The last bytes.
    ///
    /// # Errors
    /// When the rows that are left cannot be written.
    pub fn finish(self) -> Result<Vec<u8>> {
        match self.sink {
            Sink::Csv { out, .. } | Sink::JsonLines { out } => Ok(out),
            Sink::Json { mut out, is_empty } => {
                out.extend_from_slice(if is_empty { b"]\n" } else { b"\n]\n" });
                Ok(out)
            }
            Sink::Parquet(writer) => writer.into_inner().map_err(|error| parquet_error(&error)),
            Sink::ArrowIpc(writer) => writer.into_inner().map_err(|error| arrow_error(&error)),
            Sink::ArrowStream(writer) => writer.into_inner().map_err(|error| arrow_error(&error)),
        }
    }
}

fn properties(options: &WriteOptions) -> Result<WriterProperties, ParquetError> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(options.row_group_rows.max(1)))
        .set_created_by(format!("gapless {}", env!("CARGO_PKG_VERSION")))
        .build())
}

/// The type that Arrow IPC gets: its format allows one dictionary per column, but each batch of a scan has its own.
fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::List(item) => DataType::List(plain_item(item)),
        DataType::LargeList(item) => DataType::LargeList(plain_item(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(plain_item(item), *length),
        DataType::Struct(fields) => DataType::Struct(plain_fields(fields)),
        other => other.clone(),
    }
}

fn plain_item(item: &FieldRef) -> FieldRef {
    plain_field(item).into()
}

fn plain_field(field: &Field) -> Field {
    field.clone().with_data_type(plain_type(field.data_type()))
}

fn plain_fields(fields: &Fields) -> Fields {
    fields.iter().map(|field| plain_field(field)).collect()
}

fn plain_schema(schema: &Schema) -> Schema {
    Schema::new_with_metadata(plain_fields(schema.fields()), schema.metadata().clone())
}

fn plain_batch(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch
        .columns()
        .iter()
        .map(|array| arrow_cast::cast(array, &plain_type(array.data_type())));
    RecordBatch::try_new(
        plain_schema(batch.schema_ref()).into(),
        columns.collect::<Result<Vec<_>, _>>()?,
    )
}

/// Bytes go to memory, so it is the format that cannot hold them.
fn parquet_error(error: &ParquetError) -> InterchangeError {
    InterchangeError::invalid(format!("cannot be written as Parquet: {error}"))
        .with_hint("cast the column to another type, or write CSV, JSON or Arrow")
}

fn arrow_error(error: &ArrowError) -> InterchangeError {
    InterchangeError::invalid(format!("cannot be written as Arrow: {error}"))
}
