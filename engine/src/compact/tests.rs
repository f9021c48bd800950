//! Plans over made-up versions: what is chosen, why, and what it costs in the long run.

use std::sync::Arc;

use gapless_format::{
    ColumnSpec, ColumnType, Deletion, EditItem, Keep, PartitionKey, PartitionUnit, SegmentOrigin, SegmentRef,
    TableMeta, TimeUnit,
};

use super::*;
use crate::manifest::Version;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// A version with one table, edited like a database is.
struct World {
    version: Version,
    now_ns: i64,
    next: u64,
    written: u64,
    given: u64,
}

fn table(unit: PartitionUnit, options: Vec<(String, String)>) -> TableMeta {
    TableMeta {
        table: 1,
        name: "trade".to_owned(),
        created: 0,
        time_column: 0,
        series_column: None,
        partition_unit: unit,
        columns: vec![ColumnSpec {
            column_id: 0,
            name: "ts".to_owned(),
            column_type: ColumnType::Timestamp {
                unit: TimeUnit::Nanosecond,
                zone: None,
            },
            nullable: false,
            attributes: Vec::new(),
        }],
        next_column_id: 1,
        keep: Keep::All,
        key: Vec::new(),
        options,
    }
}

impl World {
    fn new(unit: PartitionUnit) -> Self {
        Self::with(table(unit, Vec::new()))
    }

    fn with(table: TableMeta) -> Self {
        let mut world = Self {
            version: Version::default(),
            now_ns: 1000 * DAY,
            next: 1,
            written: 0,
            given: 0,
        };
        world.apply(&[EditItem::CreateTable(table)]);
        world
    }

    fn apply(&mut self, items: &[EditItem]) {
        let number = self.version.number() + 1;
        self.version = self
            .version
            .apply(number, self.now_ns, items)
            .expect("the edit fits");
    }

    fn segment(&mut self, key: PartitionKey, rows: u64, origin: SegmentOrigin) -> SegmentRef {
        self.next += 1;
        SegmentRef {
            table: 1,
            segment: self.next,
            directory: format!("s-00000000-{:06}", self.next),
            partition: key,
            rows,
            min_time: key.start,
            max_time: key.end() - 1,
            bytes: rows * 50,
            meta_len: 1,
            meta_checksum: 0,
            created: self.version.number() + 1,
            first_commit: self.now_ns,
            last_commit: self.now_ns,
            origin,
            stream: 0,
        }
    }

    fn commit(&mut self, unit: PartitionUnit, time: i64, rows: u64) {
        self.now_ns += 1;
        let segment = self.segment(PartitionKey::containing(unit, time), rows, SegmentOrigin::Bulk);
        self.given += segment.bytes;
        self.written += segment.bytes;
        self.apply(&[EditItem::AddSegment(segment)]);
    }

    fn plan(&self, policy: &Policy) -> Plan {
        plan(&self.version, policy, &Situation::at(self.now_ns))
    }

    fn maintain(&mut self, policy: &Policy) {
        for task in self.plan(policy).tasks {
            let mut items: Vec<EditItem> = task
                .segments
                .iter()
                .map(|segment| EditItem::RemoveSegment {
                    table: 1,
                    segment: segment.segment,
                })
                .collect();
            if task.bytes_written > 0 {
                let mut merged = self.segment(task.partition, task.rows, SegmentOrigin::Compaction);
                merged.first_commit = task.segments.iter().map(|s| s.first_commit).min().expect("some");
                merged.last_commit = task.segments.iter().map(|s| s.last_commit).max().expect("some");
                self.written += merged.bytes;
                items.push(EditItem::AddSegment(merged));
            }
            self.apply(&items);
        }
    }

