//! Calendars: when rows of a series are expected.
//!
//! | file | owns |
//! | --- | --- |
//! | `definition` | [`Calendar`]: weekly sessions, and the exceptions from them |
//! | `hours` | a calendar and a range to the ranges in which it is open |
//! | `verify` | exceptions that change nothing, or leave nothing, are refused |
//! | `session`, `days` | [`Session`]: local opening hours on [`Days`] of the week, for ever or for an era |
//! | `date`, `time` | local dates and times of day |
//! | `zone` | local time to UTC, with the zones that are built in |
//! | `text` | a calendar as TOML, the form in which it is stored and edited |
//! | `listing` | [`Listing`]: the life of a series |
//!
//! - Calendars are values: equal text, equal hours, on any machine. The zones' rules are those that are built in; the
//!   machine's are not read.
//! - Everything inside is seconds of local time; only what comes out of `hours` is nanoseconds of UTC.
//!
//! Which series has which calendar, and where it is stored, is not known here.

mod date;
mod days;
mod definition;
mod hours;
mod listing;
mod session;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod verify;
mod zone;

pub use days::Days;
pub use definition::Calendar;
pub use listing::Listing;
pub use session::Session;
