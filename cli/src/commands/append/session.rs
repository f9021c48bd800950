//! Text to rows to commits to acknowledgements.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use gapless::{Database, Durability, ErrorKind, Maintenance, Table};
use gapless_interchange::{ReadOptions, TextStream, plan_text};

use super::Args;
use crate::commands::import::{self, Made, Target};
use crate::error::CliError;
use crate::output::Output;

/// What errors call standard input.
const NAME: &str = "<stdin>";
/// Rows do not wait longer than this for a full batch.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// So many bytes are enough to infer types from.
const FIRST_BYTES_MAX: usize = 8 << 20;

/// One run.
pub(super) struct Session<'a> {
    args: &'a Args,
    /// Bytes of a run that has not begun.
    first: Vec<u8>,
    running: Option<Running>,
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
}

impl<'a> Session<'a> {
    pub(super) fn new(args: &'a Args) -> Result<Self, CliError> {
        // What cannot be right is said before anything is read.
        Target::find(&import_args(args)?, Maintenance::Background)?;
        Ok(Self {
            args,
            first: Vec::new(),
            running: None,
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
            .is_some_and(|since| since.elapsed() >= WAIT_MAX)
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
            None => unfinished_line(&self.first),
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

    /// Makes durable what is not, also after an error.
    pub(super) fn finish(mut self, output: &mut Output) -> Result<(), CliError> {
        if self.acked < self.appended {
            self.sync(output)?;
        }
        output.flush()
    }

    /// Whether there is a whole row: behind the header, if it is CSV.
    fn has_first_row(&self) -> bool {
        let lines = whole_lines(&self.first).split(|byte| *byte == b'\n');
        let rows = lines.filter(|line| !line.trim_ascii().is_empty());
        rows.take(self.header_lines() + 1).count() > self.header_lines()
    }

    fn header_lines(&self) -> usize {
        usize::from(self.args.format == super::Format::Csv)
    }

    fn has_first_batch(&self) -> bool {
        let lines = self.first.iter().filter(|byte| **byte == b'\n').count();
        self.first.len() >= FIRST_BYTES_MAX || lines >= self.args.batch + self.header_lines()
    }

    /// Settles what the rows are, and the table.
    fn begin(&mut self, output: &mut Output) -> Result<(), CliError> {
        let running = match self.open() {
            // Another run has made the table at the same time.
            Err(error) if error.kind() == ErrorKind::Conflict => self.open()?,
            running => running?,
        };
        self.first = Vec::new();
        self.running = Some(running);
        self.append_full(output)
    }

    fn open(&self) -> Result<Running, CliError> {
        let import = import_args(self.args)?;
        let target = Target::find(&import, Maintenance::Background)?;
        let mut options = ReadOptions {
            batch_rows: self.args.batch,
            ..import.read_options()?
        };
        target.complete(&mut options);
        let text = whole_lines(&self.first);
        let format = self.args.format.file_format();
        let mut plan = plan_text(NAME, format, text, &options)?;
        if target.adopt_types(&plan, &mut options) {
            plan = plan_text(NAME, format, text, &options)?;
        }
        target.check_fit(&plan)?;
        let stream = TextStream::new(&plan, &options, &self.first)?;
        let (database, made) = target.open_for_writing(&import)?;
        let table = match target.spec(&import, &plan) {
            Some(spec) => database.create_table(&spec),
            None => database.table(&self.args.table),
        };
        match table {
            Ok(table) => Ok(Running {
                database,
                table,
                stream,
            }),
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

fn undone(error: CliError, made: Option<Made>, database: Database) -> CliError {
    match made {
        Some(made) => error.with_note(made.undo(database)),
        None => error,
    }
}

/// The lines that are whole.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    bytes.get(..end).unwrap_or_default()
}

fn unfinished_line(bytes: &[u8]) -> Option<u64> {
    let rest = bytes.get(whole_lines(bytes).len()..).unwrap_or_default();
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    (!rest.trim_ascii().is_empty()).then_some(lines + 1)
}

/// The import that would make the same table.
fn import_args(args: &Args) -> Result<import::Args, CliError> {
    let mut words: Vec<OsString> = Vec::new();
    let mut option = |name: &str, value: Option<&str>| {
        words.extend(value.map(|value| OsString::from(format!("--{name}={value}"))));
    };
    option("time", args.time.as_deref());
    option(
        "time-unit",
        args.time_unit.map(gapless_interchange::time_unit_name),
    );
    option("series", args.series.as_deref());
    option("zone", args.zone.as_deref());
    words.push("--".into());
    words.extend([
        args.database.clone().into(),
        OsString::from(&args.table),
        NAME.into(),
    ]);
    import::Args::of_words(words)
}
