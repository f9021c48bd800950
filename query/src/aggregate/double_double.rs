//! Numbers as the unevaluated sum of two `f64`: about 106 bits.
//!
//! Sources: Dekker 1971, Knuth's two-sum, and "Tight and rigorous error bounds for basic building blocks of double-word
//! arithmetic" (Joldes, Muller, Popescu 2017). Nothing here treats infinities: what is not finite gives NaN in `lo`.

/// `hi + lo`, where `hi` is the sum rounded, except inside of loops, which normalise at their end.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Double {
    pub hi: f64,
    pub lo: f64,
}

/// The exact sum.
#[inline(always)]
pub(super) fn two_sum(a: f64, b: f64) -> Double {
    let hi = a + b;
    let b_part = hi - a;
    let lo = (a - (hi - b_part)) + (b - b_part);
    Double { hi, lo }
}

/// The exact sum, where `|a| >= |b|` or `a` is zero.
#[inline(always)]
pub(super) fn fast_two_sum(a: f64, b: f64) -> Double {
    let hi = a + b;
    let lo = b - (hi - a);
    Double { hi, lo }
}

/// The exact product, unless it under- or overflows.
#[inline(always)]
pub(super) fn two_product(a: f64, b: f64) -> Double {
    let hi = a * b;
    let lo = a.mul_add(b, -hi);
    Double { hi, lo }
}

impl Double {
    pub(super) const ZERO: Self = Self { hi: 0.0, lo: 0.0 };

    #[inline(always)]
    pub(super) const fn of(hi: f64) -> Self {
        Self { hi, lo: 0.0 }
    }

    /// A whole number, exactly unless it has more than 106 bits.
    pub(super) fn whole(number: i128) -> Self {
        let hi = number as f64;
        // Rounding up can leave what i128 holds; the cast saturates, and the difference is then of the last bit.
        let rest = number.saturating_sub(hi as i128);
        fast_two_sum(hi, rest as f64)
    }

    #[inline(always)]
    pub(super) fn add(self, other: Self) -> Self {
        let high = two_sum(self.hi, other.hi);
        let low = two_sum(self.lo, other.lo);
        let sum = fast_two_sum(high.hi, high.lo + low.hi);
        fast_two_sum(sum.hi, low.lo + sum.lo)
    }

    /// The sum, not normalised: one addition waits for the one before, where [`Double::add`] has eight of them wait.
    #[inline(always)]
    pub(super) fn gather(self, other: Self) -> Self {
        let sum = two_sum(self.hi, other.hi);
        let lo = (self.lo + other.lo) + sum.lo;
        Self { hi: sum.hi, lo }
    }

    #[inline(always)]
    pub(super) fn negated(self) -> Self {
        Self {
            hi: -self.hi,
            lo: -self.lo,
        }
    }

    #[inline(always)]
    pub(super) fn multiply(self, other: Self) -> Self {
        let product = two_product(self.hi, other.hi);
        let cross = self.hi.mul_add(other.lo, self.lo * other.hi);
        fast_two_sum(product.hi, product.lo + cross)
    }

    /// The product with a power of two, which is exact unless it under- or overflows.
    pub(super) fn scaled(self, power: f64) -> Self {
        Self {
            hi: self.hi * power,
            lo: self.lo * power,
        }
    }

    /// The quotient, rounded.
    #[inline(always)]
    pub(super) fn ratio(self, by: Self) -> f64 {
        let first = self.hi / by.hi;
        if !first.is_finite() || by.hi.is_infinite() {
            return first;
        }
        let rest = self.add(by.multiply(Self::of(-first)));
        let better = first + rest.hi / by.hi;
        if better.is_finite() { better } else { first }
    }

    #[inline(always)]
    pub(super) fn is_finite(self) -> bool {
        self.hi.is_finite() && self.lo.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_products_are_exact() {
        let sum = [1.0, 1e-10, -1e16]
            .into_iter()
            .fold(Double::of(1e16), |sum, value| sum.add(Double::of(value)));
        assert_eq!(sum.hi, 1.000_000_000_1);
        let third = two_product(1.0 / 3.0, 3.0);
        assert_eq!((third.hi, third.lo), (1.0, -2f64.powi(-54)));
        let big = Double::whole(i128::from(i64::MAX) * 3);
        assert_eq!(big.hi as i128 + big.lo as i128, i128::from(i64::MAX) * 3);
        assert_eq!(Double::whole(i128::MAX).hi, 2f64.powi(127));
    }

    #[test]
    fn ratios_are_rounded_once_and_keep_what_is_not_finite() {
        let third = Double::of(1.0).ratio(Double::of(3.0));
        assert_eq!(third, 1.0 / 3.0);
        assert_eq!(Double::of(1.0).ratio(Double::ZERO), f64::INFINITY);
        assert!(Double::ZERO.ratio(Double::ZERO).is_nan());
        assert_eq!(Double::of(1.0).ratio(Double::of(f64::INFINITY)), 0.0);
    }
}
