//! The rows of several inputs, one after the other.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};
use gapless_engine::{Error, Result};

use super::{ColumnSet, Input, Need, Operator, Planner, Shape, unknown_column};
use crate::source::{Layout, Rows, RowsIter, Source};

/// Several inputs with the same columns.
#[derive(Debug, Clone)]
pub(crate) struct Concat {
    inputs: Vec<Input>,
    shape: Shape,
}

impl Concat {
    pub(crate) fn new(inputs: Vec<Input>) -> Result<Self> {
        let Some(first) = inputs.first() else {
            return Err(Error::invalid(
                "there is nothing to put together: give a query at least",
            ));
        };
        let mut shape = Shape {
            is_ordered: false,
            ..first.shape().clone()
        };
        for (number, input) in inputs.iter().enumerate().skip(1) {
            let other = input.shape();
            shape.schema = Arc::new(common(&shape.schema, &other.schema, number + 1)?);
            // Rows have a time, or a series, where all of them have it in the same column.
            let is_same = |own: &Field, other: Option<&str>| Some(own.name().as_str()) == other;
            shape.time = shape.time.filter(|own| is_same(own, other.time_name()));
            shape.series = shape.series.filter(|own| is_same(own, other.series_name()));
        }
        Ok(Self { inputs, shape })
    }
}

/// The columns of both, which are the same but for whether they may be null.
fn common(one: &Schema, other: &Schema, number: usize) -> Result<Schema> {
    let differs = |what: String| {
        Err(Error::invalid(format!(
            "query {number} cannot be put after the first: {what}; select() the same columns in both"
        )))
    };
    let mut fields = Vec::with_capacity(one.fields().len());
    for (at, field) in one.fields().iter().enumerate() {
        let Some(of_other) = other.fields().get(at) else {
            return differs(format!("it has no column {:?}", field.name()));
        };
        if field.name() != of_other.name() {
            let (name, other) = (field.name(), of_other.name());
            return differs(format!("its column {} is {other:?} instead of {name:?}", at + 1));
        }
        if field.data_type() != of_other.data_type() {
            let (name, own, other) = (field.name(), field.data_type(), of_other.data_type());
            return differs(format!("its column {name:?} is {other} instead of {own}"));
        }
        fields.push(Field::new(
            field.name(),
            field.data_type().clone(),
            field.is_nullable() || of_other.is_nullable(),
        ));
    }
    match other.fields().get(fields.len()) {
        Some(more) => differs(format!("it has a further column {:?}", more.name())),
        None => Ok(Schema::new(fields)),
    }
}

impl Operator for Concat {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        self.inputs.iter().collect()
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let fields = self.shape.schema.fields().iter();
        let kept: Vec<_> = fields
            .filter(|field| columns.contains(field.name()))
            .cloned()
            .collect();
        let inputs = self.inputs.iter().map(|input| input.pruned(columns));
        Ok(Arc::new(Self {
            inputs: inputs.collect::<Result<_>>()?,
            shape: Shape {
                schema: Arc::new(Schema::new(kept)),
                ..self.shape.clone()
            },
        }))
    }

    fn source(&self, planner: &Planner, _need: Need) -> Result<Arc<dyn Source>> {
        let need = Need {
            ordered: true,
            times: false,
        };
        let schema = &self.shape.schema;
        let input = |input: &Input| {
            let source = input.source(planner, need)?;
            let place = |field: &Arc<Field>| {
                let place = source.schema().index_of(field.name());
                place.map_err(|_| unknown_column(field.name(), source.schema()))
            };
            let places = schema.fields().iter().map(place).collect::<Result<_>>()?;
            Ok(Member { source, places })
        };
        Ok(Arc::new(Concatenated {
            members: self.inputs.iter().map(input).collect::<Result<_>>()?,
            schema: Arc::clone(schema),
        }))
    }

    fn describe(&self) -> String {
        format!("{} queries, one after the other", self.inputs.len())
    }
}

struct Member {
    source: Arc<dyn Source>,
    /// Where the columns of the result are in its rows.
    places: Arc<[usize]>,
}

struct Concatenated {
    members: Vec<Member>,
    schema: SchemaRef,
}

impl Source for Concatenated {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Plain
    }

    fn parts(&self) -> usize {
        self.members.iter().map(|member| member.source.parts()).sum()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let mut number = part;
        for member in &self.members {
            let Some(later) = number.checked_sub(member.source.parts()) else {
                let (schema, places) = (Arc::clone(&self.schema), Arc::clone(&member.places));
                let rows = member.source.open(number)?;
                return Ok(Box::new(
                    rows.map(move |rows| projected(&rows?, &schema, &places)),
                ));
            };
            number = later;
        }
        Err(Error::internal("rows of several queries have no such part"))
    }
}

fn projected(rows: &Rows, schema: &SchemaRef, places: &[usize]) -> Result<Rows> {
    let all = rows.batch.columns();
    let columns: Vec<ArrayRef> = places
        .iter()
        .filter_map(|place| all.get(*place))
        .cloned()
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options);
    let batch = batch.map_err(|error| Error::internal(format!("rows of several queries: {error}")))?;
    Ok(Rows::plain(batch))
}
