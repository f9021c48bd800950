//! One task's rows, read like a scan reads them and written as new segments. Nothing is committed here.

use std::sync::Arc;

use gapless_format::{AttributeKind, Deletion, SegmentRef, TableMeta};

use super::deletions::{can_cut, concerns, span_of};
use super::plan::Task;
use super::policy::{Situation, cold_encoding};
use crate::database::{Engine, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::TableState;
use crate::scan::{Batches, Scan};
use crate::segment::{EncodingPolicy, commit_spec};
use crate::write::{BuiltSegments, SegmentOutput};

/// A rewrite of some segments of one table at one version.
pub(crate) struct Rewrite<'a> {
    engine: &'a Arc<Engine>,
    snapshot: &'a Snapshot,
    state: Arc<TableState>,
    task: &'a Task,
    has_commits: bool,
}

impl<'a> Rewrite<'a> {
    /// Checks that the task still fits the snapshot.
    ///
    /// # Errors
    /// `Conflict` when the table or a segment is gone.
    pub(crate) fn new(
        engine: &'a Arc<Engine>,
        snapshot: &'a Snapshot,
        task: &'a Task,
        situation: &Situation<'_>,
    ) -> Result<Self> {
        let state = live_state(snapshot.version().table_by_id(task.table), task)?;
        let deletions = snapshot.version().deletions(task.table);
        let has_commits = needs_commits(state, deletions, task, situation);
        Ok(Self {
            engine,
            snapshot,
            state: Arc::clone(state),
            task,
            has_commits,
        })
    }

    /// Ids of the deletions whose rows are left out.
    pub(crate) fn applied(&self) -> Vec<u64> {
        let deletions = self.snapshot.version().deletions(self.task.table);
        deletions.map(|deletion| deletion.deletion).collect()
    }

    /// Whether the new segments say of each row when it was committed.
    pub(crate) fn has_commits(&self) -> bool {
        self.has_commits
    }

    /// Writes the new segments and makes them durable. `take` is told after each batch how many rows it had, and says
    /// whether to go on; `None` if not.
    pub(crate) fn run(&self, take: &mut dyn FnMut(u64) -> bool) -> Result<Option<BuiltSegments>> {
        let mut left_out = self.missing_attributes()?;
        loop {
            match self.write(&self.target(&left_out), take) {
                // What holds in every segment may not hold in all of them together: reads are right without it.
                Err(error)
                    if error.kind() == ErrorKind::Invalid && left_out.len() < self.breakable().len() =>
                {
                    tracing::info!(table = self.task.table_name, %error, "a compaction leaves attributes out");
                    left_out = self.breakable();
                }
                outcome => return outcome,
            }
        }
    }

