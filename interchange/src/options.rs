//! What the user may say about the files to read.

use std::path::PathBuf;

use arrow_schema::TimeUnit;

use crate::file_format::FileFormat;
use crate::type_name::TypeName;

/// How files are read. Everything has a default; what is not given is inferred and reported as a
/// [`Decision`](crate::Decision).
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The format of all files, instead of the one their names tell.
    pub format: Option<FileFormat>,
    /// The byte between CSV fields.
    pub delimiter: Option<u8>,
    /// Whether the first CSV line holds the column names (default: true).
    pub header: bool,
    /// The column names: required when there is no header, and for JSON rows that are arrays.
    pub column_names: Option<Vec<String>>,
    /// The time column.
    pub time: Option<String>,
    /// The unit of a numeric time column.
    pub time_unit: Option<TimeUnit>,
    /// The `strftime` format of a text time column.
    pub time_format: Option<String>,
    /// The zone of local times without an offset: `UTC`, an IANA name or `+hh:mm`.
    pub zone: Option<String>,
    /// The series column; it always becomes a symbol column.
    pub series: Option<String>,
    /// Given column types.
    pub types: Vec<(String, TypeName)>,
    /// Unquoted CSV text that means null (default: only the empty field).
    pub null_values: Vec<String>,
    /// Rows per batch (default: 65,536).
    pub batch_rows: usize,
    /// What happens at a bad line.
    pub on_error: OnError,
    /// Rows of each sampled file that inference looks at (default: 10,000).
    pub sample_rows: usize,
}

/// What happens at a line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The first bad line is the error.
    Fail,
    /// Bad lines are copied verbatim to `rejects`, the reasons to `rejects` + `.reasons.csv`, and are counted.
    /// Neither file may exist. Damage that is not confined to a line (a truncated file, a record
    /// over the limit, anything in Parquet or Arrow) is still an error.
    Skip {
        /// Where the bad lines go.
        rejects: PathBuf,
    },
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            format: None,
            delimiter: None,
            header: true,
            column_names: None,
            time: None,
            time_unit: None,
            time_format: None,
            zone: None,
            series: None,
            types: Vec::new(),
            null_values: vec![String::new()],
            batch_rows: 65_536,
            on_error: OnError::Fail,
            sample_rows: 10_000,
        }
    }
}

impl ReadOptions {
    /// The given type of a column, if any; the last one given counts.
    pub(crate) fn given_type(&self, column: &str) -> Option<TypeName> {
        self.types
            .iter()
            .rev()
            .find(|(name, _)| name == column)
            .map(|(_, given)| *given)
    }
}
