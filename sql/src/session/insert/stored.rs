//! A cast to the type of a column that refuses what is another value afterwards.

use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use datafusion::arrow::compute::kernels::cmp::distinct;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use gapless_engine::Error;

use super::text::{first_finer, first_other_float};
use crate::error::to_datafusion;
use crate::exact::decimal;
use crate::float_key::float_keys;

/// More than any decimal column has.
const WIDE: DataType = DataType::Decimal256(76, 38);

const DAY_NANOS: i64 = 86_400_000_000_000;

/// The function of what a statement gives for a column.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Stored {
    column: String,
    to: DataType,
    signature: Signature,
}

impl Stored {
    /// Whether a value may be another one after the cast, or none.
    ///
    /// A fraction in a column of floats is the nearest one there is: nobody writes the digits that a float has.
    pub(super) fn may_differ(given: &DataType, to: &DataType) -> bool {
        match to {
            _ if given == to || given.is_null() => false,
            DataType::Utf8 | DataType::Dictionary(..) | DataType::Binary => false,
            to if to.is_floating() => given.is_numeric() || is_text(given),
            DataType::Boolean | DataType::Decimal128(..) => true,
            to => to.is_integer() || to.is_temporal(),
        }
    }

    /// The value as the column has it.
    pub(super) fn of(value: Expr, to: &DataType, column: &str) -> Expr {
        let value = match (&value, to) {
            // As it was written, not as the binary fraction next to it.
            (Expr::Literal(ScalarValue::Float64(Some(number)), _), DataType::Decimal128(..)) => {
                decimal(*number).map_or(value, |exact| Expr::Literal(exact, None))
            }
            _ => value,
        };
        let function = Self {
            column: column.to_owned(),
            to: to.clone(),
            signature: Signature::any(1, Volatility::Immutable),
        };
        ScalarUDF::from(function).call(vec![value])
    }

    fn store(&self, given: &ArrayRef) -> Result<ArrayRef> {
        let given = match given.data_type() {
            DataType::Dictionary(_, values) => cast_with_options(given, values, &strict())?,
            _ => given.clone(),
        };
        let stored = cast_with_options(&given, &self.to, &lenient())?;
        let is_lost = |row: &usize| stored.is_null(*row) && given.is_valid(*row);
        let lost = (0..given.len()).find(is_lost);
        if let Some(row) = lost.or_else(|| first_after_midnight(&stored)) {
            return Err(self.lost(&given, row));
        }
        match self.first_other(&given, &stored)? {
            Some(row) => Err(self.other(&given, &stored, row)),
            None => Ok(stored),
        }
    }

    /// The first row whose value is another one in the column.
    fn first_other(&self, given: &ArrayRef, stored: &ArrayRef) -> Result<Option<usize>> {
        let (from, to) = (given.data_type(), &self.to);
        if from.is_floating() && to.is_floating() {
            let is_finite = |array: &ArrayRef| -> Result<ArrayRef> {
                Ok(cast_with_options(array, &DataType::Float64, &lenient())?)
            };
            let (given, stored) = (is_finite(given)?, is_finite(stored)?);
            return Ok(first_infinite(&given, &stored));
        }
        if to.is_floating() && (is_text(from) || from.is_decimal()) {
            return first_other_float(given, stored);
        }
        if to.is_temporal()
            && is_text(from)
            && let Some(row) = first_finer(given)?
        {
            return Ok(Some(row));
        }
        let compared = match text_as(from, to) {
            Some(Some(between)) => between,
            Some(None) => return Ok(None),
            None => from.clone(),
        };
        if !can_cast_types(to, &compared) {
            return Ok(None);
        }
        let wanted = float_keys(&cast_with_options(given, &compared, &lenient())?)?;
        let back = float_keys(&cast_with_options(stored, &compared, &lenient())?)?;
        let differs = distinct(&wanted, &back)?;
        // What the wider type does not hold was taken by the narrower one as it is.
        let is_other = |row: &usize| differs.value(*row) && wanted.is_valid(*row);
        Ok((0..given.len()).find(is_other))
    }

    fn lost(&self, given: &ArrayRef, row: usize) -> datafusion::common::DataFusionError {
        let Self { column, to, .. } = self;
        // The cast says best what is wrong with a text.
        let said = match is_text(given.data_type()) {
            true => cast_with_options(&given.slice(row, 1), to, &strict()).err(),
            false => None,
        };
        let (value, of) = (shown(given, row), shown_type(to));
        to_datafusion(Error::invalid(match said {
            Some(error) => format!("INSERT: column {column:?}: {error}"),
            None => format!(
                "INSERT: column {column:?} is {of}, which has no {value}: leave the row out with WHERE, or give another value"
            ),
        }))
    }

