//! `time_bucket(interval, ts [, zone | origin ...])`: the start of the bucket that a time falls into; and `time_bucket_gapfill`, which
//! is the same in each row, and as a key of groups asks for the buckets without rows too.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{IntervalMonthDayNano, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue, internal_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use gapless_query::{Bucket, Every};

use crate::error::to_datafusion;

/// What the bucket is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    /// The bucket.
    Bucket,
    /// A key of groups, of which the buckets without rows come too. A rule makes a `FilledKey` of it, and nothing else may run it.
    Fill,
    /// That key, below what fills it.
    FilledKey,
}

/// The function. Buckets are those of [`Bucket`].
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct TimeBucket {
    purpose: Purpose,
    signature: Signature,
}

impl TimeBucket {
    /// `time_bucket`.
    pub(super) fn new() -> Self {
        Self::of(Purpose::Bucket)
    }

    /// `time_bucket_gapfill`.
    pub(super) fn gapfill() -> Self {
        Self::of(Purpose::Fill)
    }

    /// `time_bucket_gapfill`, as it is once something fills its buckets.
    pub(crate) fn filled_key() -> Self {
        Self::of(Purpose::FilledKey)
    }

    fn of(purpose: Purpose) -> Self {
        Self {
            purpose,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// Whether it asks for buckets that nothing fills yet.
    pub(crate) fn is_gapfill(&self) -> bool {
        self.purpose == Purpose::Fill
    }

    const fn usage(&self) -> &'static str {
        match self.purpose {
            Purpose::Bucket => "time_bucket(interval, time [, zone] [, origin])",
            Purpose::Fill | Purpose::FilledKey => "time_bucket_gapfill(interval, time [, zone] [, origin])",
        }
    }
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &'static str {
        match self.purpose {
            Purpose::Bucket => "time_bucket",
            Purpose::Fill | Purpose::FilledKey => "time_bucket_gapfill",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let usage = self.usage();
        let (interval, time, rest) = match types {
            [interval, time, rest @ ..] if rest.len() <= 2 => (interval, time, rest),
            _ => return plan_err!("{usage} takes 2 to 4 arguments, not {}", types.len()),
        };
        let mut coerced = vec![interval_type(interval, usage)?, time_type(time, usage)?];
        for further in rest {
            coerced.push(match further {
                text if is_text(text) => DataType::Utf8,
                other => time_type(other, usage)?,
            });
        }
        Ok(coerced)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("time_bucket gives its type with its field")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let usage = self.usage();
        // What is constant is looked at before the statement runs.
        if let Some(Some(every)) = args.scalar_arguments.first() {
            bucket(
                every,
                args.scalar_arguments
                    .get(2..)
                    .unwrap_or_default()
                    .iter()
                    .copied()
                    .flatten(),
                usage,
            )?;
        }
        match args.arg_fields.get(1) {
            Some(time) => {
                let nullable = time.is_nullable();
                Ok(Arc::new(Field::new(
                    self.name(),
                    time_type(time.data_type(), usage)?,
                    nullable,
                )))
            }
            None => plan_err!("{usage} takes 2 to 4 arguments"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let usage = self.usage();
        if self.is_gapfill() {
            return internal_err!("{usage}: nothing fills its buckets");
        }
        let (every, times, rest) = match args.args.as_slice() {
            [ColumnarValue::Scalar(every), times, rest @ ..] => (every, times, rest),
            _ => return plan_err!("{usage}: the interval must be constant"),
        };
        let mut further = Vec::with_capacity(rest.len());
        for argument in rest {
            match argument {
                ColumnarValue::Scalar(value) => further.push(value),
                ColumnarValue::Array(_) => return plan_err!("{usage}: zone and origin must be constant"),
            }
        }
        let bucket = bucket(every, further.into_iter(), usage)?;
        match times {
            ColumnarValue::Array(times) => Ok(ColumnarValue::Array(starts(&bucket, times)?)),
            ColumnarValue::Scalar(time) => {
                let starts = starts(&bucket, &time.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&starts, 0)?))
            }
        }
    }

    /// A later time is in no earlier bucket.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(inputs
            .get(1)
            .map_or(SortProperties::Unordered, |time| time.sort_properties))
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        Ok(inputs.get(1).is_some_and(|time| time.preserves_lex_ordering))
    }
}

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn interval_type(data_type: &DataType, usage: &str) -> Result<DataType> {
    match data_type {
        DataType::Interval(_) => Ok(DataType::Interval(IntervalUnit::MonthDayNano)),
        text if is_text(text) => Ok(DataType::Utf8),
        other => plan_err!("{usage}: the interval must be an INTERVAL or a text such as '1m', not {other}"),
    }
}

