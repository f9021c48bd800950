//! The first rows of many, for people, and how many there are.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, SchemaRef};

use super::rows::{Batches, columns, grid};
use super::unit::{count, plural};
use crate::error::CliError;
use crate::output::Output;

/// How rows are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Rows that are shown of those there are.
    pub(crate) rows_max: usize,
    /// Each row below the other, a line for each column.
    pub(crate) expanded: bool,
}

/// Prints the first rows, then counts the others.
pub(crate) fn write_first(
    schema: &SchemaRef,
    batches: Batches<'_>,
    layout: Layout,
    output: &mut Output,
) -> Result<(), CliError> {
    if is_plan(schema) {
        return plan(batches, output);
    }
    let (shown, mut rest) = first(schema, batches, layout.rows_max)?;
    if shown.num_rows() > 0 {
        match layout.expanded {
            true => expanded(schema, &shown, output)?,
            false => grid(schema, &shown)?.print(output)?,
        }
    }
    if rest > 0 {
        // Counting may take as long as it likes.
        output.flush()?;
    }
    let shown = shown.num_rows() as u64;
    for batch in batches {
        rest += batch?.num_rows() as u64;
        if output.is_closed() {
            return Ok(());
        }
    }
    output.line(match (shown, rest) {
        (0, 0) => "no rows".to_owned(),
        (_, 0) => plural(shown, "row"),
        (_, rest) => format!("the first {} of {}", count(shown), plural(shown + rest, "row")),
    })
}

/// The first rows as one batch, and the number of those that came with them.
fn first(schema: &SchemaRef, batches: Batches<'_>, rows_max: usize) -> Result<(RecordBatch, u64), CliError> {
    let (mut kept, mut rows, mut rest) = (Vec::new(), 0, 0);
    for batch in batches {
        let batch = batch?;
        let take = batch.num_rows().min(rows_max - rows);
        rows += take;
        rest += (batch.num_rows() - take) as u64;
        kept.push(batch.slice(0, take));
        if rest > 0 {
            break;
        }
    }
    // One batch, so that a column has the same decimals in all its rows.
    let batch = arrow_select::concat::concat_batches(schema, &kept)
        .map_err(|error| CliError::internal(format!("cannot join batches: {error}")))?;
    Ok((batch, rest))
}

/// A line for each value, and one above each row.
fn expanded(schema: &SchemaRef, batch: &RecordBatch, output: &mut Output) -> Result<(), CliError> {
    let fields = schema.fields();
    let width = fields.iter().map(|field| field.name().chars().count()).max();
    let width = width.unwrap_or(0);
    let columns = columns(batch)?;
    for row in 0..batch.num_rows() {
        output.line(format!("── row {} ──", count(row as u64 + 1)))?;
        for (field, column) in fields.iter().zip(&columns) {
            let text = one_line(&column.text(row));
            output.line(format!("{:width$}  {text}", field.name()).trim_end())?;
        }
    }
    Ok(())
}

/// Whether the rows are those of `EXPLAIN`: texts of several lines.
fn is_plan(schema: &SchemaRef) -> bool {
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let is_text = |data_type: &DataType| data_type == &DataType::Utf8;
    names == ["plan_type", "plan"] && schema.fields().iter().all(|field| is_text(field.data_type()))
}

/// A plan as it is.
fn plan(batches: Batches<'_>, output: &mut Output) -> Result<(), CliError> {
    for batch in batches {
        let batch = batch?;
        let texts: Vec<_> = batch
            .columns()
            .iter()
            .filter_map(|array| array.as_string_opt::<i32>())
            .collect();
        let [kinds, plans] = texts.as_slice() else {
            continue;
        };
        for row in 0..batch.num_rows() {
            output.line(format!("{}:", one_line(kinds.value(row))))?;
            for line in plans.value(row).lines() {
                output.line(format!("  {}", one_line(line)).trim_end())?;
            }
        }
    }
    Ok(())
}

/// Control characters escaped: a value neither breaks the line nor moves the cursor.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}
