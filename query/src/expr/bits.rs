//! Bitmaps of what tests say.

use arrow_buffer::{BooleanBuffer, Buffer};
use pulp::{Arch, NullaryFnOnce};

/// A bitmap that grows by chunks; every chunk but the last is a multiple of 64 rows.
pub(super) struct Bits {
    words: Vec<u64>,
    rows: usize,
}

impl Bits {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            words: Vec::with_capacity(rows.div_ceil(64)),
            rows: 0,
        }
    }

    /// What a test says of pairs of values.
    pub(super) fn extend<A: Copy, B: Copy>(&mut self, a: &[A], b: &[B], test: impl Fn(A, B) -> bool) {
        Arch::new().dispatch(Pairs {
            a,
            b,
            test,
            words: &mut self.words,
        });
        self.rows += a.len().min(b.len());
    }

    pub(super) fn finish(self) -> BooleanBuffer {
        BooleanBuffer::new(Buffer::from_vec(self.words), 0, self.rows)
    }
}

/// The loop over the pairs of a chunk.
struct Pairs<'a, A, B, F> {
    a: &'a [A],
    b: &'a [B],
    test: F,
    words: &'a mut Vec<u64>,
}

impl<A: Copy, B: Copy, F: Fn(A, B) -> bool> Pairs<'_, A, B, F> {
    /// The bits of at most 64 pairs, the first lowest.
    #[inline(always)]
    fn word(&self, a: &[A], b: &[B]) -> u64 {
        let bits = a.iter().zip(b).enumerate();
        bits.fold(0, |word, (at, (a, b))| {
            let bit = if (self.test)(*a, *b) { 1 << at } else { 0 };
            word | bit
        })
    }
}

impl<A: Copy, B: Copy, F: Fn(A, B) -> bool> NullaryFnOnce for Pairs<'_, A, B, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let ((a, a_last), (b, b_last)) = (self.a.as_chunks::<64>(), self.b.as_chunks::<64>());
        for (a, b) in a.iter().zip(b) {
            // Of a length that the compiler knows.
            let word = self.word(a, b);
            self.words.push(word);
        }
        if !a_last.is_empty() {
            let word = self.word(a_last, b_last);
            self.words.push(word);
        }
    }
}
