//! What a dump shows: fields, a table, what went wrong, and sections below; as text or as JSON.

use serde_json::{Map, Value};

use crate::error::CliError;
use crate::output::Output;
use crate::render::{Align, Grid};

/// One part of a dump.
#[derive(Debug, Default)]
pub(crate) struct Section {
    title: String,
    fields: Vec<(&'static str, Value)>,
    header: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
    errors: Vec<String>,
    inner: Vec<Section>,
    miss: Option<String>,
}

impl Section {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// Adds a fact.
    pub(crate) fn field(&mut self, name: &'static str, value: impl Into<Value>) {
        self.fields.push((name, value.into()));
    }

    /// Names the columns of the table.
    pub(crate) fn columns(&mut self, names: impl IntoIterator<Item = &'static str>) {
        self.header = names.into_iter().collect();
    }

    /// Adds a row to the table.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Value>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds something that cannot be read.
    pub(crate) fn error(&mut self, message: impl std::fmt::Display) {
        self.errors.push(message.to_string());
    }

    /// What was asked for is not there; nothing is to be shown then.
    pub(crate) fn set_miss(&mut self, message: impl Into<String>) {
        self.miss = Some(message.into());
    }

    /// What was asked for and is not there.
    pub(crate) fn miss(&self) -> Option<&str> {
        self.miss.as_deref()
    }

    /// The first thing that could not be read, here or below.
    pub(crate) fn first_error(&self) -> Option<&str> {
        let below = || self.inner.iter().find_map(Self::first_error);
        self.errors.first().map(String::as_str).or_else(below)
    }

    /// Adds a section below.
    pub(crate) fn push(&mut self, section: Section) {
        self.inner.push(section);
    }

    /// Whether something could not be read, here or below.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty() || self.inner.iter().any(Self::has_errors)
    }

    /// The section as JSON.
    pub(crate) fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("title".into(), self.title.clone().into());
        for (name, value) in &self.fields {
            object.insert((*name).to_owned(), value.clone());
        }
        if !self.header.is_empty() {
            let row = |cells: &Vec<Value>| -> Value {
                let named = self.header.iter().zip(cells);
                named
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect::<Map<_, _>>()
                    .into()
            };
            object.insert("rows".into(), self.rows.iter().map(row).collect());
        }
        if !self.errors.is_empty() {
            object.insert("errors".into(), self.errors.clone().into());
        }
        if !self.inner.is_empty() {
            object.insert("sections".into(), self.inner.iter().map(Self::json).collect());
        }
        object.into()
    }

    /// Prints the section as text.
    pub(crate) fn print(self, output: &mut Output) -> Result<(), CliError> {
        if output.is_closed() {
            return Ok(());
        }
        output.line(printable(&self.title))?;
        let width = self.fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in &self.fields {
            output.line(format!("  {:width$}  {}", spaced(name), printable(&text(value))))?;
        }
        for error in &self.errors {
            output.line(format!("  ERROR: {}", printable(error)))?;
        }
        if !self.rows.is_empty() {
            table(&self.header, &self.rows).print(output)?;
        }
        for inner in self.inner {
            output.line("")?;
            inner.print(output)?;
        }
        Ok(())
    }
}

fn table(header: &[&'static str], rows: &[Vec<Value>]) -> Grid {
    let align = |column: usize| {
        let is_number = |row: &Vec<Value>| {
            row.get(column)
                .is_none_or(|cell| cell.is_number() || cell.is_null())
        };
        match rows.iter().all(is_number) {
            true => Align::Right,
            false => Align::Left,
        }
    };
    let mut grid = Grid::new(
        header
            .iter()
            .enumerate()
            .map(|(at, name)| (spaced(name), align(at))),
    );
    for row in rows {
        grid.row(row.iter().map(text));
    }
    grid
}

fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// Names from a damaged file must not drive the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character.is_control() {
            true => character.escape_default().to_string(),
            false => character.to_string(),
        })
        .collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A checksum or id as people compare it.
pub(super) fn hex64(value: u64) -> Value {
    format!("{value:016x}").into()
}
