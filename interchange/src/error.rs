//! The one error of this crate: what is wrong, where in which file, and what to do next.
//!
//! Its text is a sentence a person can act on:
//! ``trades.csv:17: column price: "12,5" is not a number (f64); pass --delimiter ';' or --type price=utf8``.

use std::fmt;
use std::path::Path;

/// How many characters of an offending value an error keeps.
pub const VALUE_CHARS_MAX: usize = 80;

/// What sort of failure an [`InterchangeError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The content of a file, or an option, is not acceptable.
    Invalid,
    /// A file, column or zone that was asked for does not exist.
    NotFound,
    /// The content is sound but of a kind that gapless does not take.
    Unsupported,
    /// The operating system refused a read or a write, or a file ends early.
    Io,
    /// A defect of this crate.
    Internal,
}

/// A failure to read or write a file of another format, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InterchangeError {
    /// What sort of failure this is.
    pub kind: ErrorKind,
    /// The file.
    pub file: Option<Box<Path>>,
    /// The line of a text file on which the record begins, counted from 1.
    pub line: Option<u64>,
    /// The row of a binary file, or the row inside a line of JSON, counted from 1.
    pub row: Option<u64>,
    /// The column.
    pub column: Option<Box<str>>,
    /// The offending value, shortened to [`VALUE_CHARS_MAX`] characters.
    pub value: Option<Box<str>>,
    /// What is wrong; it continues the value when there is one ("is not a number (f64)").
    pub reason: Box<str>,
    /// What to do next.
    pub hint: Option<Box<str>>,
}

/// The result of this crate's functions.
pub type Result<T, E = InterchangeError> = std::result::Result<T, E>;

impl InterchangeError {
    pub(crate) fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        InterchangeError {
            kind,
            file: None,
            line: None,
            row: None,
            column: None,
            value: None,
            reason: reason.into().into_boxed_str(),
            hint: None,
        }
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, reason)
    }

    pub(crate) fn unsupported(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, reason)
    }

    pub(crate) fn io(doing: &str, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Self::new(kind, format!("{doing}: {error}"))
    }

    pub(crate) fn at_file(mut self, file: &Path) -> Self {
        self.file = Some(file.into());
        self
    }

    pub(crate) fn at_line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    pub(crate) fn at_row(mut self, row: Option<u64>) -> Self {
        self.row = row;
        self
    }

    pub(crate) fn in_column(mut self, column: &str) -> Self {
        self.column = Some(shorten(column).into_boxed_str());
        self
    }

    pub(crate) fn with_value(mut self, value: &[u8]) -> Self {
        self.value = Some(shorten(&String::from_utf8_lossy(value)).into_boxed_str());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into_boxed_str());
        self
    }
}

impl fmt::Display for InterchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        if let Some(row) = self.row {
            write!(f, "row {row}: ")?;
        }
        if let Some(column) = &self.column {
            write!(f, "column {column}: ")?;
        }
        if let Some(value) = &self.value {
            write!(f, "{value:?} ")?;
        }
        f.write_str(&self.reason)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// `text`, cut to [`VALUE_CHARS_MAX`] characters with `...` for the rest.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(VALUE_CHARS_MAX - 3).collect();
            format!("{kept}...")
        }
    }
}

/// Names joined for an error, never more than a few of them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = names.into_iter().map(shorten).collect();
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// The file name for a sentence about another file.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A value that a column cannot take: the reason continues the value in a sentence.
#[derive(Debug)]
pub(crate) struct BadValue {
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
}

impl BadValue {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        BadValue {
            reason: reason.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
