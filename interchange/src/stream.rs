//! Reads text that comes piece by piece, as from a pipe: lines in, batches out, nothing waits for a full batch.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::error::{ErrorKind, InterchangeError, Result};
use crate::file_format::FileFormat;
use crate::infer::{JsonLines, Plan, open_csv_lines};
use crate::input::Progress;
use crate::options::ReadOptions;
use crate::text::csv::CsvRecords;
use crate::text::json::JsonRows;
use crate::text::lines::{Lines, RECORD_BYTES_MAX};
use crate::text::rows::Rows;

/// CSV or JSON lines that are fed as they come.
///
/// ```
/// use gapless_interchange::{FileFormat, ReadOptions, TextStream, plan_text};
///
/// let options = ReadOptions::default();
/// let first = b"ts,price\n2026-01-01T00:00:00Z,1.5\n2026-01-01T00:00";
/// let plan = plan_text("input", FileFormat::Csv, &first[..35], &options)?;
/// let mut stream = TextStream::new(&plan, &options, &first[..])?;
/// assert!(stream.next_full()?.is_none());
/// assert_eq!(stream.take()?.expect("one row is whole").num_rows(), 1);
/// stream.feed(b":01Z,2.5\n");
/// assert!(stream.next_full()?.is_none());
/// assert_eq!(stream.take()?.expect("the other one").num_rows(), 1);
/// assert_eq!(stream.unfinished_line(), None);
/// # Ok::<(), gapless_interchange::InterchangeError>(())
/// ```
pub struct TextStream {
    lines: FedLines,
    rows: Rows,
    ready: VecDeque<RecordBatch>,
}

enum FedLines {
    Csv {
        records: Box<CsvRecords>,
        places: Vec<usize>,
    },
    Json {
        lines: JsonLines,
        found: JsonRows,
        places: Option<Vec<usize>>,
    },
}

impl TextStream {
    /// Begins with the first bytes, those that were planned with; `options` are those of the plan. CSV has its whole
    /// header in them.
    ///
    /// # Errors
    /// When the plan is not one of text, or the header is not what was planned.
    pub fn new(plan: &Plan, options: &ReadOptions, first: &[u8]) -> Result<Self> {
        let rows = Rows::new(
            plan.schema.clone(),
            plan.columns.clone(),
            &options.null_values,
            options.batch_rows,
            &Arc::<Progress>::default(),
        )?;
        let input = plan
            .inputs
            .first()
            .ok_or_else(|| InterchangeError::new(ErrorKind::Internal, "a plan of no input"))?;
        let mut lines = Lines::fed(&input.file);
        lines.feed(first);
        let lines = match input.identity.format {
            FileFormat::Csv => {
                let (records, names) = open_csv_lines(lines, input, options)?;
                FedLines::Csv {
                    places: rows.places(&names)?,
                    records: Box::new(records),
                }
            }
            FileFormat::JsonLines => FedLines::Json {
                lines: JsonLines::new(lines),
                found: JsonRows::default(),
                places: options
                    .column_names
                    .as_ref()
                    .map(|names| rows.places(names))
                    .transpose()?,
            },
            FileFormat::Parquet | FileFormat::ArrowIpc => {
                return Err(InterchangeError::unsupported("only text comes piece by piece"));
            }
        };
        Ok(TextStream {
            lines,
            rows,
            ready: VecDeque::new(),
        })
    }

    /// More bytes. They may end anywhere.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.lines.lines_mut().feed(bytes);
    }

    /// The next full batch; `None` when there are not so many whole lines. What is there is [`TextStream::take`]n.
    ///
    /// # Errors
    /// A line that cannot be read, with its number. The rows before it are not lost: they can be taken.
    pub fn next_full(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if !self.parse()? {
                return Ok(None);
            }
            self.ready.extend(self.rows.finish()?);
        }
    }

    /// The rows that were read and do not fill a batch.
    ///
    /// # Errors
    /// Only a defect of this crate.
    pub fn take(&mut self) -> Result<Option<RecordBatch>> {
        self.ready.extend(self.rows.finish()?);
        Ok(self.ready.pop_front())
    }

    /// Whether there are rows to take.
    pub fn has_rows(&self) -> bool {
        !self.ready.is_empty() || self.rows.len() > 0
    }

    /// The number of the line that has begun and not ended, if there is one.
    pub fn unfinished_line(&self) -> Option<u64> {
        let lines = self.lines.lines();
        (!lines.pending().trim_ascii().is_empty()).then(|| lines.line())
    }

    /// Reads lines until a batch is full; false when there are not so many.
    fn parse(&mut self) -> Result<bool> {
        while !self.rows.is_full() {
            let is_there = match &mut self.lines {
                FedLines::Csv { records, places } => parse_csv(records, &mut self.rows, places),
                FedLines::Json { lines, found, places } => {
                    parse_json(lines, found, &mut self.rows, places.as_deref())
                }
            };
            if !is_there.map_err(|error| error.at_file(&self.lines.lines().file))? {
                return self.check_length().map(|()| false);
            }
        }
        Ok(true)
    }

    /// A line that never ends must not fill the memory.
    fn check_length(&self) -> Result<()> {
        let lines = self.lines.lines();
        if lines.pending().len() <= RECORD_BYTES_MAX {
            return Ok(());
        }
        let reason = format!(
            "the record is longer than {} MiB; is a quote unclosed, or a line end missing?",
            RECORD_BYTES_MAX >> 20
        );
        Err(InterchangeError::invalid(reason)
            .at_file(&lines.file)
            .at_line(lines.line()))
    }
}

impl FedLines {
    fn lines(&self) -> &Lines {
        match self {
            FedLines::Csv { records, .. } => &records.lines,
            FedLines::Json { lines, .. } => &lines.lines,
        }
    }

    fn lines_mut(&mut self) -> &mut Lines {
        match self {
            FedLines::Csv { records, .. } => &mut records.lines,
            FedLines::Json { lines, .. } => &mut lines.lines,
        }
    }
}

/// Reads one record; false when there is none.
fn parse_csv(records: &mut CsvRecords, rows: &mut Rows, places: &[usize]) -> Result<bool> {
    let Some(record) = records.next()? else {
        return Ok(false);
    };
    let pushed = match record.fields {
        Ok(fields) => rows.push_csv(record.raw, fields, places),
        Err(reason) => Err(InterchangeError::invalid(reason)),
    };
    pushed.map_err(|error| error.at_line(record.line))?;
    Ok(true)
}

/// Reads one line; false when there is none.
fn parse_json(
    lines: &mut JsonLines,
    found: &mut JsonRows,
    rows: &mut Rows,
    places: Option<&[usize]>,
) -> Result<bool> {
    let Some((line, text)) = lines.next()? else {
        return Ok(false);
    };
    let pushed = match found.scan(text) {
        Ok(()) => rows.push_json(text, found, places),
        Err(reason) => Err(InterchangeError::invalid(reason).with_value(text.trim_ascii())),
    };
    pushed.map_err(|error| error.at_line(line))?;
    Ok(true)
}
