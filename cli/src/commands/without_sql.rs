//! `gapless query` and `gapless sql` in a build that has no SQL: both say how to get one that has.

use std::ffi::OsString;
use std::process::ExitCode;

use gapless::ErrorKind;

use crate::error::CliError;
use crate::output::Output;

/// What is asked of the other build.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo install --path cli --features sql\n  \
    gapless query market.db 'SELECT sym, max(price) FROM trade GROUP BY sym'\n  gapless sql market.db\n\n\
    This build has no SQL. The first of these, in the directory of the source, builds a gapless that has.")]
pub(crate) struct Args {
    /// Whatever it is.
    #[arg(
        value_name = "ARGUMENTS",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        hide = true
    )]
    _rest: Vec<OsString>,
}

/// Says how to get SQL.
pub(crate) fn run(_: Args, _: &mut Output) -> Result<ExitCode, CliError> {
    Err(
        CliError::new(ErrorKind::Invalid, "this gapless was built without SQL").hint(
            "build it with SQL, in the directory of the source: cargo install --path cli --features sql \
             (DataFusion, which it needs, takes some minutes to compile)",
        ),
    )
}
