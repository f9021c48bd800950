//! Only rows for which a condition is true.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::{DataType, Schema, SchemaRef};
use gapless_engine::scan::{Comparison, Literal, Predicate, Scan};
use gapless_engine::{Error, Result};

use super::{ColumnSet, Input, Need, Operator, Planner, ScanRows, Shape};
use crate::Expr;
use crate::error::arrow_error;
use crate::expr::Bound;
use crate::source::{Layout, RowsIter, Source};

/// A condition on rows.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    input: Input,
    condition: Expr,
    shape: Shape,
}

impl Filter {
    fn new(input: Input, condition: Expr) -> Self {
        let shape = input.shape().clone();
        Self {
            input,
            condition,
            shape,
        }
    }

    /// Filters an input: a scan does itself what it can, which leaves out partitions and pages.
    pub(crate) fn of(input: Input, condition: Expr) -> Result<Input> {
        let schema = &input.shape().schema;
        let bound = Bound::new(&condition, schema)?;
        if *bound.data_type() != DataType::Boolean {
            return Err(Error::invalid(format!(
                "{condition} is no condition: it gives {}; compare it with something",
                bound.data_type()
            )));
        }
        let scan = input.as_scan().filter(|scan| scan.order_and_limit().1.is_none());
        let Some(scan) = scan else {
            return Ok(Arc::new(Self::new(input, condition)));
        };
        let (pushed, rest) = condition.push_down(schema);
        let input: Input = match pushed {
            Some(pushed) => Arc::new(ScanRows::new(narrowed(scan.clone(), pushed))?),
            None => input,
        };
        Ok(match rest {
            Some(condition) => Arc::new(Self::new(input, condition)),
            None => input,
        })
    }
}

/// A scan with a further condition, whose bounds of time become the scan's own.
fn narrowed(scan: Scan, condition: Predicate) -> Scan {
    let meta = Arc::clone(scan.meta());
    let time = meta.column(meta.time_column).map(|column| column.name.as_str());
    let conjuncts = match condition {
        Predicate::And(parts) => parts,
        one => vec![one],
    };
    let mut range = scan.time_range();
    let (of_time, others): (Vec<_>, Vec<_>) = conjuncts
        .into_iter()
        .partition(|part| narrow(&mut range, part, time));
    let scan = match of_time.is_empty() {
        true => scan,
        false => scan.between(range.start, range.end),
    };
    match others.into_iter().reduce(Predicate::and) {
        Some(condition) => scan.filter(condition),
        None => scan,
    }
}

/// Cuts a range to what a condition on the time says; false where it says something else.
fn narrow(range: &mut Range<i64>, part: &Predicate, time: Option<&str>) -> bool {
    let Predicate::Compare {
        column,
        comparison,
        value: Literal::I64(value),
    } = part
    else {
        return false;
    };
    // The end of time stands for "no end" in a range, so no range ends just after the time before it.
    if Some(column.as_str()) != time || *value >= i64::MAX - 1 {
        return false;
    }
    match comparison {
        Comparison::Ge => range.start = range.start.max(*value),
        Comparison::Gt => range.start = range.start.max(value + 1),
        Comparison::Lt => range.end = range.end.min(*value),
        Comparison::Le => range.end = range.end.min(value + 1),
        Comparison::Eq => {
            *range = range.start.max(*value)..range.end.min(value + 1);
        }
        Comparison::Ne => return false,
    }
    true
}

impl Operator for Filter {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        vec![&self.input]
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let mut read = columns.clone();
        read.extend(self.condition.columns().into_iter().map(str::to_string));
        // What only the condition reads is left out before rows are copied.
        let fields = self.shape.schema.fields().iter();
        let kept: Vec<_> = fields
            .filter(|field| columns.contains(field.name()))
            .cloned()
            .collect();
        Ok(Arc::new(Self {
            input: self.input.pruned(&read)?,
            condition: self.condition.clone(),
            shape: Shape {
                schema: Arc::new(Schema::new(kept)),
                ..self.shape.clone()
            },
        }))
    }

    fn source(&self, planner: &Planner, need: Need) -> Result<Arc<dyn Source>> {
        let input = self.input.source(planner, need)?;
        let given = input.schema();
        let fields = self.shape.schema.fields().iter();
        let places = fields.map(|field| given.index_of(field.name()));
        let places = places.collect::<std::result::Result<_, _>>();
        Ok(Arc::new(Filtered {
            condition: Arc::new(Bound::new(&self.condition, given)?),
            places: places.map_err(|error| arrow_error("filter", &error))?,
            schema: Arc::clone(&self.shape.schema),
            input,
        }))
    }

    fn describe(&self) -> String {
        format!("filter {}", self.condition)
    }
}

struct Filtered {
    input: Arc<dyn Source>,
    condition: Arc<Bound>,
    schema: SchemaRef,
    /// Where the columns that are kept are among those of the input.
    places: Arc<[usize]>,
}

impl Source for Filtered {
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
        let (condition, places) = (Arc::clone(&self.condition), Arc::clone(&self.places));
        let rows = self.input.open(part)?.map(move |rows| {
            let rows = rows?;
            let passing = condition.passing(&rows.batch)?;
            let kept = rows.batch.project(&places);
            let kept = kept.map_err(|error| arrow_error("filter", &error))?;
            rows.with_batch(kept).filtered(&passing)
        });
        Ok(Box::new(
            rows.filter(|rows| !matches!(rows, Ok(rows) if rows.len() == 0)),
        ))
    }
}
