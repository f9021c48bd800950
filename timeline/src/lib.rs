//! What is known and missing of series, drawn as a timeline of each, and how complete each day is below: what a picture shows, how
//! it looks, and the picture as SVG.
//!
//! | module | owns |
//! | --- | --- |
//! | `lines` | what is known and missing of each series that is shown |
//! | [`cells`] | a line in as many cells as there is room for |
//! | [`heat`] | completeness by day, week or month |
//! | [`look`] | how states look: character, colour, word |
//! | [`axis`] | where the times of an axis stand |
//! | `svg` | the picture as a file |
//! | `text` | labels |
//!
//! This crate reads coverage, no rows, and writes no files.

pub mod axis;
pub mod cells;
pub mod heat;
mod lines;
pub mod look;
mod svg;
mod text;

pub use lines::{Line, Picture, known_intervals, share};
pub use svg::svg;
pub use text::{instant, label, percent};
