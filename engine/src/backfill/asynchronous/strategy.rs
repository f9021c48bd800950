//! Asynchronous sources and strategies.

use std::sync::Arc;
use std::time::Duration;

use super::super::fetch::{FetchError, FetchRequest, Fetched};
use super::super::fetcher::take;
use super::super::strategy::{BackfillError, Filled};
use super::writer::AsyncGapWriter;
use crate::coverage::Gap;

/// Gives rows of a series in a range, as [`super::super::Fetcher`] does, without keeping a thread while it waits.
pub trait AsyncFetcher: Send + Sync {
    /// The rows of a range.
    ///
    /// The future may be dropped before it is done: when it takes too long, or the job is cancelled.
    ///
    /// # Errors
    /// [`FetchError::transient`] for what may work later, [`FetchError::permanent`] for what will not.
    fn fetch(&self, request: &FetchRequest) -> impl Future<Output = Result<Fetched, FetchError>> + Send;

    /// Who it is, in coverage and reports.
    fn name(&self) -> &str {
        "fetcher"
    }
}

/// Fills gaps through an [`AsyncGapWriter`], which is the only way in.
pub trait AsyncBackfillStrategy: Send + Sync {
    /// Fills a gap, or what an earlier attempt has left of it. What it commits stays, also when it fails afterwards, or its future is
    /// dropped because the job was cancelled.
    ///
    /// # Errors
    /// [`BackfillError`]: a transient one is tried again. A panic fails the gap, and the job goes on.
    fn fill(
        &self,
        gap: &Gap,
        writer: &mut AsyncGapWriter,
    ) -> impl Future<Output = Result<Filled, BackfillError>> + Send;

    /// Which kind it is, in metrics: `fetcher`, ...
    fn name(&self) -> &str;
}

/// Asks an [`AsyncFetcher`] for each gap and writes what it gives, as [`super::super::FetcherStrategy`] does.
#[derive(Debug)]
pub struct AsyncFetcherStrategy<F> {
    fetcher: F,
    timeout: Option<Duration>,
    clips: bool,
}

impl<F: AsyncFetcher> AsyncFetcherStrategy<F> {
    /// Asks `fetcher`.
    pub fn new(fetcher: F) -> Self {
        Self {
            fetcher,
            timeout: None,
            clips: false,
        }
    }

    /// Gives a request up after so long, as a transient error.
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

    async fn fetch(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        let Some(timeout) = self.timeout else {
            return self.fetcher.fetch(request).await;
        };
        match tokio::time::timeout(timeout, self.fetcher.fetch(request)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(FetchError::transient(format!(
                "the source gave no answer for {timeout:?}"
            ))),
        }
    }
}

impl<F: AsyncFetcher> AsyncBackfillStrategy for AsyncFetcherStrategy<F> {
    async fn fill(&self, gap: &Gap, writer: &mut AsyncGapWriter) -> Result<Filled, BackfillError> {
        let gap = Arc::new(gap.clone());
        writer.set_source(self.fetcher.name()).await?;
        while let Some(request) = writer.next_request().await? {
            let fetched = self.fetch(&request).await?;
            let (gap, clips) = (Arc::clone(&gap), self.clips);
            let written = writer.blocking(move |writer| take(&gap, writer, request.range(), fetched, clips));
            written.await??;
        }
        Ok(Filled::default())
    }

    fn name(&self) -> &str {
        "fetcher"
    }
}
