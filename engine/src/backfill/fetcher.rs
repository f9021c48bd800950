//! The strategy that asks a source.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::fetch::{FetchError, FetchRequest, Fetched, Fetcher};
use super::strategy::{BackfillError, BackfillErrorKind, BackfillStrategy, Filled};
use super::writer::GapWriter;
use crate::clock::Stopwatch;
use crate::coverage::Gap;

/// How often who waits for a source looks whether the job was cancelled.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// Asks a [`Fetcher`] for each gap and writes what it gives.
///
/// A source that attests only a part ([`Fetched::through`]) is asked again for the rest, as long as it comes on.
#[derive(Debug)]
pub struct FetcherStrategy<F> {
    fetcher: Arc<F>,
    timeout: Option<Duration>,
    clips: bool,
}

impl<F: Fetcher + 'static> FetcherStrategy<F> {
    /// Asks `fetcher`.
    pub fn new(fetcher: F) -> Self {
        Self {
            fetcher: Arc::new(fetcher),
            timeout: None,
            clips: false,
        }
    }

    /// Gives a request up after so long, as a transient error, and at once when the job is cancelled. What it gives later is
    /// dropped; its thread stays until then. Without a limit the worker itself asks, and waits as long as the source takes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Leaves out rows outside of the request, for a source that gives its neighbours too. An answer that has none inside is
    /// refused all the same.
    #[must_use]
    pub fn clip_rows(mut self, clips: bool) -> Self {
        self.clips = clips;
        self
    }

    fn fetch(&self, request: FetchRequest, writer: &GapWriter) -> Result<Fetched, BackfillError> {
        let Some(timeout) = self.timeout else {
            return Ok(self.fetcher.fetch(&request)?);
        };
        let (sender, receiver) = sync_channel(1);
        let fetcher = Arc::clone(&self.fetcher);
        std::thread::spawn(move || {
            // Nobody may wait any more.
            let _ = sender.send(fetcher.fetch(&request));
        });
        let watch = Stopwatch::start();
        loop {
            let left = watch.left(timeout);
            match receiver.recv_timeout(left.unwrap_or_default().min(CANCEL_POLL)) {
                Ok(fetched) => return Ok(fetched?),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(FetchError::permanent("the source panicked").into());
                }
                Err(RecvTimeoutError::Timeout) if writer.is_cancelled() => {
                    let why = "the job was cancelled while the source was asked";
                    return Err(BackfillError::new(BackfillErrorKind::Cancelled, why));
                }
                Err(RecvTimeoutError::Timeout) if left.is_none() => {
                    let why = format!("the source gave no answer for {timeout:?}");
                    return Err(FetchError::transient(why).into());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl<F: Fetcher + 'static> BackfillStrategy for FetcherStrategy<F> {
    fn fill(&self, gap: &Gap, writer: &mut GapWriter) -> Result<Filled, BackfillError> {
        writer.set_source(self.fetcher.name());
        while let Some(request) = next_request(gap, writer) {
            let (start, end) = (request.start, request.end);
            let fetched = self.fetch(request, writer)?;
            take(gap, writer, start..end, fetched, self.clips)?;
        }
        Ok(Filled::default())
    }

    fn name(&self) -> &str {
        "fetcher"
    }
}

/// What is to be asked next; `None` when nothing is.
pub(super) fn next_request(gap: &Gap, writer: &GapWriter) -> Option<FetchRequest> {
    let range = writer.next_range()?;
    Some(FetchRequest {
        table: writer.table().name().to_owned(),
        series: gap.series.clone(),
        interval: gap.interval,
        start: range.start,
        end: range.end,
        attempt: writer.attempt(),
        schema: Arc::clone(writer.schema()),
    })
}

/// Writes an answer.
pub(super) fn take(
    gap: &Gap,
    writer: &mut GapWriter,
    asked: std::ops::Range<i64>,
    fetched: Fetched,
    clips: bool,
) -> Result<(), BackfillError> {
    let through = fetched.through.unwrap_or(asked.end);
    if through <= asked.start && !asked.is_empty() {
        return Err(FetchError::transient(format!(
            "the source attests nothing of {gap}: it has come to {} only",
            crate::coverage::instant(through)
        ))
        .into());
    }
    let range = asked.start..through.min(asked.end);
    let batches = match clips {
        true => writer.clipped(&fetched.batches, &range)?,
        false => fetched.batches,
    };
    let before = writer.remaining().first().cloned();
    match fetched.is_partial {
        true => writer.write_partial(range, &batches)?,
        false => writer.write(range, &batches)?,
    };
    // Without this a source that attests less than a slot would be asked for ever.
    if writer.remaining().first() == before.as_ref() && before.is_some() {
        return Err(FetchError::transient(format!("the source attests less than one slot of {gap}")).into());
    }
    Ok(())
}
