//! Reads what was planned: batches of exactly the plan's schema, decoded ahead on threads of their own.
//!
//! - One thread reads and decompresses, one parses or decodes, the caller takes batches from a bounded channel.
//! - Rows come in the order of the files and of their lines.
//! - After an error there are no more batches. Dropping a source ends its threads.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::error::{ErrorKind, InterchangeError, Result};
use crate::file_format::FileFormat;
use crate::infer::{ColumnPlan, Input, Plan, open_csv, open_json};
use crate::input::Progress;
use crate::options::{OnError, ReadOptions};
use crate::rejects::Rejects;
use crate::text::json::JsonRows;
use crate::text::rows::Rows;
use crate::typed::{TypedReader, conform};

/// Batches that wait for the caller.
const BATCHES_AHEAD: usize = 2;

/// An iterator over the rows of the planned files.
pub struct Source {
    schema: SchemaRef,
    bytes_total: u64,
    progress: Arc<Progress>,
    /// `None` once the source has ended.
    batches: Option<Receiver<Message>>,
    worker: Option<JoinHandle<()>>,
}

enum Message {
    Batch(RecordBatch),
    Failed(InterchangeError),
    Ended,
}

impl Source {
    /// Starts to read the files of `plan`; `options` are those it was made with.
    ///
    /// # Errors
    /// When the file for rejected lines exists, or a thread cannot be started. Failures to read the files come
    /// from the iterator.
    pub fn open(plan: &Plan, options: &ReadOptions) -> Result<Self> {
        let rejects = match &options.on_error {
            OnError::Fail => None,
            OnError::Skip { rejects } => Some(Rejects::new(rejects)?),
        };
        let progress = Arc::new(Progress::default());
        let (sender, receiver) = sync_channel(BATCHES_AHEAD);
        let rows = if plan.inputs.iter().any(|input| input.identity.format.is_text()) {
            Some(Rows::new(
                plan.schema.clone(),
                plan.columns.clone(),
                &options.null_values,
                options.batch_rows,
                &progress,
            )?)
        } else {
            None
        };
        let mut columns = plan.columns.clone();
        columns
            .iter_mut()
            .for_each(|column| column.times.progress = progress.clone());
        let mut worker = Worker {
            inputs: plan.inputs.clone(),
            columns,
            schema: plan.schema.clone(),
            options: options.clone(),
            progress: progress.clone(),
            rows,
            rejects,
            sender,
        };
        let handle = std::thread::Builder::new()
            .name("gapless-import".into())
            .spawn(move || worker.run())
            .map_err(|error| InterchangeError::io("cannot start a reading thread", &error))?;
        Ok(Source {
            schema: plan.schema.clone(),
            bytes_total: plan.inputs.iter().map(|input| input.identity.bytes).sum(),
            progress,
            batches: Some(receiver),
            worker: Some(handle),
        })
    }

    /// The schema of the batches: that of the plan.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The size of all files as stored, for a progress bar.
    pub fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    /// How much of `bytes_total` was read. Reading runs ahead of the batches by a few of them.
    pub fn bytes_read(&self) -> u64 {
        self.progress
            .bytes_read
            .load(Ordering::Relaxed)
            .min(self.bytes_total)
    }

    /// How many lines were rejected so far.
    pub fn rows_rejected(&self) -> u64 {
        self.progress.rows_rejected.load(Ordering::Relaxed)
    }

    /// How many local times so far occur twice on their zone's clock; the first was taken.
    pub fn ambiguous_times(&self) -> u64 {
        self.progress.ambiguous_times.load(Ordering::Relaxed)
    }

    fn end(&mut self) {
        // Without its receiver the worker stops at its next batch.
        self.batches = None;
        if let Some(worker) = self.worker.take() {
            // A panic has been reported: the worker did not say that it ended.
            let _ = worker.join();
        }
    }
}

