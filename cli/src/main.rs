//! The `gapless` command: a verb, a database, a result as a table or as JSON.
//!
//! | module | owns |
//! | --- | --- |
//! | `arguments` | the command line as a whole, and its exit codes |
//! | `hyphens` | statements that begin as an option does |
//! | `asked` | the options of the verbs of coverage: series, interval, range |
//! | `commands` | one file per verb |
//! | `dump` | what is stored, read through the format alone |
//! | `output` | standard output: text or one JSON document; a closed pipe is silence, not an error |
//! | `render` | values, rows and tables as text |
//! | `error` | the one error, its exit code and its hint |
//! | `stop` | signals: SIGINT and SIGTERM, for verbs that would go on for ever; SIGXFSZ |
//! | `progress` | bars on standard error, if it is a terminal |
//!
//! A verb opens the database for reading unless it writes.

mod arguments;
mod asked;
mod bounds;
mod commands;
mod dump;
mod error;
#[cfg(feature = "sql")]
mod hyphens;
mod options;
mod output;
mod progress;
mod render;
mod stop;

use std::process::ExitCode;

use arguments::Arguments;
use output::Output;

fn main() -> ExitCode {
    stop::outlive_file_limits();
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(misuse) => return misuse.print(),
    };
    let mut output = Output::stdout(arguments.json);
    let outcome = arguments
        .command
        .run(&mut output)
        .and_then(|code| output.flush().map(|()| code));
    outcome.unwrap_or_else(|error| error.report(&mut output))
}
