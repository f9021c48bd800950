//! As-of joins in parentheses as logical nodes.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::{Column, DFSchema, Result, internal_err, plan_err};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, Operator,
};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, JoinConstraint, JoinOperator, TableFactor};

use super::node::{AsOfJoin, Direction, Key};
use super::rewrite::is_asof;

const MATCH: &str = "ASOF JOIN: MATCH_CONDITION must compare a time of the left side with one of the right side, by >=, >, <= or <";
const ON: &str = "ASOF JOIN: ON takes equalities of a left and a right expression, joined by AND; put other conditions into WHERE";

/// Plans as-of joins.
#[derive(Debug)]
pub(crate) struct AsOfRelation;

impl RelationPlanner for AsOfRelation {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if !is_asof(&relation) {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let TableFactor::NestedJoin {
            table_with_joins,
            alias,
        } = relation
        else {
            return internal_err!("an as-of join is a join");
        };
        let left = context.plan(table_with_joins.relation)?;
        let Some(join) = table_with_joins.joins.into_iter().next() else {
            return internal_err!("an as-of join has two sides");
        };
        let JoinOperator::AsOf {
            match_condition,
            constraint,
        } = join.join_operator
        else {
            return internal_err!("an as-of join is as of something");
        };
        let right = context.plan(join.relation)?;
        let plan = plan(left, right, match_condition, constraint, context)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, alias,
        ))))
    }
}

fn plan(
    left: LogicalPlan,
    right: LogicalPlan,
    condition: SqlExpr,
    constraint: JoinConstraint,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let both = left.schema().join(right.schema())?;
    let sides = Sides {
        left: left.schema(),
        right: right.schema(),
    };
    let (times, direction) = sides.times(context.sql_to_expr(condition, &both)?)?;
    let mut hidden = Vec::new();
    let keys = match constraint {
        JoinConstraint::None => Vec::new(),
        JoinConstraint::On(on) => sides.keys(context.sql_to_expr(on, &both)?)?,
        JoinConstraint::Using(names) => {
            let mut keys = Vec::new();
            for name in names {
                let reference = context.object_name_to_table_reference(name)?;
                let (key, right) = sides.using(reference.table())?;
                keys.push(key);
                hidden.push(right);
            }
            keys
        }
        JoinConstraint::Natural => return plan_err!("ASOF JOIN: say ON or USING which columns are equal"),
    };
    let node = AsOfJoin::new(left, right, keys, times, direction)?;
    let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
    if hidden.is_empty() {
        return Ok(plan);
    }
    // A column that both sides have comes once, as in other joins with USING.
    let shown = plan
        .schema()
        .columns()
        .into_iter()
        .filter(|column| !hidden.contains(column));
    let shown: Vec<Expr> = shown.map(Expr::Column).collect();
    LogicalPlanBuilder::from(plan).project(shown)?.build()
}

/// The columns of both sides.
struct Sides<'a> {
    left: &'a DFSchema,
    right: &'a DFSchema,
}

impl Sides<'_> {
    /// The expressions in the order of the sides, and whether they were in the other order.
    fn arrange(&self, a: Expr, b: Expr) -> Option<(Expr, Expr, bool)> {
        let is_of = |expr: &Expr, side: &DFSchema| {
            let columns = expr.column_refs();
            !columns.is_empty() && columns.into_iter().all(|column| side.has_column(column))
        };
        if is_of(&a, self.left) && is_of(&b, self.right) {
            Some((a, b, false))
        } else if is_of(&b, self.left) && is_of(&a, self.right) {
            Some((b, a, true))
        } else {
            None
        }
    }

    /// Both expressions in one type.
    fn alike(&self, left: Expr, right: Expr) -> Result<(Expr, Expr, DataType)> {
        let (a, b) = (left.get_type(self.left)?, right.get_type(self.right)?);
        let Some(common) = comparison_coercion(&a, &b) else {
            return plan_err!("ASOF JOIN: {left} is {a} and {right} is {b}, which cannot be compared");
        };
        Ok((
            left.cast_to(&common, self.left)?,
            right.cast_to(&common, self.right)?,
            common,
        ))
    }

    fn times(&self, condition: Expr) -> Result<((Expr, Expr), Direction)> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else {
            return plan_err!("{MATCH}");
        };
        let Some((left, right, is_turned)) = self.arrange(*left, *right) else {
            return plan_err!("{MATCH}");
        };
        let direction = match (op, is_turned) {
            (Operator::GtEq, false) | (Operator::LtEq, true) => Direction::Backward { strict: false },
            (Operator::Gt, false) | (Operator::Lt, true) => Direction::Backward { strict: true },
            (Operator::LtEq, false) | (Operator::GtEq, true) => Direction::Forward { strict: false },
            (Operator::Lt, false) | (Operator::Gt, true) => Direction::Forward { strict: true },
            _ => return plan_err!("{MATCH}"),
        };
        let (left, right, common) = self.alike(left, right)?;
        match common {
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Ok(((left, right), direction)),
            integer if integer.is_integer() && integer != DataType::UInt64 => Ok(((left, right), direction)),
            other => plan_err!("{MATCH}; {other} is no time"),
        }
    }

    fn keys(&self, on: Expr) -> Result<Vec<Key>> {
        let mut keys = Vec::new();
        for part in split_conjunction_owned(on) {
            let Expr::BinaryExpr(BinaryExpr {
                left,
                op: op @ (Operator::Eq | Operator::IsNotDistinctFrom),
                right,
            }) = part
            else {
                return plan_err!("{ON}");
            };
            let Some((left, right, _)) = self.arrange(*left, *right) else {
                return plan_err!("{ON}");
            };
            let (left, right, _) = self.alike(left, right)?;
            keys.push(Key {
                left,
                right,
                null_equals_null: op == Operator::IsNotDistinctFrom,
            });
        }
        Ok(keys)
    }

    /// The key of a column that both sides have, and the right one of the two.
    fn using(&self, name: &str) -> Result<(Key, Column)> {
        let column = |side: &DFSchema| {
            let (qualifier, field) = side.qualified_field_with_unqualified_name(name)?;
            Ok::<_, datafusion::common::DataFusionError>(Column::from((qualifier, field)))
        };
        let (left, right) = (column(self.left)?, column(self.right)?);
        let (left, key, _) = self.alike(Expr::Column(left), Expr::Column(right.clone()))?;
        let key = Key {
            left,
            right: key,
            null_equals_null: false,
        };
        Ok((key, right))
    }
}
