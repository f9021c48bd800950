//! Clauses that the parser knows and nothing would run: left out in silence, the answer would be another one.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Query, Select, SelectFlavor, TableFactor, Visit, Visitor};
use gapless_engine::{Error, Result};

/// Refuses a statement that has one of them.
pub(super) fn check(statement: &impl Visit) -> Result<()> {
    match statement.visit(&mut Clauses) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(what) => Err(Error::unsupported(format!("{what} is not there in SQL"))),
    }
}

struct Clauses;

/// The first name of which something is there.
fn first(found: &[(bool, &'static str)]) -> ControlFlow<&'static str> {
    match found.iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => ControlFlow::Break(what),
        None => ControlFlow::Continue(()),
    }
}

impl Visitor for Clauses {
    type Break = &'static str;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        first(&[
            (!query.locks.is_empty(), "FOR UPDATE or FOR SHARE"),
            (query.for_clause.is_some(), "FOR XML, FOR JSON or FOR BROWSE"),
            (query.settings.is_some(), "SETTINGS"),
            (query.format_clause.is_some(), "FORMAT"),
        ])
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        first(&[
            (select.top.is_some(), "TOP (use LIMIT)"),
            (
                select.into.is_some(),
                "SELECT ... INTO (use INSERT INTO ... SELECT)",
            ),
            (select.prewhere.is_some(), "PREWHERE (use WHERE)"),
            (!select.lateral_views.is_empty(), "LATERAL VIEW"),
            (!select.connect_by.is_empty(), "CONNECT BY"),
            (!select.cluster_by.is_empty(), "CLUSTER BY"),
            (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
            (!select.sort_by.is_empty(), "SORT BY (use ORDER BY)"),
            (select.value_table_mode.is_some(), "SELECT AS VALUE or AS STRUCT"),
            (
                matches!(select.flavor, SelectFlavor::FromFirstNoSelect),
                "FROM without SELECT (use SELECT * FROM)",
            ),
            (select.projection.is_empty(), "SELECT without columns"),
        ])
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Self::Break> {
        match table {
            TableFactor::Table {
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
                ..
            } => first(&[
                (sample.is_some(), "TABLESAMPLE"),
                (
                    !partitions.is_empty(),
                    "PARTITION of a table (use a range of time in WHERE)",
                ),
                (
                    version.is_some(),
                    "a version of a table (open a session of a named snapshot)",
                ),
                (!with_hints.is_empty(), "a hint in WITH (...)"),
                (!index_hints.is_empty(), "an index hint"),
                (json_path.is_some(), "a JSON path of a table"),
                (*with_ordinality, "WITH ORDINALITY"),
            ]),
            TableFactor::Derived { sample, .. } => first(&[(sample.is_some(), "TABLESAMPLE")]),
            _ => ControlFlow::Continue(()),
        }
    }
}
