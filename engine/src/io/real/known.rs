//! Directories right below the root that are asked about again and again, kept open.
//!
//! Whether anything was committed is asked before each read and each append. Two system calls on an open directory
//! answer it in a third of the time that a walk from the root takes.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::super::RelPath;
use super::resolve::Resolver;
use super::stat::Stat;

/// Directories that are kept open at most.
const KNOWN_MAX: usize = 8;

/// A directory as it was when it was opened.
#[derive(Debug)]
struct Known {
    name: String,
    fd: OwnedFd,
    identity: u64,
}

/// The directories that are kept open.
#[derive(Debug, Default)]
pub(super) struct KnownDirectories(ArcSwap<Vec<Arc<Known>>>);

impl KnownDirectories {
    /// What a file in a directory right below the root is; `None` for a file elsewhere. Follows no link: the name of the
    /// directory must still name the one that is open.
    pub(super) fn stat(&self, resolver: &Resolver, path: &RelPath) -> Option<Result<Stat>> {
        let (parent, name) = path.split_last().filter(|(parent, _)| !parent.is_empty())?;
        if parent.contains('/') {
            return None;
        }
        match self.known(resolver, parent) {
            Ok(known) => Some(Stat::at(&known?.fd, name, AtFlags::empty())),
            // Let the walk from the root say what is wrong.
            Err(_) => None,
        }
    }

    fn known(&self, resolver: &Resolver, name: &str) -> Result<Option<Arc<Known>>> {
        let now = Stat::at(resolver.root(), name, AtFlags::empty())?;
        let all = self.0.load();
        let found = all.iter().find(|known| known.name == name);
        if let Some(known) = found.filter(|known| known.identity == now.identity) {
            return Ok(Some(Arc::clone(known)));
        }
        if found.is_none() && all.len() >= KNOWN_MAX {
            return Ok(None);
        }
        let path = RelPath::new(name).map_err(|_| Errno::INVAL)?;
        let fd = resolver.open(&path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        let known = Arc::new(Known {
            name: name.to_owned(),
            identity: Stat::of(&fd)?.identity,
            fd,
        });
        let others = all.iter().filter(|known| known.name != name).cloned();
        self.0
            .store(Arc::new(others.chain([Arc::clone(&known)]).collect()));
        Ok(Some(known))
    }
}
