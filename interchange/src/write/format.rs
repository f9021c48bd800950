//! What can be written, and how.

use std::path::Path;
use std::str::FromStr;

use crate::error::{InterchangeError, Result};

/// A file format that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFormat {
    /// Delimited text, RFC 4180.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// A JSON array of objects.
    Json,
    /// Apache Parquet with zstd, dictionaries and statistics.
    Parquet,
    /// The Arrow IPC file format, not compressed; symbols are written as plain text.
    ArrowIpc,
    /// The Arrow IPC stream format, for who reads it as it comes.
    ArrowStream,
}

impl FromStr for WriteFormat {
    type Err = InterchangeError;

    /// Reads a format's name, or one of its extensions. What is named `.json` has one object a line, as it is read.
    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "csv" | "tsv" => Ok(WriteFormat::Csv),
            "jsonl" | "ndjson" | "json" => Ok(WriteFormat::JsonLines),
            "parquet" | "pq" => Ok(WriteFormat::Parquet),
            "arrow" | "ipc" | "feather" => Ok(WriteFormat::ArrowIpc),
            _ => Err(InterchangeError::invalid("is not a format that can be written")
                .with_value(text.as_bytes())
                .with_hint("formats are csv, jsonl, parquet and arrow")),
        }
    }
}

/// How a file is written.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// The byte between CSV fields (default: a comma).
    pub delimiter: u8,
    /// Whether the first CSV line holds the column names (default: true).
    pub header: bool,
    /// The most rows of a Parquet row group (default: 1,048,576).
    pub row_group_rows: usize,
}

impl WriteFormat {
    /// The format that a file's name says, under any compression.
    ///
    /// ```
    /// use gapless_interchange::WriteFormat;
    /// assert_eq!(WriteFormat::of_name("dir/a.CSV.gz".as_ref()), Some(WriteFormat::Csv));
    /// assert_eq!(WriteFormat::of_name("a.parquet".as_ref()), Some(WriteFormat::Parquet));
    /// assert_eq!(WriteFormat::of_name("out.gz".as_ref()), None);
    /// assert_eq!(WriteFormat::of_name("trade.2026".as_ref()), None);
    /// ```
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst"));
        let (stem, extension) = plain.unwrap_or(&name).rsplit_once('.')?;
        extension.parse().ok().filter(|_| !stem.is_empty())
    }

    /// How the names of its files end.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            WriteFormat::Csv => "csv",
            WriteFormat::JsonLines => "jsonl",
            WriteFormat::Json => "json",
            WriteFormat::Parquet => "parquet",
            WriteFormat::ArrowIpc | WriteFormat::ArrowStream => "arrow",
        }
    }

    /// Whether it is text, which is compressed as the file's name says.
    pub(super) fn is_text(self) -> bool {
        matches!(
            self,
            WriteFormat::Csv | WriteFormat::JsonLines | WriteFormat::Json
        )
    }
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions {
            delimiter: b',',
            header: true,
            row_group_rows: 1 << 20,
        }
    }
}
