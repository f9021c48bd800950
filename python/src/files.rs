//! Rows of files in, and out into files.
//!
//! | file | owns |
//! | --- | --- |
//! | `read` | which files, and how they are read |
//! | `import` | files into a table |
//! | `export` | a table into files |

mod export;
mod import;
mod read;

use gapless::{Error, ErrorKind};
use gapless_interchange::{ErrorKind as FileErrorKind, InterchangeError};

pub(crate) use read::{Paths, read_options};

/// An error of a file as the engine's.
fn file_error(error: InterchangeError) -> Error {
    let kind = match error.kind {
        FileErrorKind::Invalid => ErrorKind::Invalid,
        FileErrorKind::NotFound => ErrorKind::NotFound,
        FileErrorKind::Unsupported => ErrorKind::Unsupported,
        FileErrorKind::Io => ErrorKind::Io,
        FileErrorKind::Internal => ErrorKind::Internal,
    };
    Error::new(kind, error.to_string())
}
