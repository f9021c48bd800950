//! Keys of groups and joins: values of several columns as bytes, and equal ones under one number.
//!
//! Null equals null, both zeros are one key, and so is every NaN; symbols are text.

mod bytes;
mod numbered;

pub(crate) use bytes::{KeyBytes, KeyColumns, check_comparable, normalized, value_type};
pub(crate) use numbered::{NONE, Numbered, by_number};
