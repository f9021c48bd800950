//! What ends when the last handle of a database is dropped.

use std::sync::Arc;

use super::engine::Engine;

/// The handles of an open database. Snapshots may outlive them.
#[derive(Debug)]
pub(crate) struct Session {
    engine: Arc<Engine>,
}

impl Session {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        Self {
            engine: Arc::clone(engine),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A process that forked has its parent's handles, and neither its threads nor its locks.
        if self.engine.check_process().is_err() {
            return;
        }
        self.engine.background().stop();
        if let Err(error) = self.engine.end_stream() {
            tracing::warn!(%error, "streamed rows stay in the log; who opens the database next flushes them");
        }
    }
}
