//! The rows of a table.

use std::sync::Arc;

use gapless_engine::scan::{Beside, Order, OrderedScan, Scan, StoredScan};
use gapless_engine::{Error, Result};

use super::{ColumnSet, Input, Need, Operator, Planner, Shape};
use crate::source::{BatchSource, OrderedSource, Source, StoredSource};

/// Rows that operators work on at a time: a handful of columns of them fit into the cache of a core.
pub(crate) const BATCH_ROWS: usize = 16_384;
/// Rows of a page: more at a time are not read without a copy.
pub(crate) const PAGE_ROWS: usize = 65_536;

/// Names of series that an explained query shows.
const NAMES_SHOWN: usize = 8;

/// A scan of a table.
#[derive(Debug, Clone)]
pub(crate) struct ScanRows {
    scan: Scan,
    shape: Shape,
}

impl ScanRows {
    pub(crate) fn new(scan: Scan) -> Result<Self> {
        let meta = scan.meta();
        let field = |id: Option<u32>| {
            let name = id
                .and_then(|id| meta.column(id))
                .map(|column| column.name.clone());
            let scan = name.map(|name| scan.clone().columns([name]));
            let schema = scan.map(|scan| scan.schema()).transpose()?;
            Ok::<_, Error>(schema.map(|schema| schema.field(0).clone()))
        };
        let (order, limit) = scan.order_and_limit();
        let shape = Shape {
            schema: scan.schema()?,
            time: field(Some(meta.time_column))?,
            series: field(meta.series_column)?,
            is_ordered: limit.is_none() && order != Order::Time,
        };
        Ok(Self { scan, shape })
    }
}

impl Operator for ScanRows {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn inputs(&self) -> Vec<&Input> {
        Vec::new()
    }

    fn pruned(&self, columns: &ColumnSet) -> Result<Input> {
        let fields = self.shape.schema.fields().iter();
        let mut kept: Vec<String> = fields
            .map(|field| field.name())
            .filter(|name| columns.contains(*name))
            .cloned()
            .collect();
        // What rows are put in order by is read where the scan leaves it out.
        for name in [self.shape.time_name(), self.shape.series_name()]
            .into_iter()
            .flatten()
        {
            if columns.contains(name) && !kept.iter().any(|kept| kept == name) {
                kept.push(name.to_owned());
            }
        }
        Ok(Arc::new(Self::new(self.scan.clone().columns(kept))?))
    }

    fn source(&self, planner: &Planner, need: Need) -> Result<Arc<dyn Source>> {
        let scan = self.scan.clone();
        if !self.shape.is_ordered {
            return Ok(Arc::new(BatchSource {
                schema: Arc::clone(&self.shape.schema),
                batches: scan.collect()?,
            }));
        }
        let scan = scan.batch_rows(planner.batch_rows.unwrap_or(BATCH_ROWS));
        if need.ordered {
            let scan = OrderedScan::new(scan)?.of_extremes(planner.of_extremes);
            return Ok(Arc::new(OrderedSource::new(scan, planner, need.times)?));
        }
        let beside = Beside {
            times: need.times,
            codes: need.times && self.shape.series.is_some(),
        };
        let scan = StoredScan::new(scan)?.of_extremes(planner.of_extremes);
        Ok(Arc::new(StoredSource::new(
            scan,
            beside,
            planner.interrupt.clone(),
        )?))
    }

    fn describe(&self) -> String {
        let names: Vec<&str> = self
            .shape
            .schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let condition = self
            .scan
            .condition()
            .map(|condition| format!(" where {}", crate::Expr::from(condition.clone())));
        format!(
            "scan {} [{}]{}{}{}",
            self.scan.meta().name,
            names.join(", "),
            times(&self.scan.time_range()),
            series(self.scan.series_asked()),
            condition.unwrap_or_default()
        )
    }

    fn as_scan(&self) -> Option<&Scan> {
        Some(&self.scan)
    }
}

/// A range of times, as an explained query shows it.
fn times(range: &std::ops::Range<i64>) -> String {
    let at = |ns: i64| match jiff::Timestamp::from_nanosecond(ns.into()) {
        Ok(at) => at.to_string(),
        Err(_) => ns.to_string(),
    };
    match (range.start, range.end) {
        (i64::MIN, i64::MAX) => String::new(),
        (i64::MIN, end) => format!(" before {}", at(end)),
        (start, i64::MAX) => format!(" from {}", at(start)),
        (start, end) => format!(" from {} to {}", at(start), at(end)),
    }
}

/// The series that are asked for, likewise.
fn series(names: Option<&[String]>) -> String {
    match names {
        None => String::new(),
        Some(names) if names.len() <= NAMES_SHOWN => format!(" of {}", names.join(", ")),
        Some(names) => format!(" of {} series", names.len()),
    }
}
