//! A source that gives what a table had, and remembers what it was asked.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use gapless::Table;
use gapless::backfill::{FetchError, FetchRequest, Fetched};

use super::pair;

type Asked = Vec<(String, Range<i64>)>;

/// The rows of a table, by series.
#[derive(Clone)]
pub struct Memory {
    series: Arc<BTreeMap<String, (Vec<i64>, RecordBatch)>>,
    asked: Arc<Mutex<Asked>>,
}

impl Memory {
    pub fn of(table: &Table) -> Self {
        let all = pair::rows(table);
        let (times, names) = pair::keys(table, &all);
        let name = |row: usize| names.as_ref().map_or("", |names| names.value(row));
        let mut series = BTreeMap::new();
        let mut first = 0;
        while first < times.len() {
            let rows = (first..times.len())
                .take_while(|row| name(*row) == name(first))
                .count();
            let own = (times[first..first + rows].to_vec(), all.slice(first, rows));
            series.insert(name(first).to_owned(), own);
            first += rows;
        }
        Self {
            series: Arc::new(series),
            asked: Arc::default(),
        }
    }

    /// The rows of a series in a range.
    pub fn rows(&self, series: Option<&str>, range: &Range<i64>) -> RecordBatch {
        let name = series.unwrap_or_default();
        self.asked
            .lock()
            .expect("a list")
            .push((name.to_owned(), range.clone()));
        let (times, rows) = &self.series[name];
        let first = times.partition_point(|time| *time < range.start);
        let end = times.partition_point(|time| *time < range.end);
        rows.slice(first, end - first)
    }

    /// All rows of a request.
    pub fn all(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        Ok(Fetched::all([
            self.rows(request.series.as_deref(), &request.range())
        ]))
    }

    /// The first rows of a request, as an exchange gives them that has pages.
    pub fn page(&self, request: &FetchRequest, rows: usize) -> Result<Fetched, FetchError> {
        let all = self.rows(request.series.as_deref(), &request.range());
        if all.num_rows() <= rows {
            return Ok(Fetched::all([all]));
        }
        let name = request.series.as_deref().unwrap_or_default();
        let times = &self.series[name].0;
        let next = times.partition_point(|time| *time < request.start) + rows;
        Ok(Fetched::through([all.slice(0, rows)], times[next]))
    }

    /// What it was asked since it was looked at.
    pub fn take_asked(&self) -> Asked {
        std::mem::take(&mut self.asked.lock().expect("a list"))
    }
}
