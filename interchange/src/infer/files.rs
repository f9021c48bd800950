//! Opening text files up to their first row, and sampling files of every format.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::{DataType, SchemaRef};

use crate::error::{InterchangeError, Result, list};
use crate::file_format::FileFormat;
use crate::infer::plan::Input;
use crate::infer::sample::{ColumnSample, Written};
use crate::input::{self, Progress};
use crate::options::{OnError, ReadOptions};
use crate::text::csv::CsvRecords;
use crate::text::json::{JsonKind, JsonRows};
use crate::text::lines::{Lines, line_end};
use crate::text::number::parse_f64;
use crate::text::rows::NullText;
use crate::text::time::Civil;
use crate::typed::{self, TypedReader};

/// The longest column name.
const NAME_BYTES_MAX: usize = 255;

/// A column of one file.
pub(crate) struct FileColumn {
    pub(crate) name: String,
    /// The Arrow type, of a typed file.
    pub(crate) data_type: Option<DataType>,
    pub(crate) sample: ColumnSample,
}

/// The lines of a text file.
fn open_lines(input: &Input, progress: Arc<Progress>, ahead: bool) -> Result<Lines> {
    let mut reader = match &input.content {
        Some(content) => Box::new(std::io::Cursor::new(Arc::clone(content))),
        None => input::open(&input.file, input.identity.compression, progress)?,
    };
    if ahead && input.content.is_none() {
        reader = input::read_ahead(reader).map_err(|error| error.at_file(&input.file))?;
    }
    Ok(Lines::new(&input.file, reader))
}

/// A CSV file behind its header, with its column names.
pub(crate) fn open_csv(
    input: &Input,
    options: &ReadOptions,
    progress: Arc<Progress>,
    ahead: bool,
) -> Result<(CsvRecords, Vec<String>)> {
    open_csv_lines(open_lines(input, progress, ahead)?, input, options)
}

/// As [`open_csv`], of lines that are open.
pub(crate) fn open_csv_lines(
    lines: Lines,
    input: &Input,
    options: &ReadOptions,
) -> Result<(CsvRecords, Vec<String>)> {
    let failed = |error: InterchangeError| error.at_file(&input.file);
    let mut records = CsvRecords::new(lines, b',');
    let delimiter = match options.delimiter {
        Some(delimiter) => delimiter,
        None if input.identity.tabs => b'\t',
        None => guess_delimiter(records.peek_line()?),
    };
    if matches!(delimiter, b'"' | b'\n' | b'\r' | 0) {
        return Err(failed(InterchangeError::invalid(
            "a quote, line end or NUL cannot be the delimiter",
        )));
    }
    records.set_delimiter(delimiter);
    let mut names = if options.header {
        read_header(&mut records, input)?
    } else {
        Vec::new()
    };
    if let Some(given) = &options.column_names {
        if options.header && given.len() != names.len() {
            let reason = format!(
                "--columns gives {} names, the header has {}",
                given.len(),
                names.len()
            );
            return Err(failed(InterchangeError::invalid(reason)));
        }
        names.clone_from(given);
    } else if !options.header {
        return Err(failed(
            InterchangeError::invalid("there is no header").with_hint("give the names with --columns"),
        ));
    }
    check_names(&names).map_err(|error| {
        if options.header {
            failed(error.at_line(1))
        } else {
            error
        }
    })?;
    Ok((records, names))
}

