//! Groups of a table's rows as a native query.

use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection, SubqueryAlias, TableScan};
use gapless_engine::Scan;
use gapless_format::TableMeta;
use gapless_query::{Aggregate as Native, Bucket, Grouped, IntoQuery, Query, col};

use super::exec::gives;
use super::function::{aggregate, is_known};
use super::key::{Key, key};
use crate::table::GaplessTable;

/// A native query, and how its columns are those of the plan.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) query: Query,
    /// For each column of the plan, where it is in the query.
    pub(super) places: Vec<usize>,
    /// The columns of the plan that rows are sorted by.
    pub(super) sorted_by: Vec<usize>,
    /// A column of the plan that is the same in all rows.
    pub(super) constant: Option<usize>,
}

/// The native query that gives what an aggregation of DataFusion's gives, if there is one.
pub(super) fn translate(plan: &Aggregate) -> Option<Translated> {
    let (scan, outputs) = rows(&plan.input)?;
    let provider = source_as_provider(&scan.source).ok()?;
    let table = (provider.as_ref() as &dyn std::any::Any).downcast_ref::<GaplessTable>()?;
    let meta = table.meta();
    let resolved = |expr: &Expr| resolve(expr.clone().unalias(), &plan.input, &outputs);
    let keys = plan.group_expr.iter().map(|expr| key(&resolved(expr)?, meta));
    let keys: Vec<Key> = keys.collect::<Option<_>>()?;
    let calls = plan.aggr_expr.iter().map(resolved);
    let calls: Vec<Expr> = calls.collect::<Option<_>>()?;
    // DataFusion takes these from the statistics.
    if keys.is_empty() && calls.iter().all(|call| is_known(call, meta)) && table.knows_rows(&scan.filters) {
        return None;
    }
    let aggregates = calls.iter().map(|call| aggregate(call, meta));
    let aggregates: Vec<Native> = aggregates.collect::<Option<_>>()?;
    let rows = table.exact_scan(&scan.filters)?.ok()?;
    let translated = Groups::new(keys, meta)?.query(rows, aggregates);
    is_planned(&translated, plan).then_some(translated)
}

/// The scan below, and each column of the plan over the columns of the table.
fn rows(plan: &LogicalPlan) -> Option<(&TableScan, Vec<Expr>)> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
            let fields = scan.projected_schema.fields().iter();
            Some((
                scan,
                fields
                    .map(|field| Expr::Column(field.name().as_str().into()))
                    .collect(),
            ))
        }
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => rows(input),
        LogicalPlan::Projection(Projection { expr, input, .. }) => {
            let (scan, outputs) = rows(input)?;
            let outputs = expr
                .iter()
                .map(|expr| resolve(expr.clone().unalias(), input, &outputs));
            Some((scan, outputs.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// An expression over the columns of a plan as one over those of the table.
fn resolve(expr: Expr, plan: &LogicalPlan, outputs: &[Expr]) -> Option<Expr> {
    let schema = plan.schema();
    let resolved = expr.transform_up(|expr| {
        let Expr::Column(column) = &expr else {
            // A name is no part of what is computed.
            return Ok(match expr {
                Expr::Alias(alias) => Transformed::yes(*alias.expr),
                other => Transformed::no(other),
            });
        };
        let output = outputs.get(schema.index_of_column(column)?);
        Ok(output.map_or_else(
            || Transformed::no(expr.clone()),
            |output| Transformed::yes(output.clone()),
        ))
    });
    resolved.ok().map(|resolved| resolved.data)
}

/// What rows are grouped by.
struct Groups {
    /// The columns, that of the series first: then nothing is hashed, or each series by itself.
    columns: Vec<String>,
    bucket: Option<Bucket>,
    /// Where each key of the plan is among them, the bucket last.
    places: Vec<usize>,
    /// Which key of the plan is the series.
    series: Option<usize>,
}

impl Groups {
    /// `None` where there are two buckets.
    fn new(keys: Vec<Key>, table: &TableMeta) -> Option<Self> {
        let series = table.series_column.and_then(|id| table.column(id));
        let is_series =
            |key: &Key| matches!((key, series), (Key::Column(name), Some(series)) if *name == series.name);
        let at = keys.iter().position(is_series);
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|place| match keys.get(*place) {
            Some(Key::Bucket(_)) => 2,
            _ if Some(*place) == at => 0,
            _ => 1,
        });
        let (mut columns, mut bucket) = (Vec::new(), None);
        for place in &order {
            match keys.get(*place)? {
                Key::Column(name) => columns.push(name.clone()),
                Key::Bucket(_) if bucket.is_some() => return None,
                Key::Bucket(of) => bucket = Some(of.clone()),
            }
        }
        let places = (0..keys.len()).map(|key| order.iter().position(|place| *place == key));
        Some(Self {
            columns,
            bucket,
            places: places.collect::<Option<_>>()?,
            series: at,
        })
    }

    fn query(self, scan: Scan, aggregates: Vec<Native>) -> Translated {
        let one_series = scan.series_asked().is_some_and(|series| series.len() == 1);
        let keys = self.places.len();
        // The same aggregate twice is computed once.
        let (mut distinct, mut places) = (Vec::<Native>::new(), self.places);
        for aggregate in aggregates {
            let known = distinct.iter().position(|known| *known == aggregate);
            places.push(keys + known.unwrap_or(distinct.len()));
            if known.is_none() {
                distinct.push(aggregate);
            }
        }
        let mut sorted_by: Vec<usize> = (0..keys).collect();
        sorted_by.sort_by_key(|key| places.get(*key));
        let mut grouped: Grouped = scan.query().group_by(self.columns.iter().map(col));
        if let Some(bucket) = self.bucket {
            grouped = grouped.bucket(bucket);
        }
        Translated {
            query: grouped.agg(distinct),
            places,
            sorted_by,
            constant: self.series.filter(|_| one_series),
        }
    }
}

/// Whether the query gives the types that were planned; nulls there may be no more than the plan says.
fn is_planned(translated: &Translated, plan: &Aggregate) -> bool {
    let Ok(given) = translated.query.schema() else {
        return false;
    };
    let planned = plan.schema.fields();
    planned.len() == translated.places.len()
        && planned.iter().zip(&translated.places).all(|(planned, place)| {
            let given = given.fields().get(*place);
            given.is_some_and(|given| {
                gives(given.data_type(), planned.data_type())
                    && (planned.is_nullable() || !given.is_nullable())
            })
        })
}
