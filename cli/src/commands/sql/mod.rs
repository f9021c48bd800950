//! `gapless sql`: a prompt for SQL, or the statements of standard input one after the other.
//!
//! | module | owns |
//! | --- | --- |
//! | `limits` | what statements may use and do; the session; also of `gapless query` |
//! | `running` | a statement that ends when a signal comes |
//! | `target` | where its rows go: standard output, or a file that appears when it is whole |
//! | `printed` | what standard output holds so far, and what may follow |
//! | `shell` | what is set at the prompt, and what a statement or a command does with it |
//! | `command` | `\d`, `\timing` and the others: text to what is wanted |
//! | `prompt` | lines from a terminal, edited and remembered |
//! | `history` | where they are remembered |
//! | `script` | lines from anywhere else |

mod command;
mod history;
mod limits;
mod printed;
mod prompt;
mod running;
mod script;
mod shell;
mod target;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) use limits::{Limits, Opened};
use shell::Shell;
pub(super) use target::Target;

use crate::error::CliError;
use crate::output::Output;
use crate::render::RowFormat;
use crate::stop::Stop;

/// Which database, and how rows are shown.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless sql market.db\n  gapless sql market.db --as-of month-end\n  \
    gapless sql market.db < report.sql > report.txt\n  gapless sql market.db --write --memory 4GiB\n\n\
    At the prompt a statement ends with `;` and may have many lines. \\? lists the commands: tables, columns, formats, files, \
    timing. Ctrl-C ends the statement\nthat runs, Ctrl-D the prompt. What was typed is kept in \
    $XDG_STATE_HOME/gapless/sql_history (~/.local/state without that), for its owner alone.\nFrom a file or a pipe, statements \
    run one after the other until one fails. \
    --format arrow or parquet is for a script of which one statement has rows."
)]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// How rows are printed.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<RowFormat>,
    /// How many rows a table shows.
    #[arg(short = 'n', long, value_name = "N", default_value_t = super::query::ROWS_SHOWN)]
    rows: usize,
    /// Say on standard error how long each statement took.
    #[arg(long)]
    timing: bool,
    /// Neither read nor keep what was typed.
    #[arg(long)]
    no_history: bool,
    #[command(flatten)]
    limits: Limits,
}

/// Runs what is typed, or what comes.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let is_prompt = std::io::stdin().is_terminal();
    let opened = Opened::new(&args.database, &args.limits, Stop::on_signals()?, !is_prompt)?;
    let mut shell = Shell::new(
        opened,
        Target::printed(args.format, output)?,
        args.rows,
        args.timing,
    );
    let done = if is_prompt {
        let name = args.database.display().to_string();
        prompt::run(&mut shell, &name, !args.no_history, output)
    } else {
        script::run(&mut shell, output)
    };
    shell.close();
    done.map(|()| ExitCode::SUCCESS)
}