fn read_header(records: &mut CsvRecords, input: &Input) -> Result<Vec<String>> {
    let failed = |reason: &str, line| {
        InterchangeError::invalid(reason)
            .at_file(&input.file)
            .at_line(line)
    };
    let Some(header) = records.next()? else {
        return Err(failed("the file holds no header and no rows", 1));
    };
    let fields = header.fields.map_err(|reason| failed(reason, header.line))?;
    let mut scratch = Vec::new();
    let mut names = Vec::with_capacity(fields.len());
    for field in fields {
        let text = field.text(header.raw, &mut scratch);
        let text = if field.quoted { text } else { text.trim_ascii() };
        let name =
            std::str::from_utf8(text).map_err(|_| failed("a column name is not UTF-8 text", header.line))?;
        if is_value(text) {
            return Err(failed("is a value and no column name", header.line)
                .with_value(text)
                .with_hint("if the file has no header, pass --no-header --columns a,b,c"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Whether a header's cell can only be a value: the first row of a file without a header would be lost as names.
/// Plain integers and days may be names.
fn is_value(cell: &[u8]) -> bool {
    let cell = cell.trim_ascii();
    let is_instant = Civil::parse(cell).is_ok_and(|civil| civil.has_time);
    is_instant || (cell.contains(&b'.') && parse_f64(cell).is_some())
}

fn check_names(names: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        let bad = |reason: String| Err(InterchangeError::invalid(reason).in_column(name));
        if name.is_empty() {
            return Err(
                InterchangeError::invalid(format!("column number {} has no name", index + 1))
                    .with_hint("name the columns with --columns"),
            );
        }
        if name.len() > NAME_BYTES_MAX {
            return bad(format!(
                "the name is {} bytes long; {NAME_BYTES_MAX} is the most",
                name.len()
            ));
        }
        if !seen.insert(name) {
            return bad("the name occurs twice; rename the columns with --columns".into());
        }
    }
    Ok(())
}

/// A comma, unless the line has none and has another usual delimiter.
fn guess_delimiter(line: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0usize), (b';', 0), (b'\t', 0), (b'|', 0)];
    for byte in line {
        quoted ^= *byte == b'"';
        if !quoted {
            counts
                .iter_mut()
                .filter(|(delimiter, _)| delimiter == byte)
                .for_each(|(_, count)| *count += 1);
        }
    }
    let others = counts
        .iter()
        .skip(1)
        .filter(|(_, count)| *count > 0)
        .max_by_key(|(_, count)| *count);
    match (counts.first(), others) {
        (Some((_, 0)), Some((other, _))) => *other,
        _ => b',',
    }
}

/// The lines of a JSON lines file.
pub(crate) fn open_json(input: &Input, progress: Arc<Progress>, ahead: bool) -> Result<JsonLines> {
    Ok(JsonLines::new(open_lines(input, progress, ahead)?))
}

/// Cuts a file into lines.
pub(crate) struct JsonLines {
    pub(crate) lines: Lines,
    taken: (usize, u64),
}

impl JsonLines {
    pub(crate) fn new(lines: Lines) -> Self {
        JsonLines { lines, taken: (0, 0) }
    }

    /// The next line that is not blank, with its number and line end; `None` at the end of the file, or of what was
    /// fed.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        let line = loop {
            let (bytes, lines) = std::mem::take(&mut self.taken);
            self.lines.take(bytes, lines);
            match line_end(self.lines.pending()) {
                Some(end) => self.taken = (end + 1, 1),
                None if !self.lines.ended() => {
                    if !self.lines.more()? {
                        return Ok(None);
                    }
                    continue;
                }
                None => self.taken = (self.lines.pending().len(), 0),
            }
            let found = self.lines.pending().get(..self.taken.0).unwrap_or_default();
            if found.is_empty() {
                return Ok(None);
            }
            if !found.trim_ascii().is_empty() {
                break self.lines.line();
            }
        };
        Ok(self
            .lines
            .pending()
            .get(..self.taken.0)
            .map(|found| (line, found)))
    }
}

/// The columns of `input`, with a sample of `rows` rows (none: only the names).
pub(crate) fn sample(input: &Input, options: &ReadOptions, rows: usize) -> Result<Vec<FileColumn>> {
    match input.identity.format {
        FileFormat::Csv => sample_csv(input, options, rows),
        FileFormat::JsonLines => sample_json(input, options, rows),
        FileFormat::Parquet | FileFormat::ArrowIpc => sample_typed(input, rows),
    }
}

fn named(name: &str) -> FileColumn {
    FileColumn {
        name: name.to_owned(),
        data_type: None,
        sample: ColumnSample::default(),
    }
}

fn skips(options: &ReadOptions) -> bool {
    options.on_error != OnError::Fail
}

fn sample_csv(input: &Input, options: &ReadOptions, rows: usize) -> Result<Vec<FileColumn>> {
    let (mut records, names) = open_csv(input, options, Arc::default(), false)?;
    let mut columns: Vec<FileColumn> = names.iter().map(|name| named(name)).collect();
    let nulls = NullText::new(&options.null_values);
    let mut scratch = Vec::new();
    let mut sampled = 0;
    while sampled < rows {
        let Some(record) = records.next()? else { break };
        // A bad line is judged by the reader, which reports or rejects it; here it tells nothing about types.
        let Ok(fields) = record.fields else { continue };
        if fields.len() != columns.len() {
            continue;
        }
        for (field, column) in fields.iter().zip(&mut columns) {
            let text = field.text(record.raw, &mut scratch);
            if nulls.is_null(text, field.quoted, false) {
                column.sample.null();
            } else {
                column.sample.value(text, Written::Field);
            }
        }
        sampled += 1;
    }
    Ok(columns)
}

