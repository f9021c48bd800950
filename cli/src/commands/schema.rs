//! `gapless schema`: the columns of a table.

use std::path::PathBuf;
use std::process::ExitCode;

use gapless_format::{ColumnSpec, ColumnType, TableMeta};
use serde::Serialize;

use crate::error::CliError;
use crate::options;
use crate::output::Output;
use crate::render::{Align, Grid};

/// Which table.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapless schema market.db trade\n  \
                        gapless schema market.db trade --json | jq -r '.columns[].name'")]
pub(crate) struct Args {
    /// The database's directory.
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// The table.
    #[arg(value_name = "TABLE")]
    table: String,
}

#[derive(Serialize)]
struct Schema {
    table: String,
    time: String,
    series: Option<String>,
    partition: &'static str,
    keep: &'static str,
    key: Vec<String>,
    columns: Vec<Column>,
}

#[derive(Serialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    nullable: bool,
    role: Option<&'static str>,
    attributes: Vec<&'static str>,
    domain: Option<String>,
}

/// Tells.
pub(crate) fn run(args: Args, output: &mut Output) -> Result<ExitCode, CliError> {
    let meta = options::open(&args.database)?.table(&args.table)?.meta()?;
    let schema = describe(&meta);
    if output.is_json() {
        output.json(&schema)?;
    } else {
        print(&schema, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(meta: &TableMeta) -> Schema {
    let column_name = |id: u32| meta.column(id).map(|column| column.name.clone());
    Schema {
        table: meta.name.clone(),
        time: column_name(meta.time_column).unwrap_or_default(),
        series: meta.series_column.and_then(column_name),
        partition: meta.partition_unit.name(),
        keep: meta.keep.name(),
        key: meta.key.iter().copied().filter_map(column_name).collect(),
        columns: meta
            .columns
            .iter()
            .map(|column| describe_column(meta, column))
            .collect(),
    }
}

fn describe_column(meta: &TableMeta, column: &ColumnSpec) -> Column {
    Column {
        name: column.name.clone(),
        type_name: match &column.column_type {
            ColumnType::Symbol { .. } => "symbol".to_owned(),
            other => other.name(),
        },
        nullable: column.nullable,
        role: if column.column_id == meta.time_column {
            Some("time")
        } else if Some(column.column_id) == meta.series_column {
            Some("series")
        } else {
            None
        },
        attributes: column.attributes.iter().map(|kind| kind.name()).collect(),
        domain: match &column.column_type {
            ColumnType::Symbol { domain } => Some(domain.clone()),
            _ => None,
        },
    }
}

fn print(schema: &Schema, output: &mut Output) -> Result<(), CliError> {
    let series = schema.series.as_deref().unwrap_or("none");
    output.line(format!(
        "table {}: time {}, series {series}, partitioned by {}",
        schema.table, schema.time, schema.partition
    ))?;
    if !schema.key.is_empty() {
        output.line(format!(
            "keeps the {} row of each {}",
            schema.keep,
            schema.key.join(", ")
        ))?;
    }
    output.line("")?;
    let mut grid = Grid::new(
        ["column", "type", "null", "attributes", "symbol domain", "role"].map(|name| (name, Align::Left)),
    );
    for column in &schema.columns {
        grid.row([
            column.name.clone(),
            column.type_name.clone(),
            if column.nullable { "yes" } else { "no" }.to_owned(),
            column.attributes.join(", "),
            column.domain.clone().unwrap_or_default(),
            column.role.unwrap_or_default().to_owned(),
        ]);
    }
    grid.print(output)
}
