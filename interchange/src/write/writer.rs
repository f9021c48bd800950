//! One export file: written under a temporary name, synced, then renamed.
//!
//! - Until `finish` returns, the final name does not exist or is what it was before.
//! - A writer that is dropped before `finish` leaves nothing behind.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::error::{InterchangeError, Result};
use crate::write::encoder::{Encoder, ZSTD_LEVEL};
use crate::write::format::{WriteFormat, WriteOptions};

/// Writes one file.
pub struct Writer {
    path: PathBuf,
    temporary: Temporary,
    /// The same open file, to sync it.
    file: File,
    out: Compressed,
    encoder: Encoder,
}

impl Writer {
    /// Starts to write `path`, whose directories are made. Text is compressed when the name ends in `.gz` or `.zst`.
    ///
    /// # Errors
    /// When the file cannot be made, or the format cannot hold a column.
    pub fn create(
        path: &Path,
        format: WriteFormat,
        schema: SchemaRef,
        options: &WriteOptions,
    ) -> Result<Self> {
        let failed = |error: std::io::Error| InterchangeError::io("cannot be written", &error).at_file(path);
        let encoder = Encoder::new(format, schema, options).map_err(|error| error.at_file(path))?;
        if path.is_dir() {
            return Err(InterchangeError::invalid("is a directory").at_file(path));
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let (temporary, file) = Temporary::create(path).map_err(failed)?;
        let out = BufWriter::with_capacity(1 << 20, file.try_clone().map_err(failed)?);
        Ok(Writer {
            path: path.to_path_buf(),
            temporary,
            file,
            out: Compressed::new(out, path, format).map_err(failed)?,
            encoder,
        })
    }

    /// Adds the rows of `batch`.
    ///
    /// # Errors
    /// When its columns are not those of the schema, a value cannot be written, or the disk refuses. The file is then useless.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let path = &self.path;
        self.encoder.push(batch).map_err(|error| error.at_file(path))?;
        let written = self.out.write_all(&self.encoder.take());
        written.map_err(|error| InterchangeError::io("cannot be written", &error).at_file(path))
    }

    /// How many rows were written.
    pub fn rows(&self) -> u64 {
        self.encoder.rows()
    }

    /// Completes the file, syncs it and gives it its name. When this returns, the file is durable.
    ///
    /// # Errors
    /// When the disk refuses; the final name is then untouched.
    pub fn finish(self) -> Result<()> {
        let Writer {
            path,
            mut temporary,
            file,
            mut out,
            encoder,
        } = self;
        let failed = |error: std::io::Error| InterchangeError::io("cannot be written", &error).at_file(&path);
        let last = encoder.finish().map_err(|error| error.at_file(&path))?;
        out.write_all(&last).map_err(failed)?;
        out.finish().map_err(failed)?;
        file.sync_all().map_err(failed)?;
        temporary.rename_to(&path).map_err(failed)
    }
}

/// Text, compressed as the file's name says.
enum Compressed {
    Plain(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

impl Compressed {
    fn new(out: BufWriter<File>, path: &Path, format: WriteFormat) -> std::io::Result<Self> {
        let extension = path
            .extension()
            .map(|e| e.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        Ok(match extension.as_str() {
            _ if !format.is_text() => Compressed::Plain(out),
            "gz" => Compressed::Gzip(flate2::write::GzEncoder::new(out, flate2::Compression::default())),
            "zst" => Compressed::Zstd(zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?),
            _ => Compressed::Plain(out),
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Compressed::Plain(out) => out.write_all(bytes),
            Compressed::Gzip(out) => out.write_all(bytes),
            Compressed::Zstd(out) => out.write_all(bytes),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Compressed::Plain(mut out) => out.flush(),
            Compressed::Gzip(out) => out.finish()?.flush(),
            Compressed::Zstd(out) => out.finish()?.flush(),
        }
    }
}

/// A file under a temporary name beside its final one; removed when dropped.
struct Temporary {
    path: Option<PathBuf>,
}

impl Temporary {
    fn create(target: &Path) -> std::io::Result<(Temporary, File)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut name = OsString::from(".");
        name.push(
            target
                .file_name()
                .ok_or_else(|| std::io::Error::other("the path names no file"))?,
        );
        name.push(format!(
            ".{}-{}.tmp",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        ));
        let path = target.with_file_name(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok((Temporary { path: Some(path) }, file))
    }

    /// Gives the file its name and makes the name durable.
    fn rename_to(&mut self, target: &Path) -> std::io::Result<()> {
        if let Some(path) = &self.path {
            std::fs::rename(path, target)?;
        }
        self.path = None;
        let directory = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Directories cannot be opened as files everywhere; where they can, the rename is synced.
        match File::open(directory) {
            Ok(directory) if cfg!(unix) => directory.sync_all(),
            _ => Ok(()),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // A leftover is harmless, and there is nobody to tell.
            let _ = std::fs::remove_file(path);
        }
    }
}
