//! What the first lines say: which columns there are, and of which types.
//!
//! A line that cannot be read must not cost the rows before it. So the types come from the lines before the first bad one,
//! and it is the stream that then meets the bad line and names it.

use gapless_interchange::{FileFormat, InterchangeError, Plan, ReadOptions, TextStream, plan_text};

use super::session::NAME;
use crate::commands::import::Target;
use crate::error::CliError;

/// So many bytes are enough to infer types from.
pub(super) const FIRST_BYTES_MAX: usize = 8 << 20;

/// What came of the first lines.
pub(super) enum First {
    Ready(Box<Settled>),
    /// No row is whole: the record that begins on this line has not ended.
    Unfinished(u64),
}

/// How the rows are read.
pub(super) struct Settled {
    pub(super) plan: Plan,
    pub(super) options: ReadOptions,
    /// A line that the reader would take but the plan does not, such as a time of another unit: no row from it on.
    pub(super) refused: Option<InterchangeError>,
}

/// A plan, and the text that it was made of.
struct Planned<'a> {
    plan: Plan,
    text: &'a [u8],
    refused: Option<InterchangeError>,
}

/// The first bytes, and how they are laid out.
pub(super) struct FirstLines<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) format: FileFormat,
    pub(super) header_lines: usize,
}

/// How far the first bytes can be read.
struct Reach {
    has_rows: bool,
    /// The line that is bad or has not ended.
    line: Option<u64>,
    error: Option<InterchangeError>,
}

impl<'a> FirstLines<'a> {
    /// Settles how the rows are read. A new table needs a row that can be.
    pub(super) fn settle(&self, target: &Target, mut options: ReadOptions) -> Result<First, CliError> {
        target.complete(&mut options);
        if self.format == FileFormat::JsonLines && options.column_names.is_none() {
            target.adopt_all_types(&mut options);
        }
        let mut text = whole_lines(self.bytes);
        loop {
            let planned = match self.plan(text, &options, target.is_new_table()) {
                Ok(planned) => planned,
                Err(error) => return self.unfinished().map(First::Unfinished).ok_or(error.into()),
            };
            if !target.is_new_table() {
                return self.with_types_of(target, planned, options);
            }
            let reach = self.reach(&planned.plan, &options)?;
            match (reach.has_rows, reach.line, reach.error) {
                (true, Some(line), _) if lines_before(self.bytes, line).len() < planned.text.len() => {
                    text = lines_before(self.bytes, line);
                }
                (false, _, Some(error)) => return Err(error.into()),
                (false, Some(line), None) => return Ok(First::Unfinished(line)),
                _ => return Ok(planned.ready(options)),
            }
        }
    }

    /// The types of the table that exists, instead of inferred ones.
    fn with_types_of(
        &self,
        target: &Target,
        mut planned: Planned<'_>,
        mut options: ReadOptions,
    ) -> Result<First, CliError> {
        if target.adopt_types(&planned.plan, &mut options) {
            planned.plan = plan_text(NAME, self.format, planned.text, &options)?;
        }
        target.check_fit(&planned.plan)?;
        Ok(planned.ready(options))
    }

