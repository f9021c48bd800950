//! What a query does, step by step: a tree of operators, built and checked while the query is written, and made into sources
//! when it runs.

mod aggregate;
mod asof;
mod batches;
mod concat;
pub(crate) mod fill;
mod filter;
mod horizon;
mod join;
mod keys;
mod latest;
mod limit;
mod missing;
mod over;
mod project;
mod rolling;
mod runs;
mod scan;
mod sides;
mod slots;
mod sort;
#[cfg(test)]
mod testing;
mod window;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use gapless_engine::{Error, Result};

use crate::interrupt::Interrupt;
use crate::memory::Memory;
use crate::source::{SeriesList, Source};

pub(crate) use aggregate::{Aggregation, Grouping};
pub(crate) use asof::AsOfJoin;
pub use asof::{AsOf, Direction};
pub(crate) use batches::Batches;
pub(crate) use concat::Concat;
pub use fill::Fill;
pub(crate) use fill::Filling;
pub(crate) use filter::Filter;
pub use horizon::HorizonJoin;
pub(crate) use horizon::HorizonRows;
pub use join::Join;
pub(crate) use join::JoinedRows;
pub(crate) use keys::normalized;
pub(crate) use latest::Latest;
pub(crate) use limit::Limit;
pub(crate) use missing::Missing;
pub(crate) use over::Over;
pub use over::{
    SeriesFunction, cum_count, cum_max, cum_min, cum_prod, cum_sum, delta, ema, ema_by_time, ema_half_life,
    ema_span, forward_fill, next, previous, ratio, row_number,
};
pub(crate) use project::Project;
pub use rolling::Rolling;
pub(crate) use rolling::RollingAggregation;
pub(crate) use scan::{BATCH_ROWS, PAGE_ROWS, ScanRows};
pub(crate) use sort::Sort;
pub use sort::SortKey;
pub use window::WindowJoin;
pub(crate) use window::WindowedRows;

/// An operator that others read from.
pub(crate) type Input = Arc<dyn Operator>;

/// Names of columns that are needed.
pub(crate) type ColumnSet = BTreeSet<String>;

/// What rows an operator gives.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Their columns.
    pub(crate) schema: SchemaRef,
    /// The column of times, whether it is among the columns or not.
    pub(crate) time: Option<Field>,
    /// The column of series, likewise.
    pub(crate) series: Option<Field>,
    /// Whether rows come by series and time, where that is asked for.
    pub(crate) is_ordered: bool,
}

impl Shape {
    pub(crate) fn time_name(&self) -> Option<&str> {
        self.time.as_ref().map(|field| field.name().as_str())
    }

    pub(crate) fn series_name(&self) -> Option<&str> {
        self.series.as_ref().map(|field| field.name().as_str())
    }
}

/// What a source is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Need {
    /// Rows by series and time, where the shape says that they can.
    pub(crate) ordered: bool,
    /// The times of rows, and whose they are.
    pub(crate) times: bool,
}

/// What a query is made into sources with.
#[derive(Debug, Default)]
pub(crate) struct Planner {
    /// The series of all its scans.
    pub(crate) list: Arc<SeriesList>,
    /// What it may hold.
    pub(crate) memory: Memory,
    /// What ends it.
    pub(crate) interrupt: Interrupt,
    /// How many rows scans give at a time, where it is not [`BATCH_ROWS`].
    pub(crate) batch_rows: Option<usize>,
    /// Whether nothing of the one scan counts but the least and the greatest values of its columns.
    pub(crate) of_extremes: bool,
}

impl Planner {
    /// The same for inputs whose scans give so many rows at a time.
    pub(crate) fn with_batch_rows(&self, rows: usize) -> Self {
        Self {
            list: Arc::clone(&self.list),
            memory: self.memory.clone(),
            interrupt: self.interrupt.clone(),
            batch_rows: Some(rows),
            of_extremes: self.of_extremes,
        }
    }

    /// The same for a scan of which nothing counts but the least and the greatest values of its columns.
    pub(crate) fn of_extremes(&self) -> Self {
        Self {
            of_extremes: true,
            ..self.with_batch_rows(PAGE_ROWS)
        }
    }

    /// The same for inputs that are read while the query is planned: their series are their own.
    pub(crate) fn apart(&self) -> Self {
        Self {
            list: Arc::default(),
            memory: self.memory.clone(),
            interrupt: self.interrupt.clone(),
            batch_rows: None,
            of_extremes: false,
        }
    }
}

/// A step of a query.
pub(crate) trait Operator: Debug + Send + Sync {
    /// What its rows are.
    fn shape(&self) -> &Shape;

    /// What it reads.
    fn inputs(&self) -> Vec<&Input>;

    /// The same operator, which gives at least these columns and reads no more than it must for them.
    ///
    /// # Errors
    /// `Internal` when that is not possible, which would be a bug.
    fn pruned(&self, columns: &ColumnSet) -> Result<Input>;

    /// What runs.
    ///
    /// # Errors
    /// As [`gapless_engine::Scan::stream`].
    fn source(&self, planner: &Planner, need: Need) -> Result<Arc<dyn Source>>;

    /// One line for people.
    fn describe(&self) -> String;

    /// The scan that it is, or nothing but filters of it.
    fn as_scan(&self) -> Option<&gapless_engine::scan::Scan> {
        None
    }
}

/// The error for a column that rows do not have.
pub(crate) fn unknown_column(name: &str, schema: &Schema) -> Error {
    let names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| format!("{:?}", field.name()))
        .collect();
    Error::invalid(format!(
        "there is no column {name:?} here; there are {}",
        names.join(", ")
    ))
}

/// Adds the columns that rows are put in order by, where they are not in order already.
pub(crate) fn add_order_columns(columns: &mut ColumnSet, shape: &Shape) {
    if !shape.is_ordered {
        let names = [shape.time_name(), shape.series_name()];
        columns.extend(names.into_iter().flatten().map(str::to_string));
    }
}
