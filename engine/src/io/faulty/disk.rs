//! The disk below the page cache: what is durable, and what is pending, in the order it was done.
//!
//! This module decides what a sync makes durable. It knows no paths: directories and files are numbers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::super::memory::{MemoryStorage, Node, NodeId, overwrite};
use crate::error::Result;

/// A name in a directory.
pub(super) type Slot = (NodeId, String);

/// A change that is not known to be on the disk.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    Write {
        file: NodeId,
        offset: u64,
        bytes: Arc<[u8]>,
    },
    Truncate {
        file: NodeId,
        len: u64,
    },
    Link {
        slot: Slot,
        id: NodeId,
    },
    Unlink {
        slot: Slot,
        id: NodeId,
    },
    Rename {
        from: Slot,
        to: Slot,
        id: NodeId,
    },
}

impl Pending {
    /// The file whose bytes it changes.
    pub(super) fn file(&self) -> Option<NodeId> {
        match self {
            Self::Write { file, .. } | Self::Truncate { file, .. } => Some(*file),
            _ => None,
        }
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        let (one, other) = match self {
            Self::Link { slot, .. } | Self::Unlink { slot, .. } => (Some(slot), None),
            Self::Rename { from, to, .. } => (Some(from), Some(to)),
            Self::Write { .. } | Self::Truncate { .. } => (None, None),
        };
        one.into_iter().chain(other)
    }

    fn named(&self) -> Option<NodeId> {
        match self {
            Self::Link { id, .. } | Self::Unlink { id, .. } | Self::Rename { id, .. } => Some(*id),
            Self::Write { .. } | Self::Truncate { .. } => None,
        }
    }
}

/// Extends a choice of changes to names by the earlier ones of the same names and nodes.
///
/// One name reaches the disk in order, and a rename in one piece. So a change to a name brings along an earlier rename
/// that freed the name, and with it the other name of that rename, and so on.
pub(super) fn with_earlier(pending: &[Pending], chosen: &mut [bool]) {
    let (mut slots, mut nodes) = (HashSet::new(), HashSet::new());
    for (change, chosen) in pending.iter().zip(chosen).rev() {
        let Some(node) = change.named() else { continue };
        *chosen |= nodes.contains(&node) || change.slots().any(|slot| slots.contains(slot));
        if *chosen {
            nodes.insert(node);
            slots.extend(change.slots());
        }
    }
}

/// The names on the disk. A node has at most one.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    directories: HashMap<NodeId, BTreeMap<String, NodeId>>,
    slots: HashMap<NodeId, Slot>,
}

impl Names {
    /// The entries of a directory; `None` for a file.
    pub(super) fn entries(&self, id: NodeId) -> Option<&BTreeMap<String, NodeId>> {
        self.directories.get(&id)
    }

    /// Carries out a pending change of names. What it was to be done upon may be missing.
    pub(super) fn apply(&mut self, change: &Pending) {
        match change {
            Pending::Link { slot, id } => self.put(slot, *id),
            Pending::Unlink { slot, id } if self.slots.get(id) == Some(slot) => self.take(*id),
            Pending::Rename { to, id, .. } => {
                self.take(*id);
                self.put(to, *id);
            }
            _ => {}
        }
    }

    fn put(&mut self, slot: &Slot, id: NodeId) {
        let entries = self.directories.entry(slot.0).or_default();
        if let Some(replaced) = entries.insert(slot.1.clone(), id) {
            self.slots.remove(&replaced);
        }
        self.slots.insert(id, slot.clone());
    }

    fn take(&mut self, id: NodeId) {
        let Some((dir, name)) = self.slots.remove(&id) else {
            return;
        };
        if let Some(entries) = self.directories.get_mut(&dir) {
            entries.remove(&name);
        }
    }
}

/// The whole disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) names: Names,
    /// The durable bytes of every file that ever was.
    pub(super) files: HashMap<NodeId, Arc<Vec<u8>>>,
    pub(super) pending: Vec<Pending>,
}

impl Disk {
    /// A disk on which everything that `storage` shows is durable.
    pub(super) fn of(storage: &MemoryStorage) -> Self {
        let mut disk = Self::default();
        storage.with_tree(|tree| {
            for (id, node) in tree.nodes() {
                match node {
                    Node::File(file) => {
                        disk.files.insert(id, file.content());
                    }
                    Node::Directory(entries) => {
                        let slots = entries.iter().map(|(name, child)| (*child, (id, name.clone())));
                        disk.names.slots.extend(slots);
                        disk.names.directories.insert(id, entries.clone());
                    }
                }
            }
        });
        disk
    }

    pub(super) fn created_file(&mut self, slot: Slot, id: NodeId) {
        self.files.insert(id, Arc::default());
        self.pending.push(Pending::Link { slot, id });
    }

    pub(super) fn created_dir(&mut self, slot: Slot, id: NodeId) {
        self.names.directories.insert(id, BTreeMap::new());
        self.pending.push(Pending::Link { slot, id });
    }

    pub(super) fn wrote(&mut self, file: NodeId, offset: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.pending.push(Pending::Write {
                file,
                offset,
                bytes: bytes.into(),
            });
        }
    }

    /// A sync of `file` that succeeded.
    pub(super) fn synced(&mut self, file: NodeId) -> Result<()> {
        let content = Arc::make_mut(self.files.entry(file).or_default());
        for change in self.pending.extract_if(.., |change| change.file() == Some(file)) {
            apply_to(content, &change)?;
        }
        Ok(())
    }

    /// A sync of `file` that failed and marked the pages clean.
    pub(super) fn lost(&mut self, file: NodeId) {
        self.pending.retain(|change| change.file() != Some(file));
    }

    /// A sync of the directory `dir` that succeeded.
    ///
    /// A rename to or from another directory is durable in both, and with it what came before it under its names.
    pub(super) fn synced_dir(&mut self, dir: NodeId) {
        let touches = |change: &Pending| change.slots().any(|slot| slot.0 == dir);
        let mut done: Vec<bool> = self.pending.iter().map(touches).collect();
        with_earlier(&self.pending, &mut done);
        let mut done = done.into_iter();
        for change in self.pending.extract_if(.., |_| done.next().unwrap_or(false)) {
            self.names.apply(&change);
        }
    }
}

/// Carries out a pending change of the bytes of a file.
pub(super) fn apply_to(content: &mut Vec<u8>, change: &Pending) -> Result<()> {
    match change {
        Pending::Write { offset, bytes, .. } => overwrite(content, *offset, bytes),
        Pending::Truncate { len, .. } => {
            content.truncate(usize::try_from(*len).unwrap_or(usize::MAX));
            Ok(())
        }
        _ => Ok(()),
    }
}
