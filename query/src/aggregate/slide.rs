//! Windows that slide, without taking anything out again: nothing is lost to cancellation, and what is not finite leaves with
//! its row.
//!
//! A queue of two stacks over the rows: of the older rows every suffix is known, of the newer ones the whole. A window is the
//! suffix that begins at its start and the newer rows. A row enters at most one suffix and one whole.

use std::ops::Range;

use gapless_engine::Result;

/// How rows are put together.
pub(super) trait Fold {
    /// What is known of some rows.
    type Of: Copy;
    /// What is known of no rows.
    const NONE: Self::Of;
    /// One row more, at either end.
    fn push(&self, rows: Self::Of, row: usize) -> Self::Of;
    /// The rows of both.
    fn join(&self, one: Self::Of, other: Self::Of) -> Self::Of;
}

/// Calls a function with every window and what is known of its rows. Rows of windows must be there.
pub(super) fn slide<F: Fold>(
    fold: &F,
    windows: impl Iterator<Item = (u32, Range<usize>)>,
    mut each: impl FnMut(u32, Range<usize>, F::Of) -> Result<()>,
) -> Result<()> {
    let mut suffixes: Vec<F::Of> = Vec::new();
    let mut older = 0..0;
    let mut newer = F::NONE;
    let mut end = 0;
    for (group, window) in windows {
        if window.start >= older.end || window.start < older.start || window.end < end {
            suffixes.clear();
            let mut suffix = F::NONE;
            for row in window.clone().rev() {
                suffix = fold.push(suffix, row);
                suffixes.push(suffix);
            }
            (older, newer, end) = (window.clone(), F::NONE, window.end);
        }
        while end < window.end {
            newer = fold.push(newer, end);
            end += 1;
        }
        // The longest suffix was found last.
        let known = suffixes.get(older.end.wrapping_sub(window.start).wrapping_sub(1));
        each(
            group,
            window,
            known.map_or(newer, |suffix| fold.join(*suffix, newer)),
        )?;
    }
    Ok(())
}
