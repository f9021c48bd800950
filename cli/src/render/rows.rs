//! Rows on standard output: as a table, CSV, JSON, Arrow or Parquet.
//!
//! What programs read is made as it is for files, and has the same bytes there; only Arrow is a stream here, which needs no
//! seeking. Only a table has all of its rows in memory: whoever prints one gives few. A JSON array waits on disk for its end.

use arrow_array::RecordBatch;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, SchemaRef};
use gapless_interchange::{Encoder, WriteFormat, WriteOptions};

use super::grid::{Align, Grid};
use super::spool::Spool;
use super::value::Values;
use crate::error::CliError;
use crate::output::Output;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RowFormat {
    /// For people.
    Table,
    /// With a header, RFC 4180; an empty field is null, `""` is empty text.
    Csv,
    /// An array of objects.
    Json,
    /// One object a line.
    Jsonl,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
}

impl RowFormat {
    /// Whether programs alone read it, and one answer is all that a stream of it holds.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }
}

pub(super) type Batches<'a> = &'a mut dyn Iterator<Item = Result<RecordBatch, CliError>>;

/// Writes rows.
pub(crate) fn write(
    schema: &SchemaRef,
    batches: Batches<'_>,
    format: RowFormat,
    output: &mut Output,
) -> Result<(), CliError> {
    match format {
        RowFormat::Table => table(schema, batches, output),
        RowFormat::Csv => encoded(schema, batches, WriteFormat::Csv, output),
        RowFormat::Json => json_array(schema, batches, output),
        RowFormat::Jsonl => encoded(schema, batches, WriteFormat::JsonLines, output),
        format if format.is_binary() && output.is_terminal() => Err(CliError::invalid(
            "this is binary and standard output is a terminal",
        )
        .hint("redirect it, as in --format arrow > rows.arrow")),
        RowFormat::Arrow => encoded(schema, batches, WriteFormat::ArrowStream, output),
        RowFormat::Parquet => encoded(schema, batches, WriteFormat::Parquet, output),
    }
}

fn table(schema: &SchemaRef, batches: Batches<'_>, output: &mut Output) -> Result<(), CliError> {
    if output.is_live() {
        return growing_table(schema, batches, output);
    }
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    // One batch, so that a column has the same decimals in all its rows.
    let batch = arrow_select::concat::concat_batches(schema, &batches)
        .map_err(|error| CliError::internal(format!("cannot join batches: {error}")))?;
    if batch.num_rows() == 0 {
        return output.line("no rows");
    }
    grid(schema, &batch)?.print(output)
}

/// A table whose rows come little by little.
fn growing_table(schema: &SchemaRef, batches: Batches<'_>, output: &mut Output) -> Result<(), CliError> {
    let mut widths = Vec::new();
    for batch in batches {
        grid(schema, &batch?)?.print_below(&mut widths, output)?;
        output.batch_done()?;
    }
    Ok(())
}

pub(super) fn grid(schema: &SchemaRef, batch: &RecordBatch) -> Result<Grid, CliError> {
    let mut grid = Grid::new(
        schema
            .fields()
            .iter()
            .map(|field| (field.name(), align(field.data_type()))),
    );
    let columns = columns(batch)?;
    for row in 0..batch.num_rows() {
        grid.row(columns.iter().map(|column| column.text(row)));
    }
    Ok(grid)
}

fn align(data_type: &DataType) -> Align {
    let is_number = data_type.is_numeric() || matches!(data_type, DataType::Duration(_));
    if is_number { Align::Right } else { Align::Left }
}

pub(super) fn columns(batch: &RecordBatch) -> Result<Vec<Values>, CliError> {
    batch.columns().iter().map(Values::new).collect()
}

/// Rows as a program reads them, printed as they come until nobody reads any more.
fn encoded(
    schema: &SchemaRef,
    batches: Batches<'_>,
    format: WriteFormat,
    output: &mut Output,
) -> Result<(), CliError> {
    let mut encoder = Encoder::new(format, SchemaRef::clone(schema), &WriteOptions::default())?;
    output.bytes(&encoder.take())?;
    output.batch_done()?;
    for batch in batches {
        encoder.push(&fitted(schema, batch?)?)?;
        output.bytes(&encoder.take())?;
        output.batch_done()?;
        if output.is_closed() {
            return Ok(());
        }
    }
    output.bytes(&encoder.finish()?)
}

