//! Symbol domains: append-only dictionaries of strings, shared by tables or private to a column.
//!
//! - A code is the position of its symbol in the domain's file. It is never reused and never changes.
//! - New symbols are appended under the domain's advisory lock, so processes never give one code twice.
//! - A commit makes the file durable and names its length before any segment that uses the codes is visible.
//!   Symbols past the committed length belong to nobody yet; the next process that appends adopts them.

mod domain;
mod text;

pub use domain::Domain;
pub(crate) use domain::{Domains, directory};