    fn write(
        &self,
        target: &Arc<TableMeta>,
        take: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<BuiltSegments>> {
        let scan = Scan::of_segments(self.snapshot.clone(), &self.state, &self.task.segments)?;
        let mut batches = Batches::by_code(scan)?;
        let encoding = if self.task.is_cold {
            cold_encoding(target)
        } else {
            EncodingPolicy::plain()
        };
        let mut output = SegmentOutput::new(self.engine, target, self.task.partition, &encoding, None);
        while let Some(columns) = batches.next_columns(&target.columns)? {
            output.push(&columns)?;
            if !take(columns.first().map_or(0, |array| array.len() as u64)) {
                return Ok(None);
            }
            live_state(
                self.engine.manifest().current().table_by_id(self.task.table),
                self.task,
            )?;
        }
        let (built, mut sync) = output.finish()?;
        sync.flush(&**self.engine.storage())?;
        Ok(Some(built))
    }

    /// The table's description for the new segments.
    fn target(&self, left_out: &[(u32, AttributeKind)]) -> Arc<TableMeta> {
        let mut target = TableMeta::clone(self.state.meta());
        for column in &mut target.columns {
            let id = column.column_id;
            column.attributes.retain(|kind| !left_out.contains(&(id, *kind)));
        }
        if self.has_commits {
            target.columns.push(commit_spec());
        }
        Arc::new(target)
    }

    /// Attributes that may hold in segments and not in their union. The order by series and time always holds.
    fn breakable(&self) -> Vec<(u32, AttributeKind)> {
        let meta = self.state.meta();
        let is_own = |id: u32, kind: AttributeKind| match kind {
            AttributeKind::Grouped => true,
            AttributeKind::Parted => meta.series_column == Some(id),
            AttributeKind::Sorted => meta.series_column.is_none() && meta.time_column == id,
            AttributeKind::Unique => false,
        };
        let all = meta.columns.iter().flat_map(|column| {
            let kinds = column.attributes.iter();
            kinds.map(|kind| (column.column_id, *kind))
        });
        all.filter(|(id, kind)| !is_own(*id, *kind)).collect()
    }

    /// Those of them that an earlier rewrite has left out: they will not hold now.
    fn missing_attributes(&self) -> Result<Vec<(u32, AttributeKind)>> {
        let breakable = self.breakable();
        if breakable.is_empty() {
            return Ok(breakable);
        }
        let mut missing = Vec::new();
        for reference in &self.task.segments {
            let segment = self.engine.cache().segment(&self.task.table_name, reference)?;
            missing.extend(breakable.iter().copied().filter(|(id, kind)| {
                let column = segment.column(*id);
                column.is_some_and(|column| column.attributes.iter().all(|found| found.kind != *kind))
            }));
        }
        missing.sort_unstable();
        missing.dedup();
        Ok(missing)
    }
}

/// The table, if all segments of a task are still live in it.
pub(crate) fn live_state<'a>(state: Option<&'a Arc<TableState>>, task: &Task) -> Result<&'a Arc<TableState>> {
    let state = state.ok_or_else(|| Error::conflict(format!("table {:?} was dropped", task.table_name)))?;
    match task
        .segments
        .iter()
        .find(|segment| state.segment(segment.segment).is_none())
    {
        None => Ok(state),
        Some(gone) => Err(Error::conflict(format!(
            "table {:?}: another commit has replaced segment {}",
            task.table_name, gone.directory
        ))),
    }
}

/// Whether rows that are not rewritten, or deletions, have commit times between those of the rows that are.
fn needs_commits<'a>(
    state: &TableState,
    deletions: impl Iterator<Item = &'a Arc<Deletion>>,
    task: &Task,
    situation: &Situation<'_>,
) -> bool {
    let (first, last) = commit_range(&task.segments);
    if first == last {
        return false;
    }
    let is_chosen = |other: &SegmentRef| {
        task.segments
            .iter()
            .any(|segment| segment.segment == other.segment)
    };
    let lies_between = |other: &Arc<SegmentRef>| {
        other.first_commit <= last && first <= other.last_commit && !is_chosen(other)
    };
    let others = state.partitions_between(span_of(&task.segments));
    !situation.knows_all_until(last)
        || others
            .iter()
            .any(|(_, segments)| segments.iter().any(lies_between))
        || straddling(deletions, &task.segments)
            .any(|deletion| !can_cut(state, deletion, &task.segments, situation))
}

/// Deletions that hide some of the commits of segments and not others.
pub(crate) fn straddling<'a>(
    deletions: impl Iterator<Item = &'a Arc<Deletion>>,
    segments: &[Arc<SegmentRef>],
) -> impl Iterator<Item = &'a Arc<Deletion>> {
    let (first, last) = commit_range(segments);
    deletions.filter(move |deletion| {
        first < deletion.commit
            && deletion.commit <= last
            && segments.iter().any(|segment| {
                let widened = SegmentRef {
                    first_commit: first,
                    ..SegmentRef::clone(segment)
                };
                concerns(deletion, &widened)
            })
    })
}

/// Oldest and newest commit of the rows of some segments.
pub(crate) fn commit_range(segments: &[Arc<SegmentRef>]) -> (i64, i64) {
    let first = segments.iter().map(|segment| segment.first_commit).min();
    let last = segments.iter().map(|segment| segment.last_commit).max();
    (first.unwrap_or_default(), last.unwrap_or_default())
}
