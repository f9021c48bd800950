//! [`SeriesFunction`]: a value for each row, of the rows of its series around it.

use gapless::query;
use pyo3::prelude::*;

use crate::duration::length;
use crate::error::invalid;
use crate::expr::{Expr, Operand};

/// A function over the rows of a series in order of time, for `Scan.with_columns`: `gapless.delta("price")`. Each
/// series begins anew.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug, Clone)]
pub(crate) struct SeriesFunction(pub(crate) query::SeriesFunction);

#[pymethods]
impl SeriesFunction {
    /// Under another name.
    fn alias(&self, name: String) -> Self {
        Self(self.0.clone().alias(name))
    }

    fn __repr__(&self) -> String {
        format!("SeriesFunction({})", self.0.name())
    }
}

macro_rules! of_values {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* #[pyfunction] pub(crate) fn $name(values: Expr) -> SeriesFunction {
            SeriesFunction(query::$name(values.0))
        })*
    };
}

of_values! {
    /// The sum up to the row, with it. A null is skipped, and null at its row.
    cum_sum;
    /// The product up to the row, with it. A null is skipped, and null at its row.
    cum_prod;
    /// The least value up to the row, with it. A null is skipped, and null at its row.
    cum_min;
    /// The greatest value up to the row, with it. A null is skipped, and null at its row.
    cum_max;
    /// How many values up to the row, with it, are not null.
    cum_count;
    /// The last value up to the row, with it, that is not null.
    forward_fill;
}

/// The value less the one `rows` before; null where there is none.
#[pyfunction]
#[pyo3(signature = (values, rows=1))]
pub(crate) fn delta(values: Expr, rows: usize) -> SeriesFunction {
    SeriesFunction(query::delta(values.0).rows(rows))
}

/// The value divided by the one `rows` before, as float64; null where there is none.
#[pyfunction]
#[pyo3(signature = (values, rows=1))]
pub(crate) fn ratio(values: Expr, rows: usize) -> SeriesFunction {
    SeriesFunction(query::ratio(values.0).rows(rows))
}

/// The value `rows` before; null, or `default`, where there is no such row.
#[pyfunction]
#[pyo3(signature = (values, rows=1, default=None))]
pub(crate) fn previous(values: Expr, rows: usize, default: Option<Operand>) -> SeriesFunction {
    SeriesFunction(or_else(query::previous(values.0).rows(rows), default))
}

/// The value `rows` after; null, or `default`, where there is no such row.
#[pyfunction]
#[pyo3(signature = (values, rows=1, default=None))]
pub(crate) fn next(values: Expr, rows: usize, default: Option<Operand>) -> SeriesFunction {
    SeriesFunction(or_else(query::next(values.0).rows(rows), default))
}

fn or_else(function: query::SeriesFunction, default: Option<Operand>) -> query::SeriesFunction {
    match default {
        Some(default) => function.or_else(default.0),
        None => function,
    }
}

/// The exponential moving average as float64: the first value, then `alpha * value + (1 - alpha) * average`. Say one of
/// `alpha` (more than 0, at most 1), `span` (`alpha = 2 / (span + 1)`), and `half_life`: rows as a number, or a length
/// of time such as "5m".
#[pyfunction]
#[pyo3(signature = (values, alpha=None, *, span=None, half_life=None))]
pub(crate) fn ema(
    values: Expr,
    alpha: Option<f64>,
    span: Option<f64>,
    half_life: Option<&Bound<'_, PyAny>>,
) -> PyResult<SeriesFunction> {
    let function = match (alpha, span, half_life) {
        (Some(alpha), None, None) => query::ema(values.0, alpha),
        (None, Some(span), None) => query::ema_span(values.0, span),
        (None, None, Some(rows)) if rows.extract::<f64>().is_ok() => {
            query::ema_half_life(values.0, rows.extract()?)
        }
        (None, None, Some(time)) => query::ema_by_time(values.0, length(time)?),
        _ => return Err(invalid("ema takes one of alpha, span and half_life")),
    };
    Ok(SeriesFunction(function))
}

/// The number of the row in its series among the rows of the scan, from 1.
#[pyfunction]
pub(crate) fn row_number() -> SeriesFunction {
    SeriesFunction(query::row_number())
}
