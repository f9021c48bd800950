//! A function resolved against the columns of its rows: types are checked here, before any row is read.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use gapless_engine::{Error, Result};

use super::change::Change;
use super::cumulate::{Cumulate, Extreme, FloatProduct, FloatSum, WholeFold};
use super::filled::forward_fill;
use super::function::{Kind, SeriesFunction};
use super::running::{Count, RowNumber, Running};
use super::shift::{Fallback, Next, Previous, fitting};
use super::smooth::ema;
use crate::expr::Bound;

/// A function and what it reads.
pub(super) struct Resolved {
    function: SeriesFunction,
    text: Arc<str>,
    /// What the function is given; in some functions after a cast.
    pub(super) argument: Option<Bound>,
    fallback: Option<Arc<Fallback>>,
    to: DataType,
}

impl Resolved {
    /// # Errors
    /// `Invalid` for a type that the function does not take, an unknown column, a default or a number that does not fit.
    pub(super) fn new(function: &SeriesFunction, schema: &Schema) -> Result<Self> {
        function.check()?;
        let bound = function
            .argument
            .as_ref()
            .map(|argument| Bound::new(argument, schema));
        let bound = bound.transpose()?;
        let of = bound.as_ref().map_or(&DataType::Null, Bound::data_type);
        let to = result_type(function.kind, of).ok_or_else(|| not_taken(function, of))?;
        let fallback = match (&function.argument, &function.default) {
            (Some(argument), Some(default)) => {
                let default = fitting(argument, default, of, schema)
                    .map_err(|error| error.context(function.to_string()))?;
                Some(Arc::new(Fallback::new(&default, schema)?))
            }
            _ => None,
        };
        let argument = match (&function.argument, function.kind) {
            (Some(argument), Kind::Ema(_) | Kind::Ratio) if *of != DataType::Float64 => {
                let argument = match of {
                    DataType::Duration(_) => argument.clone().cast(DataType::Int64),
                    _ => argument.clone(),
                };
                Some(Bound::new(&argument.cast(DataType::Float64), schema)?)
            }
            _ => bound,
        };
        Ok(Self {
            text: function.to_string().into(),
            function: function.clone(),
            argument,
            fallback,
            to,
        })
    }

    pub(super) fn field(&self) -> Field {
        let of_argument = self.argument.as_ref().is_some_and(Bound::nullable);
        let nullable = match self.function.kind {
            Kind::RowNumber | Kind::CumCount => false,
            Kind::Delta | Kind::Ratio => true,
            Kind::Previous | Kind::Next => {
                of_argument || self.fallback.as_ref().is_none_or(|fallback| fallback.nullable())
            }
            _ => of_argument,
        };
        Field::new(self.function.name(), self.to.clone(), nullable)
    }

    /// What computes it, at the beginning of a part.
    pub(super) fn begin(&self) -> Result<Begun> {
        let (to, text) = (self.to.clone(), Arc::clone(&self.text));
        let of = self.argument.as_ref().map_or(&DataType::Null, Bound::data_type);
        let previous = |fallback| Previous::new(self.function.rows, of.clone(), fallback);
        let running: Option<Box<dyn Running>> = match self.function.kind {
            Kind::Next => {
                return Ok(Begun::Ahead(Next {
                    rows: self.function.rows,
                    data_type: to,
                    fallback: self.fallback.clone(),
                }));
            }
            Kind::Previous => Some(Box::new(previous(self.fallback.clone()))),
            Kind::Delta | Kind::Ratio => Some(Box::new(Change {
                previous: previous(None),
                is_ratio: self.function.kind == Kind::Ratio,
                to,
                text,
            })),
            Kind::CumSum => sum(of, to, text),
            Kind::CumProd => product(of, to, text),
            Kind::CumMin => extreme::<false>(of, text),
            Kind::CumMax => extreme::<true>(of, text),
            Kind::CumCount => Some(Box::<Count>::default()),
            Kind::Ema(decay) => Some(ema(decay)),
            Kind::RowNumber => Some(Box::<RowNumber>::default()),
            Kind::ForwardFill => Some(forward_fill(of)),
        };
        running
            .map(Begun::Running)
            .ok_or_else(|| Error::internal(format!("{}: nothing computes it for {of}", self.text)))
    }

