//! Batches as asynchronous streams: those of a blocking source, and those that are put together as they are asked for.
//!
//! Of a blocking source one batch is made ahead, on a thread for blocking work, and none before the first is asked for. No thread waits for the
//! reader, so any number of streams may be open; who drops the stream ends it after the batch that is being made.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::metrics::BaselineMetrics;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures_util::{StreamExt, stream};
use gapless_engine::{Error, Result};
use gapless_query::Interrupt;
use tokio::task::JoinHandle;

use crate::error::to_datafusion;

/// What a thread gives back: the next batch, if there is one, and the source behind it.
type Step<I> = Result<Option<(RecordBatch, I)>>;

enum State<F, I> {
    New(F),
    Running(JoinHandle<Step<I>>),
    Done,
}

/// The batches of the iterator that `open` makes, both made on threads for blocking work.
pub(crate) fn pump<F, I>(schema: SchemaRef, metrics: BaselineMetrics, open: F) -> SendableRecordBatchStream
where
    F: FnOnce() -> Result<I> + Send + 'static,
    I: Iterator<Item = Result<RecordBatch>> + Send + 'static,
{
    let metrics = Arc::new(metrics);
    let batches = stream::unfold(State::New(open), move |state| {
        let metrics = Arc::clone(&metrics);
        async move {
            let running = match state {
                State::New(open) => tokio::task::spawn_blocking(move || step(open()?)),
                State::Running(running) => running,
                State::Done => return None,
            };
            let ended = running
                .await
                .map_err(|error| Error::internal(format!("a scan was ended: {error}")));
            match ended.and_then(|step| step) {
                Ok(Some((batch, source))) => {
                    metrics.record_output(batch.num_rows());
                    let next = tokio::task::spawn_blocking(move || step(source));
                    Some((Ok(batch), State::Running(next)))
                }
                Ok(None) => {
                    metrics.done();
                    None
                }
                Err(error) => Some((
                    Err::<RecordBatch, DataFusionError>(to_datafusion(error)),
                    State::Done,
                )),
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, Box::pin(batches)))
}

/// A stream that ends what makes its batches when it is dropped.
pub(crate) fn ended_with(
    batches: SendableRecordBatchStream,
    interrupt: Interrupt,
) -> SendableRecordBatchStream {
    let schema = batches.schema();
    let ends = Ends(interrupt);
    let batches = batches.inspect(move |_| {
        let _held: &Ends = &ends;
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

struct Ends(Interrupt);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

/// Makes batches of others that it waits for.
pub(crate) trait Batches: Send + 'static {
    /// The next, if there is one.
    fn next(&mut self) -> impl Future<Output = DfResult<Option<RecordBatch>>> + Send;
}

/// Batches one after the other. A thread that never has to wait for one lets go of it now and then.
pub(crate) fn one_by_one(schema: SchemaRef, batches: impl Batches) -> SendableRecordBatchStream {
    let batches = stream::try_unfold(batches, move |mut batches| async move {
        let batch = batches.next().await?;
        Ok(batch.map(|batch| (batch, batches)))
    });
    make_cooperative(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

fn step<I: Iterator<Item = Result<RecordBatch>>>(mut source: I) -> Step<I> {
    Ok(source.next().transpose()?.map(|batch| (batch, source)))
}
