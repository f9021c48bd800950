//! `gapless.coverage`, `gapless.gaps` and `gapless.leases`: what is known of ranges, what is missing, and who is at it.

use std::ops::Range;

use arrow_array::RecordBatch;
use gapless_engine::lease::Lease;
use gapless_engine::manifest::TableState;
use gapless_engine::{Gap, GapQuery, Result, Snapshot, TableCoverage};

use super::batch::Columns;

/// One row for each range of which something is known.
pub(super) fn coverage(snapshot: &Snapshot, state: Option<&TableState>) -> Result<RecordBatch> {
    let all = match state {
        Some(state) => snapshot
            .coverage(&state.meta().name)?
            .all_ranges(i64::MIN..i64::MAX),
        None => Vec::new(),
    };
    let table = state.map_or("", |state| state.meta().name.as_str());
    let each = || all.iter().map(|(_, _, range)| range);
    let intervals: Vec<Option<i64>> = all.iter().map(|(_, interval, _)| *interval).collect();
    Columns::new()
        .text("table_name", each().map(|_| table))
        .some_text("series", all.iter().map(|(series, _, _)| series.as_deref()))
        .some_ns("interval_ns", intervals.into_iter())
        .time("start_time", each().map(|range| range.start))
        .time("end_time", each().map(|range| range.end))
        .text("state", each().map(|range| range.state.name()))
        .text("source", each().map(|range| &range.source))
        .text("batch", each().map(|range| &range.batch))
        .some_count("rows", each().map(|range| range.rows))
        .time("fetched_at", each().map(|range| range.fetched_at))
        .time("committed_at", each().map(|range| range.commit))
        .finish()
}

/// One row for each gap in what a table spans: from its first row, or the first range of which something is known, to the last.
pub(super) fn gaps(snapshot: &Snapshot, state: Option<&TableState>) -> Result<RecordBatch> {
    let Some(state) = state else {
        return batch_of_gaps("", &[]);
    };
    let table = &state.meta().name;
    let coverage = snapshot.coverage(table)?;
    let mut found = Vec::new();
    if let Some(range) = span(snapshot, state, &coverage)? {
        let mut intervals = coverage.intervals();
        if intervals.is_empty() {
            intervals.push(0);
        }
        for interval in intervals {
            let query = GapQuery::new(range.start, range.end).interval(interval);
            found.extend(coverage.gaps(&query)?);
        }
    }
    batch_of_gaps(table, &found)
}

/// The gaps of one question.
pub(super) fn asked_gaps(snapshot: &Snapshot, table: &str, query: &GapQuery) -> Result<RecordBatch> {
    batch_of_gaps(table, &snapshot.coverage(table)?.gaps(query)?)
}

pub(super) fn batch_of_gaps(table: &str, gaps: &[Gap]) -> Result<RecordBatch> {
    Columns::new()
        .text("table_name", gaps.iter().map(|_| table))
        .some_text("series", gaps.iter().map(|gap| gap.series.as_deref()))
        .ns("interval_ns", gaps.iter().map(|gap| gap.interval))
        .time("start_time", gaps.iter().map(|gap| gap.start))
        .time("end_time", gaps.iter().map(|gap| gap.end))
        .finish()
}

/// From the first to the last time of which a table has rows or says something.
fn span(snapshot: &Snapshot, state: &TableState, coverage: &TableCoverage) -> Result<Option<Range<i64>>> {
    let rows = [state.time_bounds(), snapshot.unflushed_times(&state.meta().name)?];
    let rows = rows
        .into_iter()
        .flatten()
        .map(|(first, last)| first..last.saturating_add(1));
    let known = coverage.all_ranges(i64::MIN..i64::MAX);
    let known = known.iter().map(|(_, _, range)| range.start..range.end);
    let finite = |time: &i64| *time != i64::MIN && *time != i64::MAX;
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for range in rows.chain(known) {
        starts.extend(Some(range.start).filter(finite));
        ends.extend(Some(range.end).filter(finite));
    }
    let range = starts
        .iter()
        .chain(&ends)
        .min()
        .zip(starts.iter().chain(&ends).max());
    Ok(range.map(|(start, end)| *start..*end))
}

/// One row for each lease that is not over. Leases are no part of a version: these are the present ones.
pub(super) fn leases(snapshot: &Snapshot, held: &[Lease]) -> Result<RecordBatch> {
    let each = || held.iter();
    let table = |lease: &Lease| {
        let state = snapshot.version().table_by_id(lease.table);
        state.map(|state| state.meta().name.clone())
    };
    Columns::new()
        .count("epoch", each().map(|lease| lease.epoch))
        .some_text("table_name", each().map(table))
        .some_text("series", each().map(|lease| lease.key.series.as_deref()))
        .ns("interval_ns", each().map(|lease| lease.key.interval))
        .time("start_time", each().map(|lease| lease.key.start))
        .time("end_time", each().map(|lease| lease.key.end))
        .text("world", each().map(|lease| &lease.key.world))
        .some_time("as_of", each().map(|lease| lease.key.as_of))
        .text("holder", each().map(|lease| &lease.holder))
        .text("batch", each().map(|lease| &lease.batch))
        .time("claimed_at", each().map(|lease| lease.claimed_at))
        .time("expires_at", each().map(|lease| lease.expires_at))
        .ratio("completion", each().map(Lease::completion_ratio))
        .finish()
}
