//! Values that are given as text, or as digits that a float may not hold.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;
use datafusion::common::Result;

use crate::exact::digits_equal;

/// Digits of a second that a time has.
const SECOND_DIGITS: usize = 9;

/// The first text whose number is another one as a float: none any more, or another whole number. A fraction is the nearest there is.
pub(super) fn first_other_float(given: &ArrayRef, stored: &ArrayRef) -> Result<Option<usize>> {
    let texts = cast_with_options(given, &DataType::Utf8, &CastOptions::default())?;
    let floats = cast_with_options(stored, &DataType::Float64, &CastOptions::default())?;
    let (texts, floats) = (texts.as_string::<i32>(), floats.as_primitive::<Float64Type>());
    let mut rows = texts.iter().zip(floats);
    Ok(rows.position(|row| match row {
        (Some(text), Some(float)) => is_other_float(text, float),
        _ => false,
    }))
}

fn is_other_float(text: &str, float: f64) -> bool {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let has_digits = text.bytes().any(|byte| byte.is_ascii_digit());
    if has_digits && float.is_infinite() {
        return true;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = has_digits && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_whole && !digits_equal(text, &format!("{float:.0}"))
}

/// The first text of a time with more digits of a second than any time has.
pub(super) fn first_finer(given: &ArrayRef) -> Result<Option<usize>> {
    let texts = cast_with_options(given, &DataType::Utf8, &CastOptions::default())?;
    let mut texts = texts.as_string::<i32>().iter();
    Ok(texts.position(|text| text.is_some_and(is_finer)))
}

fn is_finer(text: &str) -> bool {
    let Some((_, fraction)) = text.split_once('.') else {
        return false;
    };
    let mut digits = fraction
        .bytes()
        .take_while(u8::is_ascii_digit)
        .skip(SECOND_DIGITS);
    digits.any(|digit| digit != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_kept_and_fractions_are_the_nearest() {
        for (text, float, is_other) in [
            ("9007199254740993", 9_007_199_254_740_992.0, true),
            ("9007199254740992", 9_007_199_254_740_992.0, false),
            ("+16777217", 16_777_216.0, true),
            ("-007", -7.0, false),
            ("-0", -0.0, false),
            ("0.1", 0.1, false),
            ("1e23", 1e23, false),
            ("1e400", f64::INFINITY, true),
            ("-1e400", f64::NEG_INFINITY, true),
            ("inf", f64::INFINITY, false),
            ("NaN", f64::NAN, false),
            ("100000000000000000000000", 1e23, true),
            (" 5 ", 5.0, false),
        ] {
            assert_eq!(is_other_float(text, float), is_other, "{text:?}");
        }
    }

    #[test]
    fn digits_behind_the_ninth_are_finer_than_a_nanosecond() {
        for (text, finer) in [
            ("2026-11-20T09:30:00.1234567891Z", true),
            ("2026-11-20T09:30:00.1234567890Z", false),
            ("09:30:00.123456789", false),
            ("09:30:00", false),
            ("2026-11-20T09:30:00.5+01:00", false),
        ] {
            assert_eq!(is_finer(text), finer, "{text:?}");
        }
    }
}
