//! The holes of the real files: inferred, counted, explained by calendars, punched and filled again.
//!
//! - The figures are those of `shared/data/README.md`, which were counted by other programs; each gap is also compared with
//!   an obvious twin, the steps between the times of the file.
//! - Without the folder the tests say so and pass, as in [`crate::real_data`].
//!
//! | file | owns |
//! | --- | --- |
//! | `twin` | holes by the times alone |
//! | `holes` | what every file misses |
//! | `values` | rows that are there and say nothing |
//! | `calendars` | what is left when closed markets are expected |
//! | `pair` | a table and its copy, the holes that are punched, what must hold afterwards |
//! | `memory` | a source that gives what a table had |
//! | `sources` | holes filled by fetchers, also asynchronous ones, and chains |
//! | `tables` | holes filled from the original table and its files |

mod calendars;
mod holes;
mod memory;
mod pair;
mod sources;
mod tables;
mod twin;
mod values;
