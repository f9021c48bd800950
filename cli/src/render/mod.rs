//! Values as text: units for people, Arrow cells, tables.

mod grid;
mod unit;

pub(crate) use grid::{Align, Grid};
pub(crate) use unit::{bytes, count, duration, instant, instant_iso, plural, seconds};
