//! Rows from elsewhere.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use gapless_engine::{Error, Result};

use super::{ColumnSet, Input, Need, Operator, Planner, Shape, unknown_column};
use crate::source::{BatchSource, Source};

/// Batches in memory.
#[derive(Debug, Clone)]
pub(crate) struct Batches {
    shape: Shape,
    batches: Vec<RecordBatch>,
}

impl Batches {
    pub(crate) fn new(
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        time: Option<&str>,
        series: Option<&str>,
    ) -> Result<Self> {
        if let Some(other) = batches
            .iter()
            .find(|batch| batch.schema_ref().fields() != schema.fields())
        {
            return Err(Error::invalid(format!(
                "a batch has the columns {:?}, but the rows are said to have {:?}: give batches of one schema",
                other.schema_ref(),
                schema
            )));
        }
        let field = |name: Option<&str>| {
            let find = |name| {
                schema
                    .field_with_name(name)
                    .cloned()
                    .map_err(|_| unknown_column(name, &schema))
            };
            name.map(find).transpose()
        };
        let (time, series) = (field(time)?, field(series)?);
        if let Some(time) = &time
            && !matches!(time.data_type(), DataType::Timestamp(..))
        {
            return Err(Error::invalid(format!(
                "the time column {:?} is {}: cast it to a timestamp",
                time.name(),
                time.data_type()
            )));
        }
        if let Some(series) = &series
            && !is_text(series.data_type())
        {
            return Err(Error::invalid(format!(
                "the series column {:?} is {}: cast it to text",
                series.name(),
                series.data_type()
            )));
        }
        Ok(Self {
            shape: Shape {
                time,
                series,
                schema,
                is_ordered: false,
            },
            batches,
        })
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

impl Operator for Batches {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        Vec::new()
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let fields = self.shape.schema.fields().iter().enumerate();
        let kept: Vec<usize> = fields
            .filter(|(_, field)| columns.contains(field.name()))
            .map(|(at, _)| at)
            .collect();
        let project = |batch: &RecordBatch| batch.project(&kept);
        let internal = |error| Error::internal(format!("columns of a batch: {error}"));
        let schema = self.shape.schema.project(&kept).map_err(internal)?;
        Ok(Arc::new(Self {
            batches: self
                .batches
                .iter()
                .map(project)
                .collect::<std::result::Result<_, _>>()
                .map_err(internal)?,
            shape: Shape {
                schema: Arc::new(schema),
                ..self.shape.clone()
            },
        }))
    }

    fn source(&self, _planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(BatchSource {
            schema: Arc::clone(&self.shape.schema),
            batches: self.batches.clone(),
        }))
    }

    fn describe(&self) -> String {
        let rows: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        format!("{rows} rows in memory")
    }
}
