//! A scan in the order of its segments.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use gapless_engine::Result;
use gapless_engine::scan::{Beside, SeriesRun, StoredScan};

use super::{Layout, Rows, RowsIter, Source, run_ends};
use crate::interrupt::Interrupt;

/// A scan in the order of its segments: the fastest where the order does not matter.
pub(crate) struct StoredSource {
    scan: Arc<StoredScan>,
    schema: SchemaRef,
    beside: Beside,
    /// The place of each code in the order of names, where series are asked for: (code, place), by code.
    places: Arc<[(u32, u32)]>,
    interrupt: Interrupt,
}

impl StoredSource {
    pub(crate) fn new(scan: StoredScan, beside: Beside, interrupt: Interrupt) -> Result<Self> {
        let mut places: Vec<(u32, u32)> = Vec::new();
        if beside.codes {
            places = scan.codes_by_name()?.into_iter().zip(0..).collect();
            places.sort_unstable();
        }
        Ok(Self {
            schema: scan.schema(),
            scan: Arc::new(scan),
            beside,
            places: places.into(),
            interrupt,
        })
    }
}

fn place(places: &[(u32, u32)], code: u32) -> u32 {
    let at = places.binary_search_by_key(&code, |(code, _)| *code);
    let found = at.ok().and_then(|at| places.get(at));
    found.map_or(u32::MAX, |(_, place)| *place)
}

impl Source for StoredSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Stored
    }

    fn parts(&self) -> usize {
        self.scan.parts()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let reader = self.scan.read(part, self.beside)?;
        let (places, interrupt) = (Arc::clone(&self.places), self.interrupt.clone());
        Ok(Box::new(reader.map(move |rows| {
            interrupt.check()?;
            let rows = rows?;
            let run = |(code, rows)| SeriesRun {
                series: place(&places, code),
                rows,
            };
            Ok(Rows {
                runs: run_ends(&rows.codes).map(run).collect(),
                batch: rows.batch,
                times: rows.times,
            })
        })))
    }
}
