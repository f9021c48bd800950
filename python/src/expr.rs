//! [`Expr`]: a value computed for each row, from `gapless.col` on.

mod literal;

use gapless::query::expr::{Function, TimePart};
use gapless::query::{self, Expr as EngineExpr};
use pyo3::basic::CompareOp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::invalid;
use crate::schema::type_of;

pub(crate) use literal::{literal, value};

/// A value computed for each row of a scan, made by `gapless.col` and `gapless.lit`, and by operators and methods of
/// these.
///
/// `+ - * / %` compute, `< <= == != >= >` compare, `& | ~` are and, or and not; logic has three values, as in SQL. What
/// an expression is combined with is an expression, or a Python value, which is a literal: text is text, not a column.
/// Times are compared with datetimes or ISO text with a zone, and differ by lengths of time.
///
/// >>> (gapless.col("price") * gapless.col("size") > 250_000.0)
/// Expr(price * size > 250000.0)
#[pyclass(frozen, module = "gapless")]
#[derive(Debug, Clone)]
pub(crate) struct Expr(pub(crate) EngineExpr);

/// The column of a name.
#[pyfunction]
pub(crate) fn col(name: String) -> Expr {
    Expr(query::col(name))
}

/// A literal: None, a bool, an int, a float, text, bytes, `decimal.Decimal`, an aware datetime, a date, a `timedelta`.
#[pyfunction]
pub(crate) fn lit(value: &Bound<'_, PyAny>) -> PyResult<Expr> {
    literal(value).map(Expr)
}

/// `then` where the condition is true, `otherwise` where it is false or null.
#[pyfunction]
pub(crate) fn when(condition: Expr, then: Operand, otherwise: Operand) -> Expr {
    Expr(condition.0.if_then_else(then.0, otherwise.0))
}

impl<'a, 'py> FromPyObject<'a, 'py> for Expr {
    type Error = PyErr;

    /// An expression, or text: the column of that name.
    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(expr) = value.cast::<Expr>() {
            return Ok(expr.get().clone());
        }
        match value.cast::<PyString>() {
            Ok(name) => Ok(Self(query::col(name.to_cow()?.into_owned()))),
            Err(_) => Err(invalid(format!(
                "{} is no column and no expression: give a name, or gapless.col(name)",
                value.repr()?
            ))),
        }
    }
}

/// What an expression is combined with: an expression, or a literal.
pub(crate) struct Operand(pub(crate) EngineExpr);

impl<'a, 'py> FromPyObject<'a, 'py> for Operand {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match value.cast::<Expr>() {
            Ok(expr) => Ok(Self(expr.get().0.clone())),
            Err(_) => literal(&value).map(Self),
        }
    }
}

/// The other side of an operator. It is taken here and not in the signature, where Python would be told that it knows
/// better: `==` would give False then.
fn operand(value: &Bound<'_, PyAny>) -> PyResult<Operand> {
    value.extract()
}

/// One column or expression, or several.
pub(crate) struct Exprs(pub(crate) Vec<EngineExpr>);

impl<'a, 'py> FromPyObject<'a, 'py> for Exprs {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(one) = value.extract::<Expr>() {
            return Ok(Self(vec![one.0]));
        }
        let items = value.try_iter()?;
        items
            .map(|item| Ok(item?.extract::<Expr>()?.0))
            .collect::<PyResult<_>>()
            .map(Self)
    }
}

impl Expr {
    fn with(&self, make: impl FnOnce(EngineExpr) -> EngineExpr) -> Self {
        Self(make(self.0.clone()))
    }
}

