//! What a command says on standard error: lines that are for us, wherever they stand, and the end of all of it, for messages.

use super::process::Sink;
use crate::error::CliError;
use crate::options::instant;

/// How a line begins that is for us.
const MARK: &str = "gapless:";
/// Bytes of a line that are looked at. No line that is for us is longer.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Bytes at the end that are kept.
const TAIL_BYTES: usize = 16 << 10;

/// How far a command speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) through: Option<i64>,
    pub(super) is_partial: bool,
}

/// Standard error, while it comes.
#[derive(Debug, Default)]
pub(super) struct Marks {
    reach: Reach,
    /// The first line that is for us and not understood.
    error: Option<CliError>,
    /// The line that is not over yet, or its beginning.
    line: Vec<u8>,
    tail: Vec<u8>,
}

impl Sink for Marks {
    fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
        if let Some(rest) = lines.next() {
            self.continue_line(rest);
        }
        for line in lines {
            self.end_line();
            self.continue_line(line);
        }
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
        Ok(())
    }
}

impl Marks {
    /// How far the command speaks, once it has ended.
    ///
    /// # Errors
    /// `Invalid` for a line that is for us and not understood.
    pub(super) fn reach(&mut self) -> Result<Reach, CliError> {
        self.end_line();
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(self.reach),
        }
    }

    /// The end of all of it.
    pub(super) fn tail(&self) -> String {
        let start = self.tail.len().saturating_sub(TAIL_BYTES);
        String::from_utf8_lossy(self.tail.get(start..).unwrap_or_default()).into_owned()
    }

    fn continue_line(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.line.len();
        self.line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if let Err(error) = understand(String::from_utf8_lossy(&line).trim(), &mut self.reach) {
            self.error.get_or_insert(error);
        }
    }
}

fn understand(line: &str, reach: &mut Reach) -> Result<(), CliError> {
    let (mark, said) = line.split_at_checked(MARK.len()).unwrap_or_default();
    if !mark.eq_ignore_ascii_case(MARK) {
        return Ok(());
    }
    let said = said.trim();
    if said == "partial" {
        reach.is_partial = true;
    } else if let Some(time) = said.strip_prefix("through=") {
        reach.through = Some(time_of(time, line)?);
    } else {
        let shown: String = line.chars().take(80).collect();
        return Err(CliError::invalid(format!(
            "it said {shown:?} on standard error, expected \"gapless: partial\" or \"gapless: through=TIME\""
        )));
    }
    Ok(())
}

/// The time in a line.
pub(super) fn time_of(text: &str, line: &str) -> Result<i64, CliError> {
    instant(text).map_err(|error| CliError::invalid(format!("{line:?}: the time {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, piece: usize) -> Marks {
        let mut marks = Marks::default();
        for bytes in text.as_bytes().chunks(piece) {
            marks.take(bytes).expect("memory");
        }
        marks
    }

    #[test]
    fn a_mark_is_found_among_other_things_however_it_comes() {
        let text = "asking...\ngapless: through=1970-01-01T00:00:01Z\n 99%\rgapless: partial\r\ndone";
        for piece in [1, 7, 1000] {
            let reach = said(text, piece).reach().expect("marks");
            assert_eq!((reach.through, reach.is_partial), (Some(1_000_000_000), true));
        }
        assert!(said("gapless: partial", 3).reach().expect("a mark").is_partial);
    }

    #[test]
    fn a_mark_that_much_follows_or_precedes_is_not_lost() {
        let long = "x".repeat(5 * TAIL_BYTES);
        let mut marks = said(&format!("{long}\ngapless: partial\n{long}\nend"), 1000);
        assert!(marks.reach().expect("a mark").is_partial);
        assert_eq!(marks.tail().len(), TAIL_BYTES);
        assert!(marks.tail().ends_with("\nend"));
    }

    #[test]
    fn a_mark_that_is_not_understood_is_an_error() {
        for line in [
            "gapless: hello",
            "gapless: Partial",
            "gapless: through 2026-11-20",
            "gapless: through=",
            "gapless:",
        ] {
            let error = said(&format!("a\n{line}\nb\n"), 4).reach();
            assert!(
                error.is_err_and(|error| error.to_string().contains(line)),
                "{line}"
            );
        }
        assert_eq!(
            said("about gapless: partial\nsh: gapless: not found\n", 9)
                .reach()
                .expect("nothing"),
            Reach::default()
        );
    }
}
