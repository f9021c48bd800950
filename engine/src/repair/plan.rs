//! What is done about which damage. Pure: nothing is read or written here.

use gapless_format::{CoverageKey, CoverageRecord, CoverageState, EditItem, SegmentOrigin, SegmentRef};

use super::quarantine::{coverage_place, segment_place};
use super::report::{RepairedCoverage, RepairedSegment};
use crate::check::{CoverageDamage, Examined, Finding, Lost, Scope, SegmentDamage, Severity};
use crate::coverage::CoverageRange;
use crate::error::{Error, Result};
use crate::manifest::{TableState, Version};

/// Who states what is lost.
pub(super) const SOURCE: &str = "repair";

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct RepairPlan {
    /// First: while coverage is damaged, the coverage of a table is not written.
    pub(super) coverage: Vec<CoverageDamage>,
    pub(super) segments: Vec<SegmentDamage>,
    /// Damage that is not repaired.
    pub(super) left: Vec<Finding>,
}

impl RepairPlan {
    /// What can be repaired of what a check has found.
    pub(super) fn new(examined: Examined) -> Self {
        let Examined {
            report,
            segments,
            coverage,
            ..
        } = examined;
        let mut plan = Self::default();
        for finding in report.findings {
            if finding.severity != Severity::Error {
                continue;
            }
            let of_segment = segments.iter().find(|damage| is_of_segment(&finding, damage));
            let of_coverage = coverage.iter().find(|damage| is_of_coverage(&finding, damage));
            let refusal = match (of_segment, of_coverage) {
                (Some(damage), _) => damage.refusal.as_ref(),
                (_, Some(damage)) => damage.refusal.as_ref(),
                (None, None) => {
                    plan.left.push(finding);
                    continue;
                }
            };
            if let Some(why) = refusal {
                let message = format!("{}; not repaired: {why}", finding.message);
                plan.left.push(Finding { message, ..finding });
            }
        }
        plan.coverage = coverage;
        plan.coverage.retain(|damage| damage.refusal.is_none());
        plan.segments = segments;
        plan.segments.retain(|damage| damage.refusal.is_none());
        plan
    }
}

fn is_of_segment(finding: &Finding, damage: &SegmentDamage) -> bool {
    finding.table.as_deref() == Some(damage.table.name.as_str())
        && finding.segment.as_deref() == Some(damage.reference.directory.as_str())
        && finding.partition.as_deref() == Some(damage.reference.partition.path().as_str())
}

fn is_of_coverage(finding: &Finding, damage: &CoverageDamage) -> bool {
    let file = finding.file.as_deref().unwrap_or_default();
    finding.table.as_deref() == Some(damage.table.name.as_str())
        && finding.segment.is_none()
        && file.rsplit('/').next() == Some(damage.reference.name.as_str())
}

/// What is said of a repaired segment.
pub(super) fn reported(damage: &SegmentDamage) -> Result<RepairedSegment> {
    let table = &damage.table.name;
    Ok(RepairedSegment {
        table: table.clone(),
        partition: damage.reference.partition.path(),
        segment: damage.reference.directory.clone(),
        rows: damage.reference.rows,
        rows_lost: damage.rows_lost,
        salvaged: None,
        quarantine: segment_place(table, &damage.reference)?.to_string(),
    })
}

/// What is said of a coverage file that is taken out of use.
pub(super) fn reported_coverage(damage: &CoverageDamage) -> Result<RepairedCoverage> {
    let table = &damage.table.name;
    Ok(RepairedCoverage {
        table: table.clone(),
        file: damage.reference.name.clone(),
        quarantine: coverage_place(table, &damage.reference)?.to_string(),
    })
}

