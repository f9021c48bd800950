//! Text to rows to commits to acknowledgements.

use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use gapless::{Database, Durability, ErrorKind, Maintenance, Table};
use gapless_interchange::{InterchangeError, Plan, ReadOptions, TextStream};

use super::Args;
use super::first::{FIRST_BYTES_MAX, First, FirstLines, Settled, lines_before, whole_lines};
use crate::commands::import::{self, Made, Target};
use crate::error::{CliError, eprintln_quietly};
use crate::output::Output;

/// What errors call standard input.
pub(super) const NAME: &str = "<stdin>";

/// One run.
pub(super) struct Session<'a> {
    args: &'a Args,
    /// Bytes of a run that has not begun.
    first: Vec<u8>,
    running: Option<Running>,
    /// The line of the first record, when it has not ended yet.
    unfinished: Option<u64>,
    /// When the oldest row came that is not appended.
    waiting_since: Option<Instant>,
    /// When the oldest row was appended that is not durable.
    unsynced_since: Option<Instant>,
    appended: u64,
    acked: u64,
}

/// The table is there.
struct Running {
    database: Database,
    table: Table,
    stream: TextStream,
    /// Why what follows the first rows is not read.
    refused: Option<InterchangeError>,
}

/// What came of an attempt to begin.
enum Opened {
    Running(Box<Running>),
    /// No row is whole yet; the line on which the first begins.
    Unfinished(u64),
}

impl<'a> Session<'a> {
    pub(super) fn new(args: &'a Args) -> Result<Self, CliError> {
        // What cannot be right is said before anything is read.
        Target::find(&import_args(args), Maintenance::Background)?;
        Ok(Self {
            args,
            first: Vec::new(),
            running: None,
            unfinished: None,
            waiting_since: None,
            unsynced_since: None,
            appended: 0,
            acked: 0,
        })
    }

    /// Takes bytes; full batches go out.
    pub(super) fn take(&mut self, bytes: &[u8], output: &mut Output) -> Result<(), CliError> {
        let Some(running) = &mut self.running else {
            self.first.extend_from_slice(bytes);
            if self.has_first_row() {
                self.waiting_since.get_or_insert_with(Instant::now);
            }
            return if self.has_first_batch() {
                self.begin(output)
            } else {
                Ok(())
            };
        };
        running.stream.feed(bytes);
        self.append_full(output)
    }

    /// The input pauses: what was read goes out. A new table waits longer, for the sake of its types.
    pub(super) fn pause(&mut self, output: &mut Output) -> Result<(), CliError> {
        if self.running.is_some() {
            self.append_rest(output)?;
        }
        Ok(())
    }

    /// What has waited long enough goes out, or to the disk.
    pub(super) fn tick(&mut self, output: &mut Output) -> Result<(), CliError> {
        if self
            .waiting_since
            .is_some_and(|since| since.elapsed() >= self.args.wait())
        {
            if self.running.is_none() {
                self.begin(output)?;
            }
            self.append_rest(output)?;
        }
        if let (Durability::Interval(ms), Some(since)) = (self.args.durability, self.unsynced_since)
            && since.elapsed() >= Duration::from_millis(ms)
        {
            self.sync(output)?;
        }
        Ok(())
    }

    /// The input has ended. It must end with a line.
    pub(super) fn end(&mut self, output: &mut Output) -> Result<(), CliError> {
        self.stop(output)?;
        let unfinished = match &self.running {
            Some(running) => running.stream.unfinished_line(),
            None => self.unfinished.or_else(|| unfinished_line(&self.first)),
        };
        match unfinished {
            None => Ok(()),
            Some(line) => Err(CliError::invalid(format!(
                "{NAME}:{line}: the input ends inside of a line, which may be cut off; it was not appended"
            ))
            .hint("if the line is whole, end it with a newline")),
        }
    }

    /// No more is read: what was read goes out.
    pub(super) fn stop(&mut self, output: &mut Output) -> Result<(), CliError> {
        if self.running.is_none() && self.has_first_row() {
            self.begin(output)?;
        }
        self.append_rest(output)
    }

    /// Makes durable what is not, also after an error, and writes all to segments.
    pub(super) fn finish(mut self, output: &mut Output) -> Result<(), CliError> {
        if self.acked < self.appended {
            self.sync(output)?;
        }
        output.flush()?;
        self.flush()
    }

    /// The end of the process would flush too, but could not say that it failed.
    fn flush(&self) -> Result<(), CliError> {
        let Some(running) = &self.running else {
            return Ok(());
        };
        running.database.flush().map_err(|error| {
            // The command line has no part in it, whatever the operating system said.
            let kind = match error.kind() {
                ErrorKind::Corrupt => ErrorKind::Corrupt,
                _ => ErrorKind::Io,
            };
            CliError::new(kind, error.message()).with_note(&format!(
                "the streamed rows are not in segments yet; those that were acknowledged ({} of this run) are safe in the \
                 log, and the next process that opens the database to write flushes them",
                self.acked
            ))
        })
    }

    /// Whether there is a whole row: behind the header, if it is CSV.
    fn has_first_row(&self) -> bool {
        let lines = whole_lines(&self.first).split(|byte| *byte == b'\n');
        let rows = lines.filter(|line| !line.trim_ascii().is_empty());
        rows.take(self.header_lines() + 1).count() > self.header_lines()
    }

