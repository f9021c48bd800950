//! What the check says: one finding, and where it is.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;

use gapless_format::SegmentRef;

use crate::error::{Error, ErrorKind};
use crate::io::RelPath;

/// Findings that one segment, or one of the other layers, gives at most. The rest is counted.
const FINDINGS_MAX: usize = 1000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing: a leftover of a crash, a write under way. Nothing to do.
    Note,
    /// Not as it should be, but every row can be read.
    Warning,
    /// Rows are lost or wrong, or cannot be read.
    Error,
}

impl Severity {
    /// `note`, `warning` or `error`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What is wrong.
        #[non_exhaustive]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingKind { $($(#[$doc])* $variant),* }

        impl FindingKind {
            /// The kind as scripts see it; does not change between versions.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

kinds! {
    /// `GAPLESS` is damaged.
    Identity = "identity",
    /// Of a newer format, or with a feature this version does not know.
    Unsupported = "unsupported",
    /// A file or directory that must be there is not.
    Missing = "missing",
    /// The operating system refused to read.
    Io = "io",
    /// `manifest/CURRENT` is damaged or an older copy.
    Current = "current",
    /// `manifest/LOCK` does not hold the durable length of the log.
    Lock = "lock",
    /// The sync of a commit has failed; what it wrote is not read.
    SuspectTail = "suspect_tail",
    /// A record or the header of a manifest log is damaged.
    Log = "log",
    /// Something behind the last commit: one that did not finish.
    LogTail = "log_tail",
    /// The checkpoint of a named snapshot is damaged.
    Snapshot = "snapshot",
    /// A symbol file is damaged or not the one that was committed.
    Symbols = "symbols",
    /// A symbol has two codes.
    SymbolTwice = "symbol_twice",
    /// Symbols that no commit names yet.
    SymbolsUncommitted = "symbols_uncommitted",
    /// `segment.meta` is damaged or not the one that was committed.
    SegmentMeta = "segment_meta",
    /// `segment.meta` contradicts the manifest.
    SegmentMismatch = "segment_mismatch",
    /// A column of the segment is not as the table describes it.
    ColumnMismatch = "column_mismatch",
    /// A file is longer or shorter than it was written.
    FileLength = "file_length",
    /// The header of a column or index file is damaged or of another file.
    FileHeader = "file_header",
    /// A page's bytes are not those that were written.
    PageChecksum = "page_checksum",
    /// A page's bytes are those that were written, and yet do not decode.
    PageEncoding = "page_encoding",
    /// An index's bytes are not those that were written.
    IndexChecksum = "index_checksum",
    /// A page's least or greatest value or NaN flag is not that of its rows.
    PageStatistics = "page_statistics",
    /// The number of nulls is not that of the rows.
    NullCount = "null_count",
    /// A null where none may be.
    Null = "null",
    /// Offsets descend or leave their values.
    Offsets = "offsets",
    /// Text that is not UTF-8.
    Utf8 = "utf8",
    /// A symbol code that its domain does not have, or that does not agree with the validity.
    SymbolCode = "symbol_code",
    /// Rows out of order.
    RowOrder = "row_order",
    /// A time outside the partition or the segment's range.
    TimeRange = "time_range",
    /// The set of series is not that of the rows.
    SeriesSet = "series_set",
    /// An attribute does not hold, or its index is not that of the rows.
    Attribute = "attribute",
    /// Segments do not add up to the table's rows.
    RowCount = "row_count",
    /// A file of a write-ahead log is damaged or not the one that was written.
    Wal = "wal",
    /// A commit at the end of a write-ahead log that did not finish.
    WalTail = "wal_tail",
    /// A coverage file is damaged or not the one that was committed.
    Coverage = "coverage",
    /// A calendar that cannot be read.
    Calendar = "calendar",
    /// The log of leases is damaged or not of this database.
    Leases = "leases",
    /// A file or directory that gapless does not know.
    Stray = "stray",
    /// Files of a segment, or a coverage file, that no version names.
    Orphan = "orphan",
    /// What repairs have put aside.
    Quarantine = "quarantine",
    /// Files that the next garbage collection removes.
    Leftover = "leftover",
}

/// One thing that is not as it should be, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub kind: FindingKind,
    /// The table.
    pub table: Option<String>,
    /// The partition, as its path: `2026-11-20/13`.
    pub partition: Option<String>,
    /// The segment's directory name.
    pub segment: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// The page of the column chunk, from 0.
    pub page: Option<u32>,
    /// The rows of the segment.
    pub rows: Option<Range<u64>>,
    /// The file, relative to the database.
    pub file: Option<String>,
    /// The byte in the file.
    pub offset: Option<u64>,
    /// What was looked at, what was found and expected, and what to do.
    pub message: String,
}

impl Finding {
    fn new(severity: Severity, kind: FindingKind, message: impl Into<String>) -> Self {
        Self {
            severity,
            kind,
            table: None,
            partition: None,
            segment: None,
            column: None,
            page: None,
            rows: None,
            file: None,
            offset: None,
            message: message.into(),
        }
    }

    pub(crate) fn error(kind: FindingKind, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, kind, message)
    }

