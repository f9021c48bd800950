//! Which types an aggregate takes, and what computes it.

use arrow_schema::DataType;
use gapless_engine::{Error, Result};

use super::accumulator::Accumulator;
use super::count::Count;
use super::distinct::Distinct;
use super::edge::{Chunks, Edge, Texts, Values};
use super::extreme::Extreme;
use super::moments::{CORR, COV, Moments, STD, VAR};
use super::native::numbers;
use super::rank::Quantile;
use super::sum::FloatSum;
use super::text::TextExtreme;
use super::weighted::Weighted;
use super::whole::WholeSum;
use super::{Aggregate, Function};

fn is_number(of: &DataType) -> bool {
    matches!(of, DataType::Decimal128(..)) || numbers!(of, _N => true, false)
}

/// Whether a mean or a quantile is of the type itself.
const fn is_instant(of: &DataType) -> bool {
    matches!(of, DataType::Timestamp(..) | DataType::Duration(_))
}

const fn is_time(of: &DataType) -> bool {
    matches!(
        of,
        DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_)
    )
}

fn is_text(of: &DataType) -> bool {
    match of {
        DataType::Utf8 | DataType::Binary => true,
        DataType::Dictionary(key, value) => **key == DataType::UInt32 && **value == DataType::Utf8,
        _ => false,
    }
}

fn is_ordered(of: &DataType) -> bool {
    is_number(of) || is_instant(of) || is_time(of) || is_text(of) || *of == DataType::Boolean
}

impl Aggregate {
    /// The type of the result.
    ///
    /// # Errors
    /// `Invalid` for types that the function does not take, or a quantile outside of `0.0..=1.0`.
    pub(crate) fn result_type(&self, argument_types: &[DataType]) -> Result<DataType> {
        use Function as F;
        if let F::Quantile(part) = self.function
            && !(0.0..=1.0).contains(&part)
        {
            return Err(Error::invalid(format!(
                "{self}: there is no quantile {part}: give a part from 0.0 to 1.0"
            )));
        }
        if argument_types.len() != self.arguments.len() {
            return Err(Error::internal(format!(
                "{self} was given {} types for {} arguments",
                argument_types.len(),
                self.arguments.len()
            )));
        }
        for (place, (argument, of)) in self.arguments.iter().zip(argument_types).enumerate() {
            let (takes, what) = self.takes(place);
            if !takes(of) {
                let name = self.function.name();
                return Err(Error::invalid(format!(
                    "{self}: {argument} is {of}, and {name} takes {what}: choose another column or cast it"
                )));
            }
        }
        let of = argument_types.first().unwrap_or(&DataType::Null);
        Ok(match self.function {
            F::Count | F::CountOf | F::NUnique => DataType::Int64,
            F::Sum => sum_type(of),
            F::Min | F::Max | F::First | F::Last => of.clone(),
            F::Mean | F::Median | F::Quantile(_) if is_instant(of) => of.clone(),
            _ => DataType::Float64,
        })
    }

    fn takes(&self, argument: usize) -> (fn(&DataType) -> bool, &'static str) {
        use Function as F;
        match self.function {
            F::Count | F::CountOf | F::First | F::Last => (|_| true, "any type"),
            F::Min | F::Max | F::NUnique => (
                is_ordered,
                "numbers, decimals, times, booleans, text, binary and symbols",
            ),
            F::Sum => (
                |of| is_number(of) || matches!(of, DataType::Duration(_)),
                "numbers, decimals and durations",
            ),
            F::Mean | F::Median | F::Quantile(_) => (
                |of| is_number(of) || is_instant(of),
                "numbers, decimals, timestamps and durations",
            ),
            // Weighted by how long each value held.
            F::Wmean if argument == 1 => (
                |of| is_number(of) || matches!(of, DataType::Duration(_)),
                "numbers, decimals and durations",
            ),
            F::Vwap | F::Wmean | F::Var | F::Std | F::Cov | F::Corr => (is_number, "numbers and decimals"),
        }
    }

