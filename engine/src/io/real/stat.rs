//! What the operating system knows about an open file: kind, length, and a number that tells it from others.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, StatxFlags, fstat, statx};
use rustix::io::{Errno, Result};

use super::super::FileStamp;

/// The part of `statx` the engine needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) kind: FileType,
    pub(super) len: u64,
    pub(super) links: u64,
    pub(super) identity: u64,
}

impl Stat {
    /// Of an open descriptor.
    pub(super) fn of(fd: impl AsFd) -> Result<Self> {
        match Self::at(&fd, "", AtFlags::EMPTY_PATH) {
            // Linux before 4.11, and sandboxes that do not know statx.
            Err(Errno::NOSYS | Errno::PERM) => Self::of_old(fd),
            other => other,
        }
    }

    /// Of the name `name` in the directory `dir`; a link is not followed.
    pub(super) fn at(dir: impl AsFd, name: &str, flags: AtFlags) -> Result<Self> {
        let wanted =
            StatxFlags::TYPE | StatxFlags::NLINK | StatxFlags::INO | StatxFlags::SIZE | StatxFlags::BTIME;
        let stat = statx(dir, name, flags | AtFlags::SYMLINK_NOFOLLOW, wanted)?;
        let born = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
        let birth = if born {
            (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec)
        } else {
            (0, 0)
        };
        Ok(Self {
            kind: FileType::from_raw_mode(u32::from(stat.stx_mode)),
            len: stat.stx_size,
            links: u64::from(stat.stx_nlink),
            identity: identity(stat.stx_ino, birth),
        })
    }

    fn of_old(fd: impl AsFd) -> Result<Self> {
        let stat = fstat(fd)?;
        Ok(Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            len: u64::try_from(stat.st_size).unwrap_or(0),
            links: stat.st_nlink as u64,
            identity: identity(stat.st_ino, (0, 0)),
        })
    }

    /// The stamp; a directory has no length.
    pub(super) fn stamp(&self) -> FileStamp {
        let len = if self.kind == FileType::RegularFile {
            self.len
        } else {
            0
        };
        FileStamp {
            identity: self.identity,
            len,
        }
    }
}

/// An inode number is used again as soon as its file is gone; the time of birth tells the two apart.
fn identity(inode: u64, (seconds, nanoseconds): (i64, u32)) -> u64 {
    let birth = seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(i64::from(nanoseconds));
    inode ^ birth.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
