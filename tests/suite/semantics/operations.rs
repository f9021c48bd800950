//! Random sequences of writes, deletions, replacements and reopenings.

use gapless::scan::{Order, Predicate, col};
use gapless::{AttributeKind, Database, Keep, PartitionUnit, Snapshot, Table, WriteOptions};
use proptest::prelude::*;

use super::model::{Deleted, Model, Written, is_in, ordered, same};
use crate::common::{DAY, HOUR, Row, batch, rows, spec};

type Plain = (i64, Option<u8>, Option<f64>);

#[derive(Debug, Clone)]
enum Operation {
    Write {
        rows: Vec<Plain>,
        unit: Option<PartitionUnit>,
        memory_bytes: usize,
    },
    Delete {
        start: i64,
        end: i64,
        series: Option<Vec<u8>>,
    },
    Replace {
        start: i64,
        end: i64,
        series: Option<Vec<u8>>,
        rows: Vec<Plain>,
    },
    Flush,
    Reopen,
}

/// Few different times, so that rows meet.
fn times() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => (0..2i64, 0..3i64, 0..3i64).prop_map(|(day, hour, ns)| day * DAY + hour * HOUR + ns),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(i64::MAX - 1), Just(-1)],
    ]
}

fn plain_rows(most: usize) -> impl Strategy<Value = Vec<Plain>> {
    let price = prop_oneof![
        1 => Just(None),
        1 => Just(Some(f64::NAN)),
        1 => Just(Some(-0.0)),
        1 => Just(Some(0.0)),
        3 => (0..3i32).prop_map(|v| Some(f64::from(v))),
    ];
    let series = prop_oneof![1 => Just(None), 4 => (0..3u8).prop_map(Some)];
    prop::collection::vec((times(), series, price), 0..most)
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let unit = prop_oneof![
        5 => Just(None),
        2 => Just(Some(PartitionUnit::Day)),
        3 => Just(Some(PartitionUnit::Hour)),
        1 => Just(Some(PartitionUnit::Month)),
    ];
    let series = || prop::option::of(prop::collection::vec(0..4u8, 0..3));
    let write = (
        plain_rows(40),
        unit,
        prop_oneof![1 => Just(0usize), 3 => Just(1 << 20)],
    );
    let operation = prop_oneof![
        5 => write.prop_map(|(rows, unit, memory_bytes)| Operation::Write { rows, unit, memory_bytes }),
        2 => (times(), times(), series()).prop_map(|(start, end, series)| Operation::Delete { start, end, series }),
        2 => (times(), times(), series(), plain_rows(15)).prop_map(|(start, end, series, rows)| {
            Operation::Replace { start, end, series, rows }
        }),
        1 => Just(Operation::Flush),
        1 => Just(Operation::Reopen),
    ];
    prop::collection::vec(operation, 1..8)
}

/// Symbols whose text order is not the order of their first arrival.
fn symbol(number: u8) -> String {
    ["zeta", "", "m", "never written"][usize::from(number)].to_owned()
}

fn symbols(numbers: &Option<Vec<u8>>) -> Option<Vec<String>> {
    numbers
        .as_ref()
        .map(|numbers| numbers.iter().map(|number| symbol(*number)).collect())
}

type Condition = (Predicate, fn(&Row) -> bool);

fn conditions() -> impl Strategy<Value = Option<Condition>> {
    let cases: Vec<Condition> = vec![
        (col("price").ge(1.0), |r| {
            r.price.is_some_and(|p| p.is_nan() || p >= 1.0)
        }),
        (col("price").eq(0.0), |r| r.price == Some(0.0)),
        (col("price").is_null(), |r| r.price.is_none()),
        (col("sym").ge("m"), |r| r.sym.as_deref().is_some_and(|s| s >= "m")),
        (col("id").is_in([1, 3, 5, 8, 13, 21, 34]), |r| {
            [1, 3, 5, 8, 13, 21, 34].contains(&r.id)
        }),
        (col("id").lt(25), |r| r.id < 25),
        (col("sym").eq("m").and(col("id").gt(10)), |r| {
            r.sym.as_deref() == Some("m") && r.id > 10
        }),
        (col("ts").lt(DAY).and(col("price").lt(2.0)), |r| {
            r.ts < DAY && r.price.is_some_and(|p| p < 2.0)
        }),
    ];
    prop_oneof![2 => Just(None), 5 => prop::sample::select(cases).prop_map(Some)]
}

