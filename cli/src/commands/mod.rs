//! The verbs, one file each: `struct Args`, and `run(args, &mut Output) -> Result<ExitCode, CliError>`.
//!
//! A new verb is a module, a line in [`Command`] with the first sentence of its help, and a line in [`Command::run`].

mod info;
mod ls;
mod snapshot;
mod symbols;

use std::process::ExitCode;

use clap::Subcommand;

use crate::error::CliError;
use crate::output::Output;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a database holds: tables, time ranges, sizes, symbol domains, snapshots.
    Info(info::Args),
    /// List the tables of a database, or the partitions of a table.
    Ls(ls::Args),
    // dump and check plug in here: `Dump(dump::Args)`, `Check(check::Args)`.
    /// List symbol domains, or the symbols of one with their codes.
    Symbols(symbols::Args),
    /// Name the present version of a database, to read it later with --as-of.
    Snapshot(snapshot::Args),
}

impl Command {
    /// Does it. The exit code is 0 unless the verb says otherwise.
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, CliError> {
        match self {
            Self::Info(args) => info::run(args, output),
            Self::Ls(args) => ls::run(args, output),
            // `Self::Dump(args) => dump::run(args, output)`, `Self::Check(args) => check::run(args, output)`.
            Self::Symbols(args) => symbols::run(args, output),
            Self::Snapshot(args) => snapshot::run(args, output),
        }
    }
}
