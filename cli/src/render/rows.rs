//! Rows on standard output: as a table, CSV, JSON, Arrow or Parquet.
//!
//! Only a table has all of its rows in memory: whoever prints one gives few. A JSON array waits on disk for its end.

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use serde::Serialize;
use serde::ser::SerializeMap;

use super::grid::{Align, Grid};
use super::spool::Spool;
use super::value::{Reader, Values};
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
        RowFormat::Csv => csv(schema, batches, output),
        RowFormat::Json => json_array(batches, output),
        RowFormat::Jsonl => json_lines(batches, output),
        RowFormat::Arrow | RowFormat::Parquet if output.is_terminal() => Err(CliError::invalid(
            "this is binary and standard output is a terminal",
        )
        .hint("redirect it, as in --format arrow > rows.arrow")),
        RowFormat::Arrow => arrow(schema, batches, output),
        RowFormat::Parquet => parquet(schema, batches, output),
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
    let columns = columns(batch, Reader::Person)?;
    for row in 0..batch.num_rows() {
        grid.row(columns.iter().map(|column| column.text(row)));
    }
    Ok(grid)
}

fn align(data_type: &DataType) -> Align {
    let is_number = data_type.is_numeric() || matches!(data_type, DataType::Duration(_));
    if is_number { Align::Right } else { Align::Left }
}

pub(super) fn columns(batch: &RecordBatch, reader: Reader) -> Result<Vec<Values>, CliError> {
    batch
        .columns()
        .iter()
        .map(|array| Values::new(array, reader))
        .collect()
}

fn csv(schema: &SchemaRef, batches: Batches<'_>, output: &mut Output) -> Result<(), CliError> {
    let header: Vec<String> = schema.fields().iter().map(|field| quoted(field.name())).collect();
    output.line(header.join(","))?;
    output.batch_done()?;
    for batch in batches {
        let batch = batch?;
        let columns = columns(&batch, Reader::Program)?;
        for row in 0..batch.num_rows() {
            let fields: Vec<String> = columns
                .iter()
                .map(|column| {
                    if column.is_null(row) {
                        String::new()
                    } else {
                        quoted(&column.text(row))
                    }
                })
                .collect();
            output.line(fields.join(","))?;
        }
        output.batch_done()?;
        if output.is_closed() {
            break;
        }
    }
    Ok(())
}

/// Quotes a field where it has to be, and where it would read as null.
fn quoted(text: &str) -> String {
    let special = |byte: u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    if text.is_empty() || text.bytes().any(special) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A row as an object with the columns in their order.
struct Row<'a> {
    names: &'a [String],
    columns: &'a [Values],
    row: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (name, column) in self.names.iter().zip(self.columns) {
            map.serialize_entry(name, &column.json(self.row))?;
        }
        map.end()
    }
}

/// Calls `each` with the JSON text of every row, until nobody reads any more.
fn json_rows(
    batches: Batches<'_>,
    output: &mut Output,
    mut each: impl FnMut(&str, &mut Output) -> Result<(), CliError>,
) -> Result<(), CliError> {
    for batch in batches {
        let batch = batch?;
        let names: Vec<String> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let columns = columns(&batch, Reader::Program)?;
        for row in 0..batch.num_rows() {
            let row = Row {
                names: &names,
                columns: &columns,
                row,
            };
            let text = serde_json::to_string(&row)
                .map_err(|error| CliError::internal(format!("cannot write JSON: {error}")))?;
            each(&text, output)?;
        }
        output.batch_done()?;
        if output.is_closed() {
            break;
        }
    }
    Ok(())
}

fn json_lines(batches: Batches<'_>, output: &mut Output) -> Result<(), CliError> {
    json_rows(batches, output, |row, output| output.line(row))
}

fn json_array(batches: Batches<'_>, output: &mut Output) -> Result<(), CliError> {
    if output.is_live() {
        growing_array(batches, output, "")?;
        return output.line("");
    }
    array_text(batches, output, "")?.print(output)?;
    output.line("")
}

/// The document of a verb that reads rows: the table, and its rows as objects.
pub(crate) fn json_document(table: &str, batches: Batches<'_>, output: &mut Output) -> Result<(), CliError> {
    document("table", table.into(), batches, output)
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
    document("columns", names, batches, output)
}

