//! Retention by hand: partitions that are older than a time go, and what was known of them turns expired.

use std::sync::Arc;

use gapless_format::EditItem;

use crate::coverage::{NewCoverage, expired_until, merge_files, write_expired};
use crate::database::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::TableState;

/// Times that it is tried while others commit to the table.
const RETRIES: usize = 10;

/// Removes the partitions of a table that end at or before a time; gives the rows that went.
pub(crate) fn expire(engine: &Arc<Engine>, table: &str, before: i64) -> Result<u64> {
    for _ in 0..RETRIES {
        match expire_once(engine, table, before) {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            outcome => return outcome,
        }
    }
    Err(Error::conflict(format!(
        "table {table:?} is written to as fast as it is read: try again"
    )))
}

fn expire_once(engine: &Arc<Engine>, table: &str, before: i64) -> Result<u64> {
    let version = engine.refresh()?;
    let state = version.table(table)?;
    if removals(state, before).is_empty() {
        return Ok(0);
    }
    let expired = Expired::new(engine, state, before)?;
    let mut rows = 0;
    expired.commit(engine, |version| {
        let state = version.table(table)?;
        let items = removals(state, before);
        rows = items.iter().map(|(rows, _)| rows).sum();
        Ok((
            Arc::clone(state),
            items.into_iter().map(|(_, item)| item).collect(),
        ))
    })?;
    if let Err(error) = engine.collect_removed() {
        tracing::warn!(%error, "files of expired partitions stay until the next garbage collection");
    }
    Ok(rows)
}

/// The coverage of what expires, written but not committed.
pub(super) struct Expired {
    table: u32,
    before: i64,
    until: i64,
    coverage: NewCoverage,
}

impl Expired {
    /// Of the partitions of a table that end at or before a time.
    pub(super) fn new(engine: &Engine, state: &TableState, before: i64) -> Result<Self> {
        let until = expired_until(state, before);
        Ok(Self {
            table: state.meta().table,
            before,
            until,
            coverage: write_expired(engine, state, until)?,
        })
    }

    /// Commits it with the removals that `plan` gives for the newest version.
    pub(super) fn commit(
        self,
        engine: &Arc<Engine>,
        plan: impl FnOnce(&crate::manifest::Version) -> Result<(Arc<TableState>, Vec<EditItem>)>,
    ) -> Result<()> {
        let committed = engine.commit(|version, now| {
            let (state, mut items) = plan(version)?;
            if expired_until(&state, self.before) < self.until {
                return Err(Error::conflict("rows came to what was to expire"));
            }
            let mut file = self.coverage.reference().clone();
            (file.created, file.commit) = (version.number() + 1, now);
            items.push(EditItem::AddCoverage(file));
            Ok(items)
        });
        match committed {
            Ok(_) => {
                self.coverage.keep();
                merge_files(engine, self.table)
            }
            Err(error) => {
                if error.kind() == ErrorKind::Io && engine.manifest().check_poison().is_err() {
                    self.coverage.keep(); // The commit may have happened.
                }
                Err(error)
            }
        }
    }
}

/// The rows of each segment that goes, and its removal.
fn removals(state: &TableState, before: i64) -> Vec<(u64, EditItem)> {
    let partitions = state.partitions_between(i64::MIN..before);
    let expired = partitions.iter().filter(|(key, _)| key.end() <= before);
    expired
        .flat_map(|(_, segments)| segments.iter())
        .map(|segment| {
            let item = EditItem::RemoveSegment {
                table: segment.table,
                segment: segment.segment,
            };
            (segment.rows, item)
        })
        .collect()
}
