//! CSV records (RFC 4180): where each record and field begins and ends, without copying.
//!
//! - A field that begins with a quote ends with one; a doubled quote inside is one quote. Text after the
//!   closing quote, a quote that never closes, and NUL bytes make the line bad.
//! - A quote inside a field that does not begin with one is an ordinary character.
//! - Records end with LF or CRLF. Blank lines are no records.

use crate::error::Result;
use crate::text::lines::{Lines, line_end};

/// Where a field lies in its record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    start: u32,
    end: u32,
    pub(crate) quoted: bool,
    doubled_quotes: bool,
}

impl Field {
    /// The text of the field; `scratch` holds it when quotes had to be undoubled.
    pub(crate) fn text<'a>(&self, record: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let text = record
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default();
        if !self.doubled_quotes {
            return text;
        }
        scratch.clear();
        let mut skip = false;
        for &byte in text {
            skip = byte == b'"' && !skip;
            if !skip {
                scratch.push(byte);
            }
        }
        scratch
    }
}

/// One record, or one bad line.
pub(crate) struct Record<'a> {
    pub(crate) line: u64,
    /// The bytes as they stand in the file, with the line end.
    pub(crate) raw: &'a [u8],
    /// The fields, or why there are none.
    pub(crate) fields: std::result::Result<&'a [Field], &'static str>,
}

/// Cuts a file into records.
pub(crate) struct CsvRecords {
    pub(crate) lines: Lines,
    special: [bool; 256],
    delimiter: u8,
    fields: Vec<Field>,
    taken: (usize, u64),
}

impl CsvRecords {
    pub(crate) fn new(lines: Lines, delimiter: u8) -> Self {
        let mut records = CsvRecords {
            lines,
            special: [false; 256],
            delimiter,
            fields: Vec::new(),
            taken: (0, 0),
        };
        records.set_delimiter(delimiter);
        records
    }

    /// Uses another delimiter from the next record on.
    pub(crate) fn set_delimiter(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
        self.special = std::array::from_fn(|byte| byte == usize::from(delimiter) || byte == 0 || byte == 10);
    }

    /// The bytes of the line that comes next, for guessing the delimiter; empty at the end.
    pub(crate) fn peek_line(&mut self) -> Result<&[u8]> {
        while line_end(self.lines.pending()).is_none() && !self.lines.ended() && self.lines.more()? {}
        let pending = self.lines.pending();
        Ok(pending
            .get(..line_end(pending).unwrap_or(pending.len()))
            .unwrap_or_default())
    }

    /// The next record; `None` at the end of the file, or of what was fed.
    ///
    /// # Errors
    /// When the file cannot be read, or a record is too long.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>> {
        let (scanned, line) = loop {
            let (bytes, lines) = std::mem::take(&mut self.taken);
            self.lines.take(bytes, lines);
            let ended = self.lines.ended();
            if ended && self.lines.pending().is_empty() {
                return Ok(None);
            }
            let scanned = scan(
                self.lines.pending(),
                self.delimiter,
                &self.special,
                ended,
                &mut self.fields,
            );
            match scanned {
                Scanned::Unfinished => {
                    if !self.lines.more()? {
                        return Ok(None);
                    }
                }
                Scanned::Record { bytes, lines } | Scanned::Bad { bytes, lines, .. } => {
                    self.taken = (bytes, lines);
                    if !self.is_blank() || matches!(scanned, Scanned::Bad { .. }) {
                        break (scanned, self.lines.line());
                    }
                }
            }
        };
        let raw = self.lines.pending().get(..self.taken.0).unwrap_or_default();
        let fields = match scanned {
            Scanned::Bad { reason, .. } => Err(reason),
            _ => Ok(self.fields.as_slice()),
        };
        Ok(Some(Record { line, raw, fields }))
    }

    fn is_blank(&self) -> bool {
        matches!(self.fields.as_slice(), [field] if field.start == field.end && !field.quoted)
    }
}

#[derive(Clone, Copy)]
enum Scanned {
    /// `bytes` with the line end, which hold `lines` line ends.
    Record { bytes: usize, lines: u64 },
    /// The first line is bad; what follows it may be good.
    Bad {
        bytes: usize,
        lines: u64,
        reason: &'static str,
    },
    /// More bytes are needed.
    Unfinished,
}

