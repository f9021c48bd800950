//! A table of text: a header, a rule, rows; numbers to the right, long values cut, no wider than the terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};

use crate::error::CliError;
use crate::output::Output;

/// Longest value shown; what is longer ends in `…`.
const CELL_CHARS_MAX: usize = 64;

const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none());

/// Where a column's values stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table in the making.
#[derive(Debug)]
pub(crate) struct Grid {
    header: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    chars_max: usize,
}

impl Grid {
    /// A table with these columns.
    pub(crate) fn new<S: Into<String>>(header: impl IntoIterator<Item = (S, Align)>) -> Self {
        Self {
            header: header
                .into_iter()
                .map(|(name, align)| (name.into(), align))
                .collect(),
            rows: Vec::new(),
            chars_max: CELL_CHARS_MAX,
        }
    }

    /// Values are never cut.
    pub(crate) fn uncut(mut self) -> Self {
        self.chars_max = usize::MAX;
        self
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let chars_max = self.chars_max;
        self.rows.push(
            cells
                .into_iter()
                .map(|text| shortened(&text, chars_max))
                .collect(),
        );
    }

    /// Prints it.
    pub(crate) fn print(self, output: &mut Output) -> Result<(), CliError> {
        let mut table = Table::new();
        table.load_style(STYLE);
        if output.is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.force_no_tty();
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        let cell = |text: &str, align: Align| {
            Cell::new(text).set_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            })
        };
        let aligns: Vec<Align> = self.header.iter().map(|(_, align)| *align).collect();
        table.set_header(self.header.iter().map(|(name, align)| cell(name, *align)));
        for row in &self.rows {
            table.add_row(row.iter().zip(&aligns).map(|(text, align)| cell(text, *align)));
        }
        // Cells are padded on both sides; the first column starts at the margin.
        for line in table.lines() {
            let line = line.strip_prefix([' ', '─']).unwrap_or(&line);
            output.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// One line, control characters escaped, not too long.
fn shortened(text: &str, chars_max: usize) -> String {
    let mut short = String::new();
    for (at, character) in text.chars().enumerate() {
        if at + 1 == chars_max && text.chars().nth(chars_max).is_some() {
            short.push('…');
            break;
        }
        if character.is_control() {
            short.extend(character.escape_default());
        } else {
            short.push(character);
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_and_a_line_break_does_not_break_the_row() {
        assert_eq!(shortened("a\nb", 64), "a\\nb");
        assert_eq!(shortened(&"x".repeat(64), 64), "x".repeat(64));
        let cut = shortened(&"é".repeat(65), 64);
        assert_eq!(cut.chars().count(), 64);
        assert!(cut.ends_with('…'));
    }
}
