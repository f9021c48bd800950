//! A scan by series and time.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use gapless_engine::Result;
use gapless_engine::scan::{OrderedBatch, OrderedScan};

use super::list::{Member, SeriesList};
use super::{Layout, Rows, RowsIter, Source};
use crate::interrupt::Interrupt;
use crate::operator::Planner;

/// A scan by series and time.
pub(crate) struct OrderedSource {
    scan: Arc<OrderedScan>,
    schema: SchemaRef,
    list: Arc<SeriesList>,
    member: Member,
    times: bool,
    interrupt: Interrupt,
}

impl OrderedSource {
    pub(crate) fn new(scan: OrderedScan, planner: &Planner, times: bool) -> Result<Self> {
        let member = planner.list.join(scan.names()?, scan.weights()?);
        Ok(Self {
            schema: scan.schema(),
            scan: Arc::new(scan),
            list: Arc::clone(&planner.list),
            member,
            times,
            interrupt: planner.interrupt.clone(),
        })
    }
}

impl Source for OrderedSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn layout(&self) -> Layout {
        Layout::Series
    }

    fn parts(&self) -> usize {
        self.list.part_count()
    }

    fn open(&self, part: usize) -> Result<RowsIter> {
        let (series, numbers) = self.list.members(self.member, part)?;
        let rows = self.scan.read(series, 0..self.scan.stretches(), self.times);
        let interrupt = self.interrupt.clone();
        Ok(Box::new(rows.map(move |batch| {
            interrupt.check()?;
            let OrderedBatch {
                batch,
                times,
                mut runs,
            } = batch?;
            if let Some(numbers) = &numbers {
                for run in &mut runs {
                    run.series = numbers.get(run.series as usize).copied().unwrap_or(u32::MAX);
                }
            }
            Ok(Rows { batch, times, runs })
        })))
    }
}
