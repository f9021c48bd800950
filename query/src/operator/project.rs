//! Columns that are computed from others.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};
use gapless_engine::{Error, Result};

use super::{ColumnSet, Input, Need, Operator, Planner, Shape};
use crate::Expr;
use crate::expr::{Bound, col};
use crate::source::{Layout, RowsIter, Source};

/// Expressions, each with the name of the column that it gives.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    input: Input,
    columns: Vec<(String, Expr)>,
    shape: Shape,
}

impl Project {
    /// Only these columns.
    pub(crate) fn select(input: Input, columns: Vec<Expr>) -> Result<Self> {
        let columns: Vec<(String, Expr)> = columns.into_iter().map(|expr| (expr.name(), expr)).collect();
        check_names(columns.iter().map(|(name, _)| name.as_str()))?;
        let shape = shape(&columns, input.shape())?;
        Ok(Self {
            input,
            columns,
            shape,
        })
    }

    /// All columns, and these: in the place of one of the same name, or after the others.
    pub(crate) fn with(input: Input, columns: Vec<Expr>) -> Result<Self> {
        let fields = input.shape().schema.fields().iter();
        let mut all: Vec<Expr> = fields.map(|field| col(field.name())).collect();
        let names: Vec<String> = columns.iter().map(Expr::name).collect();
        check_names(names.iter().map(String::as_str))?;
        for expr in columns {
            let name = expr.name();
            match all.iter_mut().find(|other| other.name() == name) {
                Some(other) => *other = expr,
                None => all.push(expr),
            }
        }
        Self::select(input, all)
    }
}

/// Refuses columns of one name.
pub(crate) fn check_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut seen = hashbrown::HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(Error::invalid(format!(
            "two columns would be called {name:?}: give one of them another name with alias()"
        ))),
    }
}

fn shape(columns: &[(String, Expr)], input: &Shape) -> Result<Shape> {
    let schema = bound_schema(&bind(columns, &input.schema)?);
    let renamed = |field: &Option<Field>| {
        let field = field.as_ref()?;
        let same = columns
            .iter()
            .find(|(_, expr)| expr.as_column() == Some(field.name().as_str()));
        same.map(|(name, _)| field.clone().with_name(name))
    };
    let series = renamed(&input.series);
    Ok(Shape {
        schema: Arc::new(schema),
        time: renamed(&input.time),
        // Rows whose series nobody sees any more do not come by time.
        is_ordered: input.is_ordered && series.is_some() == input.series.is_some(),
        series,
    })
}

fn bind(columns: &[(String, Expr)], schema: &Schema) -> Result<Vec<(String, Bound)>> {
    let bind = |(name, expr): &(String, Expr)| Ok((name.clone(), Bound::new(expr, schema)?));
    columns.iter().map(bind).collect()
}

fn bound_schema(columns: &[(String, Bound)]) -> Schema {
    let field =
        |(name, bound): &(String, Bound)| Field::new(name, bound.data_type().clone(), bound.nullable());
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

impl Operator for Project {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.input]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let kept: Vec<(String, Expr)> = self
            .columns
            .iter()
            .filter(|(name, _)| columns.contains(name))
            .cloned()
            .collect();
        let needed = kept
            .iter()
            .flat_map(|(_, expr)| expr.columns())
            .map(str::to_string)
            .collect();
        let schema = bound_schema(&bind(&kept, &self.input.shape().schema)?);
        Ok(Arc::new(Self {
            input: self.input.pruned(&needed)?,
            columns: kept,
            shape: Shape {
                schema: Arc::new(schema),
                ..self.shape.clone()
            },
        }))
    }

    fn source(&self, planner: &Planner, need: Need) -> Result<Arc<dyn Source>> {
        let input = self.input.source(planner, need)?;
        let columns = bind(&self.columns, input.schema())?;
        Ok(Arc::new(Projected {
            schema: Arc::new(bound_schema(&columns)),
            columns: columns.into_iter().map(|(_, bound)| bound).collect(),
            input,
        }))
    }

    fn describe(&self) -> String {
        let column = |(name, expr): &(String, Expr)| match expr.as_column() == Some(name.as_str()) {
            true => name.clone(),
            false => format!("{name} = {expr}"),
        };
        let columns: Vec<String> = self.columns.iter().map(column).collect();
        format!("columns {}", columns.join(", "))
    }
}

struct Projected {
    input: Arc<dyn Source>,
    schema: SchemaRef,
    columns: Arc<[Bound]>,
}

impl Source for Projected {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        self.input.layout()
    }

    fn parts(&self) -> usize {
        self.input.parts()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let (schema, columns) = (Arc::clone(&self.schema), Arc::clone(&self.columns));
        Ok(Box::new(self.input.open(part)?.map(move |rows| {
            let rows = rows?;
            let arrays = columns
                .iter()
                .map(|column| column.evaluate(&rows.batch))
                .collect::<Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options);
            let batch = batch.map_err(|error| Error::internal(format!("columns make no batch: {error}")))?;
            Ok(rows.with_batch(batch))
        })))
    }
}
