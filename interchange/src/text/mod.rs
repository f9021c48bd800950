//! Text files: lines, CSV records, JSON rows, and the parsing of their values into columns.

pub(crate) mod column;
pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod number;
pub(crate) mod rows;
pub(crate) mod strings;
pub(crate) mod time;
