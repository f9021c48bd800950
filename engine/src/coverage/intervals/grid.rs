//! The instants that the bars of an interval lie on.

use std::ops::Range;

use crate::error::{Error, Result};

/// A grid: its slots are the instants `origin + k * step`. A range holds the slots `t` with `start <= t < end`.
///
/// `i64::MAX` is no slot of any grid: as an end it means no end, and as a result that there is no slot.
///
/// ```
/// use gapless_engine::coverage::intervals::Grid;
/// let grid = Grid::new(60)?;
/// assert_eq!((grid.floor(-1), grid.ceil(-1)), (-60, 0));
/// assert_eq!(grid.align(&(1..121)), 60..180);
/// assert_eq!(grid.slots(&(1..121)), 2);
/// # Ok::<(), gapless_engine::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    step: i64,
    /// The slot in `[0, step)`, so that equal grids are equal values and no arithmetic overflows.
    origin: i64,
}

impl Grid {
    /// The grid of the multiples of `step` nanoseconds.
    ///
    /// # Errors
    /// `Invalid` if the step is not positive.
    pub fn new(step: i64) -> Result<Self> {
        if step <= 0 {
            return Err(Error::invalid(format!(
                "a grid's step is {step} ns: give a positive number of nanoseconds"
            )));
        }
        Ok(Self { step, origin: 0 })
    }

    /// The same grid shifted so that `origin` is a slot.
    #[must_use]
    pub fn with_origin(self, origin: i64) -> Self {
        Self {
            origin: origin.rem_euclid(self.step),
            ..self
        }
    }

    /// Nanoseconds from slot to slot.
    #[must_use]
    pub fn step(&self) -> i64 {
        self.step
    }

    /// The first slot at or after 0, that is in `[0, step)`.
    #[must_use]
    pub fn origin(&self) -> i64 {
        self.origin
    }

    /// Nanoseconds from the last slot at or before `t` to `t`.
    #[inline]
    fn phase(&self, t: i64) -> i64 {
        // Both are in [0, step).
        let phase = t.rem_euclid(self.step) - self.origin;
        if phase < 0 { phase + self.step } else { phase }
    }

    /// The first slot at or after `t`; `i64::MAX` if there is none.
    #[inline]
    #[must_use]
    pub fn ceil(&self, t: i64) -> i64 {
        match self.phase(t) {
            0 => t,
            phase => t.saturating_add(self.step - phase),
        }
    }

    /// The last slot at or before `t`; `i64::MIN` if there is none.
    #[inline]
    #[must_use]
    pub fn floor(&self, t: i64) -> i64 {
        let t = t.min(i64::MAX - 1);
        t.saturating_sub(self.phase(t))
    }

    /// Whether `t` is a slot.
    #[inline]
    #[must_use]
    pub fn is_on(&self, t: i64) -> bool {
        t != i64::MAX && self.phase(t) == 0
    }

    /// Number of slots in the range.
    #[must_use]
    pub fn slots(&self, range: &Range<i64>) -> u64 {
        let first = self.ceil(range.start);
        if first >= range.end {
            return 0;
        }
        (range.end - 1).abs_diff(first) / self.step.unsigned_abs() + 1
    }

    /// The range from its first slot to the first slot after it: both ends go up. It holds the same slots; empty if
    /// there are none.
    #[inline]
    #[must_use]
    pub fn align(&self, range: &Range<i64>) -> Range<i64> {
        self.ceil(range.start)..self.ceil(range.end)
    }
}
