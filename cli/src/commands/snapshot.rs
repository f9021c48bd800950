//! `gapless snapshot`: names for versions.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::render::{Align, Grid};

/// What to do with snapshots.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless snapshot market.db create month-end\n  gapless snapshot market.db list\n  \
                        gapless head market.db trade --as-of month-end\n  gapless snapshot market.db drop month-end"
)]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Name the newest version. Its rows stay readable, whatever is committed later.
    Create {
        /// The snapshot's name.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// List the snapshots.
    List,
    /// Remove a name. What only it needed goes from disk.
    Drop {
        /// The snapshot's name.
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Serialize)]
struct List {
    snapshots: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    name: String,
    version: u64,
}

#[derive(Serialize)]
struct Dropped {
    dropped: String,
}

/// Creates, lists or drops.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    match args.action {
        Action::Create { name } => {
            let version = options::open_existing(&args.database)?.create_snapshot(&name)?;
            if output.is_json() {
                output.json(&Line { name, version })?;
            } else {
                output.line(format!("snapshot {name:?} is version {version}"))?;
            }
        }
        Action::List => list(&args.database, output)?,
        Action::Drop { name } => {
            options::open_existing(&args.database)?.drop_snapshot(&name)?;
            if output.is_json() {
                output.json(&Dropped { dropped: name })?;
            } else {
                output.line(format!("snapshot {name:?} is dropped"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(database: &std::path::Path, output: &mut Output) -> Result<(), CliError> {
    let snapshots = options::open(database)?.snapshots()?;
    if output.is_json() {
        let snapshots = snapshots
            .into_iter()
            .map(|(name, version)| Line { name, version })
            .collect();
        return output.json(&List { snapshots });
    }
    if snapshots.is_empty() {
        return output.line("no snapshots");
    }
    let mut grid = Grid::new([("snapshot", Align::Left), ("version", Align::Right)]);
    for (name, version) in snapshots {
        grid.row([name, version.to_string()]);
    }
    grid.print(output)
}
