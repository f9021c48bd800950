//! What the operating system said, as an error of ours: kind, operation, absolute path, text, and what to do.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::error::{Error, ErrorKind};

/// The error of `operation` on `path`.
pub(super) fn failure(operation: &str, path: &Path, cause: impl Into<io::Error>) -> Error {
    let cause = cause.into();
    let errno = Errno::from_io_error(&cause);
    let hint = errno.and_then(hint).unwrap_or_default();
    let message = format!("cannot {operation} {}: {cause}{hint}", path.display());
    Error::new(errno.map_or(ErrorKind::Io, kind), message).with_source(cause)
}

fn kind(errno: Errno) -> ErrorKind {
    match errno {
        Errno::NOENT => ErrorKind::NotFound,
        Errno::EXIST | Errno::NOTEMPTY => ErrorKind::Conflict,
        Errno::LOOP
        | Errno::NOTDIR
        | Errno::ISDIR
        | Errno::XDEV
        | Errno::NXIO
        | Errno::NODEV
        | Errno::INVAL
        | Errno::NAMETOOLONG => ErrorKind::Invalid,
        _ => ErrorKind::Io,
    }
}

fn hint(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::LOOP => "; it is, or passes, a symbolic link; gapless follows none inside a database",
        Errno::NOTDIR => "; a part of the path is not a directory",
        Errno::ISDIR => "; it is a directory where a file must be",
        Errno::NXIO | Errno::NODEV => "; it is a device, FIFO or socket where a file must be",
        Errno::NOTEMPTY => "; the directory is not empty",
        Errno::NOSPC => "; free space on this file system, then open the database again",
        Errno::DQUOT => "; the disk quota is used up: free space or raise it, then open the database again",
        Errno::ACCESS | Errno::PERM => "; check the owner and the mode of the file and of its directories",
        Errno::ROFS => "; the file system is mounted read-only: open the database read-only or remount it",
        Errno::MFILE => "; the process has too many open files: raise `ulimit -n`",
        Errno::NFILE => "; the machine has too many open files: raise fs.file-max",
        Errno::NOMEM => "; no memory or no map left: raise vm.max_map_count or free memory",
        Errno::IO => "; the device failed: look into the kernel log, and check the database before using it",
        Errno::FBIG => {
            "; the file would pass the process's file size limit (`ulimit -f`) or the file system's"
        }
        Errno::STALE => "; the network file system lost the file: remount it and open the database again",
        _ => return None,
    })
}
