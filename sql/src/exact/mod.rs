//! Numbers in a statement are those that are written.
//!
//! The planner reads a number with a fraction, or of more than 64 bits, as a double. What a double does not hold is a decimal instead
//! ([`keep_digits`]), and doubles that whole numbers or decimals are compared with are not compared as doubles ([`ExactRule`]).

mod digits;
mod rule;

pub(crate) use digits::{decimal, digits_equal, keep_digits};
pub(crate) use rule::ExactRule;
