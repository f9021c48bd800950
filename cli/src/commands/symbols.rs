//! `gapless symbols`: the symbol domains of a database, or what is in one.

use std::path::PathBuf;
use std::process::ExitCode;

use gapless::Database;
use serde::Serialize;

use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::render::{Align, Grid, bytes, count};

/// Which symbols.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapless symbols market.db\n  gapless symbols market.db sym --limit 20\n  \
                        gapless symbols market.db sym --find AAP"
)]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// A symbol domain, to list its symbols.
    #[arg(value_name = "DOMAIN")]
    domain: Option<String>,
    /// At most this many symbols.
    #[arg(long, value_name = "N", requires = "domain")]
    limit: Option<usize>,
    /// Only symbols that contain this text.
    #[arg(long, value_name = "TEXT", requires = "domain")]
    find: Option<String>,
}

#[derive(Serialize)]
struct Domains {
    symbol_domains: Vec<DomainLine>,
}

#[derive(Serialize)]
struct DomainLine {
    domain: String,
    symbols: u32,
    bytes: u64,
    used_by: Vec<String>,
}

#[derive(Serialize)]
struct Symbols {
    domain: String,
    count: u32,
    found: usize,
    symbols: Vec<Symbol>,
}

#[derive(Serialize)]
struct Symbol {
    code: u32,
    symbol: String,
}

/// Lists.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let database = options::open(&args.database)?;
    match &args.domain {
        None => domains(&database, output)?,
        Some(domain) => symbols(&database, domain, &args, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn domains(database: &Database, output: &mut Output) -> Result<(), CliError> {
    let version = database.version()?;
    let lines: Vec<DomainLine> = version
        .domains()
        .map(|domain| DomainLine {
            domain: domain.domain.clone(),
            symbols: domain.symbols,
            bytes: domain.committed_len,
            used_by: version
                .tables()
                .flat_map(|table| users(table.meta(), &domain.domain))
                .collect(),
        })
        .collect();
    if output.is_json() {
        return output.json(&Domains {
            symbol_domains: lines,
        });
    }
    if lines.is_empty() {
        return output.line("no symbol domains");
    }
    let mut grid = Grid::new([
        ("symbol domain", Align::Left),
        ("symbols", Align::Right),
        ("bytes", Align::Right),
        ("used by", Align::Left),
    ]);
    for line in lines {
        let users = line.used_by.join(", ");
        grid.row([line.domain, count(line.symbols), bytes(line.bytes), users]);
    }
    grid.print(output)
}

/// The columns of a table that hold symbols of a domain.
fn users(table: &gapless_format::TableMeta, domain: &str) -> Vec<String> {
    table
        .columns
        .iter()
        .filter(|column| {
            matches!(&column.column_type, gapless_format::ColumnType::Symbol { domain: used } if used == domain)
        })
        .map(|column| format!("{}.{}", table.name, column.name))
        .collect()
}

fn symbols(database: &Database, name: &str, args: &Args, output: &mut Output) -> Result<(), CliError> {
    let domain = database.domain(name)?;
    // What another process has appended but not committed belongs to nobody yet.
    let committed = database.version()?.domain(name).map_or(0, |meta| meta.symbols);
    let limit = args.limit.unwrap_or(usize::MAX);
    let mut found = 0;
    let mut kept = Vec::new();
    domain.for_each(|code, symbol| {
        let wanted = args.find.as_deref().is_none_or(|text| symbol.contains(text));
        if code >= committed || !wanted {
            return;
        }
        found += 1;
        if kept.len() < limit {
            kept.push(Symbol {
                code,
                symbol: symbol.to_owned(),
            });
        }
    });
    if output.is_json() {
        return output.json(&Symbols {
            domain: name.to_owned(),
            count: committed,
            found,
            symbols: kept,
        });
    }
    let shown = kept.len();
    let mut grid = Grid::new([("code", Align::Right), ("symbol", Align::Left)]);
    for symbol in kept {
        grid.row([symbol.code.to_string(), symbol.symbol]);
    }
    grid.print(output)?;
    if shown < found {
        output.line(format!("{} more", count((found - shown) as u64)))?;
    }
    Ok(())
}