    /// A plan of `text`, or of the lines in it before one that spoils it.
    fn plan(
        &self,
        mut text: &'a [u8],
        options: &ReadOptions,
        is_new: bool,
    ) -> Result<Planned<'a>, InterchangeError> {
        loop {
            let error = match plan_text(NAME, self.format, text, options) {
                Ok(plan) => return Ok(Planned::of(plan, text)),
                Err(error) => error,
            };
            let Some(line) = error.line else {
                // What a new table is must be certain, unless it is one value that is wrong.
                return if is_new && error.value.is_none() {
                    Err(error)
                } else {
                    self.plan_of_front(text, options, error)
                };
            };
            text = lines_before(text, line);
            if self.rows(text).is_empty() {
                return Err(error);
            }
        }
    }

    /// The plan of as many lines as have one. A value of the time column that is of another sort than the others spoils a
    /// plan without a word on its line.
    fn plan_of_front(
        &self,
        text: &'a [u8],
        options: &ReadOptions,
        error: InterchangeError,
    ) -> Result<Planned<'a>, InterchangeError> {
        let rows = self.rows(text);
        let plan_of = |count: usize| -> Result<Planned<'a>, InterchangeError> {
            let end = count.checked_sub(1).and_then(|last| rows.get(last));
            let front = text.get(..end.map_or(0, |(_, end)| *end)).unwrap_or_default();
            let plan = plan_text(NAME, self.format, front, options)?;
            Ok(Planned::of(plan, front))
        };
        let at_row = |error: InterchangeError, row: usize| InterchangeError {
            line: rows.get(row).map(|(line, _)| *line),
            ..error
        };
        let mut bad = rows.len();
        let mut good = bad / 2;
        while good > 0 && plan_of(good).is_err() {
            (bad, good) = (good, good / 2);
        }
        if good == 0 {
            return Err(match plan_of(1) {
                Err(of_row) if of_row.value.is_some() => at_row(of_row, 0),
                _ => error,
            });
        }
        while bad - good > 1 {
            let middle = usize::midpoint(good, bad);
            if plan_of(middle).is_ok() {
                good = middle;
            } else {
                bad = middle;
            }
        }
        // The reader names a value that it cannot read; the others it would take.
        let refused = plan_of(bad).err().filter(|error| error.value.is_none());
        Ok(Planned {
            refused: refused.map(|error| at_row(error, good)),
            ..plan_of(good)?
        })
    }

    /// The lines of rows: the number of each and where it ends.
    fn rows(&self, text: &[u8]) -> Vec<(u64, usize)> {
        let mut end = 0;
        let lines = text.split_inclusive(|byte| *byte == b'\n').zip(1..);
        let ends = lines.filter_map(|(line, number)| {
            end += line.len();
            (!line.trim_ascii().is_empty()).then_some((number, end))
        });
        ends.skip(self.header_lines).collect()
    }

    /// The line of the first row, if there is no plan because a quote is still open.
    fn unfinished(&self) -> Option<u64> {
        let quotes = self.bytes.iter().filter(|byte| **byte == b'"').count();
        let may_end = self.format == FileFormat::Csv && self.bytes.len() < FIRST_BYTES_MAX;
        let rows = self.rows(self.bytes);
        let first = rows.first().map(|(line, _)| *line);
        first.filter(|_| may_end && quotes % 2 == 1)
    }

    fn reach(&self, plan: &Plan, options: &ReadOptions) -> Result<Reach, InterchangeError> {
        let mut stream = TextStream::new(plan, options, self.bytes)?;
        let mut has_rows = false;
        let error = loop {
            match stream.next_full() {
                Ok(Some(_)) => has_rows = true,
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        Ok(Reach {
            has_rows: has_rows || stream.has_rows(),
            line: match &error {
                Some(error) => error.line,
                None => stream.unfinished_line(),
            },
            error,
        })
    }
}

impl<'a> Planned<'a> {
    fn of(plan: Plan, text: &'a [u8]) -> Self {
        Self {
            plan,
            text,
            refused: None,
        }
    }

    fn ready(self, options: ReadOptions) -> First {
        First::Ready(Box::new(Settled {
            plan: self.plan,
            options,
            refused: self.refused,
        }))
    }
}

/// The lines that are whole.
pub(super) fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    bytes.get(..end).unwrap_or_default()
}

/// The lines before one.
pub(super) fn lines_before(bytes: &[u8], line: u64) -> &[u8] {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').zip(1..);
    let before = lines.take_while(|(_, number)| *number < line);
    let len = before.map(|(text, _)| text.len()).sum();
    bytes.get(..len).unwrap_or_default()
}