/// Times are looked at in nanoseconds; their zone is kept.
fn time_type(data_type: &DataType, usage: &str) -> Result<DataType> {
    match data_type {
        DataType::Timestamp(_, zone) => Ok(DataType::Timestamp(TimeUnit::Nanosecond, zone.clone())),
        DataType::Date32 | DataType::Null => Ok(DataType::Timestamp(TimeUnit::Nanosecond, None)),
        other => {
            plan_err!("{usage}: {other} is no time; text is a zone, so write TIMESTAMP '...' for a time")
        }
    }
}

/// The buckets of a call, from its arguments beside the time, where these are constant.
pub(crate) fn constant_bucket(every: &Expr, further: &[Expr]) -> Option<Bucket> {
    let constant = |argument: &'_ Expr| match argument {
        Expr::Literal(value, _) => Some(value.clone()),
        _ => None,
    };
    let further: Vec<ScalarValue> = further.iter().map(constant).collect::<Option<_>>()?;
    bucket(&constant(every)?, further.iter(), "time_bucket").ok()
}

/// Buckets of a length; a further argument that is a text is their zone, one that is a time their origin.
pub(crate) fn bucket<'a>(
    every: &ScalarValue,
    further: impl Iterator<Item = &'a ScalarValue>,
    usage: &str,
) -> Result<Bucket> {
    let every = match every {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) => Every::parse(text).map_err(to_datafusion)?,
        ScalarValue::IntervalMonthDayNano(Some(interval)) => of_interval(*interval, usage)?,
        ScalarValue::IntervalYearMonth(Some(months)) => Every::Months((*months).into()),
        other => match other.cast_to(&DataType::Interval(IntervalUnit::MonthDayNano))? {
            ScalarValue::IntervalMonthDayNano(Some(interval)) => of_interval(interval, usage)?,
            _ => return plan_err!("{usage}: the interval must not be null"),
        },
    };
    let (mut bucket, mut origin) = (Bucket::of(every), None);
    for argument in further {
        if let Some(zone) = argument.try_as_str() {
            let zone = zone.ok_or_else(|| plan_datafusion_err!("{usage}: the zone must not be null"))?;
            bucket = bucket.zone(zone).map_err(to_datafusion)?;
            continue;
        }
        match argument.cast_to(&DataType::Timestamp(TimeUnit::Nanosecond, None))? {
            ScalarValue::TimestampNanosecond(Some(time), _) => origin = Some(time),
            _ => return plan_err!("{usage}: the origin must not be null"),
        }
    }
    match origin {
        Some(origin) => beginning_at(bucket, origin, usage),
        None => Ok(bucket),
    }
}

/// Buckets of which one begins at the origin. Days and weeks begin later than midnight by as much as it does.
fn beginning_at(bucket: Bucket, origin: i64, usage: &str) -> Result<Bucket> {
    let bucket = bucket.origin(origin);
    let later = origin.saturating_sub(bucket.range(origin).start);
    match bucket.every() {
        _ if later == 0 => Ok(bucket),
        Every::Months(_) => plan_err!(
            "{usage}: buckets of months begin at a month's first midnight, so the origin has to be one"
        ),
        _ => bucket.offset(&format!("{later}ns")).map_err(to_datafusion),
    }
}

/// Whole weeks are weeks of the calendar, which begin on Monday.
fn of_interval(interval: IntervalMonthDayNano, usage: &str) -> Result<Every> {
    let every = match (interval.months, interval.days, interval.nanoseconds) {
        (months, 0, 0) if months > 0 => Every::Months(months.into()),
        (0, days, 0) if days > 0 && days % 7 == 0 => Every::Weeks((days / 7).into()),
        (0, days, 0) if days > 0 => Every::Days(days.into()),
        (0, 0, ns) if ns > 0 => Every::Ns(ns),
        _ => {
            return plan_err!(
                "{usage}: the interval must be positive, and either months, days or a length of time: not {interval:?}"
            );
        }
    };
    Ok(every)
}

/// The starts of the buckets of times. Neighbours are mostly in one bucket.
fn starts(bucket: &Bucket, times: &ArrayRef) -> Result<ArrayRef> {
    let DataType::Timestamp(TimeUnit::Nanosecond, zone) = times.data_type() else {
        return internal_err!("time_bucket of {}", times.data_type());
    };
    let zone = zone.clone();
    let times = times.as_primitive::<TimestampNanosecondType>();
    let mut range = 0..0;
    let starts = times.values().iter().map(|time| {
        if !range.contains(time) {
            range = bucket.range(*time);
        }
        range.start
    });
    let starts = TimestampNanosecondArray::new(starts.collect(), times.nulls().cloned());
    Ok(Arc::new(starts.with_timezone_opt(zone)))
}
