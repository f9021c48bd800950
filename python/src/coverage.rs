//! What is known of ranges, what is missing, and saying it.
//!
//! | file | owns |
//! | --- | --- |
//! | `known` | `Coverage`: the ranges of which something is known, and their picture |
//! | `gaps` | `Gaps`: the ranges that are missing |
//! | `said` | what a writer says of ranges, from Python |
//! | `session` | `Session`: a writer that follows a source |
//! | `table` | the methods of a table |
//! | `write` | rows and what they cover, in one commit |

mod gaps;
mod known;
mod said;
mod session;
mod table;
mod write;

pub(crate) use gaps::Gaps;
pub(crate) use known::Coverage;
pub(crate) use said::said_of;
pub(crate) use session::Session;
pub(crate) use write::{append, write};
