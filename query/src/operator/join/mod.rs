//! Join by key: to each row, the rows of others that are equal to it in some columns.
//!
//! | module | owns |
//! | --- | --- |
//! | `options` | what is asked for |
//! | `table` | the right rows by key, and which of them left rows have |
//! | `reader` | the left rows, batch by batch |

mod options;
mod reader;
mod table;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use gapless_engine::{Error, Result};

use super::keys::{KeyBytes, is_comparable, value_type};
use super::{ColumnSet, Input, Need, Operator, Planner, Shape, unknown_column};
use crate::memory::Held;
use crate::source::{Layout, RowsIter, Source, keep};
use options::How;
pub use options::Join;
use reader::Reader;
use table::{Finder, Table};

/// A join by key.
#[derive(Debug, Clone)]
pub(crate) struct JoinedRows {
    left: Input,
    right: Input,
    options: Join,
    /// The right columns of the result, each with the name that it gets.
    columns: Vec<(String, String)>,
    shape: Shape,
}

impl JoinedRows {
    pub(crate) fn new(left: Input, right: Input, options: Join) -> Result<Self> {
        let (of_left, of_right) = (&left.shape().schema, &right.shape().schema);
        for name in &options.on {
            let (a, b) = (
                field(of_left, name)?.data_type(),
                field(of_right, name)?.data_type(),
            );
            if !is_comparable(a, b) {
                return Err(Error::invalid(format!(
                    "column {name:?} is {} on the left of the join and {} on its right: cast one of them",
                    value_type(a),
                    value_type(b)
                )));
            }
        }
        let columns = match options.has_right_columns() {
            true => right_columns(of_left, of_right, &options.on)?,
            false => Vec::new(),
        };
        let shape = Shape {
            schema: schema(of_left, of_right, &columns, &options)?,
            ..left.shape().clone()
        };
        Ok(Self {
            left,
            right,
            options,
            columns,
            shape,
        })
    }
}

fn field<'a>(schema: &'a Schema, name: &str) -> Result<&'a Field> {
    schema
        .field_with_name(name)
        .map_err(|_| unknown_column(name, schema))
}

/// All right columns but those of the key, and what they are called.
fn right_columns(left: &Schema, right: &Schema, on: &[String]) -> Result<Vec<(String, String)>> {
    let mut columns: Vec<(String, String)> = Vec::new();
    for name in right.fields().iter().map(|field| field.name()) {
        if on.contains(name) {
            continue;
        }
        let given = match left.field_with_name(name) {
            Ok(_) => format!("{name}_right"),
            Err(_) => name.clone(),
        };
        let is_taken =
            left.field_with_name(&given).is_ok() || columns.iter().any(|(_, other)| *other == given);
        if is_taken {
            return Err(Error::invalid(format!(
                "two columns of the join would be called {given:?}: rename one of them with select() before"
            )));
        }
        columns.push((name.clone(), given));
    }
    Ok(columns)
}

fn schema(left: &Schema, right: &Schema, columns: &[(String, String)], options: &Join) -> Result<SchemaRef> {
    let fields = left.fields().iter();
    let mut fields: Vec<Field> = fields.map(|field| field.as_ref().clone()).collect();
    for (name, given) in columns {
        let field = field(right, name)?.clone().with_name(given);
        let is_nullable = field.is_nullable() || options.how == How::Left;
        fields.push(field.with_nullable(is_nullable));
    }
    Ok(Arc::new(Schema::new(fields)))
}

impl Operator for JoinedRows {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.left, &self.right]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let kept = self.columns.iter().filter(|(_, given)| columns.contains(given));
        let kept: Vec<(String, String)> = kept.cloned().collect();
        let on = self.options.on.iter().cloned();
        let of_left: ColumnSet = columns.iter().cloned().chain(on.clone()).collect();
        let of_right: ColumnSet = kept.iter().map(|(name, _)| name.clone()).chain(on).collect();
        let (left, right) = (self.left.pruned(&of_left)?, self.right.pruned(&of_right)?);
        let shape = Shape {
            schema: schema(&left.shape().schema, &right.shape().schema, &kept, &self.options)?,
            ..self.shape.clone()
        };
        Ok(Arc::new(Self {
            left,
            right,
            options: self.options.clone(),
            columns: kept,
            shape,
        }))
    }

    fn source(&self, planner: &Planner, need: Need) -> Result<Arc<dyn Source>> {
        let left = self.left.source(planner, need)?;
        let (right, held) = self.right_rows(planner)?;
        let (of_left, of_right) = (left.schema(), right.schema());
        let places = |schema: &Schema, names: &mut dyn Iterator<Item = &String>| -> Result<Arc<[usize]>> {
            names
                .map(|name| schema.index_of(name).map_err(|_| unknown_column(name, schema)))
                .collect()
        };
        let on = &self.options.on;
        let (left_keys, right_keys) = (
            places(of_left, &mut on.iter())?,
            places(&of_right, &mut on.iter())?,
        );
        let bytes = |schema: &Schema, keys: &[usize]| {
            KeyBytes::new(
                keys.iter()
                    .map(|place| schema.field(*place).data_type().clone())
                    .collect(),
            )
        };
        let table = Table::new(&right, &right_keys, &bytes(&of_right, &right_keys)?)?;
        Ok(Arc::new(Joined {
            bytes: Arc::new(bytes(of_left, &left_keys)?),
            columns: places(&of_right, &mut self.columns.iter().map(|(name, _)| name))?,
            schema: Arc::clone(&self.shape.schema),
            how: self.options.how,
            table: Arc::new(table),
            left,
            right,
            _held: held,
            left_keys,
        }))
    }

    fn describe(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(_, given)| given.as_str()).collect();
        match columns.is_empty() {
            true => self.options.to_string(),
            false => format!("{}: {}", self.options, columns.join(", ")),
        }
    }
}

impl JoinedRows {
    /// All right rows, in their order.
    fn right_rows(&self, planner: &Planner) -> Result<(RecordBatch, Vec<Held>)> {
        let own = planner.apart();
        let need = Need {
            ordered: true,
            times: false,
        };
        let source = self.right.source(&own, need)?;
        own.list.fix();
        keep(source.as_ref(), &own.memory, "the right side of a join")
    }
}

struct Joined {
    left: Arc<dyn Source>,
    right: RecordBatch,
    /// The memory of the right rows.
    _held: Vec<Held>,
    schema: SchemaRef,
    how: How,
    table: Arc<Table>,
    bytes: Arc<KeyBytes>,
    left_keys: Arc<[usize]>,
    /// Places of the right columns.
    columns: Arc<[usize]>,
}

impl Source for Joined {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        self.left.layout()
    }

    fn parts(&self) -> usize {
        self.left.parts()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let reader = Reader {
            left: Some(self.left.open(part)?),
            rows: None,
            finder: Finder::new(&self.table, &self.bytes, &self.left_keys),
            right: self.right.clone(),
            columns: Arc::clone(&self.columns),
            schema: Arc::clone(&self.schema),
            how: self.how,
        };
        Ok(Box::new(
            reader.filter(|rows| !matches!(rows, Ok(rows) if rows.len() == 0)),
        ))
    }
}
