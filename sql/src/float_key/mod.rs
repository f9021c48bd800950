//! Which floats are one value: both zeros, and every `NaN`, as in the operators of `gapless-query`.
//!
//! DataFusion tells keys apart by their bits, in some of its operators and not in others. So the floats that rows are put together by, or
//! of which only different ones count, are given to it through [`FloatKey`], whatever runs then.

mod function;
mod rule;

pub(crate) use function::{FloatKey, float_keys};
pub(crate) use rule::FloatKeyRule;
