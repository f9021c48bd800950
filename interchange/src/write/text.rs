//! CSV (RFC 4180) and JSON, as bytes.

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use crate::error::Result;
use crate::write::cells::{cells_of, json_key};

/// Appends the header line.
pub(crate) fn push_csv_header(schema: &Schema, delimiter: u8, out: &mut Vec<u8>) {
    for (index, field) in schema.fields().iter().enumerate() {
        if index > 0 {
            out.push(delimiter);
        }
        push_csv_text(field.name().as_bytes(), delimiter, out);
    }
    out.push(b'\n');
}

/// Appends the rows of `batch`. A null is an empty field, the empty string is `""`.
pub(crate) fn push_csv(batch: &RecordBatch, delimiter: u8, out: &mut Vec<u8>) -> Result<()> {
    let cells = cells_of(batch)?;
    let fields = batch.schema_ref().fields();
    let mut text = Vec::new();
    for row in 0..batch.num_rows() {
        let line = out.len();
        for (index, (cell, field)) in cells.iter().zip(fields).enumerate() {
            if index > 0 {
                out.push(delimiter);
            }
            if cell.is_null(row) {
                continue;
            }
            text.clear();
            cell.push(row, &mut text)
                .map_err(|error| error.in_column(field.name()))?;
            push_csv_text(&text, delimiter, out);
        }
        if out.len() == line {
            // A row of one null would be a blank line, which is no row; quotes keep it.
            out.extend_from_slice(b"\"\"");
        }
        out.push(b'\n');
    }
    Ok(())
}

fn push_csv_text(text: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    let special = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    if !text.is_empty() && !text.iter().any(special) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// Calls `each` with every row of `batch` as a JSON object. `NaN` and infinities, which JSON lacks, are strings, and so are
/// decimals.
pub(crate) fn json_rows(batch: &RecordBatch, mut each: impl FnMut(&[u8])) -> Result<()> {
    let cells = cells_of(batch)?;
    let fields = batch.schema_ref().fields();
    let keys: Vec<Vec<u8>> = fields.iter().map(|field| json_key(field.name())).collect();
    let mut text = Vec::new();
    for row in 0..batch.num_rows() {
        text.clear();
        text.push(b'{');
        for (index, ((cell, key), field)) in cells.iter().zip(&keys).zip(fields).enumerate() {
            if index > 0 {
                text.push(b',');
            }
            text.extend_from_slice(key);
            cell.push_json(row, &mut text)
                .map_err(|error| error.in_column(field.name()))?;
        }
        text.push(b'}');
        each(&text);
    }
    Ok(())
}
