//! What retention has removed: nothing that lies there is fetched again.

use gapless_format::{CoverageKey, CoverageState};

use super::file::{NewCoverage, write_coverage};
use super::range::CoverageRange;
use crate::database::Engine;
use crate::error::Result;
use crate::manifest::TableState;

/// The time before which a table has nothing left once the partitions are gone that end at or before `before`.
pub(crate) fn expired_until(state: &TableState, before: i64) -> i64 {
    let partitions = state.partitions_between(i64::MIN..before);
    let left = partitions.iter().filter(|(key, _)| key.end() > before);
    left.map(|(key, _)| key.start).min().unwrap_or(before).min(before)
}

/// Writes that every series of a table has expired until a time.
///
/// # Errors
/// `Io`.
pub(crate) fn write_expired(engine: &Engine, state: &TableState, until: i64) -> Result<NewCoverage> {
    let range = CoverageRange {
        start: i64::MIN,
        end: until,
        state: CoverageState::Expired,
        rows: None,
        content: 0,
        fetched_at: engine.now_ns(),
        source: "retention".into(),
        batch: "".into(),
        commit: i64::MIN,
        first_commit: i64::MIN,
    };
    let every = CoverageKey {
        series: None,
        interval: None,
    };
    let table = (state.meta().table, state.meta().name.as_str());
    write_coverage(engine, table, &[(every, vec![range.record()])])
}
