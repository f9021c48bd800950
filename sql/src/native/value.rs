//! Expressions of SQL as native ones, where both mean the same.
//!
//! Those are columns, and `+ - * /` of 64-bit floats. Whole numbers are another matter: SQL lets them overflow in silence and cuts what
//! it divides, the native operators do neither.

use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator};
use gapless_engine::table::arrow_type;
use gapless_format::TableMeta;
use gapless_query::{Expr as Native, col, lit};

/// How deep arithmetic may be.
const DEPTH_MAX: usize = 100;

/// The type of a column of the table, and its name.
pub(super) fn column<'a>(expr: &'a Expr, table: &TableMeta) -> Option<(&'a str, DataType)> {
    let Expr::Column(column) = expr else {
        return None;
    };
    let spec = table.columns.iter().find(|spec| spec.name == column.name)?;
    Some((&column.name, arrow_type(&spec.column_type)))
}

/// What an aggregate is given, over the columns of a table.
pub(super) fn value(expr: &Expr, table: &TableMeta) -> Option<Native> {
    match column(expr, table) {
        Some((name, _)) => Some(col(name)),
        None => float(expr, table),
    }
}

/// As [`value`]; where SQL casts a column only because the function computes in that type, the column itself.
pub(super) fn uncast(expr: &Expr, table: &TableMeta, is_harmless: Harmless) -> Option<Native> {
    if let Expr::Cast(Cast { expr: inner, field }) = expr
        && let Some((name, of)) = column(inner, table)
        && is_harmless(&of, field.data_type())
    {
        return Some(col(name));
    }
    value(expr, table)
}

/// Whether a native function does by itself what a cast from one type to another does.
pub(super) type Harmless = fn(&DataType, &DataType) -> bool;

/// Whole numbers and floats that become `Float64`.
pub(super) fn to_float(of: &DataType, to: &DataType) -> bool {
    (of.is_integer() || of.is_floating()) && *to == DataType::Float64
}

/// Numbers that become the widest of their kind.
pub(super) fn to_widest(of: &DataType, to: &DataType) -> bool {
    match to {
        DataType::Int64 => of.is_signed_integer(),
        DataType::UInt64 => of.is_unsigned_integer(),
        DataType::Float64 => of.is_floating(),
        _ => false,
    }
}

/// Symbols that become text.
pub(super) fn to_text(of: &DataType, to: &DataType) -> bool {
    matches!(of, DataType::Dictionary(..) | DataType::Utf8)
        && matches!(to, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Arithmetic of `Float64`, not so deep that it would need more of a stack than the threads of operators have.
pub(super) fn float(expr: &Expr, table: &TableMeta) -> Option<Native> {
    float_within(expr, table, DEPTH_MAX)
}

fn float_within(expr: &Expr, table: &TableMeta, depth: usize) -> Option<Native> {
    let deeper = depth.checked_sub(1)?;
    let float = |expr: &Expr, table: &TableMeta| float_within(expr, table, deeper);
    match expr {
        Expr::Column(_) => {
            let (name, of) = column(expr, table)?;
            (of == DataType::Float64).then(|| col(name))
        }
        Expr::Cast(_) => narrower(expr, table).map(|narrower| narrower.cast(DataType::Float64)),
        Expr::Literal(ScalarValue::Float64(Some(number)), _) => Some(lit(*number)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            // Beside a `Float64` a column is taken for one as it is read, without a cast.
            let (left, right) = match (narrower(left, table), narrower(right, table)) {
                (Some(left), None) => (left, float(right, table)?),
                (_, Some(right)) => (float(left, table)?, right),
                (None, None) => (float(left, table)?, float(right, table)?),
            };
            match op {
                Operator::Plus => Some(left + right),
                Operator::Minus => Some(left - right),
                Operator::Multiply => Some(left * right),
                Operator::Divide => Some(left / right),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The column of another type of numbers that is cast to `Float64`.
fn narrower(expr: &Expr, table: &TableMeta) -> Option<Native> {
    let Expr::Cast(Cast { expr, field }) = expr else {
        return None;
    };
    let (name, of) = column(expr, table)?;
    to_float(&of, field.data_type()).then(|| col(name))
}
