//! The rows of a statement, as they come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures_util::{Stream, StreamExt};
use gapless_engine::Result;
use tokio::sync::mpsc;

use super::runtime::{AbortOnDrop, Runtime, block_on};
use crate::error::from_datafusion;

/// Batches that wait for the reader.
const QUEUE: usize = 2;

/// The rows of a statement, as an iterator that blocks. Dropped, it ends the statement.
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch>>,
    _running: Option<AbortOnDrop<()>>,
    _runtime: Arc<Runtime>,
}

impl Rows {
    pub(super) fn new(runtime: &Arc<Runtime>, mut stream: SendableRecordBatchStream) -> Self {
        let schema = stream.schema();
        let (sender, batches) = mpsc::channel(QUEUE);
        let running = runtime.spawn(async move {
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(from_datafusion);
                let is_last = batch.is_err();
                if sender.send(batch).await.is_err() || is_last {
                    break;
                }
            }
        });
        Self {
            schema,
            batches,
            _running: running.map(AbortOnDrop),
            _runtime: Arc::clone(runtime),
        }
    }

    /// The schema of every batch.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// All batches, in order. Blocks until the statement has run.
    ///
    /// # Errors
    /// The first that a batch has.
    pub fn collect_batches(self) -> Result<Vec<RecordBatch>> {
        self.collect()
    }

    /// The same rows as a stream that does not block, of any runtime.
    #[must_use]
    pub fn into_stream(self) -> RowStream {
        RowStream(self)
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.batches.recv())
    }
}

/// The rows of a statement, as a stream. Dropped, it ends the statement.
#[derive(Debug)]
pub struct RowStream(Rows);

impl RowStream {
    /// The schema of every batch.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
}

impl Stream for RowStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.batches.poll_recv(context)
    }
}
