//! Where the rows of a statement go: to standard output, or to a file that appears when it is whole.

use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow_schema::SchemaRef;
use gapless_interchange::{WriteFormat, WriteOptions, Writer};
use gapless_sql::database_around;
use serde::Serialize;

use super::printed::{check_one_statement, name};
use super::running::Running;
use crate::error::CliError;
use crate::output::Output;
use crate::render::{self, Layout, RowFormat, bytes, plural, seconds};

/// Where rows go, and in which form.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// Standard output.
    Printed(RowFormat),
    /// Standard output, as one JSON document.
    Document,
    /// A file.
    File { path: PathBuf, format: WriteFormat },
}

/// What a file holds.
#[derive(Serialize)]
struct Report {
    file: String,
    rows: u64,
    bytes: u64,
    seconds: f64,
}

impl Target {
    /// Standard output.
    pub(crate) fn printed(format: Option<RowFormat>, output: &Output) -> Result<Self, CliError> {
        match (format, output.is_json()) {
            (Some(_), true) => Err(CliError::invalid(
                "--json is a format of its own: give it or --format",
            )),
            (None, true) => Ok(Self::Document),
            (format, false) => Ok(Self::Printed(format.unwrap_or(RowFormat::Table))),
        }
    }

    /// A file, which must not be there yet unless it may be replaced. Without a format its name says it.
    pub(crate) fn file(path: &Path, format: Option<RowFormat>, overwrite: bool) -> Result<Self, CliError> {
        let format = match format {
            None => WriteFormat::of_name(path).ok_or_else(|| {
                CliError::invalid(format!("the name {} does not tell the format", path.display())).hint(
                    "let it end in .csv, .jsonl, .parquet or .arrow (text also .gz or .zst), or pass --format",
                )
            })?,
            Some(RowFormat::Csv) => WriteFormat::Csv,
            Some(RowFormat::Json) => WriteFormat::Json,
            Some(RowFormat::Jsonl) => WriteFormat::JsonLines,
            Some(RowFormat::Arrow) => WriteFormat::ArrowIpc,
            Some(RowFormat::Parquet) => WriteFormat::Parquet,
            Some(RowFormat::Table) => {
                return Err(CliError::invalid("a table is for people, and no format of a file")
                    .hint("formats of files are csv, jsonl, parquet and arrow"));
            }
        };
        if let Some(database) = database_around(path) {
            return Err(CliError::invalid(format!(
                "{} lies inside the database {}",
                path.display(),
                database.display()
            ))
            .hint("write to another directory"));
        }
        if !overwrite && path.symlink_metadata().is_ok() {
            return Err(CliError::invalid(format!("{} exists", path.display()))
                .hint("name another file, or replace it with gapless query DB \"...\" -o FILE --overwrite"));
        }
        let path = path.to_owned();
        Ok(Self::File { path, format })
    }

    /// The format of standard output, where there is one and rows go there.
    pub(super) fn printed_format(&self) -> Option<RowFormat> {
        match self {
            Self::Printed(format) => Some(*format),
            Self::Document | Self::File { .. } => None,
        }
    }

    /// Refuses a text of several statements where one answer has its place.
    pub(crate) fn check_text(&self, text: &str) -> Result<(), CliError> {
        match self {
            Self::Printed(format) if format.is_binary() => {
                check_one_statement(text, &format!("stream of {}", name(*format)))
            }
            Self::Printed(_) | Self::Document => Ok(()),
            Self::File { .. } => check_one_statement(text, "file"),
        }
    }

    /// Writes all rows of a statement.
    pub(crate) fn write(
        &self,
        mut rows: Running,
        layout: Layout,
        output: &mut Output,
    ) -> Result<(), CliError> {
        let schema = rows.schema();
        if !matches!(self, Self::Printed(RowFormat::Table)) {
            check_names(&schema)?;
        }
        match self {
            Self::Printed(RowFormat::Table) => render::write_first(&schema, &mut rows, layout, output),
            Self::Printed(format) => render::write_rows(&schema, &mut rows, *format, output),
            Self::Document => render::json_result(&schema, &mut rows, output),
            Self::File { path, format } => {
                let report = write_file(&schema, rows, path, *format)?;
                report.print(output)
            }
        }
    }
}

/// Two columns of one name are one column to a program that reads the rows.
fn check_names(schema: &SchemaRef) -> Result<(), CliError> {
    let mut seen = std::collections::HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        None => Ok(()),
        Some(field) => Err(CliError::invalid(format!(
            "two columns of the result are named {:?}",
            field.name()
        ))
        .hint("name them apart: SELECT a.ts AS a_ts, b.ts AS b_ts; a table for people may have both")),
    }
}

fn write_file(
    schema: &SchemaRef,
    rows: Running,
    path: &Path,
    format: WriteFormat,
) -> Result<Report, CliError> {
    let began = Instant::now();
    let mut writer = Writer::create(path, format, SchemaRef::clone(schema), &WriteOptions::default())?;
    for batch in rows {
        writer.write(&batch?)?;
    }
    let rows = writer.rows();
    writer.finish()?;
    let bytes = path.metadata().map(|metadata| metadata.len());
    Ok(Report {
        file: path.display().to_string(),
        rows,
        bytes: bytes.map_err(|error| CliError::io(path.display(), &error))?,
        seconds: began.elapsed().as_secs_f64(),
    })
}

impl Report {
    fn print(&self, output: &mut Output) -> Result<(), CliError> {
        if output.is_json() {
            return output.json(self);
        }
        output.line(format!(
            "wrote {} to {}, {}, in {}",
            plural(self.rows, "row"),
            self.file,
            bytes(self.bytes),
            seconds(std::time::Duration::from_secs_f64(self.seconds))
        ))
    }
}