/// The edit that puts the sound rows of a segment in its place.
///
/// The new segment keeps the place of the old one among those of the same partition, which says which of two versions of a
/// row counts: by its commit times, and where others have the same ones, by what follows it being added again.
///
/// # Errors
/// `Conflict` when another commit has replaced the segment.
pub(super) fn exchange(
    version: &Version,
    damaged: &SegmentRef,
    salvaged: Option<&SegmentRef>,
) -> Result<Vec<EditItem>> {
    let state = version
        .table_by_id(damaged.table)
        .filter(|state| state.segment(damaged.segment).is_some())
        .ok_or_else(|| {
            Error::conflict(format!(
                "another commit has replaced segment {}",
                damaged.directory
            ))
        })?;
    let remove = |segment: u64| EditItem::RemoveSegment {
        table: damaged.table,
        segment,
    };
    let mut items = vec![remove(damaged.segment)];
    let Some(salvaged) = salvaged else {
        return Ok(items);
    };
    // As a compaction: subscribers have had these rows, or read them in the old segment.
    items.push(EditItem::AddSegment(SegmentRef {
        created: version.number() + 1,
        first_commit: damaged.first_commit,
        last_commit: damaged.last_commit,
        origin: SegmentOrigin::Compaction,
        stream: 0,
        ..salvaged.clone()
    }));
    let following = of_the_same_commit_behind(state, damaged);
    for segment in &following {
        items.push(remove(segment.segment));
        items.push(EditItem::AddSegment(segment.clone()));
    }
    if !following.is_empty() {
        // They are in use: nobody may take them for removed.
        let segments = following.iter().map(|segment| segment.segment).collect();
        items.push(EditItem::Purged { segments });
    }
    Ok(items)
}

fn of_the_same_commit_behind(state: &TableState, damaged: &SegmentRef) -> Vec<SegmentRef> {
    let partitions = state.partitions();
    let partition = partitions.iter().find(|(key, _)| *key == damaged.partition);
    let segments = partition
        .map(|(_, segments)| segments.as_slice())
        .unwrap_or_default();
    let behind = segments
        .iter()
        .skip_while(|segment| segment.segment != damaged.segment);
    behind
        .skip(1)
        .take_while(|segment| segment.first_commit == damaged.first_commit)
        .map(|segment| SegmentRef::clone(segment))
        .collect()
}

/// What is stated of lost rows: by series, disjoint and ascending. Of rows without a series nothing can be stated.
pub(super) fn statements(lost: &[Lost], now: i64) -> Vec<(CoverageKey, Vec<CoverageRange>)> {
    let mut all: Vec<(CoverageKey, Vec<CoverageRange>)> = Vec::new();
    for lost in lost {
        let series = match lost.scope {
            Scope::Every => None,
            Scope::Code(code) => Some(code),
            Scope::Null => continue,
        };
        let key = CoverageKey {
            series,
            interval: None,
        };
        let range = statement(lost.range.start, lost.range.end, CoverageState::Lost, now);
        match all.last_mut().filter(|(last, _)| *last == key) {
            None => all.push((key, vec![range])),
            Some((_, ranges)) => match ranges.last_mut().filter(|last| last.end >= range.start) {
                Some(last) => last.end = last.end.max(range.end),
                None => ranges.push(range),
            },
        }
    }
    all
}

/// What is stated when a coverage file is damaged: it may have taken back what older ones say, so nothing that was said
/// until it was written counts any more.
pub(super) fn nothing_known(until: i64, now: i64) -> (CoverageKey, CoverageRange) {
    let key = CoverageKey {
        series: None,
        interval: None,
    };
    let range = CoverageRange {
        commit: until,
        first_commit: until,
        ..statement(i64::MIN, i64::MAX, CoverageState::Unknown, now)
    };
    (key, range)
}

/// The commit of its file is that of the statement.
fn statement(start: i64, end: i64, state: CoverageState, now: i64) -> CoverageRange {
    CoverageRange {
        start,
        end,
        state,
        rows: None,
        content: 0,
        fetched_at: now,
        source: SOURCE.into(),
        batch: "".into(),
        commit: i64::MIN,
        first_commit: i64::MIN,
    }
}

/// As the file of a commit holds it.
pub(super) fn records<'a>(
    statements: &'a [(CoverageKey, Vec<CoverageRange>)],
) -> Vec<(CoverageKey, Vec<CoverageRecord<'a>>)> {
    let of_key = |(key, ranges): &'a (CoverageKey, Vec<CoverageRange>)| {
        (*key, ranges.iter().map(CoverageRange::record).collect())
    };
    statements.iter().map(of_key).collect()
}
