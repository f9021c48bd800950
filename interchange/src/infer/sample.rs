//! What the sampled values of one column have in common.

use std::collections::HashSet;

use crate::error::shorten;
use crate::text::column::parse_bool;
use crate::text::number::{parse_f64, parse_i64, parse_u64};
use crate::text::time::Civil;
use crate::type_name::TypeName;

/// More distinct texts than this do not make a symbol column.
const SYMBOLS_MAX: usize = 65_536;
/// Values kept to show, and to try a time format on.
const EXAMPLES: usize = 5;

/// How a sampled value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// A CSV field: it may be anything.
    Field,
    /// A JSON string, or a string of a typed file: never a number.
    Text,
    /// A JSON number, true or false.
    Literal,
}

/// Tallies over the sampled values of one column.
#[derive(Debug, Default)]
pub(crate) struct ColumnSample {
    pub(crate) nulls: u64,
    pub(crate) values: u64,
    bools: u64,
    integers: u64,
    unsigned: u64,
    numbers: u64,
    /// `nan`, `inf`: numbers only among numbers, for they are tickers too.
    special_numbers: u64,
    dates: u64,
    pub(crate) local_times: u64,
    pub(crate) zoned_times: u64,
    distinct: HashSet<Box<[u8]>>,
    pub(crate) examples: Vec<String>,
    /// The first value that is no number, of a column that has numbers.
    not_a_number: Option<String>,
    pub(crate) integer_range: Option<(i64, i64)>,
}

impl ColumnSample {
    pub(crate) fn null(&mut self) {
        self.nulls += 1;
    }

    /// Counts a value.
    pub(crate) fn value(&mut self, text: &[u8], written: Written) {
        self.values += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(String::from_utf8_lossy(text).into_owned());
        }
        if self.distinct.len() <= SYMBOLS_MAX && !self.distinct.contains(text) {
            self.distinct.insert(text.into());
        }
        let text = text.trim_ascii();
        if written != Written::Text && self.number(text) {
            return;
        }
        if self.not_a_number.is_none() {
            self.not_a_number = Some(shorten(&String::from_utf8_lossy(text)));
        }
        if written != Written::Text && parse_bool(text).is_some() {
            self.bools += 1;
        } else if let Ok(civil) = Civil::parse(text) {
            self.dates += u64::from(!civil.has_time);
            self.local_times += u64::from(civil.has_time && civil.offset.is_none());
            self.zoned_times += u64::from(civil.has_time && civil.offset.is_some());
        }
    }

    /// Counts `text` if it is a number.
    fn number(&mut self, text: &[u8]) -> bool {
        if has_leading_zero(text) {
            return false;
        }
        if let Some(value) = parse_i64(text) {
            self.integer(value);
            return true;
        }
        self.unsigned += u64::from(parse_u64(text).is_some());
        match parse_f64(text) {
            Some(value) if is_whole(text) && parse_u64(text).is_none() && value.is_finite() => false,
            Some(_) if !text.iter().any(u8::is_ascii_digit) => {
                self.special_numbers += 1;
                true
            }
            Some(_) => {
                self.numbers += 1;
                true
            }
            None => false,
        }
    }

    /// Counts an integer of a typed file, or of text.
    pub(crate) fn integer(&mut self, value: i64) {
        self.integers += 1;
        self.unsigned += u64::from(value >= 0);
        self.numbers += 1;
        let (least, greatest) = self.integer_range.unwrap_or((value, value));
        self.integer_range = Some((least.min(value), greatest.max(value)));
    }

    /// Adds the tallies of the same column of another file.
    pub(crate) fn absorb(&mut self, other: ColumnSample) {
        self.nulls += other.nulls;
        self.values += other.values;
        self.bools += other.bools;
        self.integers += other.integers;
        self.unsigned += other.unsigned;
        self.numbers += other.numbers;
        self.special_numbers += other.special_numbers;
        self.dates += other.dates;
        self.local_times += other.local_times;
        self.zoned_times += other.zoned_times;
        for text in other.distinct {
            if self.distinct.len() <= SYMBOLS_MAX {
                self.distinct.insert(text);
            }
        }
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
        self.not_a_number = self.not_a_number.take().or(other.not_a_number);
        self.integer_range = match (self.integer_range, other.integer_range) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (range, None) | (None, range) => range,
        };
    }

    /// Whether all values are integers, and there are some.
    pub(crate) fn all_integers(&self) -> bool {
        self.values > 0 && self.integers == self.values
    }

    pub(crate) fn all_numbers(&self) -> bool {
        self.values > 0 && self.numbers > 0 && self.numbers + self.special_numbers == self.values
    }

    /// Whether all values are instants or local times (days alone do not count).
    pub(crate) fn all_times(&self) -> bool {
        let times = self.local_times + self.zoned_times;
        times > 0 && times + self.dates == self.values
    }

    /// The narrowest type that holds all sampled values, and why.
    pub(crate) fn decide(&self) -> (TypeName, String) {
        let rows = self.values + self.nulls;
        if self.values == 0 {
            return (
                TypeName::Utf8,
                format!("there is no value in the {rows} sampled rows"),
            );
        }
        let of = format!("{} sampled values", self.values);
        if self.bools == self.values {
            return (TypeName::Bool, format!("all {of} are true or false"));
        }
        if self.all_integers() {
            return (TypeName::I64, format!("all {of} are integers"));
        }
        if self.unsigned == self.values {
            return (
                TypeName::U64,
                format!("all {of} are integers, some over the range of i64"),
            );
        }
        if self.all_numbers() {
            return (TypeName::F64, format!("all {of} are numbers"));
        }
        if self.dates == self.values {
            return (TypeName::Date, format!("all {of} are dates"));
        }
        if self.all_times() && (self.local_times == 0 || self.zoned_times == 0) {
            return (
                TypeName::Timestamp(arrow_schema::TimeUnit::Nanosecond),
                format!("all {of} are times"),
            );
        }
        self.decide_text()
    }

    /// Symbol or plain text.
    pub(crate) fn decide_text(&self) -> (TypeName, String) {
        let distinct = self.distinct.len();
        let why = match &self.not_a_number {
            Some(text) if self.numbers > 0 => format!("{text:?} is not a number; "),
            _ => String::new(),
        };
        if distinct > SYMBOLS_MAX {
            return (
                TypeName::Utf8,
                format!("{why}text with more than {SYMBOLS_MAX} distinct values"),
            );
        }
        let few = distinct as u64 * 2 <= self.values;
        let name = if few { TypeName::Symbol } else { TypeName::Utf8 };
        (
            name,
            format!(
                "{why}text with {distinct} distinct in {} sampled values",
                self.values
            ),
        )
    }
}

