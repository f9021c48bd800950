//! The names of a file system in memory: numbered nodes, directories that map names to them.
//!
//! - A node has one name at most: there are no hard links.
//! - Numbers are never used again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::RelPath;
use super::FileNode;
use crate::error::{Error, ErrorKind, Result};

/// The number of a file or directory.
pub(in super::super) type NodeId = u64;

/// The number of the root directory.
pub(in super::super) const ROOT: NodeId = 1;

/// A file or directory.
#[derive(Clone, Debug)]
pub(in super::super) enum Node {
    File(Arc<FileNode>),
    Directory(BTreeMap<String, NodeId>),
}

/// Where a path leads: its directory, its last component, and what has that name now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Place {
    pub(in super::super) dir: NodeId,
    pub(in super::super) name: String,
    pub(in super::super) id: Option<NodeId>,
}

/// A whole file system.
#[derive(Debug)]
pub(in super::super) struct Tree {
    nodes: HashMap<NodeId, Node>,
    next: NodeId,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Node::Directory(BTreeMap::new());
        Self {
            nodes: HashMap::from([(ROOT, root)]),
            next: ROOT + 1,
        }
    }
}

/// Kind and reason of a refusal; [`refusal`] makes the error.
type Refusal = (ErrorKind, &'static str);

const MISSING: Refusal = (ErrorKind::NotFound, "No such file or directory");
const NO_DIRECTORY: Refusal = (ErrorKind::Invalid, "a part of the path is not a directory");
const IS_DIRECTORY: Refusal = (ErrorKind::Invalid, "it is a directory where a file must be");
const EXISTS: Refusal = (ErrorKind::Conflict, "File exists");
const NOT_EMPTY: Refusal = (ErrorKind::Conflict, "the directory is not empty");
const ROOT_ASKED: Refusal = (ErrorKind::Invalid, "it is the root of the database");
const INTO_ITSELF: Refusal = (ErrorKind::Invalid, "a directory cannot move into itself");

/// The error of `operation` on `path`.
pub(super) fn refusal(operation: &str, path: &RelPath, (kind, reason): Refusal) -> Error {
    Error::new(kind, format!("cannot {operation} memory:{path}: {reason}"))
}

impl Tree {
    /// A node under a number of its own choice; used to build a tree from saved parts.
    pub(in super::super) fn insert(&mut self, id: NodeId, node: Node) {
        self.next = self.next.max(id + 1);
        self.nodes.insert(id, node);
    }

    pub(in super::super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// Every node with its number, in no order.
    pub(in super::super) fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(id, node)| (*id, node))
    }

    /// The number of what `path` names.
    pub(super) fn find(&self, path: &RelPath) -> Result<NodeId, Refusal> {
        path.components().try_fold(ROOT, |dir, name| {
            self.entries(dir)?.get(name).copied().ok_or(MISSING)
        })
    }

    pub(super) fn entries(&self, id: NodeId) -> Result<&BTreeMap<String, NodeId>, Refusal> {
        match self.nodes.get(&id) {
            Some(Node::Directory(entries)) => Ok(entries),
            Some(Node::File(_)) => Err(NO_DIRECTORY),
            None => Err(MISSING),
        }
    }

    fn entries_mut(&mut self, id: NodeId) -> Result<&mut BTreeMap<String, NodeId>, Refusal> {
        match self.nodes.get_mut(&id) {
            Some(Node::Directory(entries)) => Ok(entries),
            Some(Node::File(_)) => Err(NO_DIRECTORY),
            None => Err(MISSING),
        }
    }

    pub(super) fn place(&self, path: &RelPath) -> Result<Place, Refusal> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(ROOT_ASKED);
        };
        let dir = self.find(&parent)?;
        let id = self.entries(dir)?.get(name).copied();
        Ok(Place {
            dir,
            name: name.to_owned(),
            id,
        })
    }

    pub(super) fn file(&self, path: &RelPath) -> Result<Arc<FileNode>, Refusal> {
        match self.nodes.get(&self.find(path)?) {
            Some(Node::File(file)) => Ok(Arc::clone(file)),
            Some(Node::Directory(_)) => Err(IS_DIRECTORY),
            None => Err(MISSING),
        }
    }

    pub(super) fn create_file(&mut self, path: &RelPath) -> Result<Arc<FileNode>, Refusal> {
        let file = Arc::new(FileNode::new(self.next, Arc::default()));
        self.link_new(path, Node::File(Arc::clone(&file)))?;
        Ok(file)
    }

    pub(super) fn create_dir(&mut self, path: &RelPath) -> Result<(), Refusal> {
        self.link_new(path, Node::Directory(BTreeMap::new()))
    }

    fn link_new(&mut self, path: &RelPath, node: Node) -> Result<(), Refusal> {
        let place = self.place(path)?;
        if place.id.is_some() {
            return Err(EXISTS);
        }
        let id = self.next;
        self.entries_mut(place.dir)?.insert(place.name, id);
        self.insert(id, node);
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &RelPath) -> Result<(), Refusal> {
        let place = self.place(path)?;
        let id = place.id.ok_or(MISSING)?;
        if self.is_directory(id) {
            return Err(IS_DIRECTORY);
        }
        self.unlink(&place, id)
    }

    pub(super) fn remove_dir(&mut self, path: &RelPath) -> Result<(), Refusal> {
        let place = self.place(path)?;
        let id = place.id.ok_or(MISSING)?;
        if !self.entries(id)?.is_empty() {
            return Err(NOT_EMPTY);
        }
        self.unlink(&place, id)
    }

    fn unlink(&mut self, place: &Place, id: NodeId) -> Result<(), Refusal> {
        self.entries_mut(place.dir)?.remove(&place.name);
        self.nodes.remove(&id);
        Ok(())
    }

    /// In the order of the checks of Linux, so that the kind of error agrees with a real directory.
    pub(super) fn rename(&mut self, from: &RelPath, to: &RelPath) -> Result<(), Refusal> {
        let (old, new) = (self.place(from)?, self.place(to)?);
        let id = old.id.ok_or(MISSING)?;
        if from == to {
            return Ok(());
        }
        if lies_in(to, from) {
            return Err(INTO_ITSELF);
        }
        if lies_in(from, to) {
            return Err(NOT_EMPTY);
        }
        if let Some(target) = new.id {
            self.check_replaceable(id, target)?;
            self.nodes.remove(&target);
        }
        self.entries_mut(old.dir)?.remove(&old.name);
        self.entries_mut(new.dir)?.insert(new.name, id);
        Ok(())
    }

    fn check_replaceable(&self, id: NodeId, target: NodeId) -> Result<(), Refusal> {
        match (self.is_directory(id), self.is_directory(target)) {
            (true, false) => Err(NO_DIRECTORY),
            (false, true) => Err(IS_DIRECTORY),
            (true, true) if !self.entries(target)?.is_empty() => Err(NOT_EMPTY),
            _ => Ok(()),
        }
    }

    pub(super) fn is_directory(&self, id: NodeId) -> bool {
        matches!(self.nodes.get(&id), Some(Node::Directory(_)))
    }
}

fn lies_in(path: &RelPath, directory: &RelPath) -> bool {
    path.as_str()
        .strip_prefix(directory.as_str())
        .is_some_and(|rest| rest.starts_with('/'))
}
