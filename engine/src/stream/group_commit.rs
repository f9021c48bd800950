//! Makes a log durable for many threads at once: one of them syncs for all who wait.

use super::monitor::{Monitor, ParkingLot, Position, Primitives};
use crate::error::{Error, Result};
use crate::io::WritableFile;

/// How far a log is written and how far it is durable.
pub(crate) struct GroupCommit<P: Primitives = ParkingLot> {
    written: P::Position,
    state: P::Monitor<State>,
}

pub(crate) struct State {
    synced: u64,
    /// The files that hold what is not durable yet, oldest first; taken by the thread that syncs them.
    files: Option<Files>,
    /// Files that were made while a sync was running.
    added: Vec<Box<dyn WritableFile>>,
    failed: Option<Error>,
}

/// What a sync has to cover.
#[derive(Default)]
pub(crate) struct Files {
    files: Vec<Box<dyn WritableFile>>,
    /// The name of the last one is not durable.
    pub(crate) has_new_name: bool,
}

impl<P: Primitives> std::fmt::Debug for GroupCommit<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupCommit")
            .field("written", &self.written())
            .finish_non_exhaustive()
    }
}

impl<P: Primitives> GroupCommit<P> {
    /// A log of which everything below `lsn` is durable.
    pub(crate) fn new(lsn: u64) -> Self {
        Self {
            written: P::Position::new(lsn),
            state: P::Monitor::new(State {
                synced: lsn,
                files: Some(Files::default()),
                added: Vec::new(),
                failed: None,
            }),
        }
    }

    /// A file into which what follows is written. Nothing was written to it yet.
    pub(crate) fn add(&self, file: Box<dyn WritableFile>) {
        self.state.lock().added.push(file);
    }

    /// Everything below `lsn` is written. Called in order, by one thread at a time.
    pub(crate) fn note_written(&self, lsn: u64) {
        self.written.store(lsn);
    }

    /// How far the log is written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load()
    }

    /// How far the log is durable.
    pub(crate) fn synced(&self) -> u64 {
        self.state.lock().synced
    }

    /// The error after which nothing can be made durable any more.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.state.lock().failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Returns when everything below `lsn` is durable. `sync_names` makes the names of new files durable, `done` is
    /// told by the thread that has synced how far, or why not.
    ///
    /// # Errors
    /// That of the first sync that failed, to everybody who waits then or later for what is not durable. It is not tried
    /// again.
    pub(crate) fn wait(
        &self,
        lsn: u64,
        sync_names: impl Fn() -> Result<()>,
        done: impl Fn(&Result<u64>) -> Option<Error>,
    ) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            if state.synced >= lsn {
                return Ok(()); // Also when a later sync has failed before this thread woke up.
            }
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            let Some(mut files) = state.files.take() else {
                state = self.state.wait(state);
                continue;
            };
            files.take_new(&mut state.added);
            // Under the lock: what is written by now lies in the files taken.
            let target = self.written();
            drop(state);
            let outcome = files.sync(&sync_names).map(|()| target);
            let failure = done(&outcome);
            state = self.state.lock();
            match outcome {
                Ok(target) => state.synced = state.synced.max(target),
                Err(error) => state.failed = Some(failure.unwrap_or(error)),
            }
            state.files = Some(files);
            self.state.notify_all();
        }
    }
}

impl Files {
    fn take_new(&mut self, added: &mut Vec<Box<dyn WritableFile>>) {
        self.has_new_name |= !added.is_empty();
        self.files.append(added);
    }

    /// Syncs all files, then their names. Only the last one is still written to.
    fn sync(&mut self, sync_names: impl Fn() -> Result<()>) -> Result<()> {
        self.files.iter_mut().try_for_each(|file| file.sync())?;
        if self.has_new_name {
            sync_names()?;
            self.has_new_name = false;
        }
        let closed = self.files.len().saturating_sub(1);
        self.files.drain(..closed);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
