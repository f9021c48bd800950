//! Which versions this process still reads, told to other processes by a locked file in `readers/`.
//!
//! - The file holds the oldest version that this process may read. It protects what was live then or later.
//! - It is locked as long as the process lives. A file that can be locked belongs to a dead process.
//! - It is there before the manifest is read, with no content, which protects everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use gapless_format::Pin;
use parking_lot::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::io::{EntryKind, FileLock, LockMode, RelPath, Storage};

/// Names that are tried before giving up.
const NAMES_MAX: u32 = 1000;

/// The directory of pins.
pub(crate) fn directory() -> RelPath {
    RelPath::from_static("readers")
}

fn pin_path(instance: u32) -> Result<RelPath> {
    directory().join(&format!("{instance:08x}.pin"))
}

/// This process's entry in `readers/`, and the versions its snapshots hold.
#[derive(Debug)]
pub(crate) struct Pins {
    instance: u32,
    storage: Arc<dyn Storage>,
    lock: Option<Box<dyn FileLock>>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    counts: BTreeMap<u64, usize>,
    published: u64,
}

impl Pins {
    /// Registers this process under a number that no other living one has.
    ///
    /// A directory that cannot be written has no pins: its files are the business of who can.
    pub(crate) fn register(storage: &Arc<dyn Storage>, seed: u32) -> Result<Self> {
        if storage.is_read_only() {
            return Ok(Self::unregistered(storage, seed));
        }
        for attempt in 0..NAMES_MAX {
            let instance = seed.wrapping_add(attempt.wrapping_mul(0x9e37_79b9));
            let path = pin_path(instance)?;
            if storage.stamp(&path)?.is_some() {
                continue; // Alive or dead, somebody's segments carry this number.
            }
            let Some(lock) = storage.lock(&path, LockMode::Exclusive, false)? else {
                continue;
            };
            if storage.lock_path_is(&*lock)? && lock.len()? == 0 {
                let mut pins = Self::unregistered(storage, instance);
                pins.lock = Some(lock);
                return Ok(pins);
            }
        }
        Err(Error::new(
            ErrorKind::Locked,
            "no free name in readers/: remove the files of dead processes there",
        ))
    }

    /// Pins that no other process sees.
    pub(crate) fn unregistered(storage: &Arc<dyn Storage>, instance: u32) -> Self {
        Self {
            instance,
            storage: Arc::clone(storage),
            lock: None,
            held: Mutex::default(),
        }
    }

    /// The number in this process's file names.
    pub(crate) fn instance(&self) -> u32 {
        self.instance
    }

    /// Pins the version that `newest` gives. It is asked while no publication can run.
    pub(crate) fn pin<T>(self: &Arc<Self>, newest: impl FnOnce() -> (u64, T)) -> (PinGuard, T) {
        let mut held = self.held.lock();
        let (version, value) = newest();
        *held.counts.entry(version).or_default() += 1;
        (
            PinGuard {
                pins: Arc::clone(self),
                version,
            },
            value,
        )
    }

    /// Pins an older version. The caller checks afterwards that its files are still protected otherwise.
    pub(crate) fn pin_older(self: &Arc<Self>, version: u64) -> Result<PinGuard> {
        let mut held = self.held.lock();
        *held.counts.entry(version).or_default() += 1;
        if held.published > version {
            self.write(version)?;
            held.published = version;
        }
        drop(held);
        Ok(PinGuard {
            pins: Arc::clone(self),
            version,
        })
    }

    /// Tells other processes the oldest version still in use here; `newest` is asked for the present one.
    pub(crate) fn publish(&self, newest: impl FnOnce() -> u64) -> Result<u64> {
        let mut held = self.held.lock();
        let newest = newest();
        let oldest = held.counts.keys().next().copied().unwrap_or(newest).min(newest);
        if held.published != oldest {
            self.write(oldest)?;
            held.published = oldest;
        }
        Ok(oldest)
    }

    fn write(&self, version: u64) -> Result<()> {
        match &self.lock {
            Some(lock) => lock.write_at(0, &Pin { version }.encode()),
            None => Ok(()),
        }
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if self.lock.is_some()
            && let Ok(path) = pin_path(self.instance)
            && let Err(error) = self.storage.remove_file(&path)
        {
            tracing::debug!(%path, %error, "the pin of this process stays; the next garbage collection removes it");
        }
    }
}

/// Keeps the files of one version until it is dropped.
#[derive(Debug)]
pub(crate) struct PinGuard {
    pins: Arc<Pins>,
    version: u64,
}

impl Drop for PinGuard {
    fn drop(&mut self) {
        let mut held = self.pins.held.lock();
        if let Some(count) = held.counts.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                held.counts.remove(&self.version);
            }
        }
    }
}

/// The other processes that have the database open.
#[derive(Debug, Default)]
pub(crate) struct Others {
    /// Numbers of those that live.
    pub(crate) alive: Vec<u32>,
    /// The oldest version that one of them may read.
    pub(crate) oldest: Option<u64>,
}

/// Whether the process of a number lives. Its pin is neither made nor removed.
pub(crate) fn is_alive(storage: &dyn Storage, instance: u32) -> Result<bool> {
    let path = pin_path(instance)?;
    // Locking would make a file that is not there.
    if storage.stamp(&path)?.is_none() {
        return Ok(false);
    }
    Ok(storage.lock(&path, LockMode::Exclusive, false)?.is_none())
}

/// Whether a process died with the database open: its pin is there and nobody holds it.
pub(crate) fn has_dead(storage: &dyn Storage, own: u32) -> Result<bool> {
    for entry in storage.list(&directory())? {
        let number = entry
            .name
            .strip_suffix(".pin")
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        if let Some(instance) = number
            && instance != own
            && !is_alive(storage, instance)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads the pins of all processes but `own` and removes those of dead ones.
pub(crate) fn read_others(storage: &dyn Storage, own: u32) -> Result<Others> {
    let mut others = Others::default();
    for entry in storage.list(&directory())? {
        let number = entry
            .name
            .strip_suffix(".pin")
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let (Some(instance), EntryKind::File) = (number, entry.kind) else {
            continue;
        };
        if instance == own {
            continue;
        }
        let path = directory().join(&entry.name)?;
        match storage.lock(&path, LockMode::Exclusive, false)? {
            Some(lock) => {
                // Nobody holds it: its process is gone. Removed under the lock, so that no new one takes it.
                if storage.lock_path_is(&*lock)? {
                    storage.remove_file(&path)?;
                }
            }
            None => {
                let pinned = storage
                    .read(&path, 4096)
                    .ok()
                    .and_then(|bytes| Pin::decode(&bytes).ok());
                let version = pinned.map_or(0, |pin| pin.version);
                others.oldest = Some(others.oldest.map_or(version, |oldest| oldest.min(version)));
                others.alive.push(instance);
            }
        }
    }
    Ok(others)
}
