//! Group commit under every schedule of a few threads (loom), on a log that only knows what was synced.
//!
//! The weakest disk that keeps its word: a sync covers what was in its file when the sync began, and the sync of a
//! directory the names that were there when it began. Preemptions are bounded (`LOOM_MAX_PREEMPTIONS`); loom reports
//! deadlocks and lost wake-ups by itself. What it was seen to catch when planted: a target that is read after the sync, or
//! after the lock is gone, so that a new file lies between; a failure that only its thread learns of, with and without
//! a second sync; a name that is not synced after a rotation; a missing notification.

use std::sync::Mutex as StdMutex;

use loom::sync::Arc;
use loom::sync::atomic::Ordering;
use loom::thread;

use super::super::primitives::{Call, Lock, Position, Primitives};
use super::GroupCommit;
use crate::error::{Error, Result};
use crate::io::WritableFile;

/// Bytes of each commit.
const COMMIT: u64 = 10;

enum Loom {}

impl Primitives for Loom {
    type Lock<T: Send> = loom::sync::Mutex<T>;
    type Position = LoomPosition;
    type Call = LoomCall;
}

impl<T> Lock<T> for loom::sync::Mutex<T> {
    type Guard<'a>
        = loom::sync::MutexGuard<'a, T>
    where
        T: 'a;

    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn lock(&self) -> Self::Guard<'_> {
        self.lock().expect("no panic")
    }
}

struct LoomCall {
    word: loom::sync::atomic::AtomicU32,
    thread: thread::Thread,
}

impl Call for LoomCall {
    fn new() -> Self {
        Self {
            word: loom::sync::atomic::AtomicU32::new(0),
            thread: thread::current(),
        }
    }

    fn say(&self, word: u32) {
        self.word.store(word, Ordering::Release);
        self.thread.unpark();
    }

    fn wait(&self, _: std::time::Duration) -> u32 {
        loop {
            match self.word.load(Ordering::Acquire) {
                0 => thread::park(),
                word => return word,
            }
        }
    }

    /// The time is over whenever the schedule says so.
    fn wait_for(&self, _: std::time::Duration) -> Option<u32> {
        thread::yield_now();
        Some(self.word.load(Ordering::Acquire)).filter(|word| *word != 0)
    }
}

struct LoomPosition(loom::sync::atomic::AtomicU64);

impl Position for LoomPosition {
    fn new(position: u64) -> Self {
        Self(loom::sync::atomic::AtomicU64::new(position))
    }

    fn store(&self, position: u64) {
        self.0.store(position, Ordering::Release);
    }

