//! The disk below the page cache: what is durable, and what is pending, in the order it was done.
//!
//! This module decides what a sync makes durable. It knows no paths: directories and files are numbers.

use std::collections::{BTreeMap, HashMap};
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

    fn slots(&self) -> (Option<&Slot>, Option<&Slot>) {
        match self {
            Self::Link { slot, .. } | Self::Unlink { slot, .. } => (Some(slot), None),
            Self::Rename { from, to, .. } => (Some(from), Some(to)),
            _ => (None, None),
        }
    }

    fn named(&self) -> Option<NodeId> {
        match self {
            Self::Link { id, .. } | Self::Unlink { id, .. } | Self::Rename { id, .. } => Some(*id),
            _ => None,
        }
    }

    fn touches(&self, dir: NodeId) -> bool {
        let (one, other) = self.slots();
        [one, other].into_iter().flatten().any(|slot| slot.0 == dir)
    }

    /// True when `later` settles the same name, or a name of the same node.
    fn is_settled_by(&self, later: &Self) -> bool {
        let ((a, b), (c, d)) = (self.slots(), later.slots());
        let shares_slot = |slot: Option<&Slot>| slot.is_some() && (slot == c || slot == d);
        shares_slot(a)
            || shares_slot(b)
            || (self.named().is_some() && self.named() == later.named())
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
            // A node that has a name already got it from a later change that is on the disk.
            Pending::Link { slot, id } if !self.slots.contains_key(id) => self.put(slot, *id),
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
                        let slots = entries
                            .iter()
                            .map(|(name, child)| (*child, (id, name.clone())));
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
        for change in self
            .pending
            .extract_if(.., |change| change.file() == Some(file))
        {
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
    /// A rename to or from another directory is durable in both, and with it what it settles: a name that it took
    /// away there cannot come back from an earlier change that is still pending.
    pub(super) fn synced_dir(&mut self, dir: NodeId) {
        let mut kept: Vec<Pending> = Vec::with_capacity(self.pending.len());
        for change in std::mem::take(&mut self.pending) {
            if change.touches(dir) {
                kept.retain(|earlier| !earlier.is_settled_by(&change));
                self.names.apply(&change);
            } else {
                kept.push(change);
            }
        }
        self.pending = kept;
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