    /// How many later rows must be known.
    pub(super) fn rows_ahead(&self) -> usize {
        if self.function.kind == Kind::Next {
            self.function.rows
        } else {
            0
        }
    }
}

/// A function at work.
pub(super) enum Begun {
    /// One that goes by the rows so far.
    Running(Box<dyn Running>),
    /// One that looks ahead.
    Ahead(Next),
}

fn is_whole(of: &DataType) -> bool {
    of.is_integer()
}

fn is_float(of: &DataType) -> bool {
    matches!(of, DataType::Float32 | DataType::Float64)
}

/// The type of the values, if the function takes the argument.
fn result_type(kind: Kind, of: &DataType) -> Option<DataType> {
    let is_decimal = matches!(of, DataType::Decimal128(..));
    let is_number = is_whole(of) || is_float(of) || is_decimal;
    let widest = match of {
        of if of.is_unsigned_integer() => DataType::UInt64,
        of if of.is_integer() => DataType::Int64,
        DataType::Decimal128(_, scale) => DataType::Decimal128(38, *scale),
        of => of.clone(),
    };
    match kind {
        Kind::Previous | Kind::Next | Kind::ForwardFill => Some(of.clone()),
        Kind::RowNumber | Kind::CumCount => Some(DataType::Int64),
        Kind::Delta => match of {
            DataType::Timestamp(unit, _) | DataType::Duration(unit) => Some(DataType::Duration(*unit)),
            of if of.is_integer() => Some(DataType::Int64),
            _ => is_number.then_some(widest),
        },
        Kind::Ratio => (is_number || matches!(of, DataType::Duration(_))).then_some(DataType::Float64),
        Kind::Ema(_) => is_number.then_some(DataType::Float64),
        Kind::CumSum if matches!(of, DataType::Duration(_)) => Some(widest),
        Kind::CumSum if is_decimal => Some(widest),
        Kind::CumSum | Kind::CumProd if is_float(of) => Some(DataType::Float64),
        Kind::CumSum | Kind::CumProd => is_whole(of).then_some(widest),
        Kind::CumMin | Kind::CumMax => {
            let is_time = matches!(
                of,
                DataType::Timestamp(..)
                    | DataType::Duration(_)
                    | DataType::Date32
                    | DataType::Date64
                    | DataType::Time32(_)
                    | DataType::Time64(_)
            );
            (is_number || is_time).then(|| of.clone())
        }
    }
}

fn not_taken(function: &SeriesFunction, of: &DataType) -> Error {
    let takes = match function.kind {
        Kind::Delta => "numbers, decimals, timestamps and durations",
        Kind::Ratio => "numbers, decimals and durations",
        Kind::CumSum => "numbers, decimals and durations",
        Kind::CumProd => "integers and floats",
        Kind::CumMin | Kind::CumMax => "numbers, decimals and times",
        Kind::Ema(_) => "numbers and decimals",
        _ => "any type",
    };
    let argument = function
        .argument
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    Error::invalid(format!(
        "{function}: {argument} is {of}, and {} takes {takes}: choose another column or cast it",
        function.kind.name()
    ))
}

type Made = Option<Box<dyn Running>>;

