//! Aggregates of SQL as native ones, where both mean the same.

use arrow_schema::DataType;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use gapless_format::TableMeta;
use gapless_query::{Aggregate, count, count_of, first, last, max, mean, min, n_unique, std, sum, var, vwap};

use crate::float_key::FloatKey;

use super::value::{Harmless, column, to_float, to_text, to_widest, uncast, value};

/// The native aggregate. Whether its type is the one that was planned is left to be seen.
pub(super) fn aggregate(expr: &Expr, table: &TableMeta) -> Option<Aggregate> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else {
        return None;
    };
    let AggregateFunctionParams {
        args,
        distinct,
        filter,
        order_by,
        null_treatment,
    } = params;
    if filter.is_some() || !order_by.is_empty() || null_treatment.is_some() {
        return None;
    }
    if *distinct {
        return match (func.name(), args.as_slice()) {
            ("count", [counted]) => distinct_count(counted, table),
            _ => None,
        };
    }
    let value = |expr| value(expr, table);
    let of = |expr, is_harmless: Harmless| uncast(expr, table, is_harmless);
    Some(match (func.name(), args.as_slice()) {
        ("count", [Expr::Literal(counted, _)]) if !counted.is_null() => count(),
        ("count", [counted]) => count_of(value(counted)?),
        ("sum", [values]) => sum(of(values, to_widest)?),
        ("avg", [values]) => mean(of(values, to_float)?),
        ("min", [values]) => min(of(values, to_text)?),
        ("max", [values]) => max(of(values, to_text)?),
        ("var", [values]) => var(of(values, to_float)?),
        ("stddev", [values]) => std(of(values, to_float)?),
        ("vwap", [price, quantity]) => vwap(of(price, to_float)?, of(quantity, to_float)?),
        ("first", [values, time]) if is_time(time, table) => first(value(values)?),
        ("last", [values, time]) if is_time(time, table) => last(value(values)?),
        _ => return None,
    })
}

/// Floats come as keys, as which the operator takes them.
fn distinct_count(expr: &Expr, table: &TableMeta) -> Option<Aggregate> {
    let key = FloatKey::argument(expr);
    let (name, of) = column(key.unwrap_or(expr), table)?;
    let differs = of.is_nested() || (of.is_floating() && key.is_none());
    let is_symbol = matches!(of, DataType::Dictionary(..));
    (is_symbol || !differs).then(|| n_unique(name))
}

/// Whether it is the column of times, whose order `first` and `last` go by.
fn is_time(expr: &Expr, table: &TableMeta) -> bool {
    let time = table.column(table.time_column);
    column(expr, table).is_some_and(|(name, _)| time.is_some_and(|time| time.name == name))
}

/// Whether an aggregate over all rows follows from their number, or from the times of the first and the last.
pub(super) fn is_known(expr: &Expr, table: &TableMeta) -> bool {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else {
        return false;
    };
    let is_plain = !params.distinct && params.filter.is_none();
    match (func.name(), params.args.as_slice()) {
        ("count", [Expr::Literal(counted, _)]) => is_plain && !counted.is_null(),
        ("min" | "max", [time]) => is_plain && is_time(time, table),
        _ => false,
    }
}