    fn header_lines(&self) -> usize {
        usize::from(self.args.format == super::Format::Csv && self.args.reading.has_header())
    }

    fn has_first_batch(&self) -> bool {
        let lines = self.first.iter().filter(|byte| **byte == b'\n').count();
        self.first.len() >= FIRST_BYTES_MAX || lines >= self.args.batch + self.header_lines()
    }

    /// Settles what the rows are, and the table.
    fn begin(&mut self, output: &mut Output) -> Result<(), CliError> {
        let opened = match self.open() {
            // Another run has made the table at the same time.
            Err(error) if error.kind() == ErrorKind::Conflict => self.open()?,
            opened => opened?,
        };
        match opened {
            Opened::Running(mut running) => {
                self.first = Vec::new();
                let refused = running.refused.take();
                self.running = Some(*running);
                self.append_full(output)?;
                match refused {
                    Some(error) => self.append_rest(output).and(Err(error.into())),
                    None => Ok(()),
                }
            }
            // More of the record may come.
            Opened::Unfinished(line) => {
                (self.unfinished, self.waiting_since) = (Some(line), None);
                Ok(())
            }
        }
    }

    fn open(&self) -> Result<Opened, CliError> {
        let import = import_args(self.args);
        let target = Target::find(&import, Maintenance::Background)?;
        let options = ReadOptions {
            batch_rows: self.args.batch,
            ..import.read_options()?
        };
        let lines = FirstLines {
            bytes: &self.first,
            format: self.args.format.file_format(),
            header_lines: self.header_lines(),
        };
        let settled = match lines.settle(&target, options)? {
            First::Ready(settled) => *settled,
            First::Unfinished(line) => return Ok(Opened::Unfinished(line)),
        };
        let Settled {
            plan,
            options,
            refused,
        } = settled;
        let first = match refused.as_ref().and_then(|error| error.line) {
            Some(line) => lines_before(&self.first, line),
            None => &self.first,
        };
        let stream = TextStream::new(&plan, &options, first)?;
        let (database, made) = target.open_for_writing(&import)?;
        let table = match target.spec(&import, &plan) {
            Some(spec) => database.create_table(&spec),
            None => database.table(&self.args.table),
        };
        if target.is_new_table() && table.is_ok() {
            eprintln_quietly(&made_table(&self.args.table, &plan));
        }
        match table {
            Ok(table) => Ok(Opened::Running(Box::new(Running {
                database,
                table,
                stream,
                refused,
            }))),
            Err(error) => Err(undone(error.into(), made, database)),
        }
    }

    /// Appends batches that are full. After a bad line, the rows before it too.
    fn append_full(&mut self, output: &mut Output) -> Result<(), CliError> {
        while let Some(running) = &mut self.running {
            match running.stream.next_full() {
                Ok(Some(batch)) => self.append(&batch, output)?,
                Ok(None) => {
                    let has_rows = running.stream.has_rows();
                    self.waiting_since = has_rows.then(|| self.waiting_since.unwrap_or_else(Instant::now));
                    return Ok(());
                }
                Err(error) => {
                    self.append_rest(output)?;
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    fn append_rest(&mut self, output: &mut Output) -> Result<(), CliError> {
        while let Some(running) = &mut self.running
            && let Some(batch) = running.stream.take()?
        {
            self.append(&batch, output)?;
        }
        Ok(())
    }

    fn append(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), CliError> {
        let Some(running) = &self.running else {
            return Ok(());
        };
        // Between two syncs that are made here none is needed.
        let durability = match self.args.durability {
            Durability::Sync => Durability::Sync,
            Durability::Interval(_) | Durability::Buffered => Durability::Buffered,
        };
        running.table.append_with(batch, Some(durability))?;
        self.waiting_since = None;
        self.appended += batch.num_rows() as u64;
        if durability == Durability::Sync {
            return self.acknowledge(output);
        }
        self.unsynced_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn sync(&mut self, output: &mut Output) -> Result<(), CliError> {
        if let Some(running) = &self.running {
            running.database.sync()?;
        }
        self.unsynced_since = None;
        self.acknowledge(output)
    }

    /// Says how many rows are durable.
    fn acknowledge(&mut self, output: &mut Output) -> Result<(), CliError> {
        self.acked = self.appended;
        if output.is_json() {
            output.line(format!("{{\"acked\": {}}}", self.acked))?;
        } else {
            output.line(format!("acked {}", self.acked))?;
        }
        output.flush()
    }
}

/// What was chosen for a new table: nobody was asked.
fn made_table(table: &str, plan: &Plan) -> String {
    let columns = plan.decisions.iter();
    let columns: Vec<String> = columns
        .map(|decision| format!("{}: {}", decision.column, decision.decided))
        .collect();
    format!("made table {table} of columns {}", columns.join("; "))
}

fn undone(error: CliError, made: Option<Made>, database: Database) -> CliError {
    match made {
        Some(made) => error.with_note(made.undo(database)),
        None => error,
    }
}

fn unfinished_line(bytes: &[u8]) -> Option<u64> {
    let rest = bytes.get(whole_lines(bytes).len()..).unwrap_or_default();
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    (!rest.trim_ascii().is_empty()).then_some(lines + 1)
}

/// The import that would make the same table.
fn import_args(args: &Args) -> import::Args {
    import::Args::of_reading(args.database.clone(), args.table.clone(), args.reading.clone())
}
