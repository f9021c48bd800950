//! The steps of a [`Scan`]: each gives another one, and nothing is read.

use std::sync::Arc;

use gapless::query::fill::{FillMethod, constant, linear, previous};
use gapless::query::{AsOf, Fill, HorizonJoin, Join, Query, Rolling, SortKey, WindowJoin};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyMapping, PyString, PyTuple};

use crate::call::engine;
use crate::data;
use crate::duration::{Length, length};
use crate::error::{invalid, py_error};
use crate::expr::{Expr, Exprs, value};
use crate::function::SeriesFunction;
use crate::groups::{Groups, bucket};
use crate::scan::Scan;
use crate::table::Table;
use crate::text::Names;
use crate::time::Instant;

/// Rows from elsewhere, to join with those of tables: anything that speaks Arrow. `time` names the column of their
/// times and `series` that of their series, which joins in time go by; the rows must come in that order, by series and
/// time.
#[pyfunction]
#[pyo3(signature = (data, time=None, series=None))]
pub(crate) fn from_arrow(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    time: Option<&str>,
    series: Option<&str>,
) -> PyResult<Scan> {
    let reader = data::reader(data, || {
        Err(invalid(
            "a dict of columns has no types here: give a table or frame that speaks Arrow",
        ))
    })?;
    let query = engine(py, || {
        let schema = reader.schema();
        let batches = reader
            .collect::<Result<Vec<_>, _>>()
            .map_err(data::source_error)?;
        Ok(match time {
            Some(time) => Query::timed_batches(Arc::clone(&schema), batches, time, series),
            None => Query::batches(schema, batches),
        })
    })?;
    Scan::of_query(py, query, series.map(str::to_owned))
}

/// The other rows of a join: a scan, or all rows of a table.
struct Other(Query);

impl<'a, 'py> FromPyObject<'a, 'py> for Other {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(scan) = value.cast::<Scan>() {
            return Ok(Self(scan.get().query()));
        }
        match value.cast::<Table>() {
            Ok(table) => {
                let table = table.get();
                engine(value.py(), || table.handle.snapshot()?.scan(&table.name))
                    .map(|scan| Self(Query::from(scan)))
            }
            Err(_) => Err(invalid(format!(
                "{} is no other rows: give a scan, a table, or gapless.from_arrow(data, time=..., series=...)",
                value.get_type().name()?
            ))),
        }
    }
}

#[pymethods]
impl Scan {
    /// Only rows for which a condition is true.
    #[pyo3(name = "filter")]
    fn py_filter(&self, py: Python<'_>, condition: Expr) -> PyResult<Self> {
        self.then(py, self.query().filter(condition.0))
    }

    /// Only these columns: names, and expressions under their names or those given.
    #[pyo3(signature = (*columns, **named))]
    fn select(
        &self,
        py: Python<'_>,
        columns: &Bound<'_, PyTuple>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut wanted = Vec::new();
        for column in columns {
            wanted.extend(column.extract::<Exprs>()?.0);
        }
        for (name, expr) in named.into_iter().flatten() {
            wanted.push(expr.extract::<Expr>()?.0.alias(name.extract::<String>()?));
        }
        self.then(py, self.query().select(wanted))
    }

    /// All columns and some more, which are computed from the former: expressions (`notional=gapless.col("price") *
    /// gapless.col("size")`), and functions over the rows of a series (`d=gapless.delta("price")`). One of the same
    /// name is replaced.
    ///
    /// `by` is the series column, which these functions go by anyway.
    #[pyo3(signature = (*columns, by=None, **named))]
    fn with_columns(
        &self,
        py: Python<'_>,
        columns: &Bound<'_, PyTuple>,
        by: Option<&str>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        self.check_by(py, by)?;
        let (mut exprs, mut functions) = (Vec::new(), Vec::new());
        for column in columns {
            match column.cast::<SeriesFunction>() {
                Ok(function) => functions.push(function.get().0.clone()),
                Err(_) => exprs.push(column.extract::<Expr>()?.0),
            }
        }
        for (name, column) in named.into_iter().flatten() {
            let name: String = name.extract()?;
            match column.cast::<SeriesFunction>() {
                Ok(function) => functions.push(function.get().0.clone().alias(name)),
                Err(_) => exprs.push(column.extract::<Expr>()?.0.alias(name)),
            }
        }
        let replaced = functions.iter().map(gapless::query::SeriesFunction::name);
        let read: Vec<String> = exprs
            .iter()
            .flat_map(|expr| expr.columns())
            .map(str::to_owned)
            .collect();
        if let Some(both) = replaced.into_iter().find(|name| read.contains(name)) {
            return Err(invalid(format!(
                "the column {both:?} is replaced and read in one with_columns: use two, one after the other"
            )));
        }
        let mut query = self.query();
        if !functions.is_empty() {
            query = query.over(functions);
        }
        if !exprs.is_empty() {
            query = query.with_columns(exprs);
        }
        self.then(py, query)
    }

