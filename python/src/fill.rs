//! Filling gaps from Python.
//!
//! | file | owns |
//! | --- | --- |
//! | `fetcher` | a fetcher of Python as the engine's |
//! | `strategy` | `Strategy`: where rows of gaps come from |
//! | `options` | what a fill goes by |
//! | `report` | what became of it |
//! | `table` | the method of a table |

mod fetcher;
mod options;
mod report;
mod strategy;
mod table;

pub(crate) use strategy::Strategy;
