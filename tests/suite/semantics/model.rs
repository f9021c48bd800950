//! The plain twin: every row that was ever written, in order of arrival.

use gapless::Keep;
use gapless::scan::Order;

use crate::common::Row;

/// A row with its commit.
#[derive(Debug, Clone)]
pub struct Written {
    pub row: Row,
    pub commit: u64,
}

/// Rows that are hidden when they were committed before.
#[derive(Debug, Clone)]
pub struct Deleted {
    pub start: i64,
    pub end: i64,
    pub series: Option<Vec<String>>,
    pub commit: u64,
}

/// A table as a list of rows.
#[derive(Debug, Clone)]
pub struct Model {
    pub keep: Keep,
    /// Whether `price` is part of the key.
    pub price_in_key: bool,
    pub rows: Vec<Written>,
    pub deletions: Vec<Deleted>,
}

/// Whether a time is in a range whose end may be no end.
pub fn is_in(ts: i64, start: i64, end: i64) -> bool {
    start < end && start <= ts && (ts < end || end == i64::MAX)
}

impl Deleted {
    fn hides(&self, written: &Written) -> bool {
        let row = &written.row;
        written.commit < self.commit
            && is_in(row.ts, self.start, self.end)
            && self
                .series
                .as_ref()
                .is_none_or(|series| row.sym.as_ref().is_some_and(|sym| series.contains(sym)))
    }
}

/// Floats are compared as keys are: NaN is NaN, and zero is zero.
fn price_key(row: &Row) -> Option<u64> {
    row.price.map(|price| {
        if price.is_nan() {
            f64::NAN.to_bits()
        } else {
            (price + 0.0).to_bits()
        }
    })
}

impl Model {
    pub fn new(keep: Keep, price_in_key: bool) -> Self {
        Self {
            keep,
            price_in_key,
            rows: Vec::new(),
            deletions: Vec::new(),
        }
    }

    fn is_version(&self, a: &Row, b: &Row) -> bool {
        (a.ts, &a.sym) == (b.ts, &b.sym) && (!self.price_in_key || price_key(a) == price_key(b))
    }

    /// The rows that are there, in order of arrival.
    pub fn live(&self) -> Vec<Row> {
        let live: Vec<&Row> = self
            .rows
            .iter()
            .filter(|written| !self.deletions.iter().any(|deletion| deletion.hides(written)))
            .map(|written| &written.row)
            .collect();
        let counts = |at: usize| {
            let mut others: Box<dyn Iterator<Item = &&Row>> = match self.keep {
                Keep::All => return true,
                Keep::First => Box::new(live[..at].iter()),
                Keep::Last => Box::new(live[at + 1..].iter()),
            };
            !others.any(|other| self.is_version(other, live[at]))
        };
        (0..live.len())
            .filter(|at| counts(*at))
            .map(|at| live[at].clone())
            .collect()
    }
}

/// Rows that came by arrival, in an order.
pub fn ordered(rows: &[Row], order: Order) -> Vec<Row> {
    let mut rows = rows.to_vec();
    let series = |row: &Row| (row.sym.is_none(), row.sym.clone());
    match order {
        Order::Series => rows.sort_by_key(|row| (series(row), row.ts)),
        Order::Time => rows.sort_by_key(|row| (row.ts, series(row))),
        Order::Stored => rows.sort_by_key(|row| row.id),
    }
    rows
}

/// Whether rows are the same to the bit.
pub fn same(found: &[Row], expected: &[Row]) -> bool {
    let bits = |row: &Row| (row.ts, row.sym.clone(), row.price.map(f64::to_bits), row.id);
    found.iter().map(bits).eq(expected.iter().map(bits))
}
