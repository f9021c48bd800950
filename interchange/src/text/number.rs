//! Numbers from text: exact, with the fast path that market data takes nearly always.

/// The integer written as `text`: an optional sign and digits.
#[inline]
pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = signed(text);
    if digits.is_empty() {
        return None;
    }
    // Eighteen digits cannot overflow.
    if digits.len() <= 18 {
        let mut value = 0i64;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(if negative { -value } else { value });
    }
    let magnitude = parse_digits(digits)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// The unsigned integer written as `text`.
pub(crate) fn parse_u64(text: &[u8]) -> Option<u64> {
    let (negative, digits) = signed(text);
    let magnitude = parse_digits(digits)?;
    (!negative || magnitude == 0).then_some(magnitude)
}

fn parse_digits(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            None
        } else {
            value.checked_mul(10)?.checked_add(u64::from(digit))
        }
    })
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    }
}

const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// The number nearest to the decimal `text`, as `str::parse::<f64>` finds it.
///
/// Digits with at most one point whose digits fit 53 bits take the exact short cut: an integer and a power of ten
/// up to 10^22 are both doubles, so their quotient is rounded once.
#[inline]
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, digits) = signed(text);
    let mut mantissa = 0u64;
    let mut fraction = None;
    if digits.len() <= 19 && digits.first().is_some_and(u8::is_ascii_digit) {
        for (at, byte) in digits.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                mantissa = mantissa * 10 + u64::from(digit);
            } else if *byte == b'.' && fraction.is_none() {
                fraction = Some(digits.len() - 1 - at);
            } else {
                return parse_f64_slowly(text);
            }
        }
        if let (true, Some(power)) = (mantissa <= 1 << 53, POWERS_OF_TEN.get(fraction.unwrap_or(0))) {
            let value = mantissa as f64 / power;
            return Some(if negative { -value } else { value });
        }
    }
    parse_f64_slowly(text)
}

#[cold]
fn parse_f64_slowly(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The decimal `text` as an integer count of 10^-scale; `None` when it is no decimal or needs more digits after
/// the point than `scale`.
pub(crate) fn parse_decimal(text: &[u8], scale: u32) -> Option<i128> {
    let (negative, digits) = signed(text);
    let mut value = 0i128;
    let mut after_point: Option<u32> = None;
    let mut any = false;
    for byte in digits {
        match (byte, after_point) {
            (b'.', None) => after_point = Some(0),
            (b'0', Some(count)) if count >= scale => any = true,
            (b'0'..=b'9', Some(count)) if count >= scale => return None,
            (b'0'..=b'9', _) => {
                any = true;
                value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                after_point = after_point.map(|count| count + 1);
            }
            _ => return None,
        }
    }
    let missing = scale.saturating_sub(after_point.unwrap_or(0).min(scale));
    let value = value.checked_mul(10i128.checked_pow(missing)?)?;
    any.then_some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_are_read_to_their_very_limits_and_not_beyond() {
        assert_eq!(parse_i64(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_i64(b"9223372036854775808"), None);
        assert_eq!(parse_i64(b"-9223372036854775809"), None);
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        for text in ["", "-", "+", "1.0", "0x1", "1 ", "١"] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn decimals_keep_every_digit_or_are_refused() {
        assert_eq!(parse_decimal(b"12.5", 4), Some(125_000));
        assert_eq!(parse_decimal(b"-0.0001", 4), Some(-1));
        assert_eq!(parse_decimal(b"1.50000", 1), Some(15));
        assert_eq!(parse_decimal(b"1.55", 1), None);
        assert_eq!(parse_decimal(b".5", 1), Some(5));
        assert_eq!(parse_decimal(b".", 1), None);
        assert_eq!(parse_decimal(b"1e3", 1), None);
    }

    proptest! {
        #[test]
        fn every_float_text_reads_like_the_standard_library(text in "[-+]?[0-9]{0,22}(\\.[0-9]{0,22})?(e-?[0-9]{1,3})?") {
            prop_assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), text.parse::<f64>().ok().map(f64::to_bits));
        }

        #[test]
        fn every_integer_text_reads_like_the_standard_library(text in "[-+]?[0-9]{0,20}") {
            prop_assert_eq!(parse_i64(text.as_bytes()), text.parse::<i64>().ok());
        }

        #[test]
        fn every_float_reads_back_from_its_shortest_text(value in any::<f64>()) {
            let text = format!("{value:?}");
            prop_assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), text.parse::<f64>().ok().map(f64::to_bits));
        }
    }
}
