//! Removes a segment's directory: one that no commit names, or whose commit was long ago undone.

use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::io::{EntryKind, RelPath, Storage};

/// Removes its segment when dropped, unless a commit has taken it over.
#[derive(Debug)]
pub(crate) struct SegmentGuard {
    storage: Arc<dyn Storage>,
    path: Option<RelPath>,
}

impl SegmentGuard {
    pub(crate) fn new(storage: &Arc<dyn Storage>, path: &RelPath) -> Self {
        Self {
            storage: Arc::clone(storage),
            path: Some(path.clone()),
        }
    }

    /// The segment is committed: it stays.
    pub(crate) fn keep(mut self) {
        self.path = None;
    }
}

impl Drop for SegmentGuard {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = remove_segment(&*self.storage, path)
        {
            tracing::warn!(%path, %error, "files of an abandoned segment stay until the next garbage collection");
        }
    }
}

/// Removes a segment's files, its directory, and the partition directories that are empty after that.
pub(crate) fn remove_segment(storage: &dyn Storage, path: &RelPath) -> Result<()> {
    let entries = match storage.list(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::File) {
        match storage.remove_file(&path.join(&entry.name)?) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match storage.remove_dir(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error), // Others collect garbage too.
        _ => {}
    }
    remove_empty_parents(storage, path);
    Ok(())
}

/// A partition directory goes with its last segment. `tables` and the table's own directory stay.
pub(crate) fn remove_empty_parents(storage: &dyn Storage, path: &RelPath) {
    let mut at = path.parent();
    while let Some(directory) = at.filter(|directory| directory.components().count() > 2) {
        if storage.remove_dir(&directory).is_err() {
            return; // Not empty: another segment is in it.
        }
        at = directory.parent();
    }
}