    pub(super) fn warning(kind: FindingKind, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, kind, message)
    }

    pub(super) fn note(kind: FindingKind, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, kind, message)
    }

    /// What a decoder says about a file.
    pub(super) fn of_format(
        kind: FindingKind,
        path: &RelPath,
        error: &gapless_format::FormatError,
        advice: &str,
    ) -> Self {
        let unsupported = error.kind == gapless_format::FormatErrorKind::Unsupported;
        let kind = if unsupported {
            FindingKind::Unsupported
        } else {
            kind
        };
        let advice = if unsupported || advice.is_empty() {
            String::new()
        } else {
            format!("; {advice}")
        };
        Self::error(kind, format!("{}{advice}", error.message))
            .file(path)
            .at(error.offset)
    }

    /// What the storage says about a file.
    pub(super) fn of_error(path: &RelPath, error: &Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound => FindingKind::Missing,
            ErrorKind::Invalid => FindingKind::Stray,
            ErrorKind::Corrupt => FindingKind::FileLength,
            _ => FindingKind::Io,
        };
        let message = match kind {
            FindingKind::Missing => "the file is missing: restore it from a copy".to_owned(),
            _ => error.to_string(),
        };
        Self::error(kind, message).file(path)
    }

    /// It is about a segment.
    pub(crate) fn of_segment(mut self, table: &str, segment: &SegmentRef) -> Self {
        self.table = Some(table.to_owned());
        self.partition = Some(segment.partition.path());
        self.segment = Some(segment.directory.clone());
        self
    }

    pub(super) fn file(mut self, path: &RelPath) -> Self {
        self.file = Some(path.to_string());
        self
    }

    pub(super) fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    pub(super) fn page(mut self, page: usize) -> Self {
        self.page = u32::try_from(page).ok();
        self
    }

    pub(super) fn rows(mut self, rows: Range<u64>) -> Self {
        self.rows = Some(rows);
        self
    }

    pub(super) fn row(self, row: u64) -> Self {
        self.rows(row..row.saturating_add(1))
    }

    /// Where it is, from the table down to the rows, then the file and the byte.
    pub fn location(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.table.as_ref().map(|name| format!("table {name}")));
        parts.extend(self.partition.clone());
        parts.extend(self.segment.clone());
        parts.extend(self.column.as_ref().map(|name| format!("column {name}")));
        parts.extend(self.page.map(|page| format!("page {page}")));
        parts.extend(self.rows.as_ref().map(|rows| match rows.end - rows.start {
            1 => format!("row {}", rows.start),
            _ => format!("rows {} to {}", rows.start, rows.end.saturating_sub(1)),
        }));
        let mut text = parts.join(" / ");
        if let Some(file) = &self.file {
            let at = self
                .offset
                .map_or(String::new(), |offset| format!(", byte {offset}"));
            text = if text.is_empty() {
                format!("{file}{at}")
            } else {
                format!("{text} ({file}{at})")
            };
        }
        text
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.location();
        let colon = if location.is_empty() { "" } else { ": " };
        write!(f, "{}: {location}{colon}{}", self.severity.name(), self.message)
    }
}

/// Collects the findings of one layer and gives them what they have in common.
#[derive(Debug, Default)]
pub(super) struct Sink {
    table: Option<String>,
    partition: Option<String>,
    segment: Option<String>,
    column: RefCell<Option<String>>,
    found: RefCell<Vec<Finding>>,
    left_out: Cell<u64>,
}

impl Sink {
    /// A sink for the findings of one table.
    pub(super) fn of_table(table: &str) -> Self {
        Self {
            table: Some(table.to_owned()),
            ..Self::default()
        }
    }

    /// A sink for the findings of one segment.
    pub(super) fn of_segment(table: &str, partition: String, segment: &str) -> Self {
        Self {
            table: Some(table.to_owned()),
            partition: Some(partition),
            segment: Some(segment.to_owned()),
            ..Self::default()
        }
    }

    /// Later findings are about this column.
    pub(super) fn set_column(&self, column: Option<&str>) {
        *self.column.borrow_mut() = column.map(str::to_owned);
    }

    pub(super) fn add(&self, mut finding: Finding) {
        let mut found = self.found.borrow_mut();
        if found.len() >= FINDINGS_MAX {
            self.left_out.set(self.left_out.get() + 1);
            return;
        }
        finding.table = finding.table.or_else(|| self.table.clone());
        finding.partition = finding.partition.or_else(|| self.partition.clone());
        finding.segment = finding.segment.or_else(|| self.segment.clone());
        finding.column = finding.column.or_else(|| self.column.borrow().clone());
        found.push(finding);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.found.borrow().len()
    }

    /// Whether one of them is an error.
    pub(super) fn has_errors(&self) -> bool {
        self.found
            .borrow()
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }

    /// Whether one of them is of a kind.
    pub(super) fn has(&self, kind: FindingKind) -> bool {
        self.found.borrow().iter().any(|finding| finding.kind == kind)
    }

    /// The errors, as text.
    pub(super) fn texts(&self) -> Vec<String> {
        let found = self.found.borrow();
        let errors = found.iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(ToString::to_string).collect()
    }

    /// Whether one of them says that something is missing.
    pub(super) fn has_missing(&self) -> bool {
        self.has(FindingKind::Missing)
    }

    /// The findings, and how many were only counted.
    pub(super) fn into_found(self) -> (Vec<Finding>, u64) {
        (self.found.into_inner(), self.left_out.get())
    }
}
