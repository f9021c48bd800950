//! What maintenance would do with a version: which segments become which, and why. Reads nothing, changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use gapless_format::{Deletion, Keep, PartitionKey, PartitionUnit, SegmentOrigin, SegmentRef};

use super::deletions::{can_cut, concerns, hides_all};
use super::fold::{self, Reason};
use super::policy::{Policy, Situation, cold_after_ns, cold_encoding, retain_ns};
use crate::manifest::{TableState, Version};
use crate::segment::{ColumnEncoding, SEGMENT_ROWS_MAX};

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Removes partitions that are older than the table keeps rows.
    Expire,
    /// Makes the hours of a closed day one day segment.
    BuildDay,
    /// Makes several segments of a partition one, without the rows that deletions hide.
    FoldIn,
    /// Encodes a cold partition to be small.
    Reencode,
}

impl TaskKind {
    /// `expire`, `build day`, `fold in` or `reencode`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expire => "expire",
            Self::BuildDay => "build day",
            Self::FoldIn => "fold in",
            Self::Reencode => "reencode",
        }
    }
}

/// One commit of maintenance: segments that go, and the partition in which their rows are written anew.
#[derive(Debug, Clone)]
pub struct Task {
    /// What is done.
    pub kind: TaskKind,
    /// Id of the table.
    pub table: u32,
    /// The table's name.
    pub table_name: String,
    /// The partition that gets the rows.
    pub partition: PartitionKey,
    /// The segments that go, in the order of their commits.
    pub segments: Vec<Arc<SegmentRef>>,
    /// Why it is worth it.
    pub why: String,
    /// Rows of these segments.
    pub rows: u64,
    /// Bytes of these segments.
    pub bytes_before: u64,
    /// Bytes that will be written, at most.
    pub bytes_written: u64,
    /// Whether what is written is encoded to be small.
    pub is_cold: bool,
}

/// Tasks in the order in which they are done.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The version that was looked at.
    pub version: u64,
    /// What is to be done.
    pub tasks: Vec<Task>,
}

impl Plan {
    /// Bytes that all tasks read and write, at most.
    pub fn bytes(&self) -> u64 {
        self.tasks.iter().map(Task::bytes).sum()
    }
}

impl Task {
    /// Bytes that it reads and writes, at most.
    pub fn bytes(&self) -> u64 {
        match self.bytes_written {
            0 => 0,
            written => self.bytes_before + written,
        }
    }
}

type Partition = (PartitionKey, Arc<Vec<Arc<SegmentRef>>>);

/// What is worth doing with a version. The same arguments give the same plan.
pub fn plan(version: &Version, policy: &Policy, situation: &Situation<'_>) -> Plan {
    let mut tasks = Vec::new();
    for state in version.tables() {
        if policy
            .table
            .as_ref()
            .is_none_or(|name| *name == state.meta().name)
        {
            let deletions: Vec<_> = version.deletions(state.meta().table).cloned().collect();
            let planner = Planner {
                state,
                deletions,
                policy,
                situation,
            };
            tasks.extend(planner.tasks());
        }
    }
    Plan {
        version: version.number(),
        tasks,
    }
}

/// Decides about one table.
struct Planner<'a> {
    state: &'a TableState,
    deletions: Vec<Arc<Deletion>>,
    policy: &'a Policy,
    situation: &'a Situation<'a>,
}