fn open(path: &std::path::Path, small_commit_rows: usize) -> Database {
    let builder = Database::builder(path).without_sync();
    let builder = builder.small_commit_rows(small_commit_rows);
    builder.open().expect("a database")
}

struct Run {
    small_commit_rows: usize,
    directory: tempfile::TempDir,
    db: Database,
    model: Model,
    commits: u64,
    ids: i64,
}

impl Run {
    fn table(&self) -> Table {
        self.db.table("t").expect("the table")
    }

    fn arrived(&mut self, plain: &[Plain]) -> Vec<Row> {
        plain
            .iter()
            .map(|(ts, sym, price)| {
                self.ids += 1;
                Row {
                    ts: *ts,
                    sym: sym.map(symbol),
                    price: *price,
                    id: self.ids,
                }
            })
            .collect()
    }

    fn keep(&mut self, rows: Vec<Row>) {
        let commit = self.commits;
        self.model
            .rows
            .extend(rows.into_iter().map(|row| Written { row, commit }));
    }

    fn perform(&mut self, operation: &Operation) {
        self.commits += 1;
        match operation {
            Operation::Write {
                rows,
                unit,
                memory_bytes,
            } => {
                let rows = self.arrived(rows);
                let batches: Vec<_> = rows
                    .chunks(9)
                    .map(|rows| Ok::<_, gapless::Error>(batch(rows)))
                    .collect();
                let options = WriteOptions {
                    partition: *unit,
                    memory_bytes: *memory_bytes,
                    ..WriteOptions::default()
                };
                self.table()
                    .write_with(batches, &options)
                    .expect("rows are written");
                self.keep(rows);
            }
            Operation::Delete { start, end, series } => {
                let series = symbols(series);
                let names: Option<Vec<&str>> = series
                    .as_ref()
                    .map(|names| names.iter().map(String::as_str).collect());
                self.table()
                    .delete(*start..*end, names.as_deref())
                    .expect("rows are deleted");
                self.delete(*start, *end, series);
            }
            Operation::Replace {
                start,
                end,
                series,
                rows,
            } => {
                let series = symbols(series);
                let names: Option<Vec<&str>> = series
                    .as_ref()
                    .map(|names| names.iter().map(String::as_str).collect());
                let mut rows = self.arrived(rows);
                let all = batch(&rows);
                rows.retain(|row| {
                    is_in(row.ts, *start, *end)
                        && series
                            .as_ref()
                            .is_none_or(|series| row.sym.as_ref().is_some_and(|sym| series.contains(sym)))
                });
                let fits = rows.len() == all.num_rows();
                let outcome = self.table().replace(*start..*end, names.as_deref(), [all]);
                assert_eq!(outcome.is_ok(), fits, "rows outside are refused: {outcome:?}");
                if !fits {
                    self.table()
                        .replace(*start..*end, names.as_deref(), [batch(&rows)])
                        .expect("rows are replaced");
                }
                self.delete(*start, *end, series);
                self.keep(rows);
            }
            Operation::Flush => self.db.flush().expect("a flush"),
            Operation::Reopen => {
                let path = self.directory.path().join("test.db");
                // The old handle goes before the new one comes.
                self.db = open(&self.directory.path().join("idle.db"), 0);
                self.db = open(&path, self.small_commit_rows);
            }
        }
    }

    fn delete(&mut self, start: i64, end: i64, series: Option<Vec<String>>) {
        let commit = self.commits;
        self.model.deletions.push(Deleted {
            start,
            end,
            series,
            commit,
        });
    }
}

