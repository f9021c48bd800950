//! What SQL groups by, as native keys.

use arrow_schema::{DataType, TimeUnit};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Cast, Expr};
use gapless_format::TableMeta;
use gapless_query::Bucket;

use super::value::column;
use crate::function::{TimeBucket, constant_bucket};

/// One key.
#[derive(Debug, Clone)]
pub(super) enum Key {
    Column(String),
    /// A bucket of the time.
    Bucket(Bucket),
}

/// The key; `None` for what SQL and the native operators would group differently, or where the groups may well be too many for memory,
/// which DataFusion puts on disk then.
pub(super) fn key(expr: &Expr, table: &TableMeta) -> Option<Key> {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.inner().is::<TimeBucket>() => {
            let [every, time, further @ ..] = args.as_slice() else {
                return None;
            };
            is_time(time, table).then(|| constant_bucket(every, further).map(Key::Bucket))?
        }
        _ => {
            let (name, of) = column(expr, table)?;
            is_few(&of).then(|| Key::Column(name.to_owned()))
        }
    }
}

/// Types whose values are few in most tables.
fn is_few(of: &DataType) -> bool {
    match of {
        DataType::Boolean | DataType::Date32 => true,
        DataType::Dictionary(_, values) => **values == DataType::Utf8,
        of => of.is_integer() && of.primitive_width().is_some_and(|bytes| bytes <= 4),
    }
}

/// Whether it is the column of times, in nanoseconds, as buckets take it.
fn is_time(expr: &Expr, table: &TableMeta) -> bool {
    let Some(time) = table.column(table.time_column) else {
        return false;
    };
    let (expr, to) = match expr {
        Expr::Cast(Cast { expr, field }) => (&**expr, Some(field.data_type())),
        expr => (expr, None),
    };
    let Some((name, DataType::Timestamp(_, zone))) = column(expr, table) else {
        return false;
    };
    let to_nanoseconds = to.is_none_or(|to| {
        matches!(to, DataType::Timestamp(TimeUnit::Nanosecond, other) if other.is_some() == zone.is_some())
    });
    name == time.name && to_nanoseconds
}
