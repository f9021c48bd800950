//! How the demo is told: titles, sentences, commands that are shown and run, and numbers that must be right.

use std::fmt::{Debug, Display};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::error::CliError;
use crate::output::Output;
use crate::render::Grid;

/// The directory that the demo works in, as the current one: the commands that are shown have short paths.
pub(super) struct Workplace {
    path: PathBuf,
    is_kept: bool,
    /// Removed when the demo ends.
    _temporary: Option<tempfile::TempDir>,
}

impl Workplace {
    /// Makes the directory and goes there.
    pub(super) fn enter(keep: Option<&Path>) -> Result<Self, CliError> {
        let (path, temporary) = match keep {
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("gapless-demo-")
                    .tempdir()
                    .map_err(|error| CliError::io("cannot make a temporary directory", &error))?;
                (temporary.path().to_path_buf(), Some(temporary))
            }
            Some(path) => (empty_directory(path)?, None),
        };
        std::env::set_current_dir(&path).map_err(|error| CliError::io(path.display(), &error))?;
        Ok(Self {
            path,
            is_kept: keep.is_some(),
            _temporary: temporary,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory, if it stays.
    pub(super) fn kept(&self) -> Option<String> {
        self.is_kept.then(|| self.path.display().to_string())
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // A directory that is somebody's current one cannot be removed everywhere.
        let _ = std::env::set_current_dir(std::env::temp_dir());
    }
}

fn empty_directory(path: &Path) -> Result<PathBuf, CliError> {
    let failed = |error: std::io::Error| CliError::io(path.display(), &error);
    std::fs::create_dir_all(path).map_err(failed)?;
    if std::fs::read_dir(path).map_err(failed)?.next().is_some() {
        return Err(CliError::invalid(format!("{} is not empty", path.display()))
            .hint("name an empty or missing directory; nothing was changed"));
    }
    path.canonicalize().map_err(failed)
}

/// Which lines of a command's output are shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lines {
    All,
    Last(usize),
    HeadAndLast(usize, usize),
}

/// The story so far.
pub(super) struct Story<'a> {
    output: &'a mut Output,
    commands: Vec<String>,
}

impl<'a> Story<'a> {
    pub(super) fn new(output: &'a mut Output) -> Self {
        Self {
            output,
            commands: Vec::new(),
        }
    }

    /// The commands that were run.
    pub(super) fn commands(&self) -> Vec<String> {
        self.commands.clone()
    }

    /// Begins a part.
    pub(super) fn title(&mut self, title: &str) -> Result<(), CliError> {
        self.output.line(format!("\n== {title}"))?;
        self.output.flush()
    }

    /// A sentence, after an empty line.
    pub(super) fn say(&mut self, text: &str) -> Result<(), CliError> {
        self.output.line(format!("\n{text}"))?;
        self.output.flush()
    }

    /// A table, after an empty line.
    pub(super) fn table(&mut self, grid: Grid) -> Result<(), CliError> {
        self.output.line("")?;
        grid.print(self.output)
    }

    /// Shows a command, runs it in this process, and shows its output.
    pub(super) fn run(&mut self, command: &str, lines: Lines) -> Result<(), CliError> {
        self.output.line(format!("\n$ {command}\n"))?;
        self.output.flush()?;
        self.commands.push(command.to_owned());
        let arguments = Arguments::read(command.split_whitespace())
            .map_err(|_| CliError::internal(format!("the demo's command line is wrong: {command}")))?;
        let (mut output, text) = self.output.collecting();
        let code = arguments.command.run(&mut output)?;
        drop(output);
        let text = String::from_utf8_lossy(&text.borrow()).into_owned();
        self.show(&text, lines)?;
        if code != ExitCode::SUCCESS {
            return Err(CliError::internal(format!(
                "the demo's command has failed: {command}"
            )));
        }
        Ok(())
    }

    fn show(&mut self, text: &str, lines: Lines) -> Result<(), CliError> {
        let all: Vec<&str> = text.lines().collect();
        let (first, last) = match lines {
            Lines::All => (all.len(), 0),
            Lines::Last(last) => (0, last),
            // Two more for the header and its rule.
            Lines::HeadAndLast(first, last) => (first + 2, last),
        };
        if first + last >= all.len() {
            return all.iter().try_for_each(|line| self.output.line(line));
        }
        let left_out = all.len() - first - last;
        all.iter()
            .take(first)
            .try_for_each(|line| self.output.line(line))?;
        self.output.line(format!("... {left_out} lines left out"))?;
        all.iter()
            .skip(first + left_out)
            .try_for_each(|line| self.output.line(line))
    }

    /// Fails unless a number is right.
    pub(super) fn expect<T: PartialEq + Debug + Display>(
        &mut self,
        what: &str,
        found: T,
        expected: T,
    ) -> Result<(), CliError> {
        if found == expected {
            return Ok(());
        }
        Err(CliError::internal(format!(
            "{what}: found {found}, expected {expected}"
        )))
    }

    /// Whether the command has a verb.
    pub(super) fn has_verb(verb: &str) -> bool {
        Arguments::command().find_subcommand(verb).is_some()
    }
}
