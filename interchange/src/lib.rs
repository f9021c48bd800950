//! Files of other formats (CSV, JSON lines, Parquet, Arrow IPC) to and from Arrow record batches.
//!
//! Reading has two steps. [`plan`] looks at the files, infers one schema and says why ([`Decision`]); [`Source`] reads
//! all rows as record batches of exactly that schema. [`Writer`] is the way out into a file, [`Encoder`] to anywhere.
//!
//! | module | what is in it |
//! | --- | --- |
//! | `file_format`, `input` | what a file is; its bytes, decompressed and read ahead |
//! | `text` | lines, CSV records, JSON rows, and values parsed into columns |
//! | `typed` | Parquet and Arrow IPC, and making their columns fit the plan |
//! | `infer` | samples, column types, the time column: decides, does not read on |
//! | `source`, `rejects` | reads: plan in, batches out, bad lines aside |
//! | `stream` | reads text that comes piece by piece |
//! | `write` | rows as bytes of a format; export files |
//!
//! Invariants:
//!
//! - Nothing is guessed silently: each inferred thing is a [`Decision`], and a later value that contradicts it is an
//!   error, not a change of mind.
//! - No panic on any content of a file. Memory is bounded by a record (16 MiB) and a few batches.
//! - This crate does not know databases, tables or partitions.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let file = directory.path().join("trades.csv");
//! std::fs::write(&file, "ts_ms,sym,price\n1514764802610,XBT,13873\n1514764806057,XBT,13873.5\n")?;
//! let options = gapless_interchange::ReadOptions { series: Some("sym".into()), ..Default::default() };
//! let plan = gapless_interchange::plan(&[file], &options)?;
//! assert_eq!(plan.time, "ts_ms");
//! let batches = gapless_interchange::Source::open(&plan, &options)?.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(batches[0].num_rows(), 2);
//! # Ok(())
//! # }
//! ```

mod error;
mod file_format;
mod infer;
mod input;
mod options;
mod rejects;
mod source;
mod stream;
mod text;
mod type_name;
mod typed;
mod write;

pub use arrow_schema::TimeUnit;
pub use error::{ErrorKind, InterchangeError, Result, VALUE_CHARS_MAX};
pub use file_format::FileFormat;
pub use infer::{Decision, Plan, plan, plan_text};
pub use options::{OnError, ReadOptions};
pub use source::Source;
pub use stream::TextStream;
pub use typed::type_name_of;
pub use type_name::{TypeName, parse_time_unit, time_unit_name};
pub use write::{Encoder, WriteFormat, WriteOptions, Writer, hive_path};
