//! Makes a log durable for many threads at once: one of them syncs for all who wait.

use std::sync::Arc;
use std::time::Duration;

use super::primitives::{Call, Lock, ParkingLot, Position, Primitives};
use crate::clock::Stopwatch;
use crate::error::{Error, Result};
use crate::io::WritableFile;

/// How far a log is written and how far it is durable.
pub(crate) struct GroupCommit<P: Primitives = ParkingLot> {
    written: P::Position,
    state: P::Lock<State<P>>,
}

struct State<P: Primitives> {
    synced: u64,
    /// A thread syncs, or was told to.
    is_led: bool,
    /// The files that hold what is not durable yet, oldest first; with the thread that syncs them while it does.
    files: Files,
    /// Files that were made while a sync was running.
    added: Vec<Box<dyn WritableFile>>,
    /// Who waits, in order of coming.
    waiting: Vec<Waiting<P>>,
    gathering: Gathering<P>,
    failed: Option<Error>,
}

/// A thread that waits until everything below an LSN is durable.
struct Waiting<P: Primitives> {
    lsn: u64,
    call: Arc<P::Call>,
}

/// A leader lets those come first who were answered a moment ago: threads that commit one row after the other then
/// share each sync, instead of every second one.
struct Gathering<P: Primitives> {
    /// How many threads may come, the leader with them.
    expected: usize,
    /// The leader that waits for them.
    leader: Option<Arc<P::Call>>,
    /// Syncs before which nobody is waited for, because the last time somebody did not come.
    pause: u32,
    /// How long the last sync took.
    sync_time: Duration,
}

/// Longest time for which a leader waits for others, and the next one is awake; the time of a sync if that is less.
const GATHER_TIME_MAX: Duration = Duration::from_micros(200);
/// Syncs without waiting after others did not come.
const GATHER_PAUSE: u32 = 8;

/// Said to a leader that waits for others: they have come.
const GATHERED: u32 = 4;
/// Said to a thread that waits: what it waits for is durable.
const DURABLE: u32 = 1;
/// Said to a thread that waits: a sync has failed, what it waits for will never be durable.
const FAILED: u32 = 2;
/// Said to a thread that waits: the next sync is its own.
const LEAD: u32 = 3;

/// What a sync has to cover.
#[derive(Default)]
struct Files {
    files: Vec<Box<dyn WritableFile>>,
    /// The name of the last one is not durable.
    has_new_name: bool,
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
            state: P::Lock::new(State {
                synced: lsn,
                is_led: false,
                files: Files::default(),
                added: Vec::new(),
                waiting: Vec::new(),
                gathering: Gathering {
                    expected: 1,
                    leader: None,
                    pause: 0,
                    sync_time: Duration::ZERO,
                },
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
        if let Some(answer) = state.answer(lsn) {
            return answer;
        }
        if state.is_led {
            let call = Arc::new(P::Call::new());
            // The first one leads the next sync, and the disk should not wait until it is awake.
            let spin = match state.waiting.is_empty() {
                true => state.gathering.sync_time.min(GATHER_TIME_MAX),
                false => Duration::ZERO,
            };
            state.waiting.push(Waiting {
                lsn,
                call: Arc::clone(&call),
            });
            let gathered = state.gathered();
            drop(state);
            if let Some(leader) = gathered {
                leader.say(GATHERED);
            }
            match call.wait(spin) {
                DURABLE => return Ok(()), // Also when a later sync has failed before this thread woke up.
                LEAD => state = self.state.lock(),
                _ => return self.check(),
            }
        }
        state.is_led = true;
        drop(state);
        self.lead(sync_names, done);
        let state = self.state.lock();
        let covers_less = || Err(Error::internal("a sync that covers less than was written"));
        state.answer(lsn).unwrap_or_else(covers_less)
    }

    /// Syncs for all who wait, after those who are expected have come, and tells them and the next leader.
    fn lead(&self, sync_names: impl Fn() -> Result<()>, done: impl Fn(&Result<u64>) -> Option<Error>) {
        let mut state = self.state.lock();
        if let Some((call, limit)) = state.gather() {
            drop(state);
            let have_come = call.wait_for(limit).is_some();
            state = self.state.lock();
            state.gathering.end(have_come);
        }
        let mut files = std::mem::take(&mut state.files);
        files.take_new(&mut state.added);
        // Under the lock: what is written by now lies in the files taken.
        let target = self.written();
        drop(state);
        let watch = Stopwatch::start();
        let outcome = files.sync(&sync_names).map(|()| target);
        let sync_time = watch.elapsed();
        let failure = done(&outcome);
        let mut state = self.state.lock();
        match outcome {
            Ok(target) => state.synced = state.synced.max(target),
            Err(error) => state.failed = Some(failure.unwrap_or(error)),
        }
        state.files = files;
        state.gathering.sync_time = sync_time;
        let calls = state.next_calls();
        drop(state); // Those who are woken may need it.
        for (call, word) in calls {
            call.say(word);
        }
    }
}

impl<P: Primitives> State<P> {
    /// What is known of an LSN: durable, or never to be.
    fn answer(&self, lsn: u64) -> Option<Result<()>> {
        if self.synced >= lsn {
            return Some(Ok(()));
        }
        self.failed.clone().map(Err)
    }

    /// What a leader waits for, and for how long; `None` when nobody else is expected.
    fn gather(&mut self) -> Option<(Arc<P::Call>, Duration)> {
        let gathering = &mut self.gathering;
        gathering.pause = gathering.pause.saturating_sub(1);
        if gathering.pause > 0 || self.waiting.len() + 1 >= gathering.expected {
            return None;
        }
        let call = Arc::new(P::Call::new());
        gathering.leader = Some(Arc::clone(&call));
        Some((call, gathering.sync_time.min(GATHER_TIME_MAX)))
    }

    /// The leader that waits, when the last one it waits for has come.
    fn gathered(&mut self) -> Option<Arc<P::Call>> {
        let are_there = self.waiting.len() + 1 >= self.gathering.expected;
        self.gathering.leader.take_if(|_| are_there)
    }

    /// Who is to be called after a sync, the next leader first: the disk should not wait for it.
    fn next_calls(&mut self) -> Vec<(Arc<P::Call>, u32)> {
        let (synced, has_failed) = (self.synced, self.failed.is_some());
        let (ended, mut left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| has_failed || waiting.lsn <= synced);
        self.gathering.expected = 1 + ended.len() + left.len();
        self.is_led = !left.is_empty();
        let leader = self.is_led.then(|| (left.remove(0).call, LEAD));
        self.waiting = left;
        let ended = ended.into_iter().map(|waiting| {
            let word = if waiting.lsn <= synced { DURABLE } else { FAILED };
            (waiting.call, word)
        });
        leader.into_iter().chain(ended).collect()
    }
}

impl<P: Primitives> Gathering<P> {
    /// The leader goes on.
    fn end(&mut self, have_come: bool) {
        self.leader = None;
        if !have_come {
            self.pause = GATHER_PAUSE;
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
