//! Batches of one Parquet or Arrow IPC file.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::error::{ErrorKind, InterchangeError, Result};
use crate::file_format::FileFormat;
use crate::infer::Input;
use crate::input::{Counted, Progress};

/// Reads one typed file batch by batch.
pub(crate) struct TypedReader {
    file: PathBuf,
    inner: Inner,
    /// Rows read so far.
    pub(crate) rows: u64,
    progress: Arc<Progress>,
    /// Stored bytes of the file per row, for progress.
    bytes_per_row: f64,
}

enum Inner {
    Parquet(ParquetRecordBatchReader),
    IpcFile(Box<FileReader<BufReader<File>>>),
    IpcStream(Box<StreamReader<BufReader<Counted<File>>>>),
}

impl TypedReader {
    /// Opens `input`; batches have at most `batch_rows` rows where the format leaves the choice.
    pub(crate) fn open(
        input: &Input,
        batch_rows: usize,
        progress: Arc<Progress>,
    ) -> Result<(SchemaRef, TypedReader)> {
        let unreadable =
            |error: std::io::Error| InterchangeError::io("cannot be opened", &error).at_file(&input.file);
        let bad = |error: ArrowError| arrow_error(&error).at_file(&input.file);
        let mut file = File::open(&input.file).map_err(unreadable)?;
        let mut bytes_per_row = 0.0;
        let (schema, inner) = if input.identity.format == FileFormat::Parquet {
            let builder =
                ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| bad(error.into()))?;
            let rows = builder.metadata().file_metadata().num_rows().max(1);
            bytes_per_row = input.identity.bytes as f64 / rows as f64;
            let reader = builder
                .with_batch_size(batch_rows)
                .build()
                .map_err(|error| bad(error.into()))?;
            (reader.schema(), Inner::Parquet(reader))
        } else {
            let mut magic = Vec::new();
            file.by_ref()
                .take(6)
                .read_to_end(&mut magic)
                .map_err(unreadable)?;
            file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
            if magic == b"ARROW1" {
                let reader = FileReader::try_new(BufReader::new(file), None).map_err(bad)?;
                bytes_per_row = input.identity.bytes as f64 / reader.num_batches().max(1) as f64;
                (reader.schema(), Inner::IpcFile(Box::new(reader)))
            } else {
                let counted = BufReader::new(Counted::new(file, progress.clone()));
                let reader = StreamReader::try_new(counted, None).map_err(bad)?;
                (reader.schema(), Inner::IpcStream(Box::new(reader)))
            }
        };
        Ok((
            schema,
            TypedReader {
                file: input.file.clone(),
                inner,
                rows: 0,
                progress,
                bytes_per_row,
            },
        ))
    }

    /// The next batch; `None` at the end.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let next = match &mut self.inner {
            Inner::Parquet(reader) => reader.next(),
            Inner::IpcFile(reader) => reader.next(),
            Inner::IpcStream(reader) => reader.next(),
        };
        let batch = next.transpose().map_err(|error| {
            arrow_error(&error)
                .at_file(&self.file)
                .at_row(Some(self.rows + 1))
        })?;
        let Some(batch) = batch else { return Ok(None) };
        self.rows += batch.num_rows() as u64;
        let units = match self.inner {
            Inner::Parquet(_) => batch.num_rows() as f64,
            Inner::IpcFile(_) => 1.0,
            Inner::IpcStream(_) => 0.0,
        };
        self.progress
            .bytes_read
            .fetch_add((units * self.bytes_per_row) as u64, Ordering::Relaxed);
        Ok(Some(batch))
    }
}

fn arrow_error(error: &ArrowError) -> InterchangeError {
    match error {
        ArrowError::IoError(_, inner) => InterchangeError::io("cannot be read", inner),
        ArrowError::NotYetImplemented(what) => InterchangeError::unsupported(what.clone()),
        other => InterchangeError::new(ErrorKind::Invalid, format!("cannot be decoded: {other}")),
    }
}
