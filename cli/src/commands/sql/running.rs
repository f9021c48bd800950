//! A statement that runs, and ends when a signal comes.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures_util::StreamExt;
use gapless_sql::{RowStream, Rows};

use super::limits::explained;
use crate::error::CliError;
use crate::stop::Stop;

/// How often it is looked whether a signal has come.
const TICK: Duration = Duration::from_millis(20);

/// The rows of a statement. A signal is an error of the next row; dropped, the statement ends.
pub(crate) struct Running {
    rows: RowStream,
    stop: Stop,
    is_writable: bool,
}

impl Running {
    pub(super) fn new(rows: Rows, stop: Stop, is_writable: bool) -> Self {
        Self {
            rows: rows.into_stream(),
            stop,
            is_writable,
        }
    }

    /// The columns of its rows.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}

impl Iterator for Running {
    type Item = Result<RecordBatch, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match wait(&self.stop, self.rows.next()) {
            Ok(batch) => batch?,
            Err(interrupted) if self.is_writable => {
                return Some(Err(
                    interrupted.hint("an INSERT may have been committed: look before it is run again")
                ));
            }
            Err(interrupted) => return Some(Err(interrupted)),
        };
        Some(batch.map_err(|error| explained(error, self.is_writable)))
    }
}

/// Waits for what comes from other threads, or for a signal.
pub(super) fn wait<T>(stop: &Stop, future: impl Future<Output = T>) -> Result<T, CliError> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Some(signal) = stop.signal() {
            return Err(CliError::interrupted(signal));
        }
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return Ok(result);
        }
        std::thread::park_timeout(TICK);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
