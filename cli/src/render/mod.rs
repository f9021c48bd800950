//! Values as text: units for people, Arrow cells, rows, tables.

mod grid;
mod rows;
mod unit;
mod value;

pub(crate) use grid::{Align, Grid};
pub(crate) use rows::{RowFormat, json_document, write as write_rows};
pub(crate) use unit::{bytes, count, instant, instant_iso, plural, seconds};
