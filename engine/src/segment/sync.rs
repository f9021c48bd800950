//! Files and directories of segments that wait to be made durable together.
//!
//! One journal commit of the file system covers many files that are synced at the same time, so they are
//! collected and synced side by side instead of one after the other.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::io::{RelPath, Storage, WritableFile};

/// Files that are held open at most before they are synced.
const FILES_MAX: usize = 256;
/// Files that are synced at the same time.
const THREADS: usize = 16;

/// Written, not yet durable.
#[derive(Debug, Default)]
pub(crate) struct SyncBatch {
    files: Vec<Box<dyn WritableFile>>,
    directories: BTreeSet<RelPath>,
}

impl SyncBatch {
    /// Adds the files of one directory. The names of the directories above it are made durable too: another
    /// writer may have made them and not come to its sync.
    pub(crate) fn add(&mut self, directory: &RelPath, files: Vec<Box<dyn WritableFile>>) {
        self.files.extend(files);
        let mut at = Some(directory.clone());
        while let Some(directory) = at.filter(|directory| !directory.is_root()) {
            at = directory.parent();
            self.directories.insert(directory);
        }
    }

    /// Takes over what another batch holds.
    pub(crate) fn merge(&mut self, other: Self) {
        self.files.extend(other.files);
        self.directories.extend(other.directories);
    }

    /// Whether enough has come together to be synced now.
    pub(crate) fn is_full(&self) -> bool {
        self.files.len() >= FILES_MAX
    }

    /// Makes everything durable.
    pub(crate) fn flush(&mut self, storage: &dyn Storage) -> Result<()> {
        let files = std::mem::take(&mut self.files);
        let directories: Vec<RelPath> = std::mem::take(&mut self.directories).into_iter().collect();
        in_threads(files, |mut file| file.sync())?;
        in_threads(directories, |directory| storage.sync_dir(&directory))
    }
}

fn in_threads<T: Send>(items: Vec<T>, work: impl Fn(T) -> Result<()> + Sync) -> Result<()> {
    let threads = THREADS.min(items.len()).max(1);
    if threads == 1 {
        return items.into_iter().try_for_each(work);
    }
    let mut groups: Vec<Vec<T>> = (0..threads).map(|_| Vec::new()).collect();
    for (at, item) in items.into_iter().enumerate() {
        groups[at % threads].push(item);
    }
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> = groups
            .into_iter()
            .map(|group| scope.spawn(move || group.into_iter().try_for_each(work)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .map_err(|_| Error::internal("a thread that synced panicked"))?
        })
    })
}
