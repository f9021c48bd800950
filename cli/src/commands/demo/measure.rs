//! The two reads that the demo measures.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use gapless::Database;
use serde::Serialize;

use crate::error::CliError;
use crate::render::{Align, Grid, count};

/// Departures of one airport.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct DelayBySeries {
    pub(super) origin: String,
    pub(super) departures: u64,
    pub(super) known_delays: u64,
    pub(super) delay_sum: i64,
    pub(super) mean_delay: f64,
}

/// 2013-07-01T12:00Z and 12:30Z.
const WINDOW: (i64, i64) = (1_372_680_000_000_000_000, 1_372_681_800_000_000_000);

/// Reads half an hour of one series 200 times. Gives its rows and the median time of a read.
pub(super) fn point_window(database: &Database) -> Result<(usize, Duration), CliError> {
    let table = database.table("flights")?;
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..200 {
        let began = Instant::now();
        let batches = table
            .scan()?
            .series(["JFK"])
            .between(WINDOW.0, WINDOW.1)
            .collect()?;
        times.push(began.elapsed());
        rows = batches.iter().map(RecordBatch::num_rows).sum();
    }
    times.sort_unstable();
    Ok((rows, times.get(times.len() / 2).copied().unwrap_or_default()))
}

type Sums = BTreeMap<String, (u64, u64, i64)>;

/// Folds two columns of the whole table on all threads.
pub(super) fn delay_by_series(database: &Database) -> Result<(Vec<DelayBySeries>, Duration), CliError> {
    let began = Instant::now();
    let sums = database
        .table("flights")?
        .scan()?
        .columns(["origin", "dep_delay"])
        .fold(
            Sums::new,
            |mut sums, batch| {
                add(&mut sums, &batch);
                Ok(sums)
            },
            |mut left, right| {
                for (origin, (departures, known, sum)) in right {
                    let entry = left.entry(origin).or_default();
                    *entry = (entry.0 + departures, entry.1 + known, entry.2 + sum);
                }
                left
            },
        )?;
    let time = began.elapsed();
    let delays = sums
        .into_iter()
        .map(|(origin, (departures, known_delays, delay_sum))| DelayBySeries {
            origin,
            departures,
            known_delays,
            delay_sum,
            mean_delay: delay_sum as f64 / known_delays.max(1) as f64,
        })
        .collect();
    Ok((delays, time))
}

fn add(sums: &mut Sums, batch: &RecordBatch) {
    let [origins, delays] = batch.columns() else {
        return;
    };
    let origins = origins.as_dictionary::<UInt32Type>();
    let names = origins.values().as_string::<i32>();
    let delays = delays.as_primitive::<Int64Type>();
    let mut by_key = vec![(0u64, 0u64, 0i64); names.len()];
    for (key, delay) in origins.keys().iter().zip(delays) {
        if let Some(entry) = key.and_then(|key| by_key.get_mut(key as usize)) {
            entry.0 += 1;
            entry.1 += u64::from(delay.is_some());
            entry.2 += delay.unwrap_or(0);
        }
    }
    for (key, (departures, known, sum)) in by_key.into_iter().enumerate() {
        if departures > 0 {
            let entry = sums.entry(names.value(key).to_owned()).or_default();
            *entry = (entry.0 + departures, entry.1 + known, entry.2 + sum);
        }
    }
}

/// The result as a table.
pub(super) fn grid(delays: &[DelayBySeries]) -> Grid {
    let mut grid = Grid::new([
        ("origin", Align::Left),
        ("departures", Align::Right),
        ("mean delay, minutes", Align::Right),
    ]);
    for delay in delays {
        grid.row([
            delay.origin.clone(),
            count(delay.departures),
            format!("{:.2}", delay.mean_delay),
        ]);
    }
    grid
}
