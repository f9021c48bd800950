//! What standard output holds so far: text of any number of answers, or one answer as Parquet or Arrow and nothing else.
//!
//! Two Parquet files one after the other are one file to a reader, which finds the second only; of two Arrow streams it finds the
//! first.

use gapless_sql::{is_blank, split_statement};

use crate::error::CliError;
use crate::render::RowFormat;

/// What was printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Printed {
    #[default]
    Nothing,
    Text,
    Answer(RowFormat),
}

impl Printed {
    /// Whether an answer may follow in this format, or in one of `--json`.
    pub(super) fn check(self, format: Option<RowFormat>) -> Result<(), CliError> {
        let (format, why) = match (self, format.filter(|format| format.is_binary())) {
            (Self::Nothing, _) | (Self::Text, None) => return Ok(()),
            (Self::Answer(format), _) => (format, "this would be something after it"),
            (Self::Text, Some(format)) => (format, "there is text before it"),
        };
        Err(one_answer(&format!("stream of {}", name(format)), why).hint(
            "give one statement that has rows, or a text format, or write each answer to a file of its own: \\o FILE, or \
             COPY (SELECT ...) TO 'FILE'",
        ))
    }

    /// What is there when an answer was printed in this format.
    pub(super) fn after(format: Option<RowFormat>) -> Self {
        match format.filter(|format| format.is_binary()) {
            Some(format) => Self::Answer(format),
            None => Self::Text,
        }
    }
}

/// Refuses a text of several statements whose answers would go to one place that holds one.
pub(super) fn check_one_statement(text: &str, place: &str) -> Result<(), CliError> {
    let (mut statements, mut rest) = (0, text);
    while let Some((statement, after)) = split_statement(rest) {
        statements += usize::from(!is_blank(statement));
        rest = after;
    }
    statements += usize::from(!is_blank(rest));
    match statements {
        0 | 1 => Ok(()),
        several => Err(one_answer(place, &format!("there are {several} statements")).hint(
            "give one statement, or COPY (SELECT ...) TO 'FILE' for each; gapless sql DB < FILE runs one after the other, and \
             prints them as text",
        )),
    }
}

fn one_answer(place: &str, why: &str) -> CliError {
    CliError::invalid(format!("a {place} holds one answer, and {why}"))
}

/// The format as it is called.
pub(super) fn name(format: RowFormat) -> &'static str {
    match format {
        RowFormat::Parquet => "Parquet",
        RowFormat::Arrow => "Arrow",
        _ => "text",
    }
}