impl Planner<'_> {
    fn tasks(&self) -> Vec<Task> {
        let (expired, kept): (Vec<_>, Vec<_>) = self
            .state
            .partitions()
            .into_iter()
            .partition(|(key, _)| self.is_expired(*key));
        let mut tasks: Vec<Task> = self.expire(expired).into_iter().collect();
        let (days, rest) = self.closed_days(kept);
        tasks.extend(
            days.into_iter()
                .filter_map(|(day, parts)| self.build_day(day, &parts)),
        );
        tasks.extend(
            rest.into_iter()
                .filter_map(|(key, segments)| self.partition(key, &segments)),
        );
        tasks
    }

    fn is_expired(&self, key: PartitionKey) -> bool {
        retain_ns(self.state.meta()).is_some_and(|retain| self.situation.is_past(key.end(), retain))
    }

    fn expire(&self, partitions: Vec<Partition>) -> Option<Task> {
        let count = partitions.len();
        let key = partitions.first()?.0;
        let segments: Vec<_> = partitions
            .iter()
            .flat_map(|(_, segments)| segments.iter().cloned())
            .collect();
        let days = retain_ns(self.state.meta()).unwrap_or_default() / 86_400_000_000_000;
        let why = format!("{count} partitions are older than the {days} days that rows are kept");
        let mut task = self.task(TaskKind::Expire, key, segments, why);
        task.bytes_written = 0;
        Some(task)
    }

    /// Days of which hours are still partitions of their own and that are over, with all their partitions; and the
    /// other partitions.
    fn closed_days(&self, partitions: Vec<Partition>) -> (BTreeMap<i64, Vec<Partition>>, Vec<Partition>) {
        let mut days: BTreeMap<i64, Vec<Partition>> = BTreeMap::new();
        if self.state.meta().partition_unit == PartitionUnit::Day {
            for (key, _) in partitions
                .iter()
                .filter(|(key, _)| key.unit == PartitionUnit::Hour)
            {
                let day = PartitionKey::containing(PartitionUnit::Day, key.start);
                if self.situation.is_past(day.end(), self.policy.day_grace_ns) {
                    days.entry(day.start).or_default();
                }
            }
        }
        let mut rest = Vec::new();
        for (key, segments) in partitions {
            let day = PartitionKey::containing(PartitionUnit::Day, key.start).start;
            let is_part = matches!(key.unit, PartitionUnit::Hour | PartitionUnit::Day);
            match days.get_mut(&day).filter(|_| is_part) {
                Some(parts) => parts.push((key, segments)),
                None => rest.push((key, segments)),
            }
        }
        (days, rest)
    }

    /// All of a closed day becomes one segment. If the day is built already and few rows have come since in hours of
    /// their own, only those move to it.
    fn build_day(&self, start: i64, parts: &[Partition]) -> Option<Task> {
        let day = PartitionKey {
            unit: PartitionUnit::Day,
            start,
        };
        let of_unit = |unit: PartitionUnit| {
            let inside = parts.iter().filter(move |(key, _)| key.unit == unit);
            inside.flat_map(|(_, segments)| segments.iter().cloned())
        };
        let hours: Vec<_> = of_unit(PartitionUnit::Hour).collect();
        let days: Vec<_> = of_unit(PartitionUnit::Day).collect();
        let late = percent(bytes_of(&hours), bytes_of(&hours) + bytes_of(&days));
        let mut chosen = hours;
        let why = if days.is_empty() {
            format!("the day is over and in {} hours", parts.len())
        } else if late >= self.policy.late_percent_max || self.policy.full {
            chosen.extend(days);
            format!("{late} % of the closed day are in hours of their own")
        } else {
            format!("late rows of a closed day are in hours of their own, {late} % of it")
        };
        in_commit_order(&mut chosen);
        if chosen.iter().any(|segment| !self.may_merge(segment)) {
            return None;
        }
        Some(self.task(TaskKind::BuildDay, day, chosen, why))
    }

    /// With `keep`, a deletion that is only in a stream may bring back a row that the merge would leave out.
    fn may_merge(&self, segment: &SegmentRef) -> bool {
        self.state.meta().keep == Keep::All || self.situation.knows_all_until(segment.last_commit)
    }

    fn partition(&self, key: PartitionKey, segments: &[Arc<SegmentRef>]) -> Option<Task> {
        if let Some(task) = self.remove_hidden(key, segments) {
            return Some(task);
        }
        let mut eligible: Vec<_> = segments.to_vec();
        in_commit_order(&mut eligible);
        let known = eligible.iter().position(|segment| !self.may_merge(segment));
        eligible.truncate(known.unwrap_or(eligible.len()));
        let apply = self.apply_deletions(key, &eligible);
        apply
            .or_else(|| self.fold_in(key, &eligible))
            .or_else(|| self.reencode(key, segments))
    }

    /// Segments of which a deletion hides every row only have to be removed.
    fn remove_hidden(&self, key: PartitionKey, segments: &[Arc<SegmentRef>]) -> Option<Task> {
        let is_hidden =
            |segment: &&Arc<SegmentRef>| self.deletions.iter().any(|deletion| hides_all(deletion, segment));
        let hidden: Vec<_> = segments.iter().filter(is_hidden).cloned().collect();
        if hidden.is_empty() {
            return None;
        }
        let mut task = self.task(TaskKind::FoldIn, key, hidden, "all rows are deleted".to_owned());
        task.bytes_written = 0;
        Some(task)
    }

    fn apply_deletions(&self, key: PartitionKey, segments: &[Arc<SegmentRef>]) -> Option<Task> {
        let mut chosen: Option<(usize, usize)> = None;
        let (mut count, mut is_old) = (0, false);
        for deletion in &self.deletions {
            let concerned = |segment: &Arc<SegmentRef>| concerns(deletion, segment);
            let Some(first) = segments.iter().position(concerned) else {
                continue;
            };
            let last = segments.iter().rposition(concerned).unwrap_or(first);
            let run = segments.get(first..=last).unwrap_or_default();
            if !can_cut(self.state, deletion, run, self.situation) {
                continue;
            }
            chosen = Some(chosen.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
            count += 1;
            is_old |= self
                .situation
                .is_past(deletion.commit, self.policy.deletion_age_ns);
        }
        let (first, last) = chosen?;
        let is_due = is_old || count > self.policy.deletions_max || self.policy.full;
        let run = segments.get(first..=last).filter(|_| is_due)?;
        let why = match count {
            1 => "a deletion hides rows of it".to_owned(),
            count => format!("{count} deletions hide rows of it"),
        };
        Some(self.task(TaskKind::FoldIn, key, run.to_vec(), why))
    }

    fn fold_in(&self, key: PartitionKey, segments: &[Arc<SegmentRef>]) -> Option<Task> {
        let units = units(segments);
        let sizes: Vec<u64> = units.iter().map(|unit| bytes_of(unit)).collect();
        let newest = segments.iter().map(|segment| segment.last_commit).max()?;
        let (range, why) = if self.policy.full && units.len() > 1 {
            (
                0..units.len(),
                format!("{} segments in one partition", segments.len()),
            )
        } else {
            let is_settled = self.situation.is_past(newest, self.policy.settle_ns);
            let limits = (self.policy.segments_max, self.policy.late_percent_max);
            let (range, reason) = fold::choose(&sizes, limits.0, limits.1, is_settled)?;
            let why = match reason {
                Reason::Count => format!(
                    "{} segments in one partition, at most {} are left",
                    units.len(),
                    limits.0
                ),
                Reason::Share(late) => format!("{late} % are outside of the largest segment"),
            };
            (range, why)
        };
        let chosen: Vec<_> = units
            .get(range)?
            .iter()
            .flat_map(|unit| unit.iter().cloned())
            .collect();
        let rows: u64 = chosen.iter().map(|segment| segment.rows).sum();
        let pieces = rows.div_ceil(SEGMENT_ROWS_MAX as u64);
        if pieces >= chosen.len() as u64 {
            return None; // They cannot become fewer.
        }
        Some(self.task(TaskKind::FoldIn, key, chosen, why))
    }

    fn reencode(&self, key: PartitionKey, segments: &[Arc<SegmentRef>]) -> Option<Task> {
        let is_plain = |segment: &Arc<SegmentRef>| {
            segment.origin != SegmentOrigin::Compaction || !(self.situation.is_encoded)(segment)
        };
        let policy = cold_encoding(self.state.meta());
        let mut columns = self.state.meta().columns.iter();
        let is_due = self.is_cold(key)
            && columns.any(|column| policy.of(column.column_id) != ColumnEncoding::Plain)
            && !segments.is_empty()
            && segments.iter().all(is_plain)
            && segments.iter().all(|segment| self.may_merge(segment));
        is_due.then(|| {
            let mut chosen = segments.to_vec();
            in_commit_order(&mut chosen);
            self.task(
                TaskKind::Reencode,
                key,
                chosen,
                "the partition is cold".to_owned(),
            )
        })
    }

    fn is_cold(&self, key: PartitionKey) -> bool {
        let after = cold_after_ns(self.state.meta()).or(self.policy.cold_after_ns);
        after.is_some_and(|after| self.situation.is_past(key.end(), after))
    }

    fn task(
        &self,
        kind: TaskKind,
        partition: PartitionKey,
        segments: Vec<Arc<SegmentRef>>,
        why: String,
    ) -> Task {
        let bytes_before = bytes_of(&segments);
        Task {
            kind,
            table: self.state.meta().table,
            table_name: self.state.meta().name.clone(),
            partition,
            why,
            rows: segments.iter().map(|segment| segment.rows).sum(),
            bytes_before,
            bytes_written: bytes_before,
            is_cold: self.is_cold(partition),
            segments,
        }
    }
}

fn in_commit_order(segments: &mut [Arc<SegmentRef>]) {
    segments.sort_by_key(|segment| (segment.first_commit, segment.last_commit, segment.created));
}

fn bytes_of(segments: &[Arc<SegmentRef>]) -> u64 {
    segments.iter().map(|segment| segment.bytes).sum()
}

fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100) / whole.max(1)
}

/// Segments in the order of commits, by what a rewrite could not make fewer: the parts into which an earlier one was
/// cut because no segment may be larger stay together.
fn units(segments: &[Arc<SegmentRef>]) -> Vec<&[Arc<SegmentRef>]> {
    let are_parts = |a: &Arc<SegmentRef>, b: &Arc<SegmentRef>| {
        a.origin == SegmentOrigin::Compaction && b.origin == a.origin && a.created == b.created
    };
    segments.chunk_by(are_parts).collect()
}
