//! How many tests passed, failed and were ignored, read from the lines that Rust's test harness prints.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// Counts of test results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ran and held.
    pub passed: u64,
    /// Ran and did not hold.
    pub failed: u64,
    /// Not run.
    pub ignored: u64,
}

impl Tally {
    /// The counts of `test result: ok. 3 passed; 0 failed; 1 ignored; ...`; `None` for any other line.
    pub fn of_result_line(line: &str) -> Option<Self> {
        let (_verdict, counts) = line.trim_end().strip_prefix("test result: ")?.split_once(". ")?;
        let count = |name: &str| {
            let number = counts.split("; ").find_map(|part| part.strip_suffix(name))?;
            number.parse().ok()
        };
        Some(Self {
            passed: count(" passed")?,
            failed: count(" failed")?,
            ignored: count(" ignored")?,
        })
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_line_gives_its_counts() {
        let line =
            "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 4 filtered out; finished in 0.51s";
        assert_eq!(
            Tally::of_result_line(line),
            Some(Tally {
                passed: 12,
                failed: 0,
                ignored: 3
            })
        );
    }

    #[test]
    fn a_failed_result_line_gives_its_counts() {
        let line = "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\r";
        assert_eq!(
            Tally::of_result_line(line),
            Some(Tally {
                passed: 4,
                failed: 2,
                ignored: 0
            })
        );
    }

    #[test]
    fn other_lines_give_nothing() {
        for line in [
            "",
            "running 3 tests",
            "test tally::tests::other_lines_give_nothing ... ok",
            "test result: ok",
            "test result: ok. many passed; 0 failed; 0 ignored",
            "test result: ok. 1 passed",
            "  | test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            assert_eq!(Tally::of_result_line(line), None, "{line}");
        }
    }

    #[test]
    fn tallies_add_up() {
        let sum: Tally = [Tally {
            passed: 1,
            failed: 2,
            ignored: 3,
        }; 3]
            .into_iter()
            .sum();
        assert_eq!(
            sum,
            Tally {
                passed: 3,
                failed: 6,
                ignored: 9
            }
        );
    }
}
