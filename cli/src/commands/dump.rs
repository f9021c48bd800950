//! `gapless dump`: what is stored, as it stands, without opening the database.

use std::path::PathBuf;
use std::process::ExitCode;

use gapless::ErrorKind;

use crate::dump::{self, ColumnChoice, Disk, Section};
use crate::error::CliError;
use crate::output::Output;

/// What to show.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless dump market.db\n  gapless dump market.db trade 2026-11-20\n  \
                        gapless dump market.db trade 2026-11-20 s-1f2e3d4c-000001\n  \
                        gapless dump market.db trade 2026-11-20 --column price --rows 100\n  \
                        gapless dump market.db --manifest\n  gapless dump market.db --symbols sym\n  \
                        gapless dump market.db --wal --rows 3\n  \
                        gapless dump market.db/GAPLESS\n  \
                        gapless dump market.db/tables/trade/coverage/c-1f2e3d4c-000007.cov\n\n\
                        Exit code: 0 when everything could be read, 1 when something could not, 2 when what \
                        was asked for is not there."
)]
pub(crate) struct Args {
    /// The database's directory, or any single file of one.
    #[arg(value_name = "DB|FILE")]
    path: PathBuf,
    /// A table.
    #[arg(value_name = "TABLE")]
    table: Option<String>,
    /// A partition, as the tree names it: 2026-11-20 or 2026-11-20/13.
    #[arg(value_name = "PARTITION", requires = "table")]
    partition: Option<String>,
    /// A segment, or the beginning of its name.
    #[arg(value_name = "SEGMENT", requires = "partition")]
    segment: Option<String>,
    /// Show values of this column.
    #[arg(long, value_name = "COLUMN", requires = "table")]
    column: Option<String>,
    /// So many values or symbols [default: 20]; with --wal, so many rows of each record [default: 0].
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// Begin with this page of the column.
    #[arg(long, value_name = "P", default_value_t = 0, requires = "column")]
    page: u64,
    /// Show every record of the manifest.
    #[arg(long, conflicts_with_all = ["table", "symbols"])]
    manifest: bool,
    /// Show the streams of the write-ahead log and their records.
    #[arg(long, conflicts_with_all = ["table", "symbols", "manifest"])]
    wal: bool,
    /// Show the symbol domains, or the symbols of one.
    #[arg(long, value_name = "DOMAIN", num_args = 0..=1, conflicts_with = "table")]
    symbols: Option<Option<String>>,
}

/// Shows.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let metadata =
        std::fs::metadata(&args.path).map_err(|error| CliError::io(args.path.display(), &error))?;
    let section = if metadata.is_dir() {
        directory(&args)?
    } else {
        single_file(&args)?
    };
    if let Some(miss) = section.miss() {
        let error = CliError::new(ErrorKind::NotFound, miss);
        return Err(match section.first_error() {
            Some(damage) => error.hint(format!("not everything can be read: {damage}")),
            None => error,
        });
    }
    let code = ExitCode::from(u8::from(section.has_errors()));
    match output.is_json() {
        true => output.json(&section.json())?,
        false => section.print(output)?,
    }
    Ok(code)
}

fn single_file(args: &Args) -> Result<Section, CliError> {
    if args.table.is_some() || args.manifest || args.wal || args.symbols.is_some() {
        return Err(CliError::invalid(format!(
            "{} is a file: give the directory of the database to choose a table, --manifest, --wal or --symbols",
            args.path.display()
        )));
    }
    Ok(dump::file(&args.path, args.rows))
}

fn directory(args: &Args) -> Result<Section, CliError> {
    let is_database = ["GAPLESS", "manifest", "tables"]
        .iter()
        .any(|name| args.path.join(name).symlink_metadata().is_ok());
    if !is_database {
        return Err(CliError::invalid(format!(
            "{} is not a gapless database: it has neither GAPLESS nor manifest nor tables",
            args.path.display()
        )));
    }
    let disk = Disk::new(&args.path);
    if args.manifest {
        return Ok(dump::manifest(&disk));
    }
    if args.wal {
        return Ok(dump::streams(&disk, args.rows.unwrap_or(0)));
    }
    let rows = args.rows.unwrap_or(dump::ROWS);
    if let Some(domain) = &args.symbols {
        return Ok(dump::domains(&disk, domain.as_deref(), rows));
    }
    let partition = args.partition.as_deref();
    let choice = args.column.as_ref().map(|name| ColumnChoice {
        name: name.clone(),
        rows,
        page: args.page,
    });
    Ok(match &args.table {
        Some(table) if args.segment.is_some() || choice.is_some() => {
            dump::segments(&disk, table, partition, args.segment.as_deref(), choice.as_ref())
        }
        table => dump::database(&disk, table.as_deref(), partition),
    })
}
