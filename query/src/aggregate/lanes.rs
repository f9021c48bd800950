//! Loops over values in independent lanes, which the compiler turns into vector instructions.
//!
//! Everything here is `inline(always)`: it takes the instruction set of the function that [`pulp::Arch::dispatch`] calls, one
//! per kind of processor. A dispatch is done once per call with all spans, not per span.

/// Lanes of long slices: enough that no comparison waits for the one before it.
const LONG: usize = 32;
/// Lanes of short ones.
const SHORT: usize = 8;

/// The best of values, `start` where there are none or none is better than it. `better(x, y)` is `x` where that is better than
/// `y`, and `y` otherwise; it may see a value twice.
#[inline(always)]
pub(super) fn best<T: Copy>(values: &[T], start: T, better: impl Fn(T, T) -> T + Copy) -> T {
    if values.len() < SHORT {
        return values.iter().fold(start, |best, value| better(*value, best));
    }
    if values.len() < LONG {
        return best_in::<T, SHORT>(values, start, better);
    }
    best_in::<T, LONG>(values, start, better)
}

#[inline(always)]
fn best_in<T: Copy, const N: usize>(values: &[T], start: T, better: impl Fn(T, T) -> T + Copy) -> T {
    let mut lanes = [start; N];
    let last = values.last_chunk::<N>();
    for chunk in values.as_chunks::<N>().0.iter().chain(last) {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = better(*value, *lane);
        }
    }
    let mut width = N / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = better(lanes[lane + width], lanes[lane]);
        }
        width /= 2;
    }
    lanes[0]
}