    /// What computes it.
    ///
    /// # Errors
    /// As [`Aggregate::result_type`].
    pub(crate) fn accumulator(&self, argument_types: &[DataType]) -> Result<Box<dyn Accumulator>> {
        use Function as F;
        let result = self.result_type(argument_types)?;
        let of = argument_types.first().unwrap_or(&DataType::Null);
        match self.function {
            F::Count | F::CountOf => Ok(Box::<Count>::default()),
            F::Sum => self.sum(of, result, false),
            F::Mean => self.sum(of, result, true),
            F::Min => extreme::<false>(of),
            F::Max => extreme::<true>(of),
            F::First => Ok(edge::<false>(of)),
            F::Last => Ok(edge::<true>(of)),
            F::Vwap | F::Wmean => Ok(Box::<Weighted>::default()),
            F::Var => Ok(Box::<Moments<VAR>>::default()),
            F::Std => Ok(Box::<Moments<STD>>::default()),
            F::Cov => Ok(Box::<Moments<COV>>::default()),
            F::Corr => Ok(Box::<Moments<CORR>>::default()),
            F::Median => Ok(quantile(0.5, of, result)),
            F::Quantile(part) => Ok(quantile(part, of, result)),
            F::NUnique => Ok(Box::<Distinct>::default()),
        }
    }

    fn sum(&self, of: &DataType, result: DataType, mean: bool) -> Result<Box<dyn Accumulator>> {
        macro_rules! whole {
            ($native:ty) => {
                Ok(Box::new(WholeSum::<$native>::new(
                    self.to_string(),
                    mean,
                    of,
                    result,
                )))
            };
        }
        match of {
            DataType::Float32 => Ok(Box::new(FloatSum::<f32>::new(mean))),
            DataType::Float64 => Ok(Box::new(FloatSum::<f64>::new(mean))),
            DataType::Int8 => whole!(i8),
            DataType::Int16 => whole!(i16),
            DataType::Int32 => whole!(i32),
            DataType::UInt8 => whole!(u8),
            DataType::UInt16 => whole!(u16),
            DataType::UInt32 => whole!(u32),
            DataType::UInt64 => whole!(u64),
            DataType::Decimal128(..) => whole!(i128),
            _ => whole!(i64),
        }
    }
}

fn sum_type(of: &DataType) -> DataType {
    match of {
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal128(_, scale) => DataType::Decimal128(38, *scale),
        DataType::Duration(_) => of.clone(),
        of if of.is_unsigned_integer() => DataType::UInt64,
        _ => DataType::Int64,
    }
}

fn extreme<const MAX: bool>(of: &DataType) -> Result<Box<dyn Accumulator>> {
    let made: Box<dyn Accumulator> = match of {
        DataType::Boolean => Box::new(Extreme::<u8, MAX>::new(of.clone())),
        DataType::Decimal128(..) => Box::new(Extreme::<i128, MAX>::new(of.clone())),
        DataType::Date32 | DataType::Time32(_) => Box::new(Extreme::<i32, MAX>::new(of.clone())),
        of if is_text(of) => Box::new(TextExtreme::new(of.clone(), MAX)),
        of => numbers!(
            of,
            N => Box::new(Extreme::<N, MAX>::new(of.clone())),
            Box::new(Extreme::<i64, MAX>::new(of.clone()))
        ),
    };
    Ok(made)
}

fn edge<const LAST: bool>(of: &DataType) -> Box<dyn Accumulator> {
    match of.primitive_width() {
        Some(1) => Box::new(Edge::<Values<u8>, LAST>::new(of.clone())),
        Some(2) => Box::new(Edge::<Values<u16>, LAST>::new(of.clone())),
        Some(4) => Box::new(Edge::<Values<u32>, LAST>::new(of.clone())),
        Some(8) => Box::new(Edge::<Values<u64>, LAST>::new(of.clone())),
        Some(16) if matches!(of, DataType::Decimal128(..)) => {
            Box::new(Edge::<Values<i128>, LAST>::new(of.clone()))
        }
        _ if is_text(of) => Box::new(Edge::<Texts, LAST>::new(of.clone())),
        _ => Box::new(Edge::<Chunks, LAST>::new(of.clone())),
    }
}

fn quantile(part: f64, of: &DataType, result: DataType) -> Box<dyn Accumulator> {
    if is_instant(of) {
        Box::new(Quantile::<i64>::new(part, result))
    } else {
        Box::new(Quantile::<f64>::new(part, result))
    }
}
