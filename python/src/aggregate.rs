//! [`Aggregate`]: what is wanted of the rows of a group, a window or a bucket.

use gapless::query;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::invalid;
use crate::expr::Expr;

/// One value of many rows, for `agg`: `gapless.first("price")`. Takes a column or an expression. Nulls are skipped; of
/// no value it is null, and a count 0.
#[pyclass(frozen, module = "gapless")]
#[derive(Debug, Clone)]
pub(crate) struct Aggregate(query::Aggregate);

#[pymethods]
impl Aggregate {
    /// Under another name.
    fn alias(&self, name: String) -> Self {
        Self(self.0.clone().alias(name))
    }

    fn __repr__(&self) -> String {
        format!("Aggregate({})", self.0.name())
    }
}

/// The arguments of `agg`: aggregates under their own names, then those under the names given.
pub(crate) fn aggregates(
    own: &Bound<'_, PyTuple>,
    named: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<query::Aggregate>> {
    let mut all = Vec::new();
    for aggregate in own {
        all.push(of(&aggregate)?);
    }
    for (name, aggregate) in named.into_iter().flatten() {
        all.push(of(&aggregate)?.alias(name.extract::<String>()?));
    }
    if all.is_empty() {
        return Err(invalid(
            "agg takes aggregates, such as agg(open=gapless.first(\"price\"))",
        ));
    }
    Ok(all)
}

fn of(value: &Bound<'_, PyAny>) -> PyResult<query::Aggregate> {
    match value.cast::<Aggregate>() {
        Ok(aggregate) => Ok(aggregate.get().0.clone()),
        Err(_) => Err(invalid(format!(
            "{} is no aggregate: give one such as gapless.first(\"price\")",
            value.repr()?
        ))),
    }
}

/// How many rows there are, or how many values of a column are not null.
#[pyfunction]
#[pyo3(signature = (values=None))]
pub(crate) fn count(values: Option<Expr>) -> Aggregate {
    Aggregate(values.map_or_else(query::count, |values| query::count_of(values.0)))
}

macro_rules! of_values {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* #[pyfunction] pub(crate) fn $name(values: Expr) -> Aggregate {
            Aggregate(query::$name(values.0))
        })*
    };
}

of_values! {
    /// The sum. Integers give int64, and one that does not fit is an error; floats give float64.
    sum;
    /// The least value.
    min;
    /// The greatest value.
    max;
    /// The mean, as float64.
    mean;
    /// The first value by time that is not null.
    first;
    /// The last value by time that is not null.
    last;
    /// The variance of the sample (ddof 1).
    var;
    /// The deviation of the sample (ddof 1).
    std;
    /// The median: the mean of both in the middle, where there are two.
    median;
    /// How many different values there are.
    n_unique;
}

/// The mean of prices weighted by sizes: sum(price * size) / sum(size).
#[pyfunction]
pub(crate) fn vwap(price: Expr, size: Expr) -> Aggregate {
    Aggregate(query::vwap(price.0, size.0))
}

/// The mean of values with weights.
#[pyfunction]
pub(crate) fn wmean(values: Expr, weights: Expr) -> Aggregate {
    Aggregate(query::wmean(values.0, weights.0))
}

/// The covariance of the sample (ddof 1).
#[pyfunction]
pub(crate) fn cov(one: Expr, other: Expr) -> Aggregate {
    Aggregate(query::cov(one.0, other.0))
}

/// The correlation, from -1 to 1.
#[pyfunction]
pub(crate) fn corr(one: Expr, other: Expr) -> Aggregate {
    Aggregate(query::corr(one.0, other.0))
}

/// The quantile of a part from 0 to 1, linear between the values beside it.
#[pyfunction]
pub(crate) fn quantile(values: Expr, part: f64) -> Aggregate {
    Aggregate(query::quantile(values.0, part))
}

/// The first, greatest, least and last value, as columns open, high, low and close: `agg(*gapless.ohlc("price"))`.
#[pyfunction]
pub(crate) fn ohlc(values: Expr) -> Vec<Aggregate> {
    query::ohlc(values.0).into_iter().map(Aggregate).collect()
}