/// Folds of whole numbers, of which each type is summed in the widest of its kind.
macro_rules! whole {
    ($of:expr, $to:expr, $text:expr, $PRODUCT:literal, $Float:ident, { $($more:pat => $fold:ty),* }) => {
        match $of {
            DataType::Int8 => Some(Cumulate::<WholeFold<Int8Type, Int64Type, $PRODUCT>>::boxed($to, $text)),
            DataType::Int16 => Some(Cumulate::<WholeFold<Int16Type, Int64Type, $PRODUCT>>::boxed($to, $text)),
            DataType::Int32 => Some(Cumulate::<WholeFold<Int32Type, Int64Type, $PRODUCT>>::boxed($to, $text)),
            DataType::Int64 => Some(Cumulate::<WholeFold<Int64Type, Int64Type, $PRODUCT>>::boxed($to, $text)),
            DataType::UInt8 => Some(Cumulate::<WholeFold<UInt8Type, UInt64Type, $PRODUCT>>::boxed($to, $text)),
            DataType::UInt16 => Some(Cumulate::<WholeFold<UInt16Type, UInt64Type, $PRODUCT>>::boxed($to, $text)),
            DataType::UInt32 => Some(Cumulate::<WholeFold<UInt32Type, UInt64Type, $PRODUCT>>::boxed($to, $text)),
            DataType::UInt64 => Some(Cumulate::<WholeFold<UInt64Type, UInt64Type, $PRODUCT>>::boxed($to, $text)),
            DataType::Float32 => Some(Cumulate::<$Float<Float32Type>>::boxed($to, $text)),
            DataType::Float64 => Some(Cumulate::<$Float<Float64Type>>::boxed($to, $text)),
            $($more => Some(Cumulate::<$fold>::boxed($to, $text)),)*
            _ => None,
        }
    };
}

fn sum(of: &DataType, to: DataType, text: Arc<str>) -> Made {
    type Of<T> = WholeFold<T, T, false>;
    whole!(of, to, text, false, FloatSum, {
        DataType::Decimal128(..) => Of<Decimal128Type>,
        DataType::Duration(TimeUnit::Second) => Of<DurationSecondType>,
        DataType::Duration(TimeUnit::Millisecond) => Of<DurationMillisecondType>,
        DataType::Duration(TimeUnit::Microsecond) => Of<DurationMicrosecondType>,
        DataType::Duration(TimeUnit::Nanosecond) => Of<DurationNanosecondType>
    })
}

fn product(of: &DataType, to: DataType, text: Arc<str>) -> Made {
    whole!(of, to, text, true, FloatProduct, {})
}

fn extreme<const MAX: bool>(of: &DataType, text: Arc<str>) -> Made {
    macro_rules! extreme {
        ($($pattern:pat => $T:ty),* $(,)?) => {
            match of {
                $($pattern => Some(Cumulate::<Extreme<$T, MAX>>::boxed(of.clone(), text)),)*
                _ => None,
            }
        };
    }
    extreme! {
        DataType::Int8 => Int8Type,
        DataType::Int16 => Int16Type,
        DataType::Int32 => Int32Type,
        DataType::Int64 => Int64Type,
        DataType::UInt8 => UInt8Type,
        DataType::UInt16 => UInt16Type,
        DataType::UInt32 => UInt32Type,
        DataType::UInt64 => UInt64Type,
        DataType::Float32 => Float32Type,
        DataType::Float64 => Float64Type,
        DataType::Decimal128(..) => Decimal128Type,
        DataType::Date32 => Date32Type,
        DataType::Date64 => Date64Type,
        DataType::Time32(TimeUnit::Second) => Time32SecondType,
        DataType::Time32(_) => Time32MillisecondType,
        DataType::Time64(TimeUnit::Microsecond) => Time64MicrosecondType,
        DataType::Time64(_) => Time64NanosecondType,
        DataType::Timestamp(TimeUnit::Second, _) => TimestampSecondType,
        DataType::Timestamp(TimeUnit::Millisecond, _) => TimestampMillisecondType,
        DataType::Timestamp(TimeUnit::Microsecond, _) => TimestampMicrosecondType,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => TimestampNanosecondType,
        DataType::Duration(TimeUnit::Second) => DurationSecondType,
        DataType::Duration(TimeUnit::Millisecond) => DurationMillisecondType,
        DataType::Duration(TimeUnit::Microsecond) => DurationMicrosecondType,
        DataType::Duration(TimeUnit::Nanosecond) => DurationNanosecondType,
    }
}
