//! The slots of a range: buckets of time, numbered, and which of them have rows.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, StringArray, TimestampNanosecondArray, UInt32Array};
use arrow_cast::cast;
use arrow_schema::DataType;
use gapless_engine::scan::Scan;
use gapless_engine::{Error, Result};

use super::Input;
use crate::bucket::{Bucket, Every};
use crate::error::arrow_error;

/// Times that are looked at together.
const BLOCK: usize = 256;

/// The slots of which any part lies in a range, numbered from the first.
#[derive(Debug, Clone)]
pub(crate) enum Slots {
    /// All of one length, nanoseconds.
    Fixed { start: i64, every: i64, count: u64 },
    /// Where each begins, and where the last ends.
    Listed(Arc<[i64]>),
}

impl Slots {
    /// The slots of `start..end`.
    pub(crate) fn new(bucket: &Bucket, start: i64, end: i64) -> Result<Self> {
        if start == i64::MIN || end == i64::MAX {
            return Err(Error::invalid(
                "slots need a range with a start and an end: give both, nanoseconds since the epoch",
            ));
        }
        if start >= end {
            return Ok(Self::Listed(Arc::new([])));
        }
        let (first, last) = (bucket.range(start), bucket.range(end - 1));
        let Every::Ns(every) = bucket.every() else {
            return Ok(Self::listed(bucket, first, end));
        };
        let is_whole = |slot: &Range<i64>| slot.end.checked_sub(slot.start) == Some(every);
        if !is_whole(&first) || !is_whole(&last) {
            return Err(Error::invalid(format!(
                "the slots of the range {start} to {end} reach beyond what times can be: give a narrower range"
            )));
        }
        let length = last.end.wrapping_sub(first.start).unsigned_abs();
        Ok(Self::Fixed {
            start: first.start,
            every,
            count: length / every.unsigned_abs(),
        })
    }

    fn listed(bucket: &Bucket, first: Range<i64>, end: i64) -> Self {
        let mut bounds = vec![first.start, first.end];
        let mut last = first.end;
        while last < end {
            let next = bucket.range(last).end;
            if next <= last {
                break;
            }
            bounds.push(next);
            last = next;
        }
        Self::Listed(bounds.into())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Fixed { count, .. } => *count,
            Self::Listed(bounds) => bounds.len().saturating_sub(1) as u64,
        }
    }

    /// From where the first begins to where the last ends.
    pub(crate) fn range(&self) -> Range<i64> {
        match self.count() {
            0 => 0..0,
            count => self.start(0)..self.start(count),
        }
    }

    /// Where a slot begins; that after the last begins where the last ends.
    pub(crate) fn start(&self, slot: u64) -> i64 {
        match self {
            // What is in the range fits, whatever is carried on the way.
            Self::Fixed { start, every, .. } => start.wrapping_add((slot as i64).wrapping_mul(*every)),
            Self::Listed(bounds) => {
                let at = usize::try_from(slot).unwrap_or(usize::MAX);
                bounds.get(at).or(bounds.last()).copied().unwrap_or_default()
            }
        }
    }

    /// The slot that a time of the range is in.
    pub(crate) fn of(&self, time: i64) -> u64 {
        match self {
            Self::Fixed { start, every, .. } => {
                (time.wrapping_sub(*start) as u64) / every.unsigned_abs().max(1)
            }
            Self::Listed(bounds) => bounds.partition_point(|bound| *bound <= time).saturating_sub(1) as u64,
        }
    }

    /// Adds the slots that some ascending times of the range are in, as ranges of slots.
    pub(crate) fn add_present(&self, times: &[i64], present: &mut Vec<Range<u64>>) {
        let mut rest = times;
        while let Some(first) = rest.first() {
            let slot = self.of(*first);
            let rows = match self {
                Self::Fixed { every, .. } => close(rest, *every),
                Self::Listed(_) => before(rest, self.start(slot + 1)).max(1),
            };
            let last = rest.get(rows - 1).map_or(slot, |last| self.of(*last));
            push(present, slot..last + 1);
            rest = rest.get(rows..).unwrap_or_default();
        }
    }

    /// The longest ranges of slots that are not present. What is present may be in any order, and overlap.
    pub(crate) fn missing(&self, mut present: Vec<Range<u64>>) -> Vec<Range<u64>> {
        if !present.is_sorted_by_key(|range| range.start) {
            present.sort_unstable_by_key(|range| range.start);
        }
        let (mut missing, mut from) = (Vec::new(), 0);
        for range in present {
            if range.start > from {
                missing.push(from..range.start);
            }
            from = from.max(range.end);
        }
        if from < self.count() {
            missing.push(from..self.count());
        }
        missing
    }
}

/// Adds a range of slots, to the last one where it touches that.
fn push(present: &mut Vec<Range<u64>>, range: Range<u64>) {
    match present.last_mut() {
        Some(last) if last.start <= range.start && range.start <= last.end => {
            last.end = last.end.max(range.end)
        }
        _ => present.push(range),
    }
}