fn sample_json(input: &Input, options: &ReadOptions, rows: usize) -> Result<Vec<FileColumn>> {
    let mut lines = open_json(input, Arc::default(), false)?;
    let mut columns: Vec<FileColumn> = options
        .column_names
        .iter()
        .flatten()
        .map(|name| named(name))
        .collect();
    let mut found = JsonRows::default();
    let mut sampled = 0;
    while sampled < rows {
        let Some((line, text)) = lines.next()? else {
            break;
        };
        match found.scan(text) {
            Ok(()) => {}
            Err(_) if skips(options) => continue,
            Err(reason) => {
                let error = InterchangeError::invalid(reason)
                    .at_file(&input.file)
                    .at_line(line);
                return Err(error.with_value(text.trim_ascii()));
            }
        }
        for (row, range) in found.rows.iter().enumerate() {
            let fields = found.fields.get(range.clone()).unwrap_or_default();
            let failed = |error: InterchangeError| {
                error
                    .at_file(&input.file)
                    .at_line(line)
                    .at_row((found.rows.len() > 1).then_some(row as u64 + 1))
            };
            match sample_json_row(text, fields, &mut columns, sampled) {
                Err(error) if !skips(options) => return Err(failed(error)),
                _ => sampled += 1,
            }
        }
    }
    check_names(
        &columns
            .iter()
            .map(|column| column.name.clone())
            .collect::<Vec<_>>(),
    )
    .map_err(|error| error.at_file(&input.file))?;
    Ok(columns)
}

fn sample_json_row(
    line: &[u8],
    fields: &[crate::text::json::JsonField],
    columns: &mut Vec<FileColumn>,
    sampled: usize,
) -> Result<()> {
    for (index, field) in fields.iter().enumerate() {
        let place = match field.key {
            None => index,
            Some(key) => {
                let key = key.text(line).unwrap_or_default();
                let guess = columns
                    .get(index)
                    .is_some_and(|column| column.name.as_bytes() == &*key);
                let place = if guess {
                    Some(index)
                } else {
                    columns.iter().position(|c| c.name.as_bytes() == &*key)
                };
                place.unwrap_or_else(|| {
                    let mut column = named(&String::from_utf8_lossy(&key));
                    column.sample.nulls = sampled as u64;
                    columns.push(column);
                    columns.len() - 1
                })
            }
        };
        let Some(column) = columns.get_mut(place) else {
            return Err(
                InterchangeError::invalid(format!("the row is an array of {} values", fields.len()))
                    .with_hint(format!("name them with --columns ({} names)", fields.len())),
            );
        };
        let text = field.value.text(line).unwrap_or_default();
        match field.kind {
            JsonKind::Null => column.sample.null(),
            JsonKind::Bool | JsonKind::Number => column.sample.value(&text, Written::Literal),
            JsonKind::String => column.sample.value(&text, Written::Text),
            JsonKind::Nested => return Err(nested(&column.name, &text)),
        }
    }
    Ok(())
}

/// The error for an array or object inside a row.
pub(crate) fn nested(column: &str, text: &[u8]) -> InterchangeError {
    InterchangeError::invalid("is a nested value; a column holds plain values only")
        .in_column(column)
        .with_value(text)
        .with_hint("flatten the rows first, for example with jq")
}

fn sample_typed(input: &Input, rows: usize) -> Result<Vec<FileColumn>> {
    let (schema, reader) = TypedReader::open(input, rows.clamp(1, 65_536), Arc::default())?;
    check_typed_names(&schema, &input.file)?;
    let mut columns = Vec::new();
    for field in schema.fields() {
        let data_type = typed::stored_type(field.data_type()).map_err(|reason| {
            InterchangeError::unsupported(reason)
                .at_file(&input.file)
                .in_column(field.name())
        })?;
        columns.push(FileColumn {
            data_type: Some(data_type),
            ..named(field.name())
        });
    }
    let mut reader = reader;
    if rows > 0
        && let Some(batch) = reader.next_batch()?
    {
        sample_batch(&batch, &mut columns);
    }
    Ok(columns)
}

fn check_typed_names(schema: &SchemaRef, file: &Path) -> Result<()> {
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    if names.is_empty() {
        return Err(InterchangeError::invalid("the file has no columns").at_file(file));
    }
    check_names(&names).map_err(|error| error.at_file(file))
}

fn sample_batch(batch: &RecordBatch, columns: &mut [FileColumn]) {
    for (array, column) in batch.columns().iter().zip(columns) {
        let as_text = |array: &dyn Array| arrow_cast::cast(array, &DataType::Utf8).ok();
        let keep_text = typed::is_text(array.data_type());
        let Some(texts) = (if keep_text || array.data_type().is_numeric() {
            as_text(array)
        } else {
            None
        }) else {
            column.sample.nulls += array.null_count() as u64;
            column.sample.values += (array.len() - array.null_count()) as u64;
            continue;
        };
        let Some(texts) = texts.as_any().downcast_ref::<StringArray>() else {
            continue;
        };
        let written = if keep_text {
            Written::Text
        } else {
            Written::Literal
        };
        for text in texts {
            match text {
                Some(text) => column.sample.value(text.as_bytes(), written),
                None => column.sample.null(),
            }
        }
    }
}

/// The names for an error.
pub(crate) fn names_of(columns: &[FileColumn]) -> String {
    list(columns.iter().map(|column| column.name.as_str()))
}
