//! The rows of a call that count, those without a null, moved together: no loop over values knows of nulls.

use std::borrow::Cow;
use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;

use super::accumulator::Span;

const WORD: usize = u64::BITS as usize;

/// Which rows of a batch have a value in each argument.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// `None` where all have.
    some: Option<Valid>,
}

#[derive(Debug)]
struct Valid {
    /// A bit per row, and a word without any after the last.
    words: Vec<u64>,
    /// How many rows count before each word.
    before: Vec<u32>,
    total: usize,
}

impl Rows {
    /// The rows that have a value in each of the arrays.
    pub(super) fn of(inputs: &[ArrayRef]) -> Self {
        let nulls = inputs.iter().fold(None, |nulls, array| {
            let own = array.logical_nulls().filter(|own| own.null_count() > 0);
            NullBuffer::union(nulls.as_ref(), own.as_ref())
        });
        Self {
            some: nulls.map(|nulls| Valid::of(&nulls)),
        }
    }

    /// Where the rows of a span are after [`Rows::together`]. Beyond the rows for a span that is beyond them.
    #[inline(always)]
    pub(super) fn range(&self, span: Span) -> Range<usize> {
        match &self.some {
            None => span.rows(),
            Some(some) => some.rank(span.start)..some.rank(span.end),
        }
    }

    /// The values of the rows that count, without holes between them.
    pub(super) fn together<T: Copy>(&self, values: &[T], into: impl FnMut(T)) {
        match &self.some {
            None => values.iter().copied().for_each(into),
            Some(some) => some.each(values, into),
        }
    }

    /// As [`Rows::together`], what a function makes of each: a loop that the compiler makes vectors of where all rows count.
    pub(super) fn converted<T: Copy, U>(&self, values: &[T], one: impl Fn(T) -> U) -> Vec<U> {
        match &self.some {
            None => values.iter().map(|value| one(*value)).collect(),
            Some(some) => {
                let mut converted = Vec::with_capacity(some.total);
                some.each(values, |value| converted.push(one(value)));
                converted
            }
        }
    }

    /// As [`Rows::together`], as a slice; the values themselves where all rows count.
    pub(super) fn dense<'a, T: Copy>(&self, values: &'a [T]) -> Cow<'a, [T]> {
        let Some(some) = &self.some else {
            return Cow::Borrowed(values);
        };
        let mut dense = Vec::with_capacity(some.total);
        some.copy(values, &mut dense);
        Cow::Owned(dense)
    }
}

impl Valid {
    fn of(nulls: &NullBuffer) -> Self {
        let mut words: Vec<u64> = nulls.inner().bit_chunks().iter_padded().collect();
        words.resize(nulls.len() / WORD + 1, 0);
        let mut total = 0u32;
        let before = words.iter().map(|word| {
            let before = total;
            total += word.count_ones();
            before
        });
        Self {
            before: before.collect(),
            words,
            total: total as usize,
        }
    }

    /// How many rows before this one count.
    #[inline(always)]
    fn rank(&self, row: u32) -> usize {
        let at = row as usize / WORD;
        match (self.words.get(at), self.before.get(at)) {
            (Some(word), Some(before)) => {
                let below = word & ((1u64 << (row as usize % WORD)) - 1);
                (before + below.count_ones()) as usize
            }
            _ => usize::MAX,
        }
    }

    fn copy<T: Copy>(&self, values: &[T], into: &mut Vec<T>) {
        for (word, values) in self.words.iter().zip(values.chunks(WORD)) {
            if word.count_ones() as usize == values.len() {
                into.extend_from_slice(values);
            } else {
                bits(*word, values, |value| into.push(value));
            }
        }
    }

    fn each<T: Copy>(&self, values: &[T], mut into: impl FnMut(T)) {
        for (word, values) in self.words.iter().zip(values.chunks(WORD)) {
            bits(*word, values, &mut into);
        }
    }
}

fn bits<T: Copy>(mut word: u64, values: &[T], mut into: impl FnMut(T)) {
    while word != 0 {
        if let Some(value) = values.get(word.trailing_zeros() as usize) {
            into(*value);
        }
        word &= word - 1;
    }
}