/// How many times from the first on follow each other by no more than a slot, so that no slot is left out between them; at least
/// one.
fn close(times: &[i64], every: i64) -> usize {
    let is_far = |a: &i64, b: &i64| {
        let step = b.wrapping_sub(*a);
        step | every.wrapping_sub(step)
    };
    let mut rows = 1;
    // A block is compared as a whole, which the compiler makes wide; only the last one is looked at row by row.
    while let (Some(block), Some(next)) = (
        times.get(rows - 1..rows - 1 + BLOCK),
        times.get(rows..rows + BLOCK),
    ) {
        let far = block.iter().zip(next).fold(0, |far, (a, b)| far | is_far(a, b));
        if far < 0 {
            break;
        }
        rows += BLOCK;
    }
    let rest = times.get(rows - 1..).unwrap_or_default();
    let near = |pair: &&[i64]| matches!(pair, [a, b] if is_far(a, b) >= 0);
    rows + rest.windows(2).take_while(near).count()
}

/// How many of some ascending times are less than `end`: found by steps that double and then halve.
fn before(times: &[i64], end: i64) -> usize {
    let (mut inside, mut step) = (0, 1);
    while times.get(inside + step - 1).is_some_and(|time| *time < end) {
        inside += step;
        step *= 2;
    }
    let rest = times
        .get(inside..(inside + step).min(times.len()))
        .unwrap_or_default();
    inside + rest.partition_point(|time| *time < end)
}

/// The scan that rows come from, through steps that keep their series.
pub(crate) fn scan_under(input: &Input) -> Option<&Scan> {
    match input.as_scan() {
        Some(scan) => Some(scan),
        None => scan_under(input.inputs().into_iter().next()?),
    }
}

/// The series that an answer is about whether they have rows or not, in order: those asked for, or the one of rows without series.
pub(crate) fn asked_series(input: &Input) -> Option<StringArray> {
    if input.shape().series.is_none() {
        return Some(StringArray::new_null(1));
    }
    let mut names: Vec<&str> = scan_under(input)?
        .series_asked()?
        .iter()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names.dedup();
    Some(StringArray::from(names))
}

/// The names of rows' series as a column. `names` are those of a part, the first of which has the number `first`.
pub(crate) fn series_array(
    series: impl Iterator<Item = u32>,
    first: u32,
    names: &StringArray,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let key = |series: u32| {
        let key = series - first;
        (!names.is_null(key as usize)).then_some(key)
    };
    let keys: UInt32Array = series.map(key).collect();
    let array = DictionaryArray::<UInt32Type>::try_new(keys, Arc::new(names.clone()))
        .map_err(|error| Error::internal(format!("a series has no name: {error}")))?;
    match array.data_type() == data_type {
        true => Ok(Arc::new(array)),
        false => cast(&array, data_type).map_err(|error| arrow_error("names of series", &error)),
    }
}

/// Times as a column of a type.
pub(crate) fn time_array(times: TimestampNanosecondArray, data_type: &DataType) -> Result<ArrayRef> {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => cast(&times.with_timezone(Arc::clone(zone)), data_type),
        _ => cast(&times, data_type),
    }
    .map_err(|error| arrow_error("times", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    fn minutes(count: i64) -> Slots {
        let bucket = Bucket::new("1m").expect("a bucket");
        Slots::new(&bucket, 0, count * MINUTE).expect("slots")
    }

    #[test]
    fn slots_of_any_part_of_the_range_count() {
        let bucket = Bucket::new("1m").expect("a bucket");
        let slots = Slots::new(&bucket, 1, MINUTE + 1).expect("slots");
        assert_eq!((slots.count(), slots.range()), (2, 0..2 * MINUTE));
        assert_eq!(Slots::new(&bucket, 5, 5).expect("none").count(), 0);
        assert!(Slots::new(&bucket, i64::MIN, 0).is_err());
        assert!(Slots::new(&bucket, 0, i64::MAX).is_err());
        assert!(Slots::new(&bucket, i64::MIN + 1, 0).is_err());
        let days = Bucket::new("1d")
            .and_then(|days| days.zone("Europe/Berlin"))
            .expect("a bucket");
        // The night in which the clocks go forward.
        let start: jiff::Timestamp = "2026-03-28T12:00:00Z".parse().expect("a time");
        let start = start.as_nanosecond() as i64;
        let slots = Slots::new(&days, start, start + 48 * 60 * MINUTE).expect("slots");
        let hours: Vec<i64> = (0..slots.count())
            .map(|slot| (slots.start(slot + 1) - slots.start(slot)) / (60 * MINUTE))
            .collect();
        assert_eq!(hours, [24, 23, 24]);
    }

    #[test]
    fn the_slots_of_times_are_found_at_any_distance() {
        let mut seed = 1u64;
        for every_case in 0..200 {
            let mut times = Vec::new();
            let mut time = 0i64;
            for _ in 0..1000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let far = seed >> 60 == 0 && every_case % 2 == 0;
                time += match far {
                    true => (seed >> 33) as i64 % (5 * MINUTE),
                    false => MINUTE - (every_case % 3) * 7,
                };
                times.push(time);
            }
            let slots = minutes(3000);
            let mut present = Vec::new();
            for part in times.chunks(300) {
                slots.add_present(part, &mut present);
            }
            let found: Vec<u64> = present.iter().cloned().flatten().collect();
            let mut wanted: Vec<u64> = times.iter().map(|time| (time / MINUTE) as u64).collect();
            wanted.dedup();
            assert_eq!(found, wanted);
            let missing: Vec<u64> = slots.missing(present).into_iter().flatten().collect();
            assert_eq!(
                missing,
                (0..3000)
                    .filter(|slot| !wanted.contains(slot))
                    .collect::<Vec<_>>()
            );
        }
    }
}
