//! The times of each series, run by run, on all threads: no other column is read, but for those of a condition, and codes only
//! where runs may end.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use arrow_select::filter::filter;
use gapless_format::{ColumnSpec, NULL_CODE};
use rayon::prelude::*;

use super::builder::{Order, Scan};
use super::fold::{for_each_chunk, tasks};
use super::gather::{internal, read_chunk};
use super::plan::Plan;
use crate::error::{Error, Result};

/// Folds the times of a scan's rows, nanoseconds, ascending inside each run: `take` gets the code of a series (`NULL_CODE`
/// for rows and tables without one) and consecutive rows of it. A series comes in any number of runs, in no order. The scan has
/// no limit.
pub(crate) fn fold_runs<T: Send>(
    scan: Scan,
    start: impl Fn() -> T + Sync + Send,
    take: impl Fn(&mut T, u32, &[i64]) + Sync + Send,
    join: impl Fn(T, T) -> T + Sync + Send,
) -> Result<T> {
    let meta = scan.meta().clone();
    let time = meta
        .column(meta.time_column)
        .cloned()
        .ok_or_else(|| Error::internal("a table has no time column"))?;
    let series = meta.series_column.and_then(|id| meta.column(id)).cloned();
    let plan = Plan::new(scan.order(Order::Stored))?;
    tasks(&plan)?
        .par_iter()
        .map(|task| {
            let mut folded = start();
            for_each_chunk(&plan, task, |chunk| {
                let chunks = std::slice::from_ref(&chunk);
                let passing = plan.output.passing(plan.cache(), chunks)?;
                let read = |column: &ColumnSpec| {
                    let array = read_chunk(plan.cache(), column, &chunk)?;
                    match &passing {
                        None => Ok(array),
                        Some(passing) => {
                            filter(&array, passing).map_err(|error| internal("rows do not filter", &error))
                        }
                    }
                };
                let times = read(&time)?;
                let times = times.as_primitive::<TimestampNanosecondType>().values();
                let Some(series) = &series else {
                    take(&mut folded, NULL_CODE, times);
                    return Ok(());
                };
                let codes = read(series)?;
                let codes = codes.as_primitive::<UInt32Type>();
                let code = |row: usize| {
                    if codes.is_null(row) {
                        NULL_CODE
                    } else {
                        codes.value(row)
                    }
                };
                let mut first = 0;
                while first < times.len() {
                    let end = run_end(first, times.len(), code);
                    take(
                        &mut folded,
                        code(first),
                        times.get(first..end).unwrap_or_default(),
                    );
                    first = end;
                }
                Ok(())
            })?;
            Ok(folded)
        })
        .try_reduce(&start, |a, b| Ok(join(a, b)))
}

/// Where the run ends that begins at `first`, by steps that double and then halve.
fn run_end(first: usize, rows: usize, code: impl Fn(usize) -> u32) -> usize {
    let of_run = code(first);
    let (mut inside, mut step) = (first, 1);
    while inside + step < rows && code(inside + step) == of_run {
        inside += step;
        step *= 2;
    }
    let mut outside = (inside + step).min(rows);
    while outside - inside > 1 {
        let middle = inside + (outside - inside) / 2;
        match code(middle) == of_run {
            true => inside = middle,
            false => outside = middle,
        }
    }
    outside
}
