//! The as-of join as a logical node.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, JoinType, Result, internal_err};
use datafusion::logical_expr::logical_plan::builder::build_join_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::condition::take_back;

/// Which right row matches a left one, by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Hash)]
pub(super) enum Direction {
    /// The last one at or before it; `strict`: before it.
    Backward { strict: bool },
    /// The first one at or after it; `strict`: after it.
    Forward { strict: bool },
}

impl Direction {
    /// As MATCH_CONDITION has it between the left and the right time.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Backward { strict: false } => ">=",
            Self::Backward { strict: true } => ">",
            Self::Forward { strict: false } => "<=",
            Self::Forward { strict: true } => "<",
        }
    }
}

/// A pair of expressions, one of each side, that must be equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash)]
pub(super) struct Key {
    pub(super) left: Expr,
    pub(super) right: Expr,
    /// Whether null equals null.
    pub(super) null_equals_null: bool,
}

/// The join. Its columns are those of the left side and then those of the right one, which may be null.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AsOfJoin {
    pub(super) left: Arc<LogicalPlan>,
    pub(super) right: Arc<LogicalPlan>,
    pub(super) keys: Vec<Key>,
    pub(super) left_time: Expr,
    pub(super) right_time: Expr,
    pub(super) direction: Direction,
    /// Conditions on the joined rows, which name no column.
    pub(super) above: Vec<Expr>,
    pub(super) schema: DFSchemaRef,
}

impl AsOfJoin {
    pub(super) fn new(
        left: LogicalPlan,
        right: LogicalPlan,
        keys: Vec<Key>,
        times: (Expr, Expr),
        direction: Direction,
    ) -> Result<Self> {
        let schema = build_join_schema(left.schema(), right.schema(), &JoinType::Left)?;
        Ok(Self {
            left: Arc::new(left),
            right: Arc::new(right),
            keys,
            left_time: times.0,
            right_time: times.1,
            direction,
            above: Vec::new(),
            schema: Arc::new(schema),
        })
    }

    fn of_left(&self) -> impl Iterator<Item = &Expr> {
        self.keys.iter().map(|key| &key.left).chain([&self.left_time])
    }

    fn of_right(&self) -> impl Iterator<Item = &Expr> {
        self.keys.iter().map(|key| &key.right).chain([&self.right_time])
    }
}

impl PartialOrd for AsOfJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let of = |join: &Self| {
            (
                join.keys.clone(),
                join.left_time.clone(),
                join.right_time.clone(),
                join.direction,
            )
        };
        of(self)
            .partial_cmp(&of(other))
            .filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for AsOfJoin {
    fn name(&self) -> &'static str {
        "AsOfJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let sides = self.of_left().chain(self.of_right());
        sides.chain(&self.above).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = self.direction.sign();
        write!(f, "AsOfJoin: {} {sign} {}", self.left_time, self.right_time)?;
        for key in &self.keys {
            let equal = if key.null_equals_null {
                "IS NOT DISTINCT FROM"
            } else {
                "="
            };
            write!(f, ", {} {equal} {}", key.left, key.right)?;
        }
        for condition in &self.above {
            write!(f, ", above: {condition}")?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let count = self.keys.len() + 1;
        let Ok([left, right]) = <[LogicalPlan; 2]>::try_from(inputs) else {
            return internal_err!("an as-of join has two inputs");
        };
        let mut exprs = exprs.into_iter();
        let mut of_left: Vec<Expr> = exprs.by_ref().take(count).collect();
        let mut of_right: Vec<Expr> = exprs.by_ref().take(count).collect();
        let (left, mut above) = take_back(left, &self.left)?;
        // Both sides got the same.
        let (right, _) = take_back(right, &self.right)?;
        above.splice(0..0, exprs);
        let (Some(left_time), Some(right_time), true) =
            (of_left.pop(), of_right.pop(), of_left.len() + 1 == count)
        else {
            return internal_err!("an as-of join has a time on each side");
        };
        let keys = self
            .keys
            .iter()
            .zip(of_left)
            .zip(of_right)
            .map(|((key, left), right)| Key {
                left,
                right,
                null_equals_null: key.null_equals_null,
            });
        let times = (left_time, right_time);
        let join = Self::new(left, right, keys.collect(), times, self.direction)?;
        Ok(Self { above, ..join })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.left.schema().fields().len();
        let mut left: Vec<usize> = output_columns.iter().copied().filter(|at| *at < width).collect();
        let mut right: Vec<usize> = output_columns
            .iter()
            .filter_map(|at| at.checked_sub(width))
            .collect();
        left.extend(places(self.of_left(), &self.left)?);
        right.extend(places(self.of_right(), &self.right)?);
        for places in [&mut left, &mut right] {
            places.sort_unstable();
            places.dedup();
        }
        Some(vec![left, right])
    }
}

/// Where the columns are that expressions read.
fn places<'a>(exprs: impl Iterator<Item = &'a Expr>, of: &LogicalPlan) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    for expr in exprs {
        for column in expr.column_refs() {
            places.push(of.schema().maybe_index_of_column(column)?);
        }
    }
    Some(places)
}