/// `007`: an identifier, not a number.
fn has_leading_zero(text: &[u8]) -> bool {
    let digits = text
        .strip_prefix(b"-")
        .or(text.strip_prefix(b"+"))
        .unwrap_or(text);
    matches!(digits, [b'0', b'0'..=b'9', ..])
}

/// Whether `text` is digits only: too long for an integer, it is an identifier and not a float.
fn is_whole(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(values: &[&str]) -> TypeName {
        let mut sample = ColumnSample::default();
        for value in values {
            sample.value(value.as_bytes(), Written::Field);
        }
        sample.decide().0
    }

    #[test]
    fn a_column_gets_the_narrowest_type_that_holds_the_sample() {
        assert_eq!(decided(&["1", "-2"]), TypeName::I64);
        assert_eq!(decided(&["1", "2.5"]), TypeName::F64);
        assert_eq!(decided(&["1", "NaN"]), TypeName::F64);
        assert_eq!(decided(&["1", "18446744073709551615"]), TypeName::U64);
        assert_eq!(decided(&["true", "False"]), TypeName::Bool);
        assert_eq!(decided(&["2024-01-31"]), TypeName::Date);
        assert_eq!(
            decided(&["2024-01-31 10:00"]),
            TypeName::Timestamp(arrow_schema::TimeUnit::Nanosecond)
        );
    }

    #[test]
    fn what_only_looks_like_a_number_is_text() {
        assert_eq!(decided(&["0A", "1"]), TypeName::Utf8);
        assert_eq!(decided(&["007", "008"]), TypeName::Utf8);
        assert_eq!(decided(&["18446744073709551616", "1"]), TypeName::Utf8);
        assert_eq!(decided(&["NAN", "INF"]), TypeName::Utf8);
        assert_eq!(decided(&["1", "12,5"]), TypeName::Utf8);
    }

    #[test]
    fn repeated_text_is_a_symbol_and_other_text_is_not() {
        assert_eq!(decided(&["AAPL", "AAPL", "MSFT", "MSFT"]), TypeName::Symbol);
        assert_eq!(decided(&["AAPL", "AAPL", "MSFT"]), TypeName::Utf8);
    }
}
