//! The command line: one verb, and what holds for all of them.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::commands::Command;
use crate::error::CliError;
use crate::output::Output;

/// An embedded columnar store for time series.
#[derive(Debug, Parser)]
#[command(
    name = "gapless",
    version,
    propagate_version = false,
    arg_required_else_help = true,
    max_term_width = 110,
    after_help = "Exit codes: 0 done; 1 `check` or `gaps --fail` found something, or `fill` left a gap; 2 misuse, or what \
                  was asked for does not exist or cannot be right;\n3 stored bytes are corrupt or of a newer gapless; 4 the operating system refused, \
                  or somebody else holds a lock; 130 or 143 a signal ended a statement.\nErrors go to standard error as `error: ...`, with a `hint: ...` \
                  where there is one."
)]
pub(crate) struct Arguments {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A command line that makes no sense, or asks for help.
#[derive(Debug)]
pub(crate) struct Misuse {
    error: clap::Error,
    json: bool,
}

impl Arguments {
    /// Reads a command line, the program's name first.
    pub(crate) fn read(words: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self, Misuse> {
        #[cfg_attr(
            not(feature = "sql"),
            expect(unused_mut, reason = "only statements are marked")
        )]
        let mut words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        let json = words.iter().any(|word| word == "--json");
        #[cfg(feature = "sql")]
        crate::hyphens::mark(&mut words);
        Self::try_parse_from(words).map_err(|error| Misuse { error, json })
    }
}

impl Misuse {
    /// Prints help on standard output, or what is wrong on standard error.
    pub(crate) fn print(&self) -> ExitCode {
        if self.json && self.error.use_stderr() {
            let message = self.error.render().to_string();
            let message = message.trim().trim_start_matches("error: ");
            return CliError::invalid(message).report(&mut Output::stdout(true));
        }
        // Nobody reads it any more if this fails.
        let _ = self.error.print();
        match self.error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
            _ => ExitCode::from(2),
        }
    }
}
