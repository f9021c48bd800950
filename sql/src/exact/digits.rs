//! The digits of numbers.

use std::ops::ControlFlow;

use datafusion::common::ScalarValue;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, Value, VisitorMut};
use gapless_engine::{Error, Result};

use crate::session::statement::visit_all;

/// Digits of a decimal.
const DIGITS_MAX: usize = 38;

/// A number: its digits without zeros at both ends, and the power of ten that they are multiplied by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digits {
    is_negative: bool,
    digits: String,
    power: i64,
}

impl Digits {
    /// Of a number as it is written; `None` for what is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let power = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let kept = digits.trim_end_matches('0');
        let power = power.checked_add(i64::try_from(digits.len() - kept.len()).ok()?)?;
        let kept = kept.trim_start_matches('0');
        Some(Self {
            is_negative,
            digits: kept.to_owned(),
            power: if kept.is_empty() { 0 } else { power },
        })
    }

    /// The digits of a decimal without its point, how many there are, and how many of them are behind the point.
    pub(super) fn decimal(&self) -> Option<(i128, u8, i8)> {
        let zeros = usize::try_from(self.power.max(0)).ok()?;
        let scale = usize::try_from((-self.power).max(0)).ok()?;
        let precision = (self.digits.len().checked_add(zeros)?).max(scale).max(1);
        if precision > DIGITS_MAX {
            return None;
        }
        let unscaled: i128 = format!("0{}{}", self.digits, "0".repeat(zeros)).parse().ok()?;
        let unscaled = if self.is_negative { -unscaled } else { unscaled };
        Some((unscaled, u8::try_from(precision).ok()?, i8::try_from(scale).ok()?))
    }

    /// The double next to it.
    pub(super) fn double(&self) -> Option<f64> {
        let sign = if self.is_negative { "-" } else { "" };
        format!("{sign}0{}e{}", self.digits, self.power).parse().ok()
    }

    const fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The number with the other sign.
    pub(super) fn negated(self) -> Self {
        Self {
            is_negative: !self.is_negative,
            ..self
        }
    }

    /// Whether there is nothing behind the point.
    pub(super) const fn is_whole(&self) -> bool {
        self.power >= 0
    }

    /// Of a number with a fraction, the one in the middle between the whole numbers around it, times ten.
    pub(super) fn middle(&self) -> Option<i128> {
        let behind = usize::try_from(self.power.checked_neg()?).ok()?;
        let whole = self.digits.len().saturating_sub(behind);
        let whole: i128 = format!("0{}", self.digits.get(..whole)?).parse().ok()?;
        let middle = whole.checked_mul(10)?.checked_add(5)?;
        Some(if self.is_negative { -middle } else { middle })
    }

    /// Whether a double is this number, as it is shown.
    fn is_shown_by(&self, number: f64) -> bool {
        Self::parse(&number.to_string())
            .is_some_and(|shown| shown.digits == self.digits && shown.power == self.power)
    }
}

/// Whether two texts are one number.
pub(crate) fn digits_equal(one: &str, other: &str) -> bool {
    match (Digits::parse(one), Digits::parse(other)) {
        (Some(one), Some(other)) => one == other || (one.is_zero() && other.is_zero()),
        _ => false,
    }
}

/// A finite double as the decimal that it is shown as, if that has few enough digits.
pub(crate) fn decimal(number: f64) -> Option<ScalarValue> {
    let (unscaled, precision, scale) = Digits::parse(&number.to_string())?.decimal()?;
    Some(ScalarValue::Decimal128(Some(unscaled), precision, scale))
}

/// Makes decimals of the numbers of a statement that doubles do not hold.
///
/// # Errors
/// `Invalid` for one that has more digits than a decimal.
pub(crate) fn keep_digits(statement: &mut Statement) -> Result<()> {
    let mut keep = Keep(Ok(()));
    visit_all(statement, &mut keep);
    keep.0
}

struct Keep(Result<()>);

impl VisitorMut for Keep {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let text = match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(text, _) => text,
                _ => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        match exact(text) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(decimal)) => {
                *expr = decimal;
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.0 = Err(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// A number as the decimal that it is, if no double is shown as it is written.
fn exact(text: &str) -> Result<Option<Expr>> {
    if text.parse::<u64>().is_ok() {
        return Ok(None);
    }
    let (Some(digits), Ok(double)) = (Digits::parse(text), text.parse::<f64>()) else {
        return Ok(None);
    };
    if double.is_finite() && digits.is_shown_by(double) {
        return Ok(None);
    }
    let Some((unscaled, precision, scale)) = digits.decimal() else {
        return Err(Error::invalid(format!(
            "{text} is a number that neither a double nor a decimal of {DIGITS_MAX} digits is: write fewer digits"
        )));
    };
    let plain = plain(unscaled, scale.unsigned_abs().into());
    Ok(Some(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::value(Value::SingleQuotedString(plain))),
        data_type: DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision.into(), scale.into())),
        array: false,
        format: None,
    }))
}

/// Digits with a point, without an exponent.
fn plain(unscaled: i128, scale: usize) -> String {
    let digits = format!("{unscaled:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    match fraction {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Option<String> {
        exact(text)
            .expect("a number that there is")
            .map(|expr| expr.to_string())
    }

    #[test]
    fn numbers_that_doubles_hold_stay_as_they_are() {
        for text in [
            "0",
            "0.0",
            "0e5",
            "1.50",
            "0.1",
            "9007199254740992.0",
            "18446744073709551615",
            "1e25",
            "1.7976931348623157e308",
            "5e-324",
            "0.30000000000000004",
            "00012.5",
            ".5",
            "5.",
        ] {
            assert_eq!(written(text), None, "{text}");
        }
    }

    #[test]
    fn others_are_decimals() {
        for (text, decimal) in [
            ("9007199254740993.0", "CAST('9007199254740993' AS DECIMAL(16,0))"),
            (
                "18446744073709551617",
                "CAST('18446744073709551617' AS DECIMAL(20,0))",
            ),
            (
                "12345678901234567.89",
                "CAST('12345678901234567.89' AS DECIMAL(19,2))",
            ),
            (
                "0.10000000000000000001",
                "CAST('0.10000000000000000001' AS DECIMAL(20,20))",
            ),
            (
                "12345678901234567891e-25",
                "CAST('0.0000012345678901234567891' AS DECIMAL(25,25))",
            ),
        ] {
            assert_eq!(written(text).as_deref(), Some(decimal), "{text}");
        }
        for text in ["1e400", "1e-400", "0.123456789012345678901234567890123456789"] {
            assert!(exact(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_middle_is_between_the_same_whole_numbers() {
        let middle = |text| Digits::parse(text).and_then(|digits| digits.middle());
        assert_eq!(middle("12.0001"), Some(125));
        assert_eq!(middle("-12.9"), Some(-125));
        assert_eq!(middle("0.001"), Some(5));
        assert_eq!(middle("-0.9"), Some(-5));
    }
}