    /// Rows in groups: of `by` (columns or expressions; null is a group of its own), and of buckets of their time,
    /// `every` "1m", "1d" or "1mo". `zone` is whose days, weeks and months they are; `origin` is a time where a bucket
    /// begins, and `offset` how much later all begin.
    ///
    /// >>> table.append({"ts": [0, 1, 60_000_000_000], "sym": ["X", "X", "X"], "price": [1.0, 3.0, 2.0]})
    /// 3
    /// >>> bars = table.scan().group_by(every="1m", by="sym").agg(high=gapless.max("price"), trades=gapless.count())
    /// >>> bars.to_arrow().to_pydict()["high"]
    /// [3.0, 2.0]
    #[pyo3(signature = (every=None, by=None, zone=None, origin=None, offset=None))]
    fn group_by(
        &self,
        every: Option<&Bound<'_, PyAny>>,
        by: Option<Exprs>,
        zone: Option<&str>,
        origin: Option<Instant>,
        offset: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Groups> {
        let grouped = self.query().group_by(by.map(|by| by.0).unwrap_or_default());
        Ok(match every {
            Some(every) => Groups::new(
                grouped.bucket(bucket(every, zone, origin.map(|at| at.0), offset)?),
                self,
            ),
            None if zone.is_some() || origin.is_some() || offset.is_some() => {
                return Err(invalid(
                    "zone, origin and offset say how buckets lie: give their length as every",
                ));
            }
            None => Groups::new(grouped, self),
        })
    }

    /// To each row the row of others that was there at its time: with `strategy` "backward" the last at or before it,
    /// with "forward" the first at or after it, with "nearest" the nearer of both. With `strict=True` not one of the
    /// same time. Of the same series, and of the same values in the columns `by`. `tolerance` is how far away it may
    /// be; `how="inner"` leaves out rows without one. `columns` are those wanted of it; a name that is taken gets the
    /// suffix `_right`.
    #[pyo3(signature = (other, by=None, strategy="backward", tolerance=None, strict=false, how="left", columns=None))]
    #[expect(clippy::too_many_arguments, reason = "they are what the join is, by name")]
    fn asof_join(
        &self,
        py: Python<'_>,
        other: Other,
        by: Option<Names>,
        strategy: &str,
        tolerance: Option<Length>,
        strict: bool,
        how: &str,
        columns: Option<Names>,
    ) -> PyResult<Self> {
        let mut options = match strategy {
            "backward" => AsOf::backward(),
            "forward" => AsOf::forward(),
            "nearest" => AsOf::nearest(),
            other => {
                return Err(invalid(format!(
                    "strategy {other:?}: there are \"backward\", \"forward\" and \"nearest\""
                )));
            }
        };
        options = match how {
            "left" => options,
            "inner" => options.inner(),
            other => {
                return Err(invalid(format!(
                    "how {other:?}: there are \"left\" and \"inner\""
                )));
            }
        };
        if strict {
            options = options.strict();
        }
        if let Some(tolerance) = tolerance {
            options = options.tolerance(tolerance.0);
        }
        if let Some(by) = by {
            options = options.by(by.0);
        }
        if let Some(columns) = columns {
            options = options.columns(columns.0);
        }
        self.then(py, self.query().asof_join(other.0, options))
    }

    /// To each row the other rows of its series from its time plus `start` to its time plus `end`, with both ends;
    /// `agg` says what is wanted of them. With `prevailing=True` also the last row before the window.
    #[pyo3(signature = (other, by=None, start=None, end=None, prevailing=false))]
    fn window_join(
        &self,
        other: Other,
        by: Option<Names>,
        start: Option<Length>,
        end: Option<Length>,
        prevailing: bool,
    ) -> Groups {
        let ends = [start, end].map(|length| length.map_or(0, |length| length.0));
        let mut window = WindowJoin::between(ends[0], ends[1]);
        if prevailing {
            window = window.prevailing();
        }
        if let Some(by) = by {
            window = window.by(by.0);
        }
        Groups::new(self.query().window_join(other.0, window), self)
    }

    /// To each row and each of some `offsets` the other row that was there at that distance from its time: one row for
    /// each, with the column `offset`. Markouts: `trades.horizon_join(quotes, by="sym", offsets=["-1s", "0s", "1s"],
    /// columns=["bid", "ask"])`.
    #[pyo3(signature = (other, by=None, offsets=None, columns=None, tolerance=None))]
    fn horizon_join(
        &self,
        py: Python<'_>,
        other: Other,
        by: Option<Names>,
        offsets: Option<Vec<Length>>,
        columns: Option<Names>,
        tolerance: Option<Length>,
    ) -> PyResult<Self> {
        let offsets = offsets.unwrap_or_default();
        let mut options = HorizonJoin::offsets(offsets.into_iter().map(|offset| offset.0));
        if let Some(by) = by {
            options = options.by(by.0);
        }
        if let Some(columns) = columns {
            options = options.columns(columns.0);
        }
        if let Some(tolerance) = tolerance {
            options = options.tolerance(tolerance.0);
        }
        self.then(py, self.query().horizon_join(other.0, options))
    }

    /// To each row the other rows that are equal to it in the columns `on`; null equals null. `how` is "inner", "left",
    /// "semi" (the rows that have one) or "anti" (those that have none). The other rows are read into memory; these
    /// keep their order.
    #[pyo3(signature = (other, on, how="inner"))]
    fn join(&self, py: Python<'_>, other: Other, on: Names, how: &str) -> PyResult<Self> {
        let options = Join::on(on.0);
        let options = match how {
            "inner" => options.inner(),
            "left" => options.left(),
            "semi" => options.semi(),
            "anti" => options.anti(),
            other => {
                return Err(invalid(format!(
                    "how {other:?}: there are \"inner\", \"left\", \"semi\" and \"anti\""
                )));
            }
        };
        self.then(py, self.query().join(other.0, options))
    }

    /// Rows on a regular grid: one of each series in each slot of `every` in the range of the scan, or from `start` to
    /// `end`. `methods` says how a column is filled where a slot has no row: "previous", "linear", or a constant;
    /// others are null. A value is carried while its age is at most `max_age`. What comes before the range is known
    /// too.
    ///
    /// With `stop_at_gaps` nothing is filled over gaps of the coverage: True is that of the interval `every`, a length
    /// that of another. `observed` names a column that says which slots had a row.
    #[pyo3(signature = (every, methods=None, max_age=None, stop_at_gaps=None, *, start=None, end=None, zone=None, observed=None))]
    #[expect(clippy::too_many_arguments, reason = "they are what a fill is, by name")]
    fn fill(
        &self,
        py: Python<'_>,
        every: &Bound<'_, PyAny>,
        methods: Option<&Bound<'_, PyMapping>>,
        max_age: Option<Length>,
        stop_at_gaps: Option<&Bound<'_, PyAny>>,
        start: Option<Instant>,
        end: Option<Instant>,
        zone: Option<&str>,
        observed: Option<String>,
    ) -> PyResult<Self> {
        let mut fill = Fill::every(bucket(every, zone, None, None)?);
        match (start, end) {
            (Some(start), Some(end)) => fill = fill.between(start.0, end.0),
            (None, None) => {}
            _ => {
                return Err(invalid(
                    "a fill of another range than the scan's needs both start and end",
                ));
            }
        }
        if let Some(methods) = methods {
            for method in methods.items()?.iter() {
                let (column, method): (String, Bound<'_, PyAny>) = method.extract()?;
                fill = fill.with(column, fill_method(&method)?);
            }
        }
        if let Some(age) = max_age {
            fill = fill.max_age(age.0);
        }
        if let Some(interval) = stop_at_gaps
            .map(|stop| gap_interval(stop, every))
            .transpose()?
            .flatten()
        {
            fill = fill.stop_at_gaps(interval);
        }
        if let Some(name) = observed {
            fill = fill.observed(name);
        }
        self.then(py, self.query().fill(fill))
    }

    /// A window for each row, over the rows of its series up to it: the last `rows` rows, or those in `(t - period,
    /// t]`. `agg` says what is wanted of each. Windows with fewer rows than `min_rows` give null. `by` is the series
    /// column, which it goes by anyway.
    #[pyo3(signature = (by=None, rows=None, period=None, min_rows=None))]
    fn rolling(
        &self,
        py: Python<'_>,
        by: Option<&str>,
        rows: Option<usize>,
        period: Option<Length>,
        min_rows: Option<usize>,
    ) -> PyResult<Groups> {
        self.check_by(py, by)?;
        let mut rolling = match (rows, period) {
            (Some(rows), None) => Rolling::rows(rows),
            (None, Some(period)) => Rolling::period(period.0),
            _ => return Err(invalid("rolling takes one of rows and period")),
        };
        if let Some(rows) = min_rows {
            rolling = rolling.min_rows(rows);
        }
        Ok(Groups::new(self.query().rolling(rolling), self))
    }

    /// The `n` rows with the greatest values of a column or expression, greatest first; nulls come last.
    fn top(&self, py: Python<'_>, n: usize, by: Expr) -> PyResult<Self> {
        self.then(py, self.query().top(n, by.0))
    }

    /// Rows in the order of columns or expressions; those equal in it keep their order, and null comes last.
    #[pyo3(signature = (by, descending=false))]
    fn sort(&self, py: Python<'_>, by: Exprs, descending: bool) -> PyResult<Self> {
        let key = if descending {
            SortKey::descending
        } else {
            SortKey::ascending
        };
        self.then(py, self.query().order(by.0.into_iter().map(key)))
    }

    /// At most so many rows, the first in their order.
    fn limit(&self, py: Python<'_>, rows: usize) -> PyResult<Self> {
        self.then(py, self.query().limit(rows))
    }

    /// The last row of each series at or before `at`; at the end, where none is given.
    #[pyo3(signature = (at=None))]
    fn latest(&self, py: Python<'_>, at: Option<Instant>) -> PyResult<Self> {
        self.then(py, self.query().latest(at.map(|at| at.0)))
    }

    /// The longest runs of slots without a row in `start <= time < end`, of each series that was asked for, or else of each that has a row
    /// there: the series, `start` and `end` of the run, and `slots`, how many there are.
    ///
    /// `every` is the length of a slot, such as "1m". Only times are read. What a source is known not to have is in `Table.gaps`.
    fn missing(
        &self,
        py: Python<'_>,
        every: &Bound<'_, PyAny>,
        start: Instant,
        end: Instant,
    ) -> PyResult<Self> {
        self.then(
            py,
            self.query()
                .missing(bucket(every, None, None, None)?, start.0, end.0),
        )
    }
}

fn fill_method(method: &Bound<'_, PyAny>) -> PyResult<FillMethod> {
    if let Ok(text) = method.cast::<PyString>() {
        return match text.to_cow()?.as_ref() {
            "previous" => Ok(previous()),
            "linear" => Ok(linear()),
            "null" => Ok(FillMethod::null()),
            other => Err(invalid(format!(
                "fill method {other:?}: there are \"previous\", \"linear\", \"null\", and constants; text as a constant is gapless.lit(text)"
            ))),
        };
    }
    if let Ok(expr) = method.cast::<Expr>() {
        return match &expr.get().0 {
            gapless::query::Expr::Literal(literal) => of_value(literal.clone()),
            _ => Err(invalid(
                "a column is filled with a constant, not with an expression",
            )),
        };
    }
    of_value(value(method)?)
}

fn of_value(value: gapless::query::expr::Value) -> PyResult<FillMethod> {
    use gapless::query::expr::Value;
    use gapless::scan::Literal;
    Ok(match value {
        Value::Null => FillMethod::null(),
        Value::Plain(literal) => constant(literal),
        Value::Timestamp(ns) | Value::Duration(ns) => constant(Literal::I64(ns)),
    })
}

/// The interval of the coverage at whose gaps a fill stops.
fn gap_interval(stop: &Bound<'_, PyAny>, every: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    match stop.cast::<PyBool>() {
        Ok(stop) if stop.is_true() => length(every).map(Some),
        Ok(_) => Ok(None),
        Err(_) => length(stop).map(Some),
    }
}

impl Scan {
    /// Refuses to go by another column than the series.
    fn check_by(&self, py: Python<'_>, by: Option<&str>) -> PyResult<()> {
        let Some(by) = by else { return Ok(()) };
        match self.series_column() {
            Some(series) if series != by => Err(invalid(format!(
                "by {by:?}: these functions go by the series, which is {series:?}"
            ))),
            _ => engine(py, || self.query().schema())?
                .field_with_name(by)
                .map(|_| ())
                .map_err(|_| {
                    py_error(gapless::Error::invalid(format!(
                        "by {by:?}: there is no such column"
                    )))
                }),
        }
    }
}
