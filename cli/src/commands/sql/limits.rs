//! What statements may use and do, and a session that is opened so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gapless::{Database, ErrorKind};
use gapless_sql::{Session, SessionBuilder};
use tempfile::TempDir;

use super::running::{Running, wait};
use crate::error::CliError;
use crate::options::{self, byte_size};
use crate::stop::Stop;

/// How long a statement that was ended may take to clear away what it had put on disk.
const CLOSE: Duration = Duration::from_millis(700);

/// How often it is tried to remove what was spilled, and the time between.
const REMOVALS: usize = 5;
const REMOVAL_PAUSE: Duration = Duration::from_millis(10);

/// What statements may use and do.
#[derive(Debug, clap::Args)]
pub(crate) struct Limits {
    /// Memory for sorts, groups and joins, such as 512MiB. What does not fit is put on disk, or refused [default: 1GiB].
    #[arg(long, value_name = "SIZE", value_parser = byte_size)]
    memory: Option<usize>,
    /// Where that is put [default: the directory for temporary files].
    #[arg(long, value_name = "DIR")]
    spill: Option<PathBuf>,
    /// Threads [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Read the version that a named snapshot keeps.
    #[arg(
        long,
        visible_alias = "snapshot",
        value_name = "SNAPSHOT",
        conflicts_with = "write"
    )]
    as_of: Option<String>,
    /// Open the database for writing, which INSERT needs.
    #[arg(long)]
    write: bool,
}

impl Limits {
    /// A new directory where statements may spill. A machine without a place for temporary files has none, and does without it
    /// unless a place was named.
    fn spill_directory(&self) -> Result<Option<TempDir>, CliError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("gapless-sql-");
        match &self.spill {
            None => Ok(builder.tempdir().ok()),
            Some(directory) => builder
                .tempdir_in(directory)
                .map(Some)
                .map_err(|error| CliError::io(directory.display(), &error)),
        }
    }
}

/// A database that statements are run over.
pub(crate) struct Opened {
    settings: SessionBuilder,
    session: Session,
    stop: Stop,
    is_writable: bool,
    /// A directory of our own for what is spilled.
    spill: Option<TempDir>,
}

impl Opened {
    /// Who `ends` with a statement that is ended must not wait for its threads, which put their files away themselves if they
    /// have the time. It gets a directory that goes with it, whatever is in there.
    pub(crate) fn new(database: &Path, limits: &Limits, stop: Stop, ends: bool) -> Result<Self, CliError> {
        let database: Database = match limits.write {
            true => options::open_existing(database)?,
            false => options::open(database)?,
        };
        let mut builder = Session::builder(&database);
        if let Some(bytes) = limits.memory {
            builder = builder.memory_bytes_max(bytes);
        }
        let spill = if ends { limits.spill_directory()? } else { None };
        if let Some(directory) = spill.as_ref().map(TempDir::path).or(limits.spill.as_deref()) {
            builder = builder.spill_directory(directory);
        }
        if let Some(threads) = limits.threads {
            builder = builder.threads(threads.into());
        }
        if let Some(snapshot) = &limits.as_of {
            builder = builder.as_of(snapshot);
        }
        Ok(Self {
            session: builder.clone().open()?,
            settings: builder,
            stop,
            is_writable: limits.write,
            spill,
        })
    }

    /// Plans a statement and starts it.
    pub(crate) fn run(&self, statement: &str) -> Result<Running, CliError> {
        let planned = wait(&self.stop, self.session.sql_async(statement))?;
        let rows = planned.map_err(|error| explained(error, self.is_writable))?;
        Ok(Running::new(rows, self.stop.clone(), self.is_writable))
    }

    /// Opens another session in the place of this one, whose threads may still be busy with a statement that was ended.
    pub(super) fn renew(&mut self) -> Result<(), CliError> {
        let session = self.settings.clone().open()?;
        std::mem::replace(&mut self.session, session).close(Duration::ZERO);
        Ok(())
    }

    /// What tells that a statement is to end.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Ends what still runs, and waits until it has put away its files.
    pub(crate) fn close(self) {
        self.session.close(CLOSE);
        let Some(spill) = self.spill.map(TempDir::keep) else {
            return;
        };
        // A thread that has not ended yet may just make one more file.
        for _ in 0..REMOVALS {
            if std::fs::remove_dir_all(&spill).is_ok() {
                return;
            }
            std::thread::sleep(REMOVAL_PAUSE);
        }
    }
}

/// The error of a statement, with what to do.
pub(super) fn explained(error: gapless::Error, is_writable: bool) -> CliError {
    let kind = error.kind();
    if kind == ErrorKind::Unsupported {
        // What SQL does not have is misuse of the command; stored bytes of a newer version are never an error of a statement.
        return CliError::invalid(error.message());
    }
    let is_about = |text: &str| error.message().contains(text);
    if !is_writable && kind == ErrorKind::Invalid && is_about("open for reading only") {
        return CliError::invalid("the statement writes, and the database is open for reading only")
            .hint("pass --write");
    }
    if kind == ErrorKind::Invalid && is_about("statements in one text") {
        return CliError::from(error).hint("gapless sql DB < FILE runs one after the other");
    }
    let error = CliError::from(error);
    match kind {
        ErrorKind::Overloaded => error.hint("--memory SIZE gives it more"),
        _ => error,
    }
}
