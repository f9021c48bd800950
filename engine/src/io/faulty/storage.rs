//! The [`Storage`] calls, counted, logged, and struck by the planned fault.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::super::memory::{FileNode, MemoryStorage, Place};
use super::super::{DirEntry, FileLock, FileStamp, LockMode, ReadableFile, RelPath, Storage, WritableFile};
use super::disk::{Disk, Pending, Slot};
use super::file::{FaultyLock, FaultyReadable, FaultyWritable};
use super::image::CrashImages;
use super::plan::{CallKind, Fault, FaultPlan};
use crate::error::{Error, ErrorKind, Result};

/// A file system in memory that fails on command; see the crash model in its module. Clones share it.
///
/// ```
/// use gapless_engine::io::{Fault, FaultPlan, FaultyStorage, RelPath, Storage};
/// let storage = FaultyStorage::new();
/// storage.set_plan(Some(FaultPlan::once(3, Fault::Crash)));
/// let path = RelPath::new("f")?;
/// let mut file = storage.create(&path)?;   // call 1
/// file.append(b"rows")?;                   // call 2
/// assert!(file.sync().is_err());           // call 3: the power goes
/// for disk in storage.crashed_images(7, 100) {
///     // Without `sync_dir` the name may be missing; without the sync, the bytes.
///     let bytes = disk.read(&path, 100).unwrap_or_default();
///     assert!(bytes.is_empty() || bytes == b"rows" || bytes == [0; 4], "{}", disk.origin());
/// }
/// # Ok::<(), gapless_engine::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FaultyStorage {
    shared: Arc<Shared>,
}

/// What the storage and its open files share.
#[derive(Debug)]
pub(super) struct Shared {
    live: MemoryStorage,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) disk: Disk,
    plan: Option<FaultPlan>,
    calls: u64,
    log: Vec<String>,
    retried_syncs: Vec<String>,
    has_struck: bool,
    has_crashed: bool,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    /// Carried out, pending, and reported as an error.
    Crash,
    /// Not carried out, or half.
    Fail(Fault),
}

impl Default for FaultyStorage {
    fn default() -> Self {
        Self::over(MemoryStorage::new())
    }
}

impl FaultyStorage {
    /// An empty file system without a planned fault.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A file system that starts as `storage` is now, all of it durable: the machine after a restart.
    #[must_use]
    pub fn over(storage: MemoryStorage) -> Self {
        let live = storage.deep_copy();
        let state = State {
            disk: Disk::of(&live),
            plan: None,
            calls: 0,
            log: Vec::new(),
            retried_syncs: Vec::new(),
            has_struck: false,
            has_crashed: false,
        };
        Self {
            shared: Arc::new(Shared {
                live,
                state: Mutex::new(state),
            }),
        }
    }

    /// Plans a fault, or none. Calls keep their numbers; a power cut stays one.
    pub fn set_plan(&self, plan: Option<FaultPlan>) {
        let mut state = self.shared.state.lock();
        state.plan = plan;
        state.has_struck = false;
    }

    /// How many calls that change something were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.shared.state.lock().calls
    }

    /// True when the power is off.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.shared.state.lock().has_crashed
    }

    /// One line per counted call: its number, what it was, and what struck it.
    #[must_use]
    pub fn op_log(&self) -> Vec<String> {
        self.shared.state.lock().log.clone()
    }

    /// The syncs that were called on a handle whose sync had failed before. There must be none.
    #[must_use]
    pub fn retried_syncs(&self) -> Vec<String> {
        self.shared.state.lock().retried_syncs.clone()
    }

    /// What a power cut at this moment may leave: at most `limit` file systems, no two alike.
    ///
    /// First what every process sees now (only the process was killed), then what a sync made durable and nothing
    /// else, then the states nearest to the order in which things were done. All of them if they are no more than
    /// `limit`, otherwise a sample that `seed` decides.
    #[must_use]
    pub fn crashed_images(&self, seed: u64, limit: usize) -> CrashImages {
        let state = self.shared.state.lock();
        CrashImages::new(state.disk.clone(), &self.shared.live, seed, limit)
    }

    /// Makes a change of names, if the plan lets it.
    fn change(
        &self,
        describe: impl FnOnce() -> String,
        carry_out: impl FnOnce(&MemoryStorage, &mut Disk) -> Result<()>,
    ) -> Result<()> {
        let (mut state, verdict) = self.shared.begin(CallKind::Change, describe)?;
        if let Verdict::Fail(fault) = verdict {
            return Err(struck(fault));
        }
        let done = carry_out(&self.shared.live, &mut state.disk);
        if verdict == Verdict::Crash {
            Err(struck(Fault::Crash))
        } else {
            done
        }
    }

    fn create_node(&self, operation: &str, path: &RelPath) -> Result<Arc<FileNode>> {
        let mut created = None;
        self.change(
            || format!("{operation} {path}"),
            |live, disk| {
                let node = live.create_file(path)?;
                disk.created_file(slot(live.place(operation, path)?), node.id);
                created = Some(node);
                Ok(())
            },
        )?;
        created.ok_or_else(|| Error::internal("a file was created and is not there"))
    }

    fn remove(
        &self,
        operation: &'static str,
        path: &RelPath,
        carry_out: impl FnOnce(&MemoryStorage) -> Result<()>,
    ) -> Result<()> {
        self.change(
            || format!("{operation} {path}"),
            |live, disk| {
                let place = live.place(operation, path)?;
                carry_out(live)?;
                if let Some(id) = place.id {
                    disk.pending.push(Pending::Unlink {
                        slot: slot(place),
                        id,
                    });
                }
                Ok(())
            },
        )
    }

    fn lock_file(&self, path: &RelPath) -> Result<Arc<FileNode>> {
        loop {
            match self.shared.live.file("lock", path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => return other,
            }
            match self.create_node("create lock file", path) {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                other => return other,
            }
        }
    }
}

