//! Batches of one Parquet or Arrow IPC file.
//!
//! The decoders of these formats panic on some damaged files. A panic of theirs is caught and is an error here; the
//! decoder is not used again.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
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
use crate::typed::guard::{check_ipc, check_parquet};

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
        guarded(|| Self::open_unguarded(input, batch_rows, progress))
            .map_err(|error| error.at_file(&input.file))
    }

    fn open_unguarded(
        input: &Input,
        batch_rows: usize,
        progress: Arc<Progress>,
    ) -> Result<(SchemaRef, TypedReader)> {
        let unreadable =
            |error: std::io::Error| InterchangeError::io("cannot be opened", &error).at_file(&input.file);
        let bad = |error: ArrowError| arrow_error(&error).at_file(&input.file);
        let mut file = File::open(&input.file).map_err(unreadable)?;
        let mut bytes_per_row = 0.0;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let (schema, inner) = if input.identity.format == FileFormat::Parquet {
            check_parquet(&mut file, bytes)?;
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
            let is_file = magic == b"ARROW1";
            check_ipc(&mut file, bytes, is_file)?;
            file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
            if is_file {
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
        let inner = &mut self.inner;
        let next = guarded(|| {
            let next = match inner {
                Inner::Parquet(reader) => reader.next(),
                Inner::IpcFile(reader) => reader.next(),
                Inner::IpcStream(reader) => reader.next(),
            };
            next.transpose().map_err(|error| arrow_error(&error))
        });
        let next = next.map_err(|error| error.at_file(&self.file).at_row(Some(self.rows + 1)))?;
        let Some(batch) = next else { return Ok(None) };
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

/// Runs a decoder; its panic is an error.
fn guarded<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    // What the decoder leaves behind is dropped with the reader and never looked at.
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(panic.downcast_ref::<&str>().copied());
        let reason = format!(
            "cannot be decoded, the file is damaged: {}",
            message.unwrap_or("no reason given")
        );
        Err(InterchangeError::invalid(reason))
    })
}

fn arrow_error(error: &ArrowError) -> InterchangeError {
    match error {
        ArrowError::IoError(_, inner) => InterchangeError::io("cannot be read", inner),
        ArrowError::NotYetImplemented(what) => InterchangeError::unsupported(what.clone()),
        other => InterchangeError::new(ErrorKind::Invalid, format!("cannot be decoded: {other}")),
    }
}
