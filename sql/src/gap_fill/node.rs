//! What fills buckets, as a logical node.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use gapless_engine::coverage::duration_text;

use super::bounds::{Bound, Bounds};
use crate::condition::take_back;

/// The column that says whether a row was filled.
pub(super) const FLAG: &str = "is_filled()";

/// What a bucket without a value has of a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Method {
    /// What the aggregate of no rows is, where there is no row.
    Default(ScalarValue),
    /// The last value before, if it is no older than this, nanoseconds.
    Locf { age_max: Option<i64> },
    /// The value on the line from the last value before to the first after.
    Interpolate,
}

/// A column that is filled; the others are null where there is no row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Filled {
    pub(super) column: Expr,
    pub(super) method: Method,
}

/// Every bucket of a range, for each group of rows that come by group and bucket. Its columns are those of its input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct GapFill {
    pub(super) input: Arc<LogicalPlan>,
    /// The columns that groups are known by.
    pub(super) keys: Vec<Expr>,
    /// The column of the buckets' starts.
    pub(super) bucket: Expr,
    /// What the buckets are: interval, zone, origin.
    pub(super) every: Vec<Expr>,
    pub(super) bounds: Bounds,
    pub(super) filled: Vec<Filled>,
    /// Whether a last column says which rows were filled.
    pub(super) is_flagged: bool,
    /// Conditions on the rows that it gives, which name no column.
    pub(super) above: Vec<Expr>,
    pub(super) schema: DFSchemaRef,
}

impl GapFill {
    /// The node over an input, with the schema that it then has.
    pub(super) fn over(self, input: LogicalPlan) -> Result<Self> {
        let own = |exprs: &[Expr], column: &Column| {
            exprs
                .iter()
                .any(|expr| matches!(expr, Expr::Column(other) if other == column))
        };
        let mut fields = Vec::new();
        for (qualifier, field) in input.schema().iter() {
            let column = Column::from((qualifier, field));
            let is_key = own(&self.keys, &column) || own(std::slice::from_ref(&self.bucket), &column);
            let has_default = self.filled.iter().any(|filled| {
                filled.column == Expr::Column(column.clone())
                    && matches!(&filled.method, Method::Default(value) if !value.is_null())
            });
            let is_nullable = field.is_nullable() || !(is_key || has_default);
            let field = field.as_ref().clone().with_nullable(is_nullable);
            fields.push((qualifier.cloned(), Arc::new(field)));
        }
        if self.is_flagged {
            fields.push((None, Arc::new(Field::new(FLAG, DataType::Boolean, false))));
        }
        Ok(Self {
            schema: Arc::new(DFSchema::new_with_metadata(fields, HashMap::new())?),
            input: Arc::new(input),
            ..self
        })
    }

    fn bounds(&self) -> impl Iterator<Item = &Bound> {
        self.bounds.starts.iter().chain(&self.bounds.ends)
    }
}

impl PartialOrd for GapFill {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let of = |node: &Self| (node.expressions(), node.bounds.clone(), node.is_flagged);
        of(self)
            .partial_cmp(&of(other))
            .filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for GapFill {
    fn name(&self) -> &'static str {
        "GapFill"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let columns = self.keys.iter().chain([&self.bucket]).chain(&self.every);
        let bounds = self.bounds().map(|bound| &bound.value);
        let filled = self.filled.iter().map(|filled| &filled.column);
        columns
            .chain(bounds)
            .chain(filled)
            .chain(&self.above)
            .cloned()
            .collect()
    }

    /// A condition on keys alone leaves out whole groups, below as well as above.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let is_key = |column: &Column| self.keys.contains(&Expr::Column(column.clone()));
        let columns = self.schema.columns().into_iter();
        columns
            .filter(|column| !is_key(column))
            .map(|column| column.name)
            .collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |exprs: &[Expr]| exprs.iter().map(Expr::to_string).collect::<Vec<_>>().join(", ");
        write!(
            f,
            "GapFill: groups=[{}], every=[{}]",
            list(&self.keys),
            list(&self.every)
        )?;
        let bound = |bound: &Bound| format!("{}{}", bound.value, if bound.is_after { " + 1ns" } else { "" });
        let join = |bounds: &[Bound]| bounds.iter().map(bound).collect::<Vec<_>>().join(", ");
        write!(
            f,
            ", range=[{} .. {})",
            join(&self.bounds.starts),
            join(&self.bounds.ends)
        )?;
        if !self.above.is_empty() {
            write!(f, ", above=[{}]", list(&self.above))?;
        }
        for filled in &self.filled {
            match &filled.method {
                Method::Default(value) => write!(f, ", {}: {value}", filled.column)?,
                Method::Locf { age_max: None } => write!(f, ", {}: previous", filled.column)?,
                Method::Locf { age_max: Some(age) } => {
                    write!(f, ", {}: previous for {}", filled.column, duration_text(*age))?;
                }
                Method::Interpolate => write!(f, ", {}: linear", filled.column)?,
            }
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (Ok([input]), true) = (
            <[LogicalPlan; 1]>::try_from(inputs),
            exprs.len() == self.expressions().len(),
        ) else {
            return internal_err!("a gap fill has one input and as many expressions as before");
        };
        let mut exprs = exprs.into_iter();
        let mut replace = |old: &Expr| exprs.next().unwrap_or_else(|| old.clone());
        let keys = self.keys.iter().map(&mut replace).collect();
        let bucket = replace(&self.bucket);
        let every = self.every.iter().map(&mut replace).collect();
        let mut bounds = self.bounds.clone();
        for bound in bounds.starts.iter_mut().chain(&mut bounds.ends) {
            bound.value = replace(&bound.value);
        }
        let mut filled = self.filled.clone();
        for filled in &mut filled {
            filled.column = replace(&filled.column);
        }
        let above: Vec<Expr> = self.above.iter().map(&mut replace).collect();
        let (input, taken) = take_back(input, &self.input)?;
        let node = Self {
            above: above.into_iter().chain(taken).collect(),
            keys,
            bucket,
            every,
            bounds,
            filled,
            ..self.clone()
        };
        node.over(input)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        let mut needed: Vec<usize> = output_columns.iter().copied().filter(|at| *at < width).collect();
        for expr in self.expressions() {
            for column in expr.column_refs() {
                needed.push(self.input.schema().maybe_index_of_column(column)?);
            }
        }
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}