/// How one field ended, and where the next thing begins.
enum FieldEnd {
    Delimiter(usize),
    Line(usize),
    Bad(&'static str),
    Unfinished,
}

fn scan(bytes: &[u8], delimiter: u8, special: &[bool; 256], ended: bool, fields: &mut Vec<Field>) -> Scanned {
    fields.clear();
    let mut position = 0;
    let mut lines = 0;
    loop {
        let (field, end) = if bytes.get(position) == Some(&b'"') {
            quoted_field(bytes, position, delimiter, ended, &mut lines)
        } else {
            plain_field(bytes, position, delimiter, special, ended)
        };
        fields.push(field);
        match end {
            FieldEnd::Delimiter(next) => position = next,
            FieldEnd::Line(next) => {
                let ends_with_newline = next > 0 && bytes.get(next - 1) == Some(&b'\n');
                return Scanned::Record {
                    bytes: next,
                    lines: lines + u64::from(ends_with_newline),
                };
            }
            FieldEnd::Unfinished => return Scanned::Unfinished,
            FieldEnd::Bad(reason) => return bad_line(bytes, ended, reason),
        }
    }
}

fn field(start: usize, end: usize) -> Field {
    // Records are limited to far less than 4 GiB.
    Field {
        start: start as u32,
        end: end as u32,
        quoted: false,
        doubled_quotes: false,
    }
}

#[inline]
fn plain_field(
    bytes: &[u8],
    start: usize,
    delimiter: u8,
    special: &[bool; 256],
    ended: bool,
) -> (Field, FieldEnd) {
    let rest = bytes.get(start..).unwrap_or_default();
    let Some(length) = rest
        .iter()
        .position(|byte| special.get(usize::from(*byte)) == Some(&true))
    else {
        let end = if ended {
            FieldEnd::Line(bytes.len())
        } else {
            FieldEnd::Unfinished
        };
        return (field(start, start + without_carriage_return(rest)), end);
    };
    let end = start + length;
    match rest.get(length) {
        Some(&b'\n') => {
            let content = rest.get(..length).unwrap_or_default();
            (
                field(start, start + without_carriage_return(content)),
                FieldEnd::Line(end + 1),
            )
        }
        Some(byte) if *byte == delimiter => (field(start, end), FieldEnd::Delimiter(end + 1)),
        _ => (field(start, end), FieldEnd::Bad("the line holds a NUL byte")),
    }
}

fn without_carriage_return(content: &[u8]) -> usize {
    content.strip_suffix(b"\r").unwrap_or(content).len()
}

/// Scans the quoted field that begins at `start`; adds the line ends inside it to `lines`.
fn quoted_field(
    bytes: &[u8],
    start: usize,
    delimiter: u8,
    ended: bool,
    lines: &mut u64,
) -> (Field, FieldEnd) {
    let mut doubled_quotes = false;
    let mut position = start + 1;
    let close = loop {
        let rest = bytes.get(position..).unwrap_or_default();
        let Some(distance) = memchr::memchr3(b'"', b'\n', 0, rest) else {
            let end = if ended {
                FieldEnd::Bad("a quote is not closed")
            } else {
                FieldEnd::Unfinished
            };
            return (field(start, start), end);
        };
        let at = position + distance;
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'\n'), _) => (*lines, position) = (*lines + 1, at + 1),
            (Some(0), _) => {
                return (field(start, start), FieldEnd::Bad("the line holds a NUL byte"));
            }
            (_, Some(b'"')) => (doubled_quotes, position) = (true, at + 2),
            (_, None) if !ended => return (field(start, start), FieldEnd::Unfinished),
            _ => break at,
        }
    };
    let found = Field {
        quoted: true,
        doubled_quotes,
        ..field(start + 1, close)
    };
    let end = match (bytes.get(close + 1), bytes.get(close + 2)) {
        (None, _) => FieldEnd::Line(close + 1),
        (Some(byte), _) if *byte == delimiter => FieldEnd::Delimiter(close + 2),
        (Some(b'\n'), _) => FieldEnd::Line(close + 2),
        (Some(b'\r'), Some(b'\n')) => FieldEnd::Line(close + 3),
        (Some(b'\r'), None) if ended => FieldEnd::Line(close + 2),
        (Some(b'\r'), None) => FieldEnd::Unfinished,
        _ => FieldEnd::Bad("text follows a closing quote"),
    };
    (found, end)
}

/// The first line of `bytes` as a bad one.
fn bad_line(bytes: &[u8], ended: bool, reason: &'static str) -> Scanned {
    match line_end(bytes) {
        Some(end) => Scanned::Bad {
            bytes: end + 1,
            lines: 1,
            reason,
        },
        None if ended => Scanned::Bad {
            bytes: bytes.len(),
            lines: 0,
            reason,
        },
        None => Scanned::Unfinished,
    }
}
