//! Values as text: units for people, Arrow cells, rows, tables.

mod grid;
mod made;
mod rows;
mod unit;
mod value;

pub(crate) use grid::{Align, Grid, terminal_width};
pub(crate) use made::MadeRows;
pub(crate) use rows::{RowFormat, json_document, write as write_rows};
pub(crate) use unit::{bytes, count, duration, instant, instant_iso, plural, seconds};
