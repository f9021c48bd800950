//! The way into a gap for a strategy that is asynchronous.

use std::ops::Range;

use arrow_array::RecordBatch;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use super::super::content::RowCounts;
use super::super::fetch::FetchRequest;
use super::super::fetcher::next_request;
use super::super::run::GapRun;
use super::super::strategy::{BackfillError, BackfillErrorKind};
use super::super::writer::GapWriter;

/// A [`GapWriter`] whose work is done on tokio's threads for blocking work.
///
/// A call whose future is dropped is finished all the same; the next call waits for it.
#[derive(Debug)]
pub struct AsyncGapWriter {
    place: Place,
    remaining: Vec<Range<i64>>,
}

#[derive(Debug)]
enum Place {
    Here(Box<GapRun>),
    /// With a call that runs.
    Away(JoinHandle<Box<GapRun>>),
    /// A call panicked.
    Lost,
}

impl AsyncGapWriter {
    pub(super) fn new(mut run: Box<GapRun>) -> Self {
        Self {
            remaining: run.parts().1.remaining().to_vec(),
            place: Place::Here(run),
        }
    }

    /// The parts of the gap that are not covered yet, ascending, as of the last call that came to its end.
    pub fn remaining(&self) -> &[Range<i64>] {
        &self.remaining
    }

    /// As [`GapWriter::write`].
    ///
    /// # Errors
    /// As [`GapWriter::write`].
    pub async fn write(
        &mut self,
        range: Range<i64>,
        batches: Vec<RecordBatch>,
    ) -> Result<RowCounts, BackfillError> {
        self.blocking(move |writer| writer.write(range, &batches)).await?
    }

    /// As [`GapWriter::write_partial`].
    ///
    /// # Errors
    /// As [`GapWriter::write`].
    pub async fn write_partial(
        &mut self,
        range: Range<i64>,
        batches: Vec<RecordBatch>,
    ) -> Result<RowCounts, BackfillError> {
        self.blocking(move |writer| writer.write_partial(range, &batches))
            .await?
    }

    /// As [`GapWriter::not_applicable`].
    ///
    /// # Errors
    /// As [`GapWriter::write`].
    pub async fn not_applicable(&mut self, range: Range<i64>) -> Result<(), BackfillError> {
        self.blocking(move |writer| writer.not_applicable(range)).await?
    }

    /// As [`GapWriter::set_source`].
    ///
    /// # Errors
    /// Permanent when an earlier call panicked.
    pub async fn set_source(&mut self, source: &str) -> Result<(), BackfillError> {
        self.run().await?.parts().1.set_source(source);
        Ok(())
    }

    /// What a source is to be asked next: from the first part that is left to the last one; `None` when nothing is.
    ///
    /// # Errors
    /// Permanent when an earlier call panicked.
    pub async fn next_request(&mut self) -> Result<Option<FetchRequest>, BackfillError> {
        let (gap, writer) = self.run().await?.parts();
        Ok(next_request(&gap, writer))
    }

    /// Works with the writer itself, where blocking is allowed.
    ///
    /// # Errors
    /// Permanent when `work` or an earlier call panicked.
    pub async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut GapWriter) -> T + Send + 'static,
    ) -> Result<T, BackfillError> {
        self.with_run(move |run| work(run.parts().1)).await
    }

    pub(super) async fn with_run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut GapRun) -> T + Send + 'static,
    ) -> Result<T, BackfillError> {
        self.run().await?;
        let Place::Here(mut run) = std::mem::replace(&mut self.place, Place::Lost) else {
            return Err(lost());
        };
        let (done, result) = oneshot::channel();
        self.place = Place::Away(spawn_blocking(move || {
            // Nobody may wait any more.
            let _ = done.send(work(&mut run));
            run
        }));
        self.run().await?;
        result.await.map_err(|_| lost())
    }

    /// The gap, when no call runs any more.
    async fn run(&mut self) -> Result<&mut GapRun, BackfillError> {
        if let Place::Away(call) = &mut self.place {
            self.place = match call.await {
                Ok(mut run) => {
                    self.remaining = run.parts().1.remaining().to_vec();
                    Place::Here(run)
                }
                Err(_) => Place::Lost,
            };
        }
        match &mut self.place {
            Place::Here(run) => Ok(run),
            _ => Err(lost()),
        }
    }
}

fn lost() -> BackfillError {
    BackfillError::new(
        BackfillErrorKind::Permanent,
        "a write panicked, so nothing more can be written",
    )
}
