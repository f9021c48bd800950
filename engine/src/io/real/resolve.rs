//! From a [`RelPath`] to a descriptor, without ever leaving the root or following a link.
//!
//! - `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS` where the kernel has it.
//! - Otherwise one `openat` with `O_NOFOLLOW` per component, each on the descriptor of the one before.
//! - Every descriptor is close-on-exec and above 2, so a stray `eprintln!` cannot write into a database.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat};
use rustix::io::{Errno, Result, fcntl_dupfd_cloexec};

use super::super::RelPath;

/// `openat2` gives up with `EAGAIN` when a rename anywhere on the machine races with it.
const RACES_MAX: u32 = 64;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::PATH);

/// The root directory and the way to open below it.
#[derive(Debug)]
pub(super) struct Resolver {
    root: OwnedFd,
    has_openat2: bool,
}

/// The directory a path lies in, and the path's last component.
pub(super) struct Place<'a> {
    dir: Dir<'a>,
    pub(super) name: &'a str,
}

enum Dir<'a> {
    Root(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl AsFd for Place<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.dir {
            Dir::Root(fd) => *fd,
            Dir::Owned(fd) => fd.as_fd(),
        }
    }
}

impl Resolver {
    /// Opens the root itself. It is named by the user and may be reached over links.
    pub(super) fn new(root: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = above_stdio(rustix::fs::open(root, flags, Mode::empty())?)?;
        // Missing before Linux 5.6; some sandboxes answer EPERM. Asked once, on a path that cannot fail otherwise.
        let probe = beneath(root.as_fd(), ".", DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        Ok(Self {
            root,
            has_openat2: probe.is_ok(),
        })
    }

    /// The same root, walked component by component as on an old kernel.
    #[cfg(test)]
    pub(super) fn without_openat2(mut self) -> Self {
        self.has_openat2 = false;
        self
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens `path` with `flags`; never follows a link.
    pub(super) fn open(&self, path: &RelPath, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        let text = if path.is_root() { "." } else { path.as_str() };
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        above_stdio(self.open_text(text, flags, mode)?)
    }

    /// The descriptor of the directory `path` lies in; `Invalid` in the shape of `EINVAL` for the root.
    pub(super) fn place<'a>(&'a self, path: &'a RelPath) -> Result<Place<'a>> {
        let (parent, name) = path.split_last().ok_or(Errno::INVAL)?;
        let dir = if parent.is_empty() {
            Dir::Root(self.root())
        } else {
            let flags = DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            Dir::Owned(self.open_text(parent, flags, Mode::empty())?)
        };
        Ok(Place { dir, name })
    }

    fn open_text(&self, text: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        if self.has_openat2 {
            return beneath(self.root(), text, flags, mode);
        }
        self.walk(text, flags, mode)
    }

    fn walk(&self, text: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        let (parents, name) = text.rsplit_once('/').unwrap_or(("", text));
        let step = DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut dir: Option<OwnedFd> = None;
        for component in parents.split('/').filter(|component| !component.is_empty()) {
            let from = dir.as_ref().map_or(self.root(), AsFd::as_fd);
            dir = Some(open_no_follow(from, component, step, Mode::empty())?);
        }
        open_no_follow(dir.as_ref().map_or(self.root(), AsFd::as_fd), name, flags, mode)
    }
}

fn beneath(root: BorrowedFd<'_>, text: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mut races = 0;
    loop {
        match openat2(root, text, flags, mode, resolve) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if races < RACES_MAX => races += 1,
            other => return other,
        }
    }
}

/// One component. `O_PATH` alone would open the link itself, and `O_DIRECTORY` calls a link "not a directory".
fn open_no_follow(dir: BorrowedFd<'_>, name: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let opened = loop {
        match openat(dir, name, flags, mode) {
            Err(Errno::INTR) => {}
            other => break other,
        }
    };
    match opened {
        Err(Errno::NOTDIR) if is_link(dir, name) => Err(Errno::LOOP),
        Ok(_) if flags.contains(OFlags::PATH) && !flags.contains(OFlags::DIRECTORY) => {
            if is_link(dir, name) {
                Err(Errno::LOOP)
            } else {
                opened
            }
        }
        other => other,
    }
}

fn is_link(dir: BorrowedFd<'_>, name: &str) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

fn above_stdio(fd: OwnedFd) -> Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        Ok(fd)
    } else {
        fcntl_dupfd_cloexec(&fd, 3)
    }
}
