//! The right rows of a join in time.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use gapless_engine::Result;

use super::Cursor;
use crate::memory::Held;
use crate::operator::{Input, Planner};
use crate::source::{Rows, Source, bytes, ordered};

/// The right rows of a join in time.
pub(crate) enum Right {
    /// Those of each series match left rows of the same.
    OfSeries(Arc<dyn Source>),
    /// Rows without series match left rows of every series: they are read once, when the query begins.
    Shared {
        schema: SchemaRef,
        rows: Arc<[Rows]>,
        /// The memory of the rows.
        held: Held,
    },
}

impl Right {
    pub(crate) fn new(input: &Input, planner: &Planner) -> Result<Self> {
        if input.shape().series.is_some() {
            return ordered(input, planner).map(Self::OfSeries);
        }
        let own = planner.apart();
        let source = ordered(input, &own)?;
        own.list.fix();
        let mut held = planner.memory.held();
        let mut rows = Vec::new();
        for part in 0..source.parts() {
            for read in source.open(part)? {
                let read = read?;
                held.add(bytes(&read.batch), "right rows that every series is joined with")?;
                rows.push(read);
            }
        }
        Ok(Self::Shared {
            schema: Arc::clone(source.schema()),
            rows: rows.into(),
            held,
        })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        match self {
            Self::OfSeries(source) => source.schema(),
            Self::Shared { schema, .. } => schema,
        }
    }

    /// Begins with the right rows of a part.
    pub(crate) fn open(&self, part: usize) -> Result<Cursor> {
        match self {
            Self::OfSeries(source) => source.open(part).map(Cursor::new),
            Self::Shared { rows, .. } => Ok(Cursor::shared(rows)),
        }
    }
}
