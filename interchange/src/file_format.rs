//! Which format and compression a file has: by its name, checked against its first bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use crate::error::{ErrorKind, InterchangeError, Result};

/// A file format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Delimited text (`.csv`, `.tsv`, `.txt`).
    Csv,
    /// One JSON row, or array of rows, per line (`.jsonl`, `.ndjson`, `.json`).
    JsonLines,
    /// Apache Parquet (`.parquet`, `.pq`).
    Parquet,
    /// Arrow IPC, file or stream (`.arrow`, `.ipc`, `.feather`).
    ArrowIpc,
}

impl FileFormat {
    /// Whether the format is lines of text.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, FileFormat::Csv | FileFormat::JsonLines)
    }

    fn of_extension(extension: &str) -> Option<FileFormat> {
        match extension {
            "csv" | "tsv" | "txt" => Some(FileFormat::Csv),
            "jsonl" | "ndjson" | "json" => Some(FileFormat::JsonLines),
            "parquet" | "pq" => Some(FileFormat::Parquet),
            "arrow" | "ipc" | "feather" => Some(FileFormat::ArrowIpc),
            _ => None,
        }
    }
}

impl FromStr for FileFormat {
    type Err = InterchangeError;

    /// Reads a format's name, or one of its extensions.
    fn from_str(text: &str) -> Result<Self> {
        FileFormat::of_extension(&text.to_ascii_lowercase()).ok_or_else(|| {
            InterchangeError::invalid("is not a file format")
                .with_value(text.as_bytes())
                .with_hint("formats are csv, jsonl, parquet and arrow")
        })
    }
}

/// How the bytes of a text file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// What a file is, before its content is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) format: FileFormat,
    pub(crate) compression: Compression,
    /// Whether the name says that fields are separated by tabs.
    pub(crate) tabs: bool,
    pub(crate) bytes: u64,
}

const PARQUET_MAGIC: &[u8] = b"PAR1";
const ARROW_MAGIC: &[u8] = b"ARROW1";
const ARROW_STREAM_MARK: &[u8] = &[0xFF; 4];
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

/// Tells what `file` is, from `given` or its name, and checks the first bytes.
pub(crate) fn identify(file: &Path, given: Option<FileFormat>) -> Result<Identity> {
    let failed = |error: std::io::Error| InterchangeError::io("cannot be opened", &error).at_file(file);
    let mut opened = File::open(file).map_err(failed)?;
    let metadata = opened.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(InterchangeError::invalid("is a directory")
            .at_file(file)
            .with_hint("name the files in it"));
    }
    let mut start = Vec::with_capacity(8);
    opened.by_ref().take(8).read_to_end(&mut start).map_err(failed)?;
    let (extension, named) = extensions(file);
    let compression = compression_of(&start, named).map_err(|error| error.at_file(file))?;
    let format = given
        .or_else(|| FileFormat::of_extension(&extension))
        .or_else(|| format_of_magic(&start));
    let Some(format) = format else {
        return Err(InterchangeError::invalid("the name does not tell the format")
            .at_file(file)
            .with_hint("pass --input-format csv, jsonl, parquet or arrow"));
    };
    let identity = Identity {
        format,
        compression,
        tabs: extension == "tsv",
        bytes: metadata.len(),
    };
    check_magic(&identity, &start).map_err(|error| error.at_file(file))?;
    Ok(identity)
}

/// The lower-case extension under any compression extension, and the compression named.
fn extensions(file: &Path) -> (String, Compression) {
    let lower = |path: &Path| {
        path.extension()
            .map(|e| e.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default()
    };
    let outer = lower(file);
    let named = match outer.as_str() {
        "gz" | "gzip" => Compression::Gzip,
        "zst" | "zstd" => Compression::Zstd,
        _ => return (outer, Compression::None),
    };
    (
        file.file_stem()
            .map(|stem| lower(Path::new(stem)))
            .unwrap_or_default(),
        named,
    )
}

fn compression_of(start: &[u8], named: Compression) -> Result<Compression> {
    let found = if start.starts_with(GZIP_MAGIC) {
        Compression::Gzip
    } else if start.starts_with(ZSTD_MAGIC) {
        Compression::Zstd
    } else {
        Compression::None
    };
    if start.is_empty() {
        return Err(InterchangeError::invalid("the file is empty"));
    }
    if named != Compression::None && found != named {
        let name = if named == Compression::Gzip {
            "gzip"
        } else {
            "zstd"
        };
        return Err(InterchangeError::invalid(format!(
            "the name says {name}, but the content is not {name}"
        )));
    }
    Ok(found)
}

fn format_of_magic(start: &[u8]) -> Option<FileFormat> {
    if start.starts_with(PARQUET_MAGIC) {
        Some(FileFormat::Parquet)
    } else if start.starts_with(ARROW_MAGIC) || start.starts_with(ARROW_STREAM_MARK) {
        Some(FileFormat::ArrowIpc)
    } else {
        None
    }
}

fn check_magic(identity: &Identity, start: &[u8]) -> Result<()> {
    let found = format_of_magic(start);
    let wrong = |what: &str| Err(InterchangeError::new(ErrorKind::Invalid, what));
    match identity.format {
        FileFormat::Parquet | FileFormat::ArrowIpc if identity.compression != Compression::None => {
            wrong("Parquet and Arrow files are not read through gzip or zstd; decompress it first")
        }
        FileFormat::Parquet if found != Some(FileFormat::Parquet) => {
            wrong("is not a Parquet file: it does not start with PAR1")
        }
        // Streams written before Arrow 0.15 have no mark; the reader judges them.
        FileFormat::ArrowIpc if found == Some(FileFormat::Parquet) => {
            wrong("is a Parquet file, not an Arrow file")
        }
        FileFormat::Csv | FileFormat::JsonLines if found == Some(FileFormat::Parquet) => {
            wrong("is a Parquet file, not text")
        }
        FileFormat::Csv | FileFormat::JsonLines if start.starts_with(ARROW_MAGIC) => {
            wrong("is an Arrow file, not text")
        }
        FileFormat::Csv | FileFormat::JsonLines if is_utf16(start) => {
            wrong("is UTF-16 text; convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8)")
        }
        _ => Ok(()),
    }
}

fn is_utf16(start: &[u8]) -> bool {
    start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF])
}
