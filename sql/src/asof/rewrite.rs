//! Parsed as-of joins as relations of their own.
//!
//! DataFusion lets others plan relations, not joins. So `a JOIN b ASOF JOIN c ... JOIN d` becomes `((a JOIN b) ASOF JOIN c ...) JOIN d`,
//! which means the same: what is in the parentheses is one relation.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Join, JoinOperator, Select, TableFactor, TableWithJoins, VisitorMut};

use crate::session::statement::visit_all;

/// Puts every as-of join of a statement into parentheses, with what is to its left.
pub(crate) fn nest_asof_joins(statement: &mut Statement) {
    visit_all(statement, &mut Nest);
}

/// Whether a relation is one as-of join in parentheses.
pub(super) fn is_asof(relation: &TableFactor) -> bool {
    match relation {
        TableFactor::NestedJoin { table_with_joins, .. } => {
            matches!(table_with_joins.joins.as_slice(), [join] if is_asof_join(join))
        }
        _ => false,
    }
}

fn is_asof_join(join: &Join) -> bool {
    matches!(join.join_operator, JoinOperator::AsOf { .. })
}

struct Nest;

impl VisitorMut for Nest {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        select.from.iter_mut().for_each(nest);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, relation: &mut TableFactor) -> ControlFlow<()> {
        if !is_asof(relation)
            && let TableFactor::NestedJoin { table_with_joins, .. } = relation
        {
            nest(table_with_joins);
        }
        ControlFlow::Continue(())
    }
}

fn nest(from: &mut TableWithJoins) {
    if !from.joins.iter().any(is_asof_join) {
        return;
    }
    let (mut relation, mut before) = (from.relation.clone(), Vec::new());
    for join in std::mem::take(&mut from.joins) {
        if !is_asof_join(&join) {
            before.push(join);
            continue;
        }
        if !before.is_empty() {
            relation = nested(relation, std::mem::take(&mut before));
        }
        relation = nested(relation, vec![join]);
    }
    from.relation = relation;
    from.joins = before;
}

fn nested(relation: TableFactor, joins: Vec<Join>) -> TableFactor {
    TableFactor::NestedJoin {
        table_with_joins: Box::new(TableWithJoins { relation, joins }),
        alias: None,
    }
}
