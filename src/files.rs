//! Files of other formats as a source of backfills: the reader that [`crate::backfill::FilesStrategy`] asks for.
//!
//! ```
//! use gapless::backfill::{FilesAttest, FilesStrategy};
//! use gapless::files::{ReadOptions, reader};
//! # let directory = tempfile::tempdir()?;
//! # std::fs::write(directory.path().join("1.csv"), "ts,node,price\n1970-01-01T00:00:00Z,a,1.5\n1970-01-01T00:01:00Z,a,2.5\n")?;
//! # let db = gapless::Database::builder(directory.path().join("db")).open()?;
//! # use gapless::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
//! # let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
//! # let symbol = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
//! # let fields = [("ts", time), ("node", symbol), ("price", DataType::Float64)];
//! # let fields: Vec<Field> = fields.map(|(name, of)| Field::new(name, of, name == "price")).into();
//! # let spec = gapless::TableSpec::new("bars", Schema::new(fields)).time("ts").series("node");
//! # let bars = db.create_table(&spec)?;
//! let options = ReadOptions { series: Some("node".into()), ..Default::default() };
//! let files = [directory.path().join("1.csv")];
//! let strategy = FilesStrategy::new(files, reader(options)).attests(FilesAttest::Bounds);
//! let report = bars.backfill(strategy).range(0, 120_000_000_000).series(["a"]).interval("1m").run()?;
//! assert_eq!(report.rows().inserted, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::path::Path;

use arrow_array::RecordBatch;
pub use gapless_interchange::ReadOptions;
use gapless_interchange::{ErrorKind, InterchangeError, Source, plan};

use crate::backfill::FetchError;

/// Reads a file of CSV, JSON lines, Parquet or Arrow, whole and with the options, each file by itself. A read that the operating
/// system refuses may work later; a file whose content is wrong will not.
pub fn reader(
    options: ReadOptions,
) -> impl Fn(&Path) -> Result<Vec<RecordBatch>, FetchError> + Send + Sync + 'static {
    move |path| {
        let read = || {
            let plan = plan(&[path.to_owned()], &options)?;
            Source::open(&plan, &options)?.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|error: InterchangeError| match error.kind {
            ErrorKind::Io => FetchError::transient(error.to_string()),
            _ => FetchError::permanent(error.to_string()),
        })
    }
}