    fn most_segments(&self) -> usize {
        let state = self.version.table("trade").expect("the table");
        let counts = state.partitions().into_iter().map(|(_, segments)| segments.len());
        counts.max().unwrap_or_default()
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    fn amplification(&self) -> f64 {
        self.written as f64 / self.given as f64
    }
}

fn kinds(plan: &Plan) -> Vec<TaskKind> {
    plan.tasks.iter().map(|task| task.kind).collect()
}

/// Commits one after the other into `partitions` days, with maintenance after each; the greatest number of segments
/// in a partition, and bytes written for each byte given.
fn many_commits(commits: usize, partitions: usize, pause: i64) -> (usize, f64) {
    let mut world = World::new(PartitionUnit::Day);
    let policy = Policy::default();
    let mut most = 0;
    for at in 0..commits {
        let day = i64::try_from(at * 7919 % partitions).expect("few") * DAY;
        world.commit(PartitionUnit::Day, day, 1 + (at as u64 * 31) % 20);
        world.now_ns += pause;
        world.maintain(&policy);
        most = most.max(world.most_segments());
    }
    world.now_ns += policy.settle_ns;
    world.maintain(&policy);
    (most, world.amplification())
}

#[test]
fn ten_thousand_small_commits_cost_a_bounded_amount_and_leave_few_segments() {
    for (partitions, pause) in [
        (1, 0),
        (1, SECOND),
        (1, 120 * SECOND),
        (50, 0),
        (50, 120 * SECOND),
    ] {
        let commits = if partitions == 1 { 10_000 } else { 4_000 };
        let (most, amplification) = many_commits(commits, partitions, pause);
        println!(
            "{commits} commits into {partitions} partitions, one each {} s: at most {most} segments in one, {amplification:.2} \
             bytes written for each",
            pause / SECOND
        );
        assert!(most <= Policy::default().segments_max, "{most} segments");
        assert!(amplification < 12.0, "{amplification}");
    }
}

#[test]
fn a_quiet_partition_with_few_late_rows_is_left_alone_and_one_with_many_is_rewritten() {
    let mut world = World::new(PartitionUnit::Day);
    world.commit(PartitionUnit::Day, 0, 1000);
    world.commit(PartitionUnit::Day, 0, 100);
    world.now_ns += HOUR;
    assert!(world.plan(&Policy::default()).tasks.is_empty());
    world.commit(PartitionUnit::Day, 0, 200);
    assert!(
        world.plan(&Policy::default()).tasks.is_empty(),
        "it has not settled"
    );
    world.now_ns += HOUR;
    let plan = world.plan(&Policy::default());
    assert_eq!(kinds(&plan), [TaskKind::FoldIn]);
    assert_eq!(plan.tasks[0].segments.len(), 3);
    assert_eq!((plan.tasks[0].rows, plan.tasks[0].bytes_before), (1300, 65_000));
    assert!(plan.tasks[0].why.contains("23 %"), "{}", plan.tasks[0].why);
    let again = world.plan(&Policy::default());
    assert_eq!(format!("{plan:?}"), format!("{again:?}"));
    world.maintain(&Policy::default());
    assert!(
        world
            .plan(&Policy {
                full: true,
                ..Policy::default()
            })
            .tasks
            .is_empty()
    );
}

#[test]
fn the_hours_of_a_closed_day_become_the_day_and_late_hours_do_not_rewrite_it() {
    let mut world = World::new(PartitionUnit::Day);
    let today = world.now_ns;
    for hour in 0..24 {
        world.commit(PartitionUnit::Hour, today + hour * HOUR, 1000);
    }
    world.now_ns = today + DAY + 14 * 60 * SECOND;
    assert!(
        world.plan(&Policy::default()).tasks.is_empty(),
        "the grace is not over"
    );
    world.now_ns += 2 * 60 * SECOND;
    let plan = world.plan(&Policy::default());
    assert_eq!(kinds(&plan), [TaskKind::BuildDay]);
    assert_eq!(
        plan.tasks[0].partition,
        PartitionKey::containing(PartitionUnit::Day, today)
    );
    assert_eq!((plan.tasks[0].segments.len(), plan.tasks[0].rows), (24, 24_000));
    world.maintain(&Policy::default());
    assert_eq!(world.most_segments(), 1);
    world.commit(PartitionUnit::Hour, today, 10);
    let plan = world.plan(&Policy::default());
    assert_eq!(
        (plan.tasks[0].segments.len(), plan.tasks[0].rows),
        (1, 10),
        "only the late rows move"
    );
    world.maintain(&Policy::default());
    world.commit(PartitionUnit::Hour, today, 10_000);
    assert_eq!(world.plan(&Policy::default()).tasks[0].segments.len(), 3);
}

#[test]
fn hours_of_an_hourly_table_stay() {
    let mut world = World::new(PartitionUnit::Hour);
    for hour in 0..24 {
        world.commit(PartitionUnit::Hour, hour * HOUR, 1000);
    }
    assert!(
        world
            .plan(&Policy {
                full: true,
                ..Policy::default()
            })
            .tasks
            .is_empty()
    );
}

#[test]
fn partitions_older_than_the_retention_expire_in_one_task() {
    let retain = (RETAIN_OPTION.to_owned(), (10 * DAY).to_string());
    let mut world = World::with(table(PartitionUnit::Day, vec![retain]));
    let first = world.now_ns - 20 * DAY;
    for day in 0..20 {
        world.commit(PartitionUnit::Day, first + day * DAY, 100);
    }
    let plan = world.plan(&Policy::default());
    assert_eq!(kinds(&plan), [TaskKind::Expire]);
    assert_eq!(
        (plan.tasks[0].segments.len(), plan.tasks[0].bytes_written),
        (10, 0)
    );
    world.maintain(&Policy::default());
    assert!(world.plan(&Policy::default()).tasks.is_empty());
    assert_eq!(
        world.version.table("trade").expect("the table").partition_count(),
        10
    );
}

#[test]
fn cold_partitions_are_encoded_once() {
    let mut world = World::new(PartitionUnit::Day);
    world.commit(PartitionUnit::Day, 0, 100);
    let policy = Policy {
        cold_after_ns: Some(30 * DAY),
        ..Policy::default()
    };
    assert!(world.plan(&Policy::default()).tasks.is_empty());
    assert_eq!(kinds(&world.plan(&policy)), [TaskKind::Reencode]);
    world.maintain(&policy);
    let situation = Situation {
        is_encoded: &|_| true,
        ..Situation::at(world.now_ns)
    };
    assert!(plan(&world.version, &policy, &situation).tasks.is_empty());
}

#[test]
fn a_deletion_of_everything_costs_no_rewrite_and_an_old_one_of_a_part_costs_one() {
    let mut world = World::new(PartitionUnit::Day);
    world.commit(PartitionUnit::Day, 0, 100);
    world.commit(PartitionUnit::Day, DAY, 100);
    world.now_ns += 1;
    world.apply(&[EditItem::Delete(Deletion {
        deletion: 77,
        table: 1,
        start: 0,
        end: DAY + HOUR,
        series: None,
        commit: world.now_ns,
    })]);
    let plan = world.plan(&Policy::default());
    assert_eq!(kinds(&plan), [TaskKind::FoldIn]);
    assert_eq!(
        (plan.tasks[0].segments.len(), plan.tasks[0].bytes_written),
        (1, 0)
    );
    world.maintain(&Policy::default());
    assert!(world.plan(&Policy::default()).tasks.is_empty());
    world.now_ns += DAY;
    let plan = world.plan(&Policy::default());
    assert_eq!(plan.tasks[0].why, "a deletion hides rows of it");
}

#[test]
fn with_keep_what_a_stream_may_still_delete_is_not_merged() {
    let mut meta = table(PartitionUnit::Day, Vec::new());
    (meta.keep, meta.key) = (Keep::First, vec![0]);
    let mut world = World::with(meta);
    world.commit(PartitionUnit::Day, 0, 100);
    world.commit(PartitionUnit::Day, 0, 100);
    let flushed = world.now_ns;
    world.commit(PartitionUnit::Day, 0, 100);
    world.now_ns += HOUR;
    let situation = Situation {
        flushed: Some(flushed),
        ..Situation::at(world.now_ns)
    };
    let plan = plan(&world.version, &Policy::default(), &situation);
    assert_eq!(plan.tasks[0].segments.len(), 2);
}

#[test]
fn a_partition_too_large_for_one_segment_is_not_rewritten_for_ever() {
    let mut world = World::new(PartitionUnit::Day);
    let rows = crate::segment::SEGMENT_ROWS_MAX as u64;
    world.commit(PartitionUnit::Day, 0, rows);
    world.commit(PartitionUnit::Day, 0, rows / 2);
    world.now_ns += HOUR;
    assert!(world.plan(&Policy::default()).tasks.is_empty());
    let segments: Vec<Arc<SegmentRef>> = world
        .version
        .table("trade")
        .expect("the table")
        .segments()
        .cloned()
        .collect();
    assert_eq!(segments.len(), 2);
}
