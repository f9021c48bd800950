//! `gapless import`: files into a table, as one atomic commit.
//!
//! 1. [`target`] opens the database and settles what the table is; [`arguments`] says how the files are read.
//! 2. The plan of the files is shown before anything is written.
//! 3. One transaction creates the table if need be and holds all rows of all files. After an error nothing is
//!    committed, and a database that was made for this import is removed again ([`made`]).

mod arguments;
mod made;
mod reading;
mod report;
mod target;

use std::process::ExitCode;
use std::time::Instant;

use gapless::{Database, Maintenance, WriteOptions, WriteReport};
use gapless_interchange::{OnError, Plan, ReadOptions, Source};

pub(crate) use arguments::Args;
pub(super) use arguments::{Reading, TextReading, file_format};
pub(super) use made::Made;
use reading::Rows;
pub(super) use target::{Target, adopt_types, check_fit};

use crate::error::CliError;
use crate::output::Output;
use crate::progress;

/// Imports, or with `--dry-run` says what it would do.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let target = Target::find(&args, Maintenance::Manual)?;
    let mut options = args.read_options()?;
    target.complete(&mut options);
    let mut plan = gapless_interchange::plan(&args.files, &options)?;
    if target.adopt_types(&plan, &mut options) {
        plan = gapless_interchange::plan(&args.files, &options)?;
    }
    target.check_fit(&plan)?;
    if !output.is_json() {
        report::print_plan(&args, &target, &plan, output)?;
        output.flush()?;
    }
    if args.dry_run {
        if output.is_json() {
            output.json(&report::planned(&args, &target, &plan))?;
        } else {
            output.line("dry run: nothing was written")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (database, made) = target.open_for_writing(&args)?;
    match write(&args, &target, &plan, &options, &database) {
        Ok(done) => {
            let document = report::done(&args, &target, &plan, &done, &database, made.is_some())?;
            if output.is_json() {
                output.json(&document)?;
            } else {
                report::print_done(&document, output)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(match made {
            Some(made) => error.with_note(made.undo(database)),
            None => error,
        }),
    }
}

/// What an import did.
struct Done {
    report: WriteReport,
    raw_bytes: u64,
    seconds: f64,
    rejected: u64,
    rejects: Option<std::path::PathBuf>,
    ambiguous_times: u64,
}

/// Reads, sorts and writes all rows, and commits once.
fn write(
    args: &Args,
    target: &Target,
    plan: &Plan,
    options: &ReadOptions,
    database: &Database,
) -> Result<Done, CliError> {
    let began = Instant::now();
    let nothing = |error: CliError| error.with_note("nothing was committed");
    let mut transaction = database.transaction()?;
    if let Some(spec) = target.spec(args, plan) {
        transaction.create_table(&spec)?;
    }
    let mut rows = Rows::new(Source::open(plan, options)?);
    let writing = progress::count(0, "writing partitions");
    let write_options = WriteOptions {
        partition: args.partition(),
        memory_bytes: args.memory,
        ..WriteOptions::default()
    };
    let written = transaction.write_with_progress(&args.table, &mut rows, &write_options, &|done, total| {
        writing.set_length(total as u64);
        writing.set_position(done as u64);
    });
    writing.finish_and_clear();
    written.map_err(nothing)?;
    let report = transaction.commit()?;
    let rejects = match &options.on_error {
        OnError::Skip { rejects } if rows.rejected() > 0 => Some(rejects.clone()),
        _ => None,
    };
    Ok(Done {
        report,
        raw_bytes: rows.raw_bytes(),
        seconds: began.elapsed().as_secs_f64(),
        rejected: rows.rejected(),
        rejects,
        ambiguous_times: rows.ambiguous_times(),
    })
}
