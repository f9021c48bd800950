//! Brings what every process has streamed into segments, before a version gets a name that is to last.

use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::snapshot::Snapshot;
use crate::clock::Stopwatch;
use crate::error::{Error, ErrorKind, Result};
use crate::stream;

/// How long other processes may take. They look for the request twice a second.
const SETTLE_TIME: Duration = Duration::from_secs(10);
const POLL_TIME: Duration = Duration::from_millis(20);

impl Engine {
    /// Returns when all that was committed before is in segments, or cannot be read any more by anybody.
    ///
    /// # Errors
    /// `Locked` when another process does not flush what it has streamed; `Corrupt` when one died whose log is damaged.
    pub(crate) fn settle(self: &Arc<Self>) -> Result<()> {
        self.flush()?;
        let newest = Snapshot::newest(self)?;
        let others: Vec<(u64, i64)> = newest
            .live()
            .newest_by_stream()
            .filter(|(stream, _)| !self.owns_stream(*stream))
            .collect();
        drop(newest);
        for (stream, _) in &others {
            stream::ask_to_flush(&**self.storage(), *stream)?;
        }
        let watch = Stopwatch::start();
        loop {
            let version = self.refresh()?;
            let waits = |(stream, commit): &&(u64, i64)| {
                version.stream(*stream).is_some_and(|meta| meta.flushed < *commit)
            };
            let Some((stream, _)) = others.iter().find(waits) else {
                return Ok(());
            };
            if watch.left(SETTLE_TIME).is_none() {
                return Err(Error::new(
                    ErrorKind::Locked,
                    format!(
                        "another process has rows in wal/{stream:016x} that are in no segment yet, and has not flushed \
                         them for {} s: end it, or have it flush, and try again",
                        SETTLE_TIME.as_secs()
                    ),
                ));
            }
            stream::recover_dead(self, false)?;
            std::thread::sleep(POLL_TIME);
        }
    }
}
