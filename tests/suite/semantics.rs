//! What a table says after writes, deletions, replacements and changes of its columns, against a plain model that
//! keeps every row in a list: every order, range, series set, condition and limit, also after the database was closed
//! and opened again.
//!
//! What would go wrong here shows as an older version of a row coming back (a filter that is applied before the
//! versions are told apart), as a row that is there twice, or as an order that is not that of arrival.

mod columns;
mod known;
pub mod model;
mod operations;
mod rules;
