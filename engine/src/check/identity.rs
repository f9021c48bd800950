//! `GAPLESS`: whether the directory is a database, and which.

use gapless_format::{FormatErrorKind, Identity};

use super::finding::{Finding, FindingKind, Sink};
use super::source::Source;
use crate::error::{Error, ErrorKind, Result};
use crate::io::RelPath;

/// What is known of the database.
pub(super) enum Known {
    /// Its id.
    Database(u128),
    /// It is a database, but its id must come from elsewhere.
    Unknown,
    /// Of a newer format: nothing else can be said.
    Newer,
}

/// Checks `GAPLESS`.
///
/// # Errors
/// `Invalid` when the directory is no database at all.
pub(super) fn check(source: &Source<'_>, name: &str, sink: &Sink) -> Result<Known> {
    let path = RelPath::from_static("GAPLESS");
    let bytes = match source.storage.read(&path, 4096) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if source.storage.stamp(&RelPath::from_static("manifest"))?.is_none() {
                return Err(Error::invalid(format!(
                    "{name} is not a gapless database: it has neither a GAPLESS file nor a manifest. Check the path"
                )));
            }
            sink.add(
                Finding::error(
                    FindingKind::Missing,
                    "the file is missing, so the database does not open: restore it from a copy",
                )
                .file(&path),
            );
            return Ok(Known::Unknown);
        }
        Err(error) => {
            sink.add(Finding::of_error(&path, &error));
            return Ok(Known::Unknown);
        }
    };
    match Identity::decode(&bytes) {
        Ok(identity) => Ok(Known::Database(identity.database)),
        Err(error) => {
            sink.add(Finding::of_format(
                FindingKind::Identity,
                &path,
                &error,
                "the database does not open: restore the file from a copy",
            ));
            Ok(match error.kind {
                FormatErrorKind::Unsupported => Known::Newer,
                FormatErrorKind::Corrupt => Known::Unknown,
            })
        }
    }
}