    fn other(&self, given: &ArrayRef, stored: &ArrayRef, row: usize) -> datafusion::common::DataFusionError {
        let Self { column, to, .. } = self;
        let (value, becomes, of) = (shown(given, row), shown(stored, row), shown_type(to));
        let how = match to.is_temporal() {
            true => "date_trunc() or CAST",
            false => "round() or CAST",
        };
        to_datafusion(Error::invalid(format!(
            "INSERT: column {column:?} is {of}, where {value} would become {becomes}: if that is meant, say so with {how}"
        )))
    }
}

impl ScalarUDFImpl for Stored {
    fn name(&self) -> &'static str {
        "stored"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(self.store(values)?)),
            [ColumnarValue::Scalar(value)] => {
                let stored = self.store(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&stored, 0)?))
            }
            other => internal_err!("{} values for one column", other.len()),
        }
    }
}

/// What a text is compared as with what is stored of it, in the widest type of the kind; `Some(None)` where the cast itself refuses what
/// does not fit.
fn text_as(from: &DataType, to: &DataType) -> Option<Option<DataType>> {
    is_text(from).then(|| match to {
        DataType::Timestamp(_, zone) => Some(DataType::Timestamp(TimeUnit::Nanosecond, zone.clone())),
        DataType::Date32 => Some(DataType::Timestamp(TimeUnit::Nanosecond, None)),
        DataType::Time32(_) | DataType::Time64(_) => Some(DataType::Time64(TimeUnit::Nanosecond)),
        DataType::Decimal128(..) => Some(WIDE),
        _ => None,
    })
}

const fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The first time of day that is none: a leap second before midnight is read as 24:00.
fn first_after_midnight(stored: &ArrayRef) -> Option<usize> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Time64NanosecondType;
    let (DataType::Time32(_) | DataType::Time64(_)) = stored.data_type() else {
        return None;
    };
    let times = cast_with_options(stored, &DataType::Time64(TimeUnit::Nanosecond), &lenient()).ok()?;
    let mut times = times.as_primitive::<Time64NanosecondType>().iter();
    times.position(|time| time.is_some_and(|time| time >= DAY_NANOS))
}

/// The first finite number that is none any more.
fn first_infinite(given: &ArrayRef, stored: &ArrayRef) -> Option<usize> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    let (given, stored) = (
        given.as_primitive::<Float64Type>(),
        stored.as_primitive::<Float64Type>(),
    );
    let mut both = given.values().iter().zip(stored.values());
    both.position(|(given, stored)| given.is_finite() && stored.is_infinite())
}

fn lenient() -> CastOptions<'static> {
    CastOptions {
        safe: true,
        ..CastOptions::default()
    }
}

fn strict() -> CastOptions<'static> {
    CastOptions {
        safe: false,
        ..CastOptions::default()
    }
}

fn shown(array: &ArrayRef, row: usize) -> String {
    let shown = ArrayFormatter::try_new(array, &FormatOptions::default());
    shown.map_or_else(|_| "a value".to_owned(), |shown| shown.value(row).to_string())
}

/// The type as SQL names it.
fn shown_type(of: &DataType) -> String {
    let name = match of {
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INT",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "TINYINT UNSIGNED",
        DataType::UInt16 => "SMALLINT UNSIGNED",
        DataType::UInt32 => "INT UNSIGNED",
        DataType::UInt64 => "BIGINT UNSIGNED",
        DataType::Float32 => "REAL",
        DataType::Float64 => "DOUBLE",
        DataType::Date32 => "DATE",
        DataType::Decimal128(precision, scale) => return format!("DECIMAL({precision}, {scale})"),
        DataType::Timestamp(unit, _) => return format!("TIMESTAMP in {}", shown_unit(*unit)),
        DataType::Time32(unit) | DataType::Time64(unit) => return format!("TIME in {}", shown_unit(*unit)),
        DataType::Duration(unit) => return format!("a duration in {}", shown_unit(*unit)),
        other => return other.to_string(),
    };
    name.to_owned()
}

const fn shown_unit(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "seconds",
        TimeUnit::Millisecond => "milliseconds",
        TimeUnit::Microsecond => "microseconds",
        TimeUnit::Nanosecond => "nanoseconds",
    }
}
