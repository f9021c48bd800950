//! The prompt: lines from a terminal, edited and remembered.
//!
//! What is read at a time is a command or whole statements, so that these are edited and remembered as they were typed. An error
//! ends a statement, and never the prompt.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gapless_sql::{is_blank, split_statement};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Behavior, Config, Editor, Helper};
use signal_hook::consts::SIGTERM;

use super::command::Command;
use super::history;
use super::shell::{Next, Shell};
use crate::error::{CliError, eprintln_quietly};
use crate::output::Output;

const PROMPT: &str = "sql> ";
/// Statements and commands that are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Runs what is typed until there is no more.
pub(super) fn run(
    shell: &mut Shell,
    database: &str,
    remember: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    let waits = Arc::new(AtomicBool::new(false));
    shell.stop().unheard_while(&waits, &[SIGTERM])?;
    let mut typed = Typed::new(remember)?;
    eprintln_quietly(&format!(
        "gapless {} on {database}. Statements end with ; \\? is help, \\q leaves.",
        env!("CARGO_PKG_VERSION")
    ));
    loop {
        waits.store(true, Ordering::Release);
        let text = typed.read();
        waits.store(false, Ordering::Release);
        let Some(text) = text? else { return Ok(()) };
        shell.stop().forget();
        match text_done(&text, shell, output) {
            Ok(Next::GoOn) => {}
            Ok(Next::Leave) => return Ok(()),
            Err(error) if error.signal() == Some(SIGTERM) => return Err(error),
            Err(error) => {
                error.report(output);
            }
        }
    }
}

/// Does what was typed, up to the first error.
fn text_done(text: &str, shell: &mut Shell, output: &mut Output) -> Result<Next, CliError> {
    if let Some(command) = Command::of(text) {
        return shell.command(command?, output);
    }
    let mut rest = text;
    while let Some((statement, after)) = split_statement(rest) {
        if !is_blank(statement) {
            shell.statement(statement, output)?;
        }
        rest = after;
    }
    Ok(Next::GoOn)
}

/// What is typed.
struct Typed {
    editor: Editor<Whole, FileHistory>,
    history: Option<PathBuf>,
}

impl Typed {
    fn new(remember: bool) -> Result<Self, CliError> {
        // Where rows go elsewhere, what is typed does not.
        let behavior = match std::io::stdout().is_terminal() {
            true => Behavior::Stdio,
            false => Behavior::PreferTerm,
        };
        let config = Config::builder()
            .behavior(behavior)
            .history_ignore_space(true)
            .max_history_size(REMEMBERED_MAX)
            .map_err(failed)?
            .build();
        let mut editor = Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Whole));
        let mut typed = Self {
            editor,
            history: None,
        };
        if remember {
            typed.remember();
        }
        Ok(typed)
    }

    /// Reads what was typed before, and from now on adds to it. A history that cannot be kept is no reason not to work.
    fn remember(&mut self) {
        let Some(file) = history::file() else { return };
        let loaded = file.map_err(ReadlineError::from).and_then(|file| {
            self.editor.load_history(&file)?;
            Ok(file)
        });
        match loaded {
            Ok(file) => self.history = Some(file),
            Err(error) => eprintln_quietly(&format!("what is typed is not kept: {error}")),
        }
    }

    /// The next command or statements; `None` when there are no more.
    fn read(&mut self) -> Result<Option<String>, CliError> {
        loop {
            match self.editor.readline(PROMPT) {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => {
                    self.keep(&text);
                    return Ok(Some(text));
                }
                // Ctrl-C drops what is typed.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn keep(&mut self, text: &str) {
        if self.editor.add_history_entry(text).is_ok_and(|is_new| is_new)
            && let Some(file) = &self.history
            && let Err(error) = self.editor.append_history(file)
        {
            eprintln_quietly(&format!("what is typed is no longer kept: {error}"));
            self.history = None;
        }
    }
}

fn failed(error: ReadlineError) -> CliError {
    CliError::io("the terminal", &std::io::Error::other(error))
}

/// Enter ends the text when it is a command or its last statement has its `;`.
struct Whole;

impl Validator for Whole {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match is_whole(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Completer for Whole {
    type Candidate = String;
}

impl Hinter for Whole {
    type Hint = String;
}

impl Highlighter for Whole {}
impl Helper for Whole {}

fn is_whole(text: &str) -> bool {
    if text.trim().is_empty() || Command::of(text).is_some() {
        return true;
    }
    let mut rest = text;
    while let Some((_, after)) = split_statement(rest) {
        rest = after;
    }
    rest.len() < text.len() && is_blank(rest)
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn enter_ends_a_text_whose_last_statement_is_whole() {
        for text in [
            "",
            "\\d",
            "SELECT 1;",
            "SELECT 1; -- that was it",
            "SELECT 1;\nSELECT 2;",
            "quit",
        ] {
            assert!(is_whole(text), "{text:?}");
        }
        for text in [
            "SELECT 1",
            "SELECT 1; SELECT",
            "SELECT ';",
            "-- ;",
            "SELECT /* ;",
            "SELECT \";",
        ] {
            assert!(!is_whole(text), "{text:?}");
        }
    }
}
