//! The verbs, one file each: `struct Args`, and `run(args, &mut Output) -> Result<ExitCode, CliError>`.
//!
//! A new verb is a module, a line in [`Command`] with the first sentence of its help, and a line in [`Command::run`].

mod append;
mod calendar;
mod check;
mod compact;
mod coverage;
mod demo;
mod dump;
mod export;
mod fill;
mod gaps;
mod head;
mod import;
mod info;
mod leases;
mod ls;
#[cfg(feature = "sql")]
mod query;
mod recover;
mod schema;
mod snapshot;
#[cfg(feature = "sql")]
mod sql;
mod symbols;
mod tail;
#[cfg(not(feature = "sql"))]
mod without_sql;

use std::process::ExitCode;

use clap::Subcommand;
#[cfg(not(feature = "sql"))]
use {without_sql as query, without_sql as sql};

use crate::error::CliError;
use crate::output::Output;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the main job on real data, in a temporary directory, step by step.
    Demo(demo::Args),
    /// Import CSV, JSON lines, Parquet or Arrow files into a table, as one atomic commit.
    Import(Box<import::Args>),
    /// Stream rows from standard input into a table, durable batch by batch.
    Append(append::Args),
    /// Export rows to Parquet, CSV, JSON lines or Arrow files.
    Export(export::Args),
    /// Show what a database holds: tables, time ranges, sizes, symbol domains, snapshots.
    Info(info::Args),
    /// List the tables of a database, or the partitions of a table.
    Ls(ls::Args),
    /// Show the columns of a table: types, attributes, symbol domains.
    Schema(schema::Args),
    /// Print the first rows of a table.
    Head(head::Args),
    /// Print the last rows of a table, and with -f those that are committed from then on.
    Tail(tail::Args),
    /// Run a SQL statement, and print its rows or write them to a file.
    Query(Box<query::Args>),
    /// A prompt for SQL; from a file or a pipe, statements one after the other.
    Sql(Box<sql::Args>),
    /// Show what is known of ranges of series, as timelines, a picture or rows.
    Coverage(coverage::Args),
    /// List the ranges that are expected and not covered.
    Gaps(gaps::Args),
    /// Fill gaps from files, or from a command that is asked for each.
    Fill(Box<fill::Args>),
    /// List who fills which range; end claims that have expired or are stuck.
    Leases(leases::Args),
    /// Say when rows are expected: calendars, who goes by them, the life of series.
    Calendar(calendar::Args),
    /// Show what is stored, down to single pages; works on a database too damaged to open.
    Dump(dump::Args),
    /// Prove every byte of a database; exit 1 when something is wrong.
    Check(check::Args),
    /// Make fewer, larger segments: closed days, late rows, deleted rows, expired partitions.
    Compact(compact::Args),
    /// Bring what dead processes have streamed into segments, also from a damaged log if told so.
    Recover(recover::Args),
    /// List symbol domains, or the symbols of one with their codes.
    Symbols(symbols::Args),
    /// Name the present version of a database, to read it later with --as-of.
    Snapshot(snapshot::Args),
}

impl Command {
    /// Does it. The exit code is 0 unless the verb says otherwise.
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, CliError> {
        match self {
            Self::Demo(args) => demo::run(args, output),
            Self::Import(args) => import::run(*args, output),
            Self::Append(args) => append::run(args, output),
            Self::Export(args) => export::run(args, output),
            Self::Info(args) => info::run(args, output),
            Self::Ls(args) => ls::run(args, output),
            Self::Schema(args) => schema::run(args, output),
            Self::Head(args) => head::run(args, output),
            Self::Tail(args) => tail::run(args, output),
            Self::Query(args) => query::run(*args, output),
            Self::Sql(args) => sql::run(*args, output),
            Self::Coverage(args) => coverage::run(args, output),
            Self::Gaps(args) => gaps::run(args, output),
            Self::Fill(args) => fill::run(*args, output),
            Self::Leases(args) => leases::run(args, output),
            Self::Calendar(args) => calendar::run(args, output),
            Self::Dump(args) => dump::run(args, output),
            Self::Check(args) => check::run(args, output),
            Self::Compact(args) => compact::run(args, output),
            Self::Recover(args) => recover::run(args, output),
            Self::Symbols(args) => symbols::run(args, output),
            Self::Snapshot(args) => snapshot::run(args, output),
        }
    }
}
