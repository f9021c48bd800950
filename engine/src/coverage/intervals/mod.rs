//! Sets of time ranges, and the grid that bars lie on.
//!
//! | file | owns |
//! | --- | --- |
//! | `set` | [`Intervals`]: union, intersection and difference of sets of ranges |
//! | `grid` | [`Grid`]: the instants of bars, and ranges whose ends lie on them |
//! | `subtract` | [`subtract_into`]: the inner loop of all differences, of gaps too |
//!
//! - A range is half-open, `[start, end)`, in nanoseconds. A range that ends at or before its start holds nothing.
//! - `i64::MAX` as an end means no end.
//!
//! These modules are pure: they know no series, no states and no calendars.

mod grid;
mod set;
mod subtract;
#[cfg(test)]
mod tests;

pub use grid::Grid;
pub use set::Intervals;
pub use subtract::subtract_into;
