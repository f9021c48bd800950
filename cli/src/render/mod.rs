//! Values as text: units for people, Arrow cells, rows, tables.

#[cfg(feature = "sql")]
mod first;
mod grid;
mod made;
mod rows;
mod spool;
mod unit;
mod value;

#[cfg(feature = "sql")]
pub(crate) use first::{Layout, write_first};
pub(crate) use grid::{Align, Grid, terminal_width};
pub(crate) use made::MadeRows;
#[cfg(feature = "sql")]
pub(crate) use rows::json_result;
pub(crate) use rows::{RowFormat, json_document, write as write_rows};
pub(crate) use unit::{bytes, count, duration, instant, instant_iso, plural, seconds};
