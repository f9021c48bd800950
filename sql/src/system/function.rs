//! `gapless_gaps(table, start, end [, interval [, series]])`: the gaps of a range that is asked for.

use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::logical_expr::Expr;
use gapless_engine::{GapQuery, Snapshot};

use super::known;
use super::provider::SystemTable;
use crate::error::to_datafusion;

const USAGE: &str = "gapless_gaps(table, start, end [, interval [, series]])";

/// The function, over one snapshot.
#[derive(Debug)]
pub(crate) struct GapsFunction {
    snapshot: Snapshot,
}

impl GapsFunction {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }
}

impl TableFunctionImpl for GapsFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let exprs = args.exprs();
        let (table, start, end) = match exprs {
            [table, start, end, rest @ ..] if rest.len() <= 2 => {
                (text(table, "table")?, time(start, "start")?, time(end, "end")?)
            }
            _ => return plan_err!("{USAGE} takes 3 to 5 arguments, not {}", exprs.len()),
        };
        self.snapshot.table(&table).map_err(to_datafusion)?;
        let mut query = GapQuery::new(start, end);
        if let Some(interval) = exprs.get(3) {
            query = query.interval(text(interval, "interval")?.as_str());
        }
        if let Some(series) = exprs.get(4) {
            query = query.series([text(series, "series")?]);
        }
        let schema = known::batch_of_gaps("", &[]).map_err(to_datafusion)?.schema();
        let snapshot = self.snapshot.clone();
        Ok(Arc::new(SystemTable::new("gapless_gaps", schema, move |_| {
            let batch = known::asked_gaps(&snapshot, &table, &query);
            Ok(Box::new(std::iter::once(batch)))
        })))
    }
}

fn text(expr: &Expr, name: &str) -> Result<String> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_owned),
        _ => None,
    }
    .ok_or_else(|| plan_datafusion_err!("{USAGE}: {name} must be a text, not {expr}"))
}

/// A time: nanoseconds since the epoch, a timestamp, or ISO text.
fn time(expr: &Expr, name: &str) -> Result<i64> {
    let wrong =
        || plan_datafusion_err!("{USAGE}: {name} must be a time such as '2026-11-20T00:00:00Z', not {expr}");
    let value = match expr {
        Expr::Literal(ScalarValue::Int64(Some(ns)), _) => return Ok(*ns),
        Expr::Literal(value, _) => value,
        Expr::Cast(cast) => match &*cast.expr {
            Expr::Literal(value, _) => value,
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    let nanoseconds = arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, None);
    match value.cast_to(&nanoseconds).map_err(|_| wrong())? {
        ScalarValue::TimestampNanosecond(Some(ns), _) => Ok(ns),
        _ => Err(wrong()),
    }
}
