//! The [`Storage`] calls on a tree in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::super::real::checked_len;
use super::super::{
    DirEntry, EntryKind, FileLock, FileStamp, LockMode, ReadableFile, RelPath, Storage, WritableFile,
};
use super::file::{MemoryReadable, MemoryWritable};
use super::tree::{Node, refusal};
use super::{FileNode, Place, Tree};
use crate::error::{Error, ErrorKind, Result};

/// The device number that memory storages share: no real device has it.
const DEVICE: u64 = u64::MAX;

static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(1);

/// A tree of files in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    shared: Arc<Shared>,
    read_only: bool,
}

#[derive(Debug)]
struct Shared {
    tree: RwLock<Tree>,
    identity: u64,
    origin: String,
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::from_tree(Tree::default(), "new")
    }
}

impl MemoryStorage {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where its first content came from: `new`, or for an image of a crash, what the crash left.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// The same tree, through a handle that refuses to change it.
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            read_only: true,
        }
    }

    /// A copy of the tree as it is now, with no lock held and an identity of its own.
    #[must_use]
    pub fn deep_copy(&self) -> Self {
        let mut copy = Tree::default();
        for (id, node) in self.shared.tree.read().nodes() {
            let node = match node {
                Node::File(file) => Node::File(Arc::new(FileNode::new(id, file.content()))),
                Node::Directory(entries) => Node::Directory(entries.clone()),
            };
            copy.insert(id, node);
        }
        Self::from_tree(copy, &format!("copy of {}", self.origin()))
    }

    /// The same, under another account of where it came from. For a storage that nobody else holds yet.
    pub(in super::super) fn with_origin(self, origin: &str) -> Self {
        let tree = std::mem::take(&mut *self.shared.tree.write());
        Self::from_tree(tree, origin)
    }

    pub(in super::super) fn from_tree(tree: Tree, origin: &str) -> Self {
        let identity = NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed);
        let (tree, origin) = (RwLock::new(tree), origin.to_owned());
        Self {
            shared: Arc::new(Shared {
                tree,
                identity,
                origin,
            }),
            read_only: false,
        }
    }

    /// Runs `look` on the tree.
    pub(in super::super) fn with_tree<T>(&self, look: impl FnOnce(&Tree) -> T) -> T {
        look(&self.shared.tree.read())
    }

    pub(in super::super) fn place(&self, operation: &str, path: &RelPath) -> Result<Place> {
        let place = self.shared.tree.read().place(path);
        place.map_err(|reason| refusal(operation, path, reason))
    }

    pub(in super::super) fn create_file(&self, path: &RelPath) -> Result<Arc<FileNode>> {
        self.check_writable("create", path)?;
        let created = self.shared.tree.write().create_file(path);
        created.map_err(|reason| refusal("create", path, reason))
    }

    pub(in super::super) fn file(&self, operation: &str, path: &RelPath) -> Result<Arc<FileNode>> {
        let found = self.shared.tree.read().file(path);
        found.map_err(|reason| refusal(operation, path, reason))
    }

    fn check_writable(&self, operation: &str, path: &RelPath) -> Result<()> {
        if self.read_only {
            return Err(Error::invalid(format!(
                "cannot {operation} memory:{path}: read-only"
            )));
        }
        Ok(())
    }

    /// The file to lock, created when missing; a race between two creators is settled by the tree.
    fn lock_file(&self, path: &RelPath) -> Result<Arc<FileNode>> {
        loop {
            match self.file("lock", path) {
                Err(error) if error.kind() == ErrorKind::NotFound && !self.read_only => {}
                other => return other,
            }
            match self.create_file(path) {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                other => return other,
            }
        }
    }
}

impl Storage for MemoryStorage {
    fn create(&self, path: &RelPath) -> Result<Box<dyn WritableFile>> {
        let node = self.create_file(path)?;
        Ok(Box::new(MemoryWritable {
            node,
            path: path.clone(),
            len: 0,
        }))
    }

    fn append_to(&self, path: &RelPath) -> Result<Box<dyn WritableFile>> {
        self.check_writable("append to", path)?;
        let node = self.file("append to", path)?;
        let len = node.len();
        Ok(Box::new(MemoryWritable {
            node,
            path: path.clone(),
            len,
        }))
    }

    fn open(&self, path: &RelPath) -> Result<Arc<dyn ReadableFile>> {
        let node = self.file("open", path)?;
        let len = node.len();
        Ok(Arc::new(MemoryReadable {
            node,
            path: path.clone(),
            len,
        }))
    }

    fn read(&self, path: &RelPath, limit: u64) -> Result<Vec<u8>> {
        let content = self.file("read", path)?.content();
        checked_len(path, content.len() as u64, limit)?;
        Ok(content.as_ref().clone())
    }

    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        self.check_writable("rename", from)?;
        let renamed = self.shared.tree.write().rename(from, to);
        renamed.map_err(|reason| refusal(&format!("rename {from} to"), to, reason))
    }

    fn remove_file(&self, path: &RelPath) -> Result<()> {
        self.check_writable("remove", path)?;
        let removed = self.shared.tree.write().remove_file(path);
        removed.map_err(|reason| refusal("remove", path, reason))
    }

    fn remove_dir(&self, path: &RelPath) -> Result<()> {
        self.check_writable("remove directory", path)?;
        let removed = self.shared.tree.write().remove_dir(path);
        removed.map_err(|reason| refusal("remove directory", path, reason))
    }

    fn create_dir(&self, path: &RelPath) -> Result<()> {
        self.check_writable("create directory", path)?;
        let created = self.shared.tree.write().create_dir(path);
        created.map_err(|reason| refusal("create directory", path, reason))
    }

    fn sync_dir(&self, path: &RelPath) -> Result<()> {
        self.check_writable("sync directory", path)?;
        let tree = self.shared.tree.read();
        let found = tree.find(path).and_then(|id| tree.entries(id).map(|_| ()));
        found.map_err(|reason| refusal("sync directory", path, reason))
    }

    fn list(&self, path: &RelPath) -> Result<Vec<DirEntry>> {
        let tree = self.shared.tree.read();
        let entries = tree.find(path).and_then(|id| tree.entries(id));
        let entries = entries.map_err(|reason| refusal("list", path, reason))?;
        let describe = |(name, id): (&String, &u64)| {
            let (kind, len) = match tree.node(*id) {
                Some(Node::File(file)) => (EntryKind::File, file.len()),
                _ => (EntryKind::Directory, 0),
            };
            DirEntry {
                name: name.clone(),
                kind,
                len,
            }
        };
        Ok(entries.iter().map(describe).collect())
    }

    fn stamp(&self, path: &RelPath) -> Result<Option<FileStamp>> {
        let tree = self.shared.tree.read();
        let identity = match tree.find(path) {
            Ok(id) => id,
            Err((ErrorKind::NotFound, _)) => return Ok(None),
            Err(reason) => return Err(refusal("stat", path, reason)),
        };
        let len = match tree.node(identity) {
            Some(Node::File(file)) => file.len(),
            _ => 0,
        };
        Ok(Some(FileStamp { identity, len }))
    }

    fn lock(&self, path: &RelPath, mode: LockMode, wait: bool) -> Result<Option<Box<dyn FileLock>>> {
        let Some(mut lock) = self.lock_file(path)?.lock(path, mode, wait) else {
            return Ok(None);
        };
        lock.read_only = self.read_only;
        Ok(Some(Box::new(lock)))
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn identity(&self) -> (u64, u64) {
        (DEVICE, self.shared.identity)
    }
}
