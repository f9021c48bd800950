//! What runs: rows that come in parts, which can be read side by side.
//!
//! | module | owns |
//! | --- | --- |
//! | `rows` | some rows, and which of them are of which series |
//! | `list` | the series of a query, numbered by name, and the parts they are read in |
//! | `ordered` | a scan by series and time |
//! | `regrouped` | rows in any order, put in order |
//! | `stored` | a scan in the order of its segments |
//! | `batches` | rows from elsewhere |
//! | `gather` | all parts, on all threads, in their order |

mod batches;
mod gather;
mod list;
mod ordered;
mod regrouped;
mod rows;
mod stored;

use arrow_schema::SchemaRef;
use gapless_engine::Result;

pub(crate) use batches::BatchSource;
pub(crate) use gather::{Gathered, bytes, collect, gather, keep};
pub(crate) use list::{Member, SeriesList};
pub(crate) use ordered::OrderedSource;
pub(crate) use regrouped::ordered;
pub(crate) use rows::{Rows, SeriesRun, run_ends, times_of};
pub(crate) use stored::StoredSource;

/// Rows of a part, some at a time.
pub(crate) type RowsIter = Box<dyn Iterator<Item = Result<Rows>> + Send>;

/// Rows in parts. What the rows of a part are, and their order, does not depend on when and where it is opened.
pub(crate) trait Source: Send + Sync {
    /// The columns.
    fn schema(&self) -> &SchemaRef;

    /// How the rows lie.
    fn layout(&self) -> Layout;

    /// How many parts there are.
    fn parts(&self) -> usize;

    /// Begins to read a part.
    fn open(&self, part: usize) -> Result<RowsIter>;
}

/// How the rows of a source lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// By series and time; each part has some of the series of the query's list, and parts come in their order.
    Series,
    /// In runs of one series, by time inside a run; a series can have several runs, also of times that overlap: of rows equal in
    /// series and time, what is in a later part, or later in it, came later. Series have numbers of no meaning.
    Stored,
    /// In the order of rows, one part after the other; nothing is known of series.
    Plain,
}