/// Rows in the types that were said at first: who follows a table may see its columns widened.
fn fitted(schema: &SchemaRef, batch: RecordBatch) -> Result<RecordBatch, CliError> {
    let found = batch.schema();
    let pairs = found.fields().iter().zip(schema.fields());
    if pairs
        .into_iter()
        .all(|(found, said)| found.data_type() == said.data_type())
    {
        return Ok(batch);
    }
    let exactly = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let arrays = batch.columns().iter().zip(schema.fields());
    arrays
        .map(|(array, field)| cast_with_options(array, field.data_type(), &exactly))
        .collect::<Result<Vec<_>, _>>()
        .and_then(|arrays| RecordBatch::try_new(SchemaRef::clone(schema), arrays))
        .map_err(|error| {
            CliError::invalid(format!("the columns of the table have changed: {error}")).hint("begin anew")
        })
}

/// Calls `each` with the JSON text of every row, until nobody reads any more.
fn json_rows(
    schema: &SchemaRef,
    batches: Batches<'_>,
    output: &mut Output,
    mut each: impl FnMut(&str, &mut Output) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let options = WriteOptions::default();
    let mut encoder = Encoder::new(WriteFormat::JsonLines, SchemaRef::clone(schema), &options)?;
    for batch in batches {
        encoder.push(&fitted(schema, batch?)?)?;
        let lines = String::from_utf8(encoder.take())
            .map_err(|error| CliError::internal(format!("JSON that is not UTF-8: {error}")))?;
        lines.lines().try_for_each(|row| each(row, output))?;
        output.batch_done()?;
        if output.is_closed() {
            break;
        }
    }
    Ok(())
}

fn json_array(schema: &SchemaRef, batches: Batches<'_>, output: &mut Output) -> Result<(), CliError> {
    if output.is_live() {
        growing_array(schema, batches, output, "")?;
        return output.line("");
    }
    array_text(schema, batches, output, "")?.print(output)?;
    output.line("")
}

/// The document of a verb that reads rows: the table, and its rows as objects.
pub(crate) fn json_document(
    table: &str,
    schema: &SchemaRef,
    batches: Batches<'_>,
    output: &mut Output,
) -> Result<(), CliError> {
    document("table", table.into(), schema, batches, output)
}

/// The document of a statement: the names of its columns, and its rows as objects.
#[cfg(feature = "sql")]
pub(crate) fn json_result(
    schema: &SchemaRef,
    batches: Batches<'_>,
    output: &mut Output,
) -> Result<(), CliError> {
    let names: serde_json::Value = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    document("columns", names, schema, batches, output)
}

fn document(
    key: &str,
    value: serde_json::Value,
    schema: &SchemaRef,
    batches: Batches<'_>,
    output: &mut Output,
) -> Result<(), CliError> {
    let start = format!("{{\n  \"{key}\": {value},\n  \"rows\": ");
    if output.is_live() {
        output.bytes(start.as_bytes())?;
        growing_array(schema, batches, output, "  ")?;
        return output.line("\n}");
    }
    let rows = array_text(schema, batches, output, "  ")?;
    output.bytes(start.as_bytes())?;
    rows.print(output)?;
    output.line("\n}")
}

/// An array whose rows are printed as they come, each a line that is whole.
fn growing_array(
    schema: &SchemaRef,
    batches: Batches<'_>,
    output: &mut Output,
    indent: &str,
) -> Result<(), CliError> {
    output.line("[")?;
    output.batch_done()?;
    let mut comma = "";
    json_rows(schema, batches, output, |row, output| {
        let comma = std::mem::replace(&mut comma, ",");
        output.line(format!("{indent}  {comma}{row}"))
    })?;
    output.bytes(format!("{indent}]").as_bytes())
}

/// All rows before the first byte is printed: an error half way leaves one document, which says so.
fn array_text(
    schema: &SchemaRef,
    batches: Batches<'_>,
    output: &mut Output,
    indent: &str,
) -> Result<Spool, CliError> {
    let mut text = Spool::new();
    text.push("[")?;
    let mut comma = "";
    json_rows(schema, batches, output, |row, _| {
        let comma = std::mem::replace(&mut comma, ",");
        text.push(&format!("{comma}\n{indent}  {row}"))
    })?;
    if !comma.is_empty() {
        text.push(&format!("\n{indent}"))?;
    }
    text.push("]")?;
    Ok(text)
}
