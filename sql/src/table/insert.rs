//! Rows of a statement into a table, as one commit.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::sink::DataSink;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType};
use futures_util::StreamExt;
use gapless_engine::write::WriteOptions;
use gapless_engine::{Error, Table};
use tokio::sync::mpsc;

use super::instants::in_zones;
use crate::error::to_datafusion;

/// Batches that wait for the writer.
const QUEUE: usize = 2;

/// What goes to the thread that writes. Only [`Message::End`] makes a commit: a statement that is given up just stops sending.
enum Message {
    Rows(RecordBatch),
    End,
}

/// Why nothing was committed.
struct Failure(DataFusionError);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(to_datafusion(error))
    }
}

/// Writes to a table.
#[derive(Debug)]
pub(super) struct TableSink {
    table: Table,
    /// What is given.
    schema: SchemaRef,
    /// What is written: times in their zones.
    stored: SchemaRef,
}

impl TableSink {
    /// Into the columns of `schema`. Which of them may be null is left to the engine, whose message names row and column.
    pub(super) fn new(table: Table, schema: &Schema, stored: &Schema) -> Self {
        let nullable = |field: &FieldRef| Field::clone(field).with_nullable(true);
        let nullable = |schema: &Schema| {
            let fields = schema.fields().iter().map(nullable);
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        };
        Self {
            table,
            schema: nullable(schema),
            stored: nullable(stored),
        }
    }
}

impl DisplayAs for TableSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableSink(table={})", self.table.name())
    }
}

#[async_trait]
impl DataSink for TableSink {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Atomic and durable when this returns; if it fails or is dropped before, nothing was written.
    async fn write_all(&self, mut data: SendableRecordBatchStream, _: &Arc<TaskContext>) -> Result<u64> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let table = self.table.clone();
        let writing = tokio::task::spawn_blocking(move || write(&table, receiver));
        while let Some(batch) = data.next().await {
            // A writer that no longer takes rows has failed, and says why below.
            let rows = in_zones(batch?, &self.stored)?;
            if sender.send(Message::Rows(rows)).await.is_err() {
                break;
            }
        }
        let _ = sender.send(Message::End).await;
        drop(sender);
        let written = writing
            .await
            .map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
        written.map_err(|failure| failure.0)
    }
}

fn write(table: &Table, mut receiver: mpsc::Receiver<Message>) -> std::result::Result<u64, Failure> {
    let mut has_ended = false;
    let rows = std::iter::from_fn(|| match receiver.blocking_recv() {
        _ if has_ended => None,
        Some(Message::Rows(batch)) => Some(Ok(batch)),
        Some(Message::End) => {
            has_ended = true;
            None
        }
        None => {
            has_ended = true;
            let given_up =
                DataFusionError::Execution("the statement was given up: nothing was written".into());
            Some(Err(Failure(given_up)))
        }
    });
    let report = table.write_with(rows, &WriteOptions::default())?;
    Ok(report.rows)
}
