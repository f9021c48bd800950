//! Columns of typed files, made exactly what the plan says. Nothing is rounded, cut or wrapped: what does
//! not fit is an error with its row.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};

use crate::error::{BadValue, InterchangeError, Result};
use crate::infer::ColumnPlan;
use crate::text::time::{Civil, TimeReader, out_of_range};
use crate::type_name::nanoseconds_per;

/// Checked: a value that does not fit is an error, not a null.
const CHECKED: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: arrow_cast::display::FormatOptions::new(),
};

/// `batch` with the columns of `schema`; its first row is row `first_row` of the file, from 0.
pub(crate) fn conform(
    batch: &RecordBatch,
    plans: &[ColumnPlan],
    schema: &SchemaRef,
    first_row: u64,
) -> Result<RecordBatch> {
    let mut arrays = Vec::with_capacity(plans.len());
    for plan in plans {
        let failed = |error: InterchangeError| error.in_column(&plan.name);
        let array = batch
            .column_by_name(&plan.name)
            .ok_or_else(|| failed(InterchangeError::invalid("is missing")))?;
        let array = if plan.is_time {
            time(array, plan, first_row)?
        } else {
            column(array, plan).map_err(failed)?
        };
        arrays.push(array);
    }
    RecordBatch::try_new(schema.clone(), arrays).map_err(|error| InterchangeError::invalid(error.to_string()))
}

fn column(array: &ArrayRef, plan: &ColumnPlan) -> Result<ArrayRef> {
    if array.data_type() == &plan.data_type {
        return Ok(array.clone());
    }
    let failed = |error: ArrowError| {
        let reason = format!("cannot be taken as {}: {error}", plan.data_type);
        InterchangeError::invalid(reason)
            .with_hint(format!("give another type with --type {}=...", plan.name))
    };
    let cast = |array: &ArrayRef, to: &DataType| cast_with_options(array, to, &CHECKED).map_err(failed);
    match &plan.data_type {
        DataType::Dictionary(..) => cast(&cast(array, &DataType::Utf8)?, &plan.data_type),
        to @ DataType::Timestamp(..) if array.data_type().is_integer() => {
            cast(&cast(array, &DataType::Int64)?, to)
        }
        to => cast(array, to),
    }
}

/// The time column in nanoseconds.
fn time(array: &ArrayRef, plan: &ColumnPlan, first_row: u64) -> Result<ArrayRef> {
    let failed = |error: ArrowError| InterchangeError::invalid(error.to_string()).in_column(&plan.name);
    let cast = |to: &DataType| cast_with_options(array, to, &CHECKED).map_err(failed);
    let times = &plan.times;
    let at = Place { plan, first_row };
    let nanoseconds = match array.data_type() {
        DataType::Timestamp(unit, zone) => {
            // The count itself, whatever zone is attached to it.
            let counts = cast(&DataType::Int64)?;
            let counts = counts.as_primitive::<Int64Type>();
            match zone {
                Some(_) if *unit == TimeUnit::Nanosecond => at.each(counts, Ok)?,
                Some(_) => at.each(counts, |count| scaled(count, *unit))?,
                None => at.each(counts, |count| local(times, scaled(count, *unit)?))?,
            }
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            at.each(days, |day| {
                local(
                    times,
                    i64::from(day)
                        .checked_mul(86_400_000_000_000)
                        .ok_or_else(out_of_range)?,
                )
            })?
        }
        DataType::Date64 => {
            let counts = cast(&DataType::Int64)?;
            at.each(counts.as_primitive::<Int64Type>(), |count| {
                local(times, scaled(count, TimeUnit::Millisecond)?)
            })?
        }
        data_type if crate::typed::is_text(data_type) || times.format.is_some() => {
            let texts = cast(&DataType::Utf8)?;
            at.texts(texts.as_string::<i32>(), times)?
        }
        data_type if data_type.is_floating() => {
            let values = cast(&DataType::Float64)?;
            at.each(values.as_primitive::<Float64Type>(), |value| {
                of_float(times, value)
            })?
        }
        _ => {
            let counts = cast(&DataType::Int64)?;
            at.each(counts.as_primitive::<Int64Type>(), |count| {
                times.of_count(count, times.number_unit.ok_or_else(no_unit)?)
            })?
        }
    };
    Ok(Arc::new(nanoseconds.with_timezone_opt(plan.zone())))
}

fn scaled(count: i64, unit: TimeUnit) -> std::result::Result<i64, BadValue> {
    count.checked_mul(nanoseconds_per(unit)).ok_or_else(out_of_range)
}

fn local(times: &TimeReader, nanoseconds: i64) -> std::result::Result<i64, BadValue> {
    times.instant(&Civil::of_local_nanoseconds(nanoseconds).ok_or_else(out_of_range)?)
}

fn no_unit() -> BadValue {
    BadValue::new("is a number of unknown unit").hint("pass --time-unit s, ms, us or ns")
}

/// `value` units after the epoch, to the nearest nanosecond that a double of that size can tell.
fn of_float(times: &TimeReader, value: f64) -> std::result::Result<i64, BadValue> {
    let per_unit = nanoseconds_per(times.number_unit.ok_or_else(no_unit)?);
    let whole = value.floor();
    // Doubles of this size are exact integers; the bounds keep the conversion from saturating.
    if !(-9.2e18..9.2e18).contains(&whole) {
        return Err(out_of_range());
    }
    let part = ((value - whole) * per_unit as f64).round() as i64;
    (whole as i64)
        .checked_mul(per_unit)
        .and_then(|count| count.checked_add(part))
        .ok_or_else(out_of_range)
}

/// Where the values of a batch stand in their file.
struct Place<'a> {
    plan: &'a ColumnPlan,
    first_row: u64,
}

impl Place<'_> {
    fn bad(&self, index: usize, value: Option<String>, bad: BadValue) -> InterchangeError {
        let mut error = InterchangeError::invalid(bad.reason)
            .in_column(&self.plan.name)
            .at_row(Some(self.first_row + index as u64 + 1));
        if let Some(value) = value {
            error = error.with_value(value.as_bytes());
        }
        match bad.hint {
            Some(hint) => error.with_hint(hint.replace("{column}", &self.plan.name)),
            None => error,
        }
    }

    fn check_nulls(&self, array: &dyn Array) -> Result<()> {
        match (0..array.len()).find(|index| array.null_count() > 0 && array.is_null(*index)) {
            Some(index) => Err(self.bad(index, None, BadValue::new("the time is missing"))),
            None => Ok(()),
        }
    }

    fn each<T: arrow_array::ArrowPrimitiveType>(
        &self,
        array: &PrimitiveArray<T>,
        instant: impl Fn(T::Native) -> std::result::Result<i64, BadValue>,
    ) -> Result<PrimitiveArray<TimestampNanosecondType>> {
        self.check_nulls(array)?;
        let values = array.values().iter().enumerate().map(|(index, value)| {
            instant(*value).map_err(|bad| self.bad(index, Some(format!("{value:?}")), bad))
        });
        Ok(TimestampNanosecondArray::from(
            values.collect::<Result<Vec<i64>>>()?,
        ))
    }

    fn texts(&self, array: &StringArray, times: &TimeReader) -> Result<TimestampNanosecondArray> {
        self.check_nulls(array)?;
        let values = array.iter().enumerate().map(|(index, text)| {
            let text = text.unwrap_or_default();
            times
                .read(text.as_bytes())
                .map_err(|bad| self.bad(index, Some(text.to_owned()), bad))
        });
        Ok(TimestampNanosecondArray::from(
            values.collect::<Result<Vec<i64>>>()?,
        ))
    }
}
