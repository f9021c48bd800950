//! Bitmaps of what tests say, eight rows with one multiplication.

use arrow_buffer::{BooleanBuffer, Buffer};

/// Moves the lowest bits of eight bytes next to each other, into the topmost byte.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// A bitmap that grows by chunks; every chunk but the last is a multiple of 64 rows.
pub(super) struct Bits {
    bytes: Vec<u8>,
    rows: usize,
}

impl Bits {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(rows.div_ceil(8)),
            rows: 0,
        }
    }

    /// What a test says of pairs of values.
    #[inline]
    pub(super) fn extend<A: Copy, B: Copy>(&mut self, a: &[A], b: &[B], test: impl Fn(A, B) -> bool) {
        let ((a, a_last), (b, b_last)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
        for (a, b) in a.iter().zip(b) {
            // A loop of its own, without the gathering, is vectorized.
            let mut flags = [0u8; 64];
            for ((flag, a), b) in flags.iter_mut().zip(a).zip(b) {
                *flag = u8::from(test(*a, *b));
            }
            self.gather(&flags);
        }
        let mut flags = [0u8; 64];
        for ((flag, a), b) in flags.iter_mut().zip(a_last).zip(b_last) {
            *flag = u8::from(test(*a, *b));
        }
        self.gather(&flags[..a_last.len().div_ceil(8) * 8]);
        self.rows += 64 * a.len() + a_last.len();
    }

    fn gather(&mut self, flags: &[u8]) {
        for eight in flags.as_chunks::<8>().0 {
            self.bytes
                .push((u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56).to_le_bytes()[0]);
        }
    }

    pub(super) fn finish(self) -> BooleanBuffer {
        BooleanBuffer::new(Buffer::from_vec(self.bytes), 0, self.rows)
    }
}
