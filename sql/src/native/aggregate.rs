//! Groups of a table's rows as a native query.

use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection, SubqueryAlias, TableScan};
use gapless_format::TableMeta;
use gapless_query::{Aggregate as Native, Bucket, Grouped, IntoQuery, Query, col};

use super::condition::condition;
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
    let rows = Rows::of(&plan.input)?;
    let provider = source_as_provider(&rows.scan.source).ok()?;
    let table = (provider.as_ref() as &dyn std::any::Any).downcast_ref::<GaplessTable>()?;
    let meta = table.meta();
    let resolved = |expr: &Expr| resolve(expr.clone(), &plan.input, &rows.outputs);
    let keys = plan.group_expr.iter().map(|expr| key(&resolved(expr)?, meta));
    let keys: Vec<Key> = keys.collect::<Option<_>>()?;
    let calls = plan.aggr_expr.iter().map(resolved);
    let calls: Vec<Expr> = calls.collect::<Option<_>>()?;
    let follows =
        keys.is_empty() && rows.conditions.is_empty() && calls.iter().all(|call| is_known(call, meta));
    // DataFusion takes these from the statistics.
    if follows && table.knows_rows(&rows.scan.filters) {
        return None;
    }
    let aggregates = calls.iter().map(|call| aggregate(call, meta));
    let aggregates: Vec<Native> = aggregates.collect::<Option<_>>()?;
    let groups = Groups::new(keys, meta)?;
    let translated = groups.query(rows.query(table)?, aggregates);
    is_planned(&translated, plan).then_some(translated)
}

/// Rows of a table below an aggregation.
struct Rows<'a> {
    scan: &'a TableScan,
    /// Each column of the plan over the columns of the table.
    outputs: Vec<Expr>,
    /// What has to hold of the rows beside what the scan was given, over the columns of the table.
    conditions: Vec<Expr>,
}

/// Rows that are wanted, and whether they are those of one series.
struct Wanted {
    query: Query,
    is_one_series: bool,
}

impl<'a> Rows<'a> {
    fn of(plan: &'a LogicalPlan) -> Option<Self> {
        match plan {
            LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
                let fields = scan.projected_schema.fields().iter();
                let column = |name: &String| Expr::Column(Column::new_unqualified(name));
                Some(Self {
                    scan,
                    outputs: fields.map(|field| column(field.name())).collect(),
                    conditions: Vec::new(),
                })
            }
            LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => Self::of(input),
            LogicalPlan::Projection(Projection { expr, input, .. }) => {
                let rows = Self::of(input)?;
                let outputs = expr
                    .iter()
                    .map(|expr| resolve(expr.clone(), input, &rows.outputs));
                Some(Self {
                    outputs: outputs.collect::<Option<_>>()?,
                    ..rows
                })
            }
            LogicalPlan::Filter(filter) => {
                let mut rows = Self::of(&filter.input)?;
                for part in split_conjunction(&filter.predicate) {
                    let part = resolve(part.clone(), &filter.input, &rows.outputs)?;
                    rows.conditions.push(part);
                }
                Some(rows)
            }
            _ => None,
        }
    }

    /// Exactly these rows, if native operators can tell which they are.
    fn query(&self, table: &GaplessTable) -> Option<Wanted> {
        // What the scan cannot tell exactly has to be asked again above it.
        for filter in &self.scan.filters {
            let is_asked_again = || self.conditions.contains(&unqualified(filter.clone()));
            if table.exact_condition(filter).is_none() && !is_asked_again() {
                return None;
            }
        }
        let exact = |expr: &Expr| table.exact_condition(expr).map(From::from);
        let conditions = self.conditions.iter();
        let conditions = conditions.map(|expr| condition(expr, table.meta(), &exact));
        let conditions: Vec<_> = conditions.collect::<Option<_>>()?;
        let scan = table.scan_of(&self.scan.filters).ok()?;
        let is_one_series = scan.series_asked().is_some_and(|series| series.len() == 1);
        let query = conditions
            .into_iter()
            .fold(scan.query(), |query, condition| query.filter(condition));
        Some(Wanted { query, is_one_series })
    }
}

/// An expression over the columns of a plan as one over those of the table, without the names it gives.
fn resolve(expr: Expr, plan: &LogicalPlan, outputs: &[Expr]) -> Option<Expr> {
    let schema = plan.schema();
    with_columns(expr, |column| {
        outputs.get(schema.index_of_column(column).ok()?).cloned()
    })
}

/// The same without the name of the table.
fn unqualified(expr: Expr) -> Expr {
    let column = |column: &Column| Some(Expr::Column(Column::new_unqualified(&column.name)));
    with_columns(expr.clone(), column).unwrap_or(expr)
}

/// The expression with others in the place of its columns; `None` where one has none.
fn with_columns(expr: Expr, of: impl Fn(&Column) -> Option<Expr>) -> Option<Expr> {
    let mut is_whole = true;
    let replaced = expr.transform_up(|expr| {
        Ok(match expr {
            Expr::Alias(alias) => Transformed::yes(*alias.expr),
            Expr::Column(column) => match of(&column) {
                Some(other) => Transformed::yes(other),
                None => {
                    is_whole = false;
                    Transformed::no(Expr::Column(column))
                }
            },
            other => Transformed::no(other),
        })
    });
    replaced.ok().map(|replaced| replaced.data).filter(|_| is_whole)
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

    fn query(self, rows: Wanted, aggregates: Vec<Native>) -> Translated {
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
        let mut grouped: Grouped = rows.query.group_by(self.columns.iter().map(col));
        if let Some(bucket) = self.bucket {
            grouped = grouped.bucket(bucket);
        }
        Translated {
            query: grouped.agg(distinct),
            places,
            sorted_by,
            constant: self.series.filter(|_| rows.is_one_series),
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