/// Snapshots still hold what was there when they were taken.
fn check_pinned(pinned: &mut Vec<(Snapshot, Vec<Row>)>) -> Result<(), TestCaseError> {
    for (snapshot, live) in pinned.drain(..) {
        let found = rows(&snapshot.scan("t").expect("a scan").collect().expect("rows"));
        let expected = ordered(&live, Order::Series);
        prop_assert!(
            same(&found, &expected),
            "a snapshot: {found:?} expected {expected:?}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn a_table_holds_what_the_model_holds(
        operations in operations(),
        keep in prop_oneof![Just(Keep::All), Just(Keep::First), Just(Keep::Last)],
        price_in_key: bool,
        range in prop::option::of((times(), times())),
        series in prop::option::of(prop::collection::vec(0..4u8, 0..3)),
        condition in conditions(),
        limit in prop::option::of(0..20usize),
        batch_rows in prop_oneof![Just(1usize), Just(7), Just(65_536)],
        indexed: bool,
        streamed: bool,
    ) {
        let small_commit_rows = if streamed { 25 } else { 0 };
        let directory = tempfile::tempdir().expect("a temporary directory");
        let db = open(&directory.path().join("test.db"), small_commit_rows);
        let mut spec = spec("t").keep(keep);
        if price_in_key && keep != Keep::All {
            spec = spec.key(["price"]);
        }
        if indexed {
            spec = spec.attribute("id", AttributeKind::Unique).attribute("price", AttributeKind::Grouped);
        }
        db.create_table(&spec).expect("a new table");
        let model = Model::new(keep, price_in_key);
        let mut run = Run { small_commit_rows, directory, db, model, commits: 0, ids: 0 };
        let mut pinned = Vec::new();
        for operation in &operations {
            if matches!(operation, Operation::Reopen) {
                check_pinned(&mut pinned)?; // A snapshot that is held keeps the database open.
            }
            let before = run.db.snapshot().expect("a snapshot");
            pinned.push((before, run.model.live()));
            run.perform(operation);
        }
        check_pinned(&mut pinned)?;
        let live = run.model.live();
        for order in [Order::Series, Order::Time, Order::Stored] {
            let mut scan = run.table().scan().expect("a scan").order(order).batch_rows(batch_rows);
            let mut expected = ordered(&live, order);
            if let Some((start, end)) = range {
                scan = scan.between(start, end);
                expected.retain(|row| is_in(row.ts, start, end));
            }
            if let Some(names) = symbols(&series) {
                expected.retain(|row| row.sym.as_ref().is_some_and(|sym| names.contains(sym)));
                scan = scan.series(names);
            }
            if let Some((predicate, holds)) = &condition {
                scan = scan.filter(predicate.clone());
                expected.retain(holds);
            }
            prop_assert_eq!(scan.clone().count().expect("a count"), expected.len() as u64);
            let mut folded = scan.clone().fold(
                Vec::new,
                |mut all, batch| { all.extend(rows(&[batch])); Ok(all) },
                |mut a, b| { a.extend(b); a },
            ).expect("a fold");
            folded.sort_by_key(|row| row.id);
            prop_assert!(same(&folded, &ordered(&expected, Order::Stored)), "fold: {:?} expected {:?}", folded, expected);
            let read = scan.clone().explain().expect("an explanation").rows_read;
            prop_assert!(read >= expected.len() as u64);
            if order == Order::Time {
                let last = rows(&scan.clone().last(5).expect("the last rows"));
                let from = expected.len().saturating_sub(5);
                prop_assert!(same(&last, &expected[from..]), "last: {:?} expected {:?}", last, &expected[from..]);
            }
            if let Some(limit) = limit.filter(|_| order != Order::Stored) {
                scan = scan.limit(limit);
                expected.truncate(limit);
            }
            let batches = scan.collect().expect("rows");
            prop_assert!(batches.iter().all(|batch| batch.num_rows() <= batch_rows));
            let mut found = rows(&batches);
            if order == Order::Stored {
                found.sort_by_key(|row| row.id);
            }
            prop_assert!(same(&found, &expected), "{:?}: found {:?} expected {:?}", order, found, expected);
        }
    }
}
