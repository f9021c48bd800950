//! A table of text: a header, a rule, rows; numbers to the right, long values cut, no wider than the terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};

use crate::error::CliError;
use crate::output::Output;

/// Longest value shown; what is longer ends in `…`.
const CELL_CHARS_MAX: usize = 64;

/// Spaces between columns.
const GAP: usize = 2;

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

    /// Prints it. On a terminal that is too narrow, columns are left out, and it says so.
    pub(crate) fn print(mut self, output: &mut Output) -> Result<(), CliError> {
        let left_out = match terminal_width(output) {
            Some(width) if self.chars_max != usize::MAX => self.fit(width),
            _ => 0,
        };
        let table = self.table(output);
        for line in table.lines() {
            output.line(line.trim_end())?;
        }
        if left_out > 0 {
            let noun = if left_out == 1 { "column" } else { "columns" };
            output.line(format!("{left_out} {noun} left out: the terminal is too narrow"))?;
        }
        Ok(())
    }

    /// Prints it below one that was printed before: `widths` are those of its columns, which only grow. The header
    /// comes once, when there are none yet.
    pub(crate) fn print_below(self, widths: &mut Vec<usize>, output: &mut Output) -> Result<(), CliError> {
        let is_first = widths.is_empty();
        widths.resize(self.header.len(), 0);
        for (column, width) in widths.iter_mut().enumerate() {
            *width = self.width_of(column).max(*width);
        }
        let columns = || self.header.iter().zip(widths.iter());
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(columns());
            let padded = cells.map(|(text, ((_, align), width))| match align {
                Align::Left => format!("{text:<width$}"),
                Align::Right => format!("{text:>width$}"),
            });
            padded.collect::<Vec<_>>().join(" ").trim_end().to_owned()
        };
        if is_first {
            let names: Vec<String> = self.header.iter().map(|(name, _)| name.clone()).collect();
            output.line(line(&names))?;
            output.line("─".repeat(widths.iter().map(|width| width + 1).sum()))?;
        }
        self.rows.iter().try_for_each(|row| output.line(line(row)))
    }

    fn table(&self, output: &Output) -> Table {
        let mut table = Table::new();
        table.load_style(STYLE);
        if output.is_terminal() {
            // Whole sentences are wrapped; everything else fits by now.
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
        table.set_header(self.header.iter().map(|(name, align)| cell(name, *align)));
        for row in &self.rows {
            let cells = row.iter().zip(&self.header);
            table.add_row(cells.map(|(text, (_, align))| cell(text, *align)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
        }
        table
    }

    /// Leaves out columns from the right, but the first, until a line fits. Gives their number.
    fn fit(&mut self, width: usize) -> usize {
        let mut used = 0;
        let widths = (0..self.header.len()).map(|at| self.width_of(at) + GAP);
        let fitting = widths
            .take_while(|column| {
                used += column;
                used <= width + GAP
            })
            .count()
            .max(1);
        let left_out = self.header.len().saturating_sub(fitting);
        self.header.truncate(fitting);
        self.rows.iter_mut().for_each(|row| row.truncate(fitting));
        left_out
    }

    fn width_of(&self, column: usize) -> usize {
        let header = self
            .header
            .get(column)
            .map_or(0, |(name, _)| name.chars().count());
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|text| text.chars().count())
            .max()
            .unwrap_or(0)
            .max(header)
    }
}

/// The width of the terminal that is written to.
pub(crate) fn terminal_width(output: &Output) -> Option<usize> {
    output
        .is_terminal()
        .then(|| Table::new().width().map(usize::from))
        .flatten()
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
    fn columns_that_do_not_fit_are_left_out_from_the_right_but_never_the_first() {
        let grid = || {
            let mut grid = Grid::new([("ab", Align::Left), ("c", Align::Right), ("d", Align::Left)]);
            grid.row(["1234".to_owned(), "5".to_owned(), "678".to_owned()]);
            grid
        };
        // 4 + 2 + 1 + 2 + 3
        assert_eq!(grid().fit(12), 0);
        assert_eq!(grid().fit(11), 1);
        assert_eq!(grid().fit(7), 1);
        assert_eq!(grid().fit(6), 2);
        assert_eq!(grid().fit(1), 2);
    }

    #[test]
    fn a_long_value_is_cut_and_a_line_break_does_not_break_the_row() {
        assert_eq!(shortened("a\nb", 64), "a\\nb");
        assert_eq!(shortened(&"x".repeat(64), 64), "x".repeat(64));
        let cut = shortened(&"é".repeat(65), 64);
        assert_eq!(cut.chars().count(), 64);
        assert!(cut.ends_with('…'));
    }
}
