//! CSV (RFC 4180) and JSON lines, as bytes.

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use crate::error::Result;
use crate::write::cells::{CellKind, cells_of};

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
    let mut text = Vec::new();
    for row in 0..batch.num_rows() {
        let line = out.len();
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                out.push(delimiter);
            }
            if cell.is_null(row) {
                continue;
            }
            text.clear();
            cell.push(row, &mut text)?;
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

/// Appends the rows of `batch` as one JSON object a line. `NaN` and infinities, which JSON lacks, are strings.
pub(crate) fn push_json(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    let cells = cells_of(batch)?;
    let keys: Vec<Vec<u8>> = batch
        .schema_ref()
        .fields()
        .iter()
        .map(|field| {
            let mut key = Vec::new();
            push_json_text(field.name().as_bytes(), &mut key);
            key.push(b':');
            key
        })
        .collect();
    let mut text = Vec::new();
    for row in 0..batch.num_rows() {
        out.push(b'{');
        for (index, (cell, key)) in cells.iter().zip(&keys).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key);
            if cell.is_null(row) {
                out.extend_from_slice(b"null");
                continue;
            }
            text.clear();
            cell.push(row, &mut text)?;
            let bare = match cell.kind {
                CellKind::Text => false,
                CellKind::Literal => !matches!(text.as_slice(), b"NaN" | b"inf" | b"-inf"),
                CellKind::Array => true,
            };
            if bare {
                out.extend_from_slice(&text);
            } else {
                push_json_text(&text, out);
            }
        }
        out.extend_from_slice(b"}\n");
    }
    Ok(())
}

fn push_json_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}