impl Iterator for Source {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.batches.as_ref()?.recv() {
            Ok(Message::Batch(batch)) => Some(Ok(batch)),
            Ok(Message::Ended) => {
                self.end();
                None
            }
            Ok(Message::Failed(error)) => {
                self.end();
                Some(Err(error))
            }
            Err(_) => {
                self.end();
                Some(Err(InterchangeError::new(
                    ErrorKind::Internal,
                    "the reading thread died",
                )))
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why a worker stops before the end.
enum Stop {
    Failed(InterchangeError),
    /// Nobody takes batches any more.
    Dropped,
}

impl From<InterchangeError> for Stop {
    fn from(error: InterchangeError) -> Self {
        Stop::Failed(error)
    }
}

/// What runs on the parsing thread.
struct Worker {
    inputs: Vec<Input>,
    columns: Vec<ColumnPlan>,
    schema: SchemaRef,
    options: ReadOptions,
    progress: Arc<Progress>,
    rows: Option<Rows>,
    rejects: Option<Rejects>,
    sender: SyncSender<Message>,
}

impl Worker {
    fn run(&mut self) {
        let last = match self.read_all() {
            Ok(()) => Message::Ended,
            Err(Stop::Failed(error)) => Message::Failed(error),
            Err(Stop::Dropped) => return,
        };
        // If nobody listens any more, nobody needs to know.
        let _ = self.sender.send(last);
    }

    fn read_all(&mut self) -> Result<(), Stop> {
        let mut rows = self.rows.take();
        let mut bytes_done = 0;
        for input in std::mem::take(&mut self.inputs) {
            let read = match (input.identity.format, &mut rows) {
                (FileFormat::Csv, Some(rows)) => self.read_csv(&input, rows),
                (FileFormat::JsonLines, Some(rows)) => self.read_json(&input, rows),
                (_, rows) => self.flush(rows).and_then(|()| self.read_typed(&input)),
            };
            read.map_err(|stop| match stop {
                Stop::Failed(error) if error.file.is_none() => Stop::Failed(error.at_file(&input.file)),
                stop => stop,
            })?;
            // Typed files count by shares of their rows; a file that is done is read whole.
            bytes_done += input.identity.bytes;
            self.progress.bytes_read.store(bytes_done, Ordering::Relaxed);
        }
        self.flush(&mut rows)?;
        match &mut self.rejects {
            Some(rejects) => Ok(rejects.finish()?),
            None => Ok(()),
        }
    }

    fn send(&self, batch: RecordBatch) -> Result<(), Stop> {
        self.sender.send(Message::Batch(batch)).map_err(|_| Stop::Dropped)
    }

    fn flush(&self, rows: &mut Option<Rows>) -> Result<(), Stop> {
        match rows {
            Some(rows) => self.send_rows(rows),
            None => Ok(()),
        }
    }

    fn send_rows(&self, rows: &mut Rows) -> Result<(), Stop> {
        rows.finish()?.into_iter().try_for_each(|batch| self.send(batch))
    }

    /// Fails with `error`, or puts the bad line aside.
    fn reject(&mut self, raw: &[u8], error: InterchangeError) -> Result<(), Stop> {
        let Some(rejects) = &mut self.rejects else {
            return Err(error.into());
        };
        rejects.add(raw, &error)?;
        self.progress.rows_rejected.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn read_csv(&mut self, input: &Input, rows: &mut Rows) -> Result<(), Stop> {
        let (mut records, names) = open_csv(input, &self.options, self.progress.clone(), true)?;
        let places = rows.places(&names)?;
        while let Some(record) = records.next()? {
            let pushed = match record.fields {
                Ok(fields) => rows.push_csv(record.raw, fields, &places),
                Err(reason) => Err(InterchangeError::invalid(reason)),
            };
            if let Err(error) = pushed {
                self.reject(record.raw, error.at_file(&input.file).at_line(record.line))?;
            }
            if rows.is_full() {
                self.send_rows(rows)?;
            }
        }
        Ok(())
    }

    fn read_json(&mut self, input: &Input, rows: &mut Rows) -> Result<(), Stop> {
        let mut lines = open_json(input, self.progress.clone(), true)?;
        let places = match &self.options.column_names {
            Some(names) => Some(rows.places(names)?),
            None => None,
        };
        let mut found = JsonRows::default();
        while let Some((line, text)) = lines.next()? {
            let pushed = match found.scan(text) {
                Ok(()) => rows.push_json(text, &found, places.as_deref()),
                Err(reason) => Err(InterchangeError::invalid(reason).with_value(text.trim_ascii())),
            };
            if let Err(error) = pushed {
                self.reject(text, error.at_file(&input.file).at_line(line))?;
            }
            if rows.is_full() {
                self.send_rows(rows)?;
            }
        }
        Ok(())
    }

    fn read_typed(&self, input: &Input) -> Result<(), Stop> {
        let batch_rows = self.options.batch_rows.max(1);
        let (_, mut reader) = TypedReader::open(input, batch_rows, self.progress.clone())?;
        loop {
            let first_row = reader.rows;
            let Some(batch) = reader.next_batch()? else {
                return Ok(());
            };
            // Cut first: a batch of an Arrow file may be of any size.
            for start in (0..batch.num_rows()).step_by(batch_rows) {
                let slice = batch.slice(start, batch_rows.min(batch.num_rows() - start));
                self.send(conform(
                    &slice,
                    &self.columns,
                    &self.schema,
                    first_row + start as u64,
                )?)?;
            }
        }
    }
}