impl Shared {
    /// Counts and logs a call and says what becomes of it. The state stays locked until it is carried out.
    pub(super) fn begin(
        &self,
        kind: CallKind,
        describe: impl FnOnce() -> String,
    ) -> Result<(MutexGuard<'_, State>, Verdict)> {
        let mut state = self.state.lock();
        if state.has_crashed {
            return Err(struck(Fault::Crash));
        }
        state.calls += 1;
        let call = state.calls;
        let fault = state
            .plan
            .and_then(|plan| plan.strikes(call, kind, state.has_struck));
        let line = describe();
        state.log.push(match fault {
            Some(fault) => format!("{call} {line} -> {fault:?}"),
            None => format!("{call} {line}"),
        });
        state.has_struck |= fault.is_some();
        let verdict = match fault {
            None => Verdict::Proceed,
            Some(Fault::Crash) => {
                state.has_crashed = true;
                Verdict::Crash
            }
            Some(fault) => Verdict::Fail(fault),
        };
        Ok((state, verdict))
    }

    /// Fails when the power is off.
    pub(super) fn check_power(&self) -> Result<()> {
        if self.state.lock().has_crashed {
            Err(struck(Fault::Crash))
        } else {
            Ok(())
        }
    }

    pub(super) fn note_retried_sync(&self, line: String) {
        self.state.lock().retried_syncs.push(line);
    }
}

/// The error of a planned fault.
pub(super) fn struck(fault: Fault) -> Error {
    Error::io(match fault {
        Fault::Io => "planned fault: Input/output error (os error 5)",
        Fault::NoSpace => "planned fault: No space left on device (os error 28)",
        Fault::LostSync => "planned fault: Input/output error (os error 5), pending data dropped",
        Fault::Crash => "planned fault: the power is off",
    })
}

fn slot(place: Place) -> Slot {
    (place.dir, place.name)
}

impl Storage for FaultyStorage {
    fn create(&self, path: &RelPath) -> Result<Box<dyn WritableFile>> {
        let node = self.create_node("create", path)?;
        Ok(Box::new(FaultyWritable::new(
            Arc::clone(&self.shared),
            node,
            path,
            0,
        )))
    }

    fn append_to(&self, path: &RelPath) -> Result<Box<dyn WritableFile>> {
        self.shared.check_power()?;
        let node = self.shared.live.file("append to", path)?;
        let len = node.len();
        Ok(Box::new(FaultyWritable::new(
            Arc::clone(&self.shared),
            node,
            path,
            len,
        )))
    }

    fn open(&self, path: &RelPath) -> Result<Arc<dyn ReadableFile>> {
        self.shared.check_power()?;
        let inner = self.shared.live.open(path)?;
        Ok(Arc::new(FaultyReadable {
            inner,
            shared: Arc::clone(&self.shared),
        }))
    }

    fn read(&self, path: &RelPath, limit: u64) -> Result<Vec<u8>> {
        self.shared.check_power()?;
        self.shared.live.read(path, limit)
    }

    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        self.change(
            || format!("rename {from} to {to}"),
            |live, disk| {
                let old = live.place("rename", from)?;
                live.rename(from, to)?;
                let new = live.place("rename", to)?;
                if let (Some(id), false) = (old.id, from == to) {
                    disk.pending.push(Pending::Rename {
                        from: slot(old),
                        to: slot(new),
                        id,
                    });
                }
                Ok(())
            },
        )
    }

    fn remove_file(&self, path: &RelPath) -> Result<()> {
        self.remove("remove", path, |live| live.remove_file(path))
    }

    fn remove_dir(&self, path: &RelPath) -> Result<()> {
        self.remove("remove directory", path, |live| live.remove_dir(path))
    }

    fn create_dir(&self, path: &RelPath) -> Result<()> {
        self.change(
            || format!("create directory {path}"),
            |live, disk| {
                live.create_dir(path)?;
                let place = live.place("create directory", path)?;
                if let Some(id) = place.id {
                    disk.created_dir(slot(place), id);
                }
                Ok(())
            },
        )
    }

    fn sync_dir(&self, path: &RelPath) -> Result<()> {
        let describe = || format!("sync directory {path}");
        let (mut state, verdict) = self.shared.begin(CallKind::SyncDir, describe)?;
        match verdict {
            Verdict::Proceed => {}
            Verdict::Crash => return Err(struck(Fault::Crash)),
            Verdict::Fail(fault) => return Err(struck(fault)),
        }
        self.shared.live.sync_dir(path)?;
        if let Some(stamp) = self.shared.live.stamp(path)? {
            state.disk.synced_dir(stamp.identity);
        }
        Ok(())
    }

    fn list(&self, path: &RelPath) -> Result<Vec<DirEntry>> {
        self.shared.check_power()?;
        self.shared.live.list(path)
    }

    fn stamp(&self, path: &RelPath) -> Result<Option<FileStamp>> {
        self.shared.check_power()?;
        self.shared.live.stamp(path)
    }

    fn lock(&self, path: &RelPath, mode: LockMode, wait: bool) -> Result<Option<Box<dyn FileLock>>> {
        self.shared.check_power()?;
        // The state is not locked while this waits: the holder needs it to go on.
        let lock = self.lock_file(path)?.lock(path, mode, wait);
        self.shared.check_power()?;
        Ok(lock.map(|inner| {
            let shared = Arc::clone(&self.shared);
            Box::new(FaultyLock { inner, shared }) as Box<dyn FileLock>
        }))
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn identity(&self) -> (u64, u64) {
        self.shared.live.identity()
    }
}
