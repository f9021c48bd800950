//! Expressions over the columns of a batch.
//!
//! | module | owns |
//! | --- | --- |
//! | `tree` | what users write: [`Expr`] and the methods that build it |
//! | `display` | its text, which is also the default name of a computed column |
//! | `push` | which part of a condition a scan checks itself |
//! | `bound` | an expression resolved against a schema: types are checked here, before any row is read |
//! | `node` | how a bound expression is evaluated; literals stay scalars |
//! | `symbol` | parts that read one symbol column: computed once for each symbol, not for each row |
//! | `feed` | columns of any width as chunks of one native type, so that kernels are one loop for each operator |
//! | `bits` | bitmaps of what comparisons say |
//! | `arithmetic`, `compare`, `choose`, `set`, `text`, `math`, `time`, `types` | what the operators mean for which types |
//!
//! Meaning: logic has three values as in SQL. Comparisons mean what the engine's conditions mean: `NaN` equals itself and is greater
//! than every other number, both zeros are equal, integers compare with floats exactly, symbols compare as text.
//!
//! - Integers compute in `Int64`, two unsigned ones in `UInt64`; what does not fit is an error, never wrapped.
//! - Two `Float32` give a `Float32`, any other number with a float gives a `Float64`. A float literal is a `Float64`.
//! - `/` gives a `Float64` as IEEE 754 has it, so `x / 0` is infinite or `NaN`; integers `% 0` are null.
//! - Timestamps differ by durations; text compared with a time must be ISO text with a zone.
//! - A part that can fail is computed only for rows where its value is asked for: an arm of `if` for its rows, a condition after `and`
//!   where the earlier ones are not false.

mod arithmetic;
mod bits;
mod bound;
mod choose;
mod compare;
mod display;
mod feed;
mod math;
mod node;
mod push;
mod set;
mod symbol;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod tree;
mod types;

pub(crate) use bound::Bound;
pub use tree::{Expr, Function, IntoExpr, Operator, TimePart, Value, col, duration, lit, null, timestamp};