fn document(
    key: &str,
    value: serde_json::Value,
    batches: Batches<'_>,
    output: &mut Output,
) -> Result<(), CliError> {
    let start = format!("{{\n  \"{key}\": {value},\n  \"rows\": ");
    if output.is_live() {
        output.bytes(start.as_bytes())?;
        growing_array(batches, output, "  ")?;
        return output.line("\n}");
    }
    let rows = array_text(batches, output, "  ")?;
    output.bytes(start.as_bytes())?;
    rows.print(output)?;
    output.line("\n}")
}

/// An array whose rows are printed as they come, each a line that is whole.
fn growing_array(batches: Batches<'_>, output: &mut Output, indent: &str) -> Result<(), CliError> {
    output.line("[")?;
    output.batch_done()?;
    let mut comma = "";
    json_rows(batches, output, |row, output| {
        let comma = std::mem::replace(&mut comma, ",");
        output.line(format!("{indent}  {comma}{row}"))
    })?;
    output.bytes(format!("{indent}]").as_bytes())
}

/// All rows before the first byte is printed: an error half way leaves one document, which says so.
fn array_text(batches: Batches<'_>, output: &mut Output, indent: &str) -> Result<Spool, CliError> {
    let mut text = Spool::new();
    text.push("[")?;
    let mut comma = "";
    json_rows(batches, output, |row, _| {
        let comma = std::mem::replace(&mut comma, ",");
        text.push(&format!("{comma}\n{indent}  {row}"))
    })?;
    if !comma.is_empty() {
        text.push(&format!("\n{indent}"))?;
    }
    text.push("]")?;
    Ok(text)
}

/// Symbols as plain text: a stream has one dictionary for each column, batches of a scan have their own.
fn plain(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, CliError> {
    let arrays = batch.columns().iter().zip(schema.fields());
    let arrays = arrays.map(|(array, field)| arrow_cast::cast(array, field.data_type()));
    arrays
        .collect::<Result<Vec<_>, _>>()
        .and_then(|arrays| RecordBatch::try_new(SchemaRef::clone(schema), arrays))
        .map_err(|error| CliError::internal(format!("cannot convert a batch: {error}")))
}

fn plain_schema(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Dictionary(_, values) => field.as_ref().clone().with_data_type(values.as_ref().clone()),
            _ => field.as_ref().clone(),
        })
        .collect();
    SchemaRef::new(arrow_schema::Schema::new(fields))
}

fn arrow(schema: &SchemaRef, batches: Batches<'_>, output: &mut Output) -> Result<(), CliError> {
    let failed = |error: arrow_schema::ArrowError| CliError::internal(format!("cannot write Arrow: {error}"));
    let schema = plain_schema(schema);
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &schema).map_err(failed)?;
    output.bytes(&std::mem::take(writer.get_mut()))?;
    output.batch_done()?;
    for batch in batches {
        writer.write(&plain(&schema, &batch?)?).map_err(failed)?;
        output.bytes(&std::mem::take(writer.get_mut()))?;
        output.batch_done()?;
        if output.is_closed() {
            break;
        }
    }
    let rest = writer.into_inner().map_err(failed)?;
    output.bytes(&rest)
}

fn parquet(schema: &SchemaRef, batches: Batches<'_>, output: &mut Output) -> Result<(), CliError> {
    let failed =
        |error: parquet::errors::ParquetError| CliError::internal(format!("cannot write Parquet: {error}"));
    let schema = plain_schema(schema);
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(Vec::new(), SchemaRef::clone(&schema), None).map_err(failed)?;
    for batch in batches {
        writer.write(&plain(&schema, &batch?)?).map_err(failed)?;
        // What is done so far: the writer counts the bytes before they come here.
        output.bytes(&std::mem::take(writer.inner_mut()))?;
        if output.is_closed() {
            break;
        }
    }
    output.bytes(&writer.into_inner().map_err(failed)?)
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn csv_quotes_what_would_read_as_something_else() {
        assert_eq!(quoted("plain text"), "plain text");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
    }
}
