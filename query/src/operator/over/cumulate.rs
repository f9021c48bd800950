//! Sums, products and extremes of the rows up to each row.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_buffer::bit_iterator::BitIterator;
use arrow_schema::DataType;
use gapless_engine::{Error, Result};

use super::change::DECIMAL_MAX;
use super::running::{Chunk, Running, other_type, valid};

type Native<T> = <T as ArrowPrimitiveType>::Native;

/// A function of all values so far, which goes from value to value.
pub(super) trait Fold: 'static {
    type In: ArrowPrimitiveType;
    type Out: ArrowPrimitiveType;
    /// What is known of the values so far.
    type State: Copy + Send;
    const START: Self::State;

    fn step(state: Self::State, value: Native<Self::In>) -> Self::State;

    fn value(state: Self::State) -> Native<Self::Out>;

    /// False if a value so far did not fit.
    fn fits(_state: Self::State) -> bool {
        true
    }
}

/// A fold of the rows of each series.
pub(super) struct Cumulate<F: Fold> {
    state: F::State,
    to: DataType,
    text: Arc<str>,
}

impl<F: Fold> Cumulate<F> {
    pub(super) fn boxed(to: DataType, text: Arc<str>) -> Box<dyn Running> {
        Box::new(Self {
            state: F::START,
            to,
            text,
        })
    }
}

impl<F: Fold> Running for Cumulate<F> {
    fn take(&mut self, values: &ArrayRef, chunk: &Chunk<'_>) -> Result<ArrayRef> {
        let values = values.as_primitive_opt::<F::In>().ok_or_else(other_type)?;
        let mut results = Vec::with_capacity(values.len());
        for run in chunk.runs {
            let before = if run.goes_on { self.state } else { F::START };
            let of_run = values.values().get(run.rows.clone()).ok_or_else(other_type)?;
            let state = match values.nulls() {
                None => fold::<F>(before, of_run, &mut results),
                Some(nulls) => fold_valid::<F>(before, of_run, valid(nulls, &run.rows), &mut results),
            };
            if !F::fits(state) {
                return Err(self.overflow());
            }
            self.state = state;
        }
        let array = PrimitiveArray::<F::Out>::new(results.into(), values.nulls().cloned());
        Ok(Arc::new(array.with_data_type(self.to.clone())))
    }
}

/// The values after each of some; a function of its own, in which the state stays in registers.
#[inline(never)]
fn fold<F: Fold>(
    mut state: F::State,
    values: &[Native<F::In>],
    results: &mut Vec<Native<F::Out>>,
) -> F::State {
    results.extend(values.iter().map(|value| {
        state = F::step(state, *value);
        F::value(state)
    }));
    state
}

/// As [`fold`], where some are null.
#[inline(never)]
fn fold_valid<F: Fold>(
    mut state: F::State,
    values: &[Native<F::In>],
    valid: BitIterator<'_>,
    results: &mut Vec<Native<F::Out>>,
) -> F::State {
    let start = results.len();
    results.resize(start + values.len(), Native::<F::Out>::default());
    let results = results.iter_mut().skip(start);
    for ((result, value), is_valid) in results.zip(values).zip(valid) {
        if is_valid {
            state = F::step(state, *value);
        }
        *result = F::value(state);
    }
    state
}

impl<F: Fold> Cumulate<F> {
    #[cold]
    fn overflow(&self) -> Error {
        Error::invalid(format!(
            "{}: a value does not fit {}: cast the argument to Float64",
            self.text, self.to
        ))
    }
}

/// Whole numbers, which overflow.
pub(super) trait Whole: Copy + Send + 'static {
    const ZERO: Self;
    const ONE: Self;
    fn sum(self, other: Self) -> (Self, bool);
    fn product(self, other: Self) -> (Self, bool);
}

macro_rules! whole {
    ($($N:ty),*) => {$(
        impl Whole for $N {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            #[inline(always)]
            fn sum(self, other: Self) -> (Self, bool) {
                self.overflowing_add(other)
            }
            #[inline(always)]
            fn product(self, other: Self) -> (Self, bool) {
                self.overflowing_mul(other)
            }
        }
    )*};
}

whole!(i64, u64);

/// The digits of a decimal.
impl Whole for i128 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    #[inline(always)]
    fn sum(self, other: Self) -> (Self, bool) {
        let sum = self.wrapping_add(other);
        (sum, sum.unsigned_abs() > DECIMAL_MAX.unsigned_abs())
    }
    #[inline(always)]
    fn product(self, other: Self) -> (Self, bool) {
        self.overflowing_mul(other)
    }
}

/// A sum, or a product, of whole numbers.
pub(super) struct WholeFold<I, O, const PRODUCT: bool>(PhantomData<(I, O)>);

