//! What a table looks like to people: its shape, its range, how complete it is.

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType};
use gapless::query::{IntoQuery, count, max, min};
use gapless::{GapQuery, Result, Scan, Snapshot, duration_text};
use pyo3::prelude::*;

use crate::call::engine;
use crate::table::Table;
use crate::type_text;

/// Series times days of which the completeness is worked out at most: more takes longer than a look at a table should.
const DAYS_MAX: i64 = 1_000_000;
const NS_PER_DAY: i64 = 86_400_000_000_000;

/// What is said of a table.
struct Shape {
    name: String,
    rows: u64,
    columns: Vec<(String, String)>,
    /// The least and the greatest time.
    times: Option<(i64, i64)>,
    /// From 0 to 1, and the interval, where the table has coverage at one.
    completeness: Option<(f64, i64)>,
}

impl Shape {
    fn of(table: &Table) -> Result<Self> {
        let snapshot = table.handle.snapshot()?;
        let scan = snapshot.scan(&table.name)?;
        let schema = scan.schema()?;
        let fields = schema.fields().iter();
        let columns = fields.map(|field| (field.name().clone(), type_text::name(field.data_type())));
        let columns = columns.collect();
        let (rows, times) = rows_and_times(scan)?;
        let completeness = match times {
            Some(times) => completeness(&snapshot, &table.name, times)?,
            None => None,
        };
        Ok(Self {
            name: table.name.clone(),
            rows,
            columns,
            times,
            completeness,
        })
    }

    /// "2026-11-20T14:00:00Z to 2026-11-20T14:09:59Z".
    fn range_text(&self) -> Option<String> {
        let (first, last) = self.times?;
        Some(format!("{} to {}", instant(first), instant(last)))
    }

    /// "97.5 % complete at 1m".
    fn completeness_text(&self) -> Option<String> {
        let (ratio, interval) = self.completeness?;
        // Rounded down: 100 % means that nothing is missing.
        let percent = (ratio * 1_000.0).floor() / 10.0;
        Some(match interval {
            0 => format!("{percent} % complete"),
            interval => format!("{percent} % complete at {}", duration_text(interval)),
        })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "Table({:?}: {} rows x {} columns",
            self.name,
            self.rows,
            self.columns.len()
        );
        for part in [self.range_text(), self.completeness_text()]
            .into_iter()
            .flatten()
        {
            text.push_str(", ");
            text.push_str(&part);
        }
        text.push(')');
        text
    }

    fn html(&self) -> String {
        let mut html = format!(
            "<div><b>{}</b> {} rows &times; {} columns",
            escaped(&self.name),
            self.rows,
            self.columns.len()
        );
        for part in [self.range_text(), self.completeness_text()]
            .into_iter()
            .flatten()
        {
            // Writing into a string does not fail.
            let _ = write!(html, "<br>{}", escaped(&part));
        }
        html.push_str("<table><thead><tr><th>column</th><th>type</th></tr></thead><tbody>");
        for (name, data_type) in &self.columns {
            let _ = write!(
                html,
                "<tr><td>{}</td><td>{}</td></tr>",
                escaped(name),
                escaped(data_type)
            );
        }
        html.push_str("</tbody></table></div>");
        html
    }
}

/// How many rows there are, and the least and the greatest of their times.
fn rows_and_times(scan: Scan) -> Result<(u64, Option<(i64, i64)>)> {
    let meta = scan.meta();
    let time = meta
        .column(meta.time_column)
        .map_or_else(String::new, |column| column.name.clone());
    let found = scan
        .agg([count(), min(time.as_str()), max(time.as_str())])
        .collect()?;
    let Some(row) = found.first() else {
        return Ok((0, None));
    };
    let rows = row.column(0).as_primitive::<Int64Type>().value(0);
    let ends = [1, 2].map(|at| row.column(at).as_primitive::<TimestampNanosecondType>().value(0));
    Ok((
        u64::try_from(rows).unwrap_or(0),
        (rows > 0).then_some((ends[0], ends[1])),
    ))
}

/// How much of what is expected between the first and the last row is covered; nothing where nothing is known, or at
/// several intervals.
fn completeness(snapshot: &Snapshot, table: &str, (first, last): (i64, i64)) -> Result<Option<(f64, i64)>> {
    let coverage = snapshot.coverage(table)?;
    let intervals = coverage.intervals();
    let &[interval] = intervals.as_slice() else {
        return Ok(None);
    };
    let days = last / NS_PER_DAY - first / NS_PER_DAY + 1;
    let series = i64::try_from(coverage.series()?.len()).unwrap_or(i64::MAX).max(1);
    if days.saturating_mul(series) > DAYS_MAX {
        return Ok(None);
    }
    let parts = coverage.completeness(&GapQuery::new(first, last.saturating_add(1)).interval(interval))?;
    let (covered, expected) = parts.iter().fold((0.0, 0.0), |(covered, expected), part| {
        (covered + part.covered as f64, expected + part.expected as f64)
    });
    Ok((expected > 0.0).then_some((covered / expected, interval)))
}

fn instant(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| ns.to_string(), |at| at.to_string())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[pymethods]
impl Table {
    fn __repr__(&self, py: Python<'_>) -> String {
        // A table that cannot be read must not fail in a debugger.
        engine(py, || Shape::of(self))
            .map_or_else(|_| format!("Table({:?})", self.name), |shape| shape.text())
    }

    /// The table for a notebook: its shape, range, completeness and columns.
    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        engine(py, || Shape::of(self)).map(|shape| shape.html())
    }
}