    fn load(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// What is on the disk. No schedule point: it only observes.
#[derive(Debug, Default)]
struct Disk {
    files: Vec<FileOnDisk>,
    syncs: usize,
    /// The sync with this number fails, and none may follow it.
    fails_at: Option<usize>,
    has_failed: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct FileOnDisk {
    first_lsn: u64,
    written: u64,
    durable: u64,
    has_durable_name: bool,
}

type SharedDisk = std::sync::Arc<StdMutex<Disk>>;

impl Disk {
    fn begin_sync(&mut self) {
        assert!(!self.has_failed, "a sync after one that failed");
        self.syncs += 1;
    }

    fn end_sync(&mut self) -> Result<()> {
        if self.fails_at == Some(self.syncs) {
            self.has_failed = true;
            return Err(Error::io("planned"));
        }
        Ok(())
    }

    /// Whether every byte below an LSN would survive a power cut.
    fn is_durable(&self, lsn: u64) -> bool {
        let needed = self.files.iter().filter(|file| file.first_lsn < lsn);
        needed.into_iter().all(|file| {
            let end = file.written.min(lsn);
            file.has_durable_name && file.durable >= end
        }) && self.files.iter().map(|file| file.durable).max() >= Some(lsn)
    }
}

/// The syncing end of a log file.
#[derive(Debug)]
struct Syncer {
    disk: SharedDisk,
    number: usize,
}

impl WritableFile for Syncer {
    fn append(&mut self, _: &[u8]) -> Result<()> {
        Err(Error::internal("the syncing end does not write"))
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<()> {
        Err(Error::internal("the syncing end does not write"))
    }

    fn truncate(&mut self, _: u64) -> Result<()> {
        Err(Error::internal("the syncing end does not write"))
    }

    fn sync(&mut self) -> Result<()> {
        let mut disk = self.disk.lock().expect("no panic");
        disk.begin_sync();
        let covered = disk.files[self.number].written;
        drop(disk);
        thread::yield_now(); // Others go on while the disk works.
        let mut disk = self.disk.lock().expect("no panic");
        disk.end_sync()?;
        let file = &mut disk.files[self.number];
        file.durable = file.durable.max(covered);
        Ok(())
    }

    fn len(&self) -> u64 {
        0
    }

    fn refresh_len(&mut self) -> Result<u64> {
        Ok(0)
    }
}

/// A stream as [`super::super::Stream`] is one, without rows.
struct Log {
    next_lsn: loom::sync::Mutex<u64>,
    durable: GroupCommit<Loom>,
    disk: SharedDisk,
}

impl Log {
    fn new(fails_at: Option<usize>) -> Arc<Self> {
        let disk = Disk {
            fails_at,
            ..Disk::default()
        };
        let log = Self {
            next_lsn: loom::sync::Mutex::new(0),
            durable: GroupCommit::new(0),
            disk: std::sync::Arc::new(StdMutex::new(disk)),
        };
        log.add_file(0);
        Arc::new(log)
    }

    fn add_file(&self, first_lsn: u64) {
        let mut disk = self.disk.lock().expect("no panic");
        let number = disk.files.len();
        disk.files.push(FileOnDisk {
            first_lsn,
            written: first_lsn,
            durable: first_lsn,
            has_durable_name: false,
        });
        drop(disk);
        self.durable.add(Box::new(Syncer {
            disk: std::sync::Arc::clone(&self.disk),
            number,
        }));
    }

    /// Writes a commit, into a new file if `rotates`; the position after it.
    fn append(&self, rotates: bool) -> u64 {
        let mut next_lsn = self.next_lsn.lock().expect("no panic");
        if rotates {
            self.add_file(*next_lsn);
        }
        *next_lsn += COMMIT;
        if let Some(file) = self.disk.lock().expect("no panic").files.last_mut() {
            file.written = *next_lsn;
        }
        self.durable.note_written(*next_lsn);
        *next_lsn
    }

    fn wait(&self, lsn: u64) -> Result<()> {
        let sync_names = || {
            let mut disk = self.disk.lock().expect("no panic");
            disk.begin_sync();
            let named = disk.files.len();
            drop(disk);
            thread::yield_now();
            let mut disk = self.disk.lock().expect("no panic");
            disk.end_sync()?;
            for file in disk.files.iter_mut().take(named) {
                file.has_durable_name = true;
            }
            Ok(())
        };
        self.durable.wait(lsn, sync_names, |outcome| {
            outcome.as_ref().err().map(|_| Error::io("told"))
        })
    }

    /// Appends and waits, and proves what the answer says.
    fn commit(&self, rotates: bool) -> bool {
        let lsn = self.append(rotates);
        match self.wait(lsn) {
            Ok(()) => {
                assert!(self.durable.synced() >= lsn);
                // Not held over a call of loom, which would switch threads.
                let disk = self.disk.lock().expect("no panic");
                assert!(disk.is_durable(lsn), "LSN {lsn} was acknowledged: {disk:?}");
                true
            }
            Err(error) => {
                assert_eq!(error.to_string(), "told");
                assert!(self.disk.lock().expect("no panic").has_failed);
                assert!(self.durable.check().is_err());
                assert!(self.durable.synced() < lsn, "LSN {lsn} was durable");
                false
            }
        }
    }
}

/// Runs each thread's commits (true for one that begins a new file) under every schedule. Gives the number of schedules.
fn explore(preemptions: usize, fails_at: Option<usize>, threads: &'static [&'static [bool]]) -> usize {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(preemptions));
    let schedules = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&schedules);
    model.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = Log::new(fails_at);
        let run = |log: &Log, commits: &[bool]| -> usize {
            commits.iter().filter(|rotates| !log.commit(**rotates)).count()
        };
        let (own, others) = threads.split_first().expect("a thread");
        let spawned: Vec<_> = others
            .iter()
            .map(|commits| {
                let log = Arc::clone(&log);
                thread::spawn(move || run(&log, commits))
            })
            .collect();
        let mut failed = run(&log, own);
        for other in spawned {
            failed += other.join().expect("no panic");
        }
        let disk = log.disk.lock().expect("no panic");
        assert_eq!(failed > 0, disk.has_failed, "{disk:?}");
        let total: usize = threads.iter().map(|commits| commits.len()).sum();
        if !disk.has_failed {
            assert!(disk.is_durable(total as u64 * COMMIT));
        } else {
            // Nobody gets an answer after the failure but the failure.
            drop(disk);
            assert!(!log.commit(false));
            assert!(!log.commit(true));
        }
    });
    schedules.load(std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn under_every_schedule_what_is_acknowledged_is_durable_and_everybody_is_woken() {
    let two = explore(4, None, &[&[false, false], &[false, false]]);
    let three = explore(2, None, &[&[false], &[false], &[false]]);
    println!("{two} schedules of two threads, {three} of three");
    assert!(two > 10 && three > 10);
}

#[test]
fn under_every_schedule_a_new_file_between_append_and_sync_is_covered_with_its_name() {
    let two = explore(4, None, &[&[false, true], &[true, false]]);
    let three = explore(2, None, &[&[false], &[true], &[false]]);
    println!("{two} schedules of two threads, {three} of three");
    assert!(two > 10 && three > 10);
}

#[test]
fn under_every_schedule_a_failed_sync_reaches_all_who_wait_and_is_not_repeated() {
    let mut schedules = 0;
    // The syncs of a log with one file: the file, its name, the file again. With two files there are more.
    for fails_at in 1..=3 {
        schedules += explore(2, Some(fails_at), &[&[false], &[false], &[false]]);
        schedules += explore(2, Some(fails_at), &[&[false, false], &[true]]);
    }
    println!("{schedules} schedules");
    assert!(schedules > 100);
}