impl<I, O, const PRODUCT: bool> Fold for WholeFold<I, O, PRODUCT>
where
    I: ArrowPrimitiveType<Native: Into<O::Native>>,
    O: ArrowPrimitiveType<Native: Whole>,
{
    type In = I;
    type Out = O;
    /// The result so far, and whether one so far has overflowed.
    type State = (O::Native, bool);
    const START: Self::State = match PRODUCT {
        true => (O::Native::ONE, false),
        false => (O::Native::ZERO, false),
    };

    #[inline(always)]
    fn step((before, overflowed): Self::State, value: I::Native) -> Self::State {
        let (result, overflow) = match PRODUCT {
            true => before.product(value.into()),
            false => before.sum(value.into()),
        };
        (result, overflowed | overflow)
    }

    #[inline(always)]
    fn value((result, _): Self::State) -> O::Native {
        result
    }

    fn fits((_, overflowed): Self::State) -> bool {
        !overflowed
    }
}

/// A sum of floats, with what each addition has lost.
pub(super) struct FloatSum<I>(PhantomData<I>);

impl<I: ArrowPrimitiveType<Native: Into<f64>>> Fold for FloatSum<I> {
    type In = I;
    type Out = Float64Type;
    type State = (f64, f64);
    const START: Self::State = (0.0, 0.0);

    #[inline(always)]
    fn step((sum, lost): Self::State, value: I::Native) -> Self::State {
        // Knuth's TwoSum: only the first addition waits for the row before.
        let value = value.into();
        let next = sum + value;
        let part = next - sum;
        (next, lost + ((sum - (next - part)) + (value - part)))
    }

    #[inline(always)]
    fn value((sum, lost): Self::State) -> f64 {
        // What an infinity has lost is NaN.
        if sum.is_finite() { sum + lost } else { sum }
    }
}

/// A product of floats.
pub(super) struct FloatProduct<I>(PhantomData<I>);

impl<I: ArrowPrimitiveType<Native: Into<f64>>> Fold for FloatProduct<I> {
    type In = I;
    type Out = Float64Type;
    type State = f64;
    const START: f64 = 1.0;

    #[inline(always)]
    fn step(product: f64, value: I::Native) -> f64 {
        product * value.into()
    }

    #[inline(always)]
    fn value(product: f64) -> f64 {
        product
    }
}

/// Numbers as integers in their order.
pub(super) trait Ranked: Copy {
    type Rank: Ord + Copy + Send;
    /// What every number is at least, and at most; NaN is there too.
    const LEAST: Self::Rank;
    const MOST: Self::Rank;
    /// NaN ranks as least where the greatest is looked for, and as most where the least is.
    fn rank<const MAX: bool>(self) -> Self::Rank;
    fn of(rank: Self::Rank) -> Self;
}

macro_rules! ranked {
    ($($N:ty),*) => {$(
        impl Ranked for $N {
            type Rank = Self;
            const LEAST: Self = <$N>::MIN;
            const MOST: Self = <$N>::MAX;
            #[inline(always)]
            fn rank<const MAX: bool>(self) -> Self {
                self
            }
            #[inline(always)]
            fn of(rank: Self) -> Self {
                rank
            }
        }
    )*};
    ($($F:ty as $I:ty),*) => {$(
        impl Ranked for $F {
            type Rank = $I;
            // Both are NaN when they are made floats again.
            const LEAST: $I = <$I>::MIN;
            const MOST: $I = <$I>::MAX;
            #[inline(always)]
            fn rank<const MAX: bool>(self) -> $I {
                let bits = self.to_bits().cast_signed();
                let rank = bits ^ ((bits >> (<$I>::BITS - 1)) & <$I>::MAX);
                match (self.is_nan(), MAX) {
                    (false, _) => rank,
                    (true, true) => Self::LEAST,
                    (true, false) => Self::MOST,
                }
            }
            #[inline(always)]
            fn of(rank: $I) -> Self {
                Self::from_bits((rank ^ ((rank >> (<$I>::BITS - 1)) & <$I>::MAX)).cast_unsigned())
            }
        }
    )*};
}

ranked!(i8, i16, i32, i64, u8, u16, u32, u64, i128);
ranked!(f32 as i32, f64 as i64);

/// The greatest value so far, or the least.
pub(super) struct Extreme<T, const MAX: bool>(PhantomData<T>);

impl<T: ArrowPrimitiveType<Native: Ranked>, const MAX: bool> Fold for Extreme<T, MAX> {
    type In = T;
    type Out = T;
    type State = <T::Native as Ranked>::Rank;
    const START: Self::State = match MAX {
        true => T::Native::LEAST,
        false => T::Native::MOST,
    };

    #[inline(always)]
    fn step(state: Self::State, value: T::Native) -> Self::State {
        let rank = value.rank::<MAX>();
        if MAX { state.max(rank) } else { state.min(rank) }
    }

    #[inline(always)]
    fn value(state: Self::State) -> T::Native {
        T::Native::of(state)
    }
}