#[pymethods]
impl Expr {
    fn __add__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| this + other.0))
    }

    fn __radd__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| other.0 + this))
    }

    fn __sub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| this - other.0))
    }

    fn __rsub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| other.0 - this))
    }

    fn __mul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| this * other.0))
    }

    fn __rmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| other.0 * this))
    }

    fn __truediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| this / other.0))
    }

    fn __rtruediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| other.0 / this))
    }

    fn __mod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| this % other.0))
    }

    fn __rmod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| other.0 % this))
    }

    fn __pow__(&self, other: &Bound<'_, PyAny>, modulo: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let other = operand(other)?;
        match modulo {
            None => Ok(self.with(|this| this.pow(other.0))),
            Some(_) => Err(PyTypeError::new_err("a power of an expression has no modulus")),
        }
    }

    fn __rpow__(&self, other: &Bound<'_, PyAny>, modulo: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let other = operand(other)?;
        match modulo {
            None => Ok(self.with(|this| other.0.pow(this))),
            Some(_) => Err(PyTypeError::new_err("a power of an expression has no modulus")),
        }
    }

    fn __neg__(&self) -> Self {
        self.with(|this| -this)
    }

    fn __abs__(&self) -> Self {
        self.with(EngineExpr::abs)
    }

    fn __and__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| this.and(other.0)))
    }

    fn __rand__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| other.0.and(this)))
    }

    fn __or__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| this.or(other.0)))
    }

    fn __ror__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| other.0.or(this)))
    }

    fn __invert__(&self) -> Self {
        self.with(|this| !this)
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Self> {
        let other = operand(other)?;
        Ok(self.with(|this| match op {
            CompareOp::Lt => this.lt(other.0),
            CompareOp::Le => this.le(other.0),
            CompareOp::Eq => this.eq(other.0),
            CompareOp::Ne => this.ne(other.0),
            CompareOp::Gt => this.gt(other.0),
            CompareOp::Ge => this.ge(other.0),
        }))
    }

    /// An expression has no truth: Python would ask for it in `a and b`, `not a`, `low < a < high`.
    fn __bool__(&self) -> PyResult<bool> {
        Err(PyTypeError::new_err(
            "an expression is not true or false before it runs: combine conditions with & | ~, each in parentheses, not with and, or, \
             not, or a < b < c",
        ))
    }

    fn __repr__(&self) -> String {
        format!("Expr({})", self.0)
    }

    /// It is null.
    fn is_null(&self) -> Self {
        self.with(EngineExpr::is_null)
    }

    /// It is not null.
    fn is_not_null(&self) -> Self {
        self.with(EngineExpr::is_not_null)
    }

    /// It is not a number; null for null.
    fn is_nan(&self) -> Self {
        self.with(EngineExpr::is_nan)
    }

    /// It equals one of some values.
    fn is_in(&self, values: &Bound<'_, PyAny>) -> PyResult<Self> {
        if values.is_instance_of::<PyString>() {
            return Err(invalid("is_in takes a list of values, not one text"));
        }
        let values = values
            .try_iter()?
            .map(|item| value(&item?))
            .collect::<PyResult<Vec<_>>>()?;
        Ok(self.with(|this| EngineExpr::In(Box::new(this), values)))
    }

    /// Not less than the one and not greater than the other.
    fn between(&self, low: Operand, high: Operand) -> Self {
        self.with(|this| this.between(low.0, high.0))
    }

    /// It matches an SQL pattern: `%` is any text, `_` one character, `\` takes the next as it is.
    fn like(&self, pattern: String) -> Self {
        self.with(|this| this.like(pattern))
    }

    /// As `like`, and `A` matches `a`.
    fn ilike(&self, pattern: String) -> Self {
        self.with(|this| this.ilike(pattern))
    }

    /// Without its sign.
    fn abs(&self) -> Self {
        self.with(EngineExpr::abs)
    }

    /// The square root.
    fn sqrt(&self) -> Self {
        self.with(EngineExpr::sqrt)
    }

    /// The natural logarithm.
    fn ln(&self) -> Self {
        self.with(EngineExpr::ln)
    }

    /// The logarithm to base 10.
    fn log10(&self) -> Self {
        self.with(EngineExpr::log10)
    }

    /// e to this power.
    fn exp(&self) -> Self {
        self.with(EngineExpr::exp)
    }

    /// The greatest whole number that is not greater.
    fn floor(&self) -> Self {
        self.with(EngineExpr::floor)
    }

    /// The least whole number that is not less.
    fn ceil(&self) -> Self {
        self.with(EngineExpr::ceil)
    }

    /// To so many digits after the point, halves away from zero.
    #[pyo3(signature = (digits=0))]
    fn round(&self, digits: i32) -> Self {
        self.with(|this| this.round_to(digits))
    }

    /// -1, 0 or 1; NaN for NaN.
    fn sign(&self) -> Self {
        self.with(EngineExpr::sign)
    }

    /// Another value where this is null.
    fn fill_null(&self, other: Operand) -> Self {
        self.with(|this| this.coalesce(other.0))
    }

    /// The lesser of both; null only if both are.
    fn least(&self, other: Operand) -> Self {
        self.with(|this| this.least(other.0))
    }

    /// The greater of both; null only if both are.
    fn greatest(&self, other: Operand) -> Self {
        self.with(|this| this.greatest(other.0))
    }

    /// A part of a time: "year", "month", "day", "hour", "minute", "second", "millisecond", "microsecond",
    /// "nanosecond", "weekday" (Monday is 1), "day_of_year", "date" or "time_of_day", in a zone of the IANA database;
    /// without one in that of the column, or UTC.
    #[pyo3(signature = (name, zone=None))]
    fn part(&self, name: &str, zone: Option<String>) -> PyResult<Self> {
        let part = time_part(name)?;
        Ok(self.with(|this| EngineExpr::Call(Function::Part(part, zone), vec![this])))
    }

    /// As another type, such as "float64". A value that the type does not have is an error.
    fn cast(&self, to: &Bound<'_, PyAny>) -> PyResult<Self> {
        let to = type_of(to)?;
        Ok(self.with(|this| this.cast(to)))
    }

    /// Under another name.
    fn alias(&self, name: String) -> Self {
        self.with(|this| this.alias(name))
    }
}

fn time_part(name: &str) -> PyResult<TimePart> {
    Ok(match name {
        "year" => TimePart::Year,
        "month" => TimePart::Month,
        "day" => TimePart::Day,
        "hour" => TimePart::Hour,
        "minute" => TimePart::Minute,
        "second" => TimePart::Second,
        "millisecond" => TimePart::Millisecond,
        "microsecond" => TimePart::Microsecond,
        "nanosecond" => TimePart::Nanosecond,
        "weekday" => TimePart::Weekday,
        "day_of_year" => TimePart::DayOfYear,
        "date" => TimePart::Date,
        "time_of_day" => TimePart::TimeOfDay,
        other => {
            return Err(invalid(format!(
                "{other:?} is no part of a time: there are year, month, day, hour, minute, second, millisecond, microsecond, nanosecond, \
                 weekday, day_of_year, date and time_of_day"
            )));
        }
    })
}
