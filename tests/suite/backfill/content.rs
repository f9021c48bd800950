//! Sources that answer with rows that do not belong there. Nothing of such an answer may be kept.

use std::sync::{Arc, Mutex};

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use gapless::backfill::{FetchRequest, Fetched, FetcherStrategy};
use gapless::{Attestation, Keep};

use super::fixture::*;

/// The rows with another column.
pub fn with(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let columns = names.zip(batch.columns().iter().cloned());
    let others = columns.filter(|(other, _)| *other != name);
    let all: Vec<(&str, ArrayRef)> = others.chain([(name, column)]).collect();
    RecordBatch::try_from_iter(all).expect("columns of one length")
}

fn with_names(batch: &RecordBatch, names: &[&str]) -> RecordBatch {
    with(batch, "node", Arc::new(StringArray::from(names.to_vec())))
}

fn names(name: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![name; 10]))
}

#[test]
fn rows_that_do_not_belong_to_the_gap_are_refused_with_all_that_came_with_them() {
    type Answer = fn() -> RecordBatch;
    let answers: [(Answer, &str, bool); 8] = [
        (|| minutes(0, END + MINUTE), "clip its rows", false),
        (|| minutes(-MINUTE, END), "clip its rows", false),
        (|| rows(&[(0, 1.0), (MINUTE + 1, 1.0)]), "not on the grid", true),
        (
            || with(&minutes(0, END), "node", names("b")),
            "another series",
            false,
        ),
        (|| with(&minutes(0, END), "price", names("dear")), "price", false),
        (
            || with(&minutes(0, END), "ts", Arc::new(Int64Array::from(vec![0; 10]))),
            "ts",
            false,
        ),
        (|| with(&minutes(0, END), "colour", names("red")), "colour", false),
        (
            || minutes(0, END).project(&[0]).expect("times"),
            "gave no column [\"price\"]",
            false,
        ),
    ];
    everywhere(|table, _, interval| {
        for (answer, expected, needs_grid) in &answers {
            if *needs_grid && interval == 0 {
                continue;
            }
            let answer = *answer;
            let (report, calls) = fill(table, interval, move |_, _| Ok(Fetched::all([answer()])));
            assert!(why(&report).contains(expected), "{expected}: {}", why(&report));
            assert_eq!(calls, 1, "{expected}: it is not asked again");
            assert_eq!(
                (stored(table), missing(table, interval)),
                (vec![], vec![(0, END)])
            );
        }
    });
}

#[test]
fn columns_may_be_missing_where_the_job_says_so() {
    everywhere(|table, _, interval| {
        let source = |_: &FetchRequest| Ok(Fetched::all([minutes(0, END).project(&[0]).expect("times")]));
        let job = job(table, FetcherStrategy::new(source), interval).missing_columns(true);
        assert!(job.run().expect("a report").is_complete());
        let rows = table.scan().and_then(|scan| scan.collect()).expect("rows");
        let nulls = rows
            .iter()
            .map(|batch| batch["price"].null_count())
            .sum::<usize>();
        assert_eq!(nulls, 10);
    });
}

#[test]
fn rows_behind_what_the_source_attests_are_refused() {
    everywhere(|table, _, interval| {
        let source = |_, _: &FetchRequest| Ok(Fetched::through([minutes(0, END)], 4 * MINUTE));
        assert!(why(&fill(table, interval, source).0).contains("clip its rows"));
        assert_eq!(
            (stored(table), missing(table, interval)),
            (vec![], vec![(0, END)])
        );
    });
}

#[test]
fn a_source_that_gives_neighbours_is_clipped_when_it_is_told_to() {
    everywhere(|table, _, interval| {
        let source = |request: &FetchRequest| {
            let (start, end) = (request.start - 3 * MINUTE, request.end + 3 * MINUTE);
            Ok(Fetched::all([minutes(start, end)]))
        };
        let report = job(table, FetcherStrategy::new(source).clip_rows(true), interval).run();
        assert_eq!(report.expect("a report").count("filled"), 1);
        assert_eq!(stored(table), all_ten());
    });
}

#[test]
fn an_answer_that_has_rows_of_other_times_only_does_not_speak_for_the_gap() {
    everywhere(|table, _, interval| {
        let source = |_: &FetchRequest| Ok(Fetched::all([minutes(END, 2 * END)]));
        let report = job(table, FetcherStrategy::new(source).clip_rows(true), interval).run();
        assert!(why(&report.expect("a report")).contains("does not speak for that range"));
        assert_eq!(missing(table, interval), [(0, END)]);
    });
}

#[test]
fn rows_in_any_order_and_in_any_number_of_batches_are_the_same_rows() {
    everywhere(|table, _, interval| {
        let (report, _) = fill(table, interval, |_, _| {
            let shuffled: Vec<RecordBatch> = [3, 9, 0, 4, 8, 1, 7, 2, 6, 5]
                .map(|minute| rows(&[(minute * MINUTE, minute as f64)]))
                .into();
            Ok(Fetched::all(shuffled))
        });
        assert_eq!((report.count("filled"), stored(table)), (1, all_ten()));
    });
}

#[test]
fn rows_that_the_source_repeats_are_there_once_but_for_ticks_of_a_table_that_keeps_all() {
    everywhere(|table, keep, interval| {
        let (report, _) = fill(table, interval, |_, request| {
            let all = minutes(request.start, request.end);
            Ok(Fetched::all([all.clone(), all]))
        });
        assert_eq!(report.count("filled"), 1, "{report:?}");
        let expected = match (keep, interval) {
            (Keep::All, 0) => all_ten().iter().flat_map(|row| [*row, *row]).collect(),
            _ => all_ten(),
        };
        assert_eq!(stored(table), expected);
    });
}

#[test]
fn of_two_rows_of_one_slot_the_table_keeps_the_first_or_the_last_or_refuses_both() {
    everywhere(|table, keep, interval| {
        let source = |_, _: &FetchRequest| Ok(Fetched::all([rows(&[(MINUTE, 1.0), (MINUTE, 2.0)])]));
        let (report, _) = fill(table, interval, source);
        let expected = match (keep, interval) {
            (Keep::First, _) => vec![(MINUTE, 1.0)],
            (Keep::Last, _) => vec![(MINUTE, 2.0)],
            (_, 0) => vec![(MINUTE, 1.0), (MINUTE, 2.0)],
            _ => {
                assert!(why(&report).contains("two different rows"), "{report:?}");
                vec![]
            }
        };
        assert_eq!(stored(table), expected);
    });
}

#[test]
fn rows_that_were_here_before_the_gap_was_filled_are_there_once() {
    everywhere(|table, _, interval| {
        table
            .append(&with(&minutes(0, END), "node", names("a")))
            .expect("appended");
        assert_eq!(missing(table, interval), [(0, END)], "rows are no coverage");
        let (report, _) = fill(table, interval, |_, request| every_minute(request));
        assert_eq!((report.rows().identical, report.rows().inserted), (10, 0));
        assert_eq!((stored(table), missing(table, interval)), (all_ten(), vec![]));
    });
}

#[test]
fn a_row_that_the_source_has_changed_replaces_the_old_one_as_the_table_keeps_them() {
    everywhere(|table, keep, interval| {
        let old: Vec<(i64, f64)> = all_ten().iter().map(|(time, _)| (*time, -1.0)).collect();
        table
            .append(&with(&rows(&old), "node", names("a")))
            .expect("appended");
        let (report, _) = fill(table, interval, |_, request| every_minute(request));
        assert_eq!(report.count("filled"), 1);
        match (keep, interval) {
            (Keep::First, _) => assert_eq!(stored(table), old),
            // Of ticks nothing is known that would make one of them the old value of another.
            (Keep::All, 0) => assert_eq!(stored(table).len(), 20),
            _ => assert_eq!(stored(table), all_ten()),
        }
        assert!(missing(table, interval).is_empty());
    });
}

#[test]
fn a_row_between_two_slots_stays_when_the_rows_of_both_are_replaced() {
    everywhere(|table, keep, interval| {
        let between = [MINUTE / 2, 3 * MINUTE + 1, 5 * MINUTE - 1, END - 1];
        let mut old: Vec<(i64, f64)> = all_ten().iter().map(|(time, _)| (*time, -1.0)).collect();
        old.extend(between.map(|time| (time, -2.0)));
        table
            .append(&with_names(&rows(&old), &vec!["a"; old.len()]))
            .expect("appended");
        let (report, _) = fill(table, interval, |_, request| every_minute(request));
        assert_eq!(report.count("filled"), 1);
        let mut expected = match (keep, interval) {
            (Keep::First, _) => vec![],
            (Keep::All, 0) => return,
            _ => all_ten(),
        };
        expected.extend(old.iter().skip(if expected.is_empty() { 0 } else { 10 }));
        expected.sort_by_key(|row| row.0);
        assert_eq!(stored(table), expected);
    });
}

#[test]
fn of_an_answer_for_two_gaps_at_once_nothing_is_kept_when_rows_of_the_second_are_refused() {
    everywhere(|table, keep, interval| {
        if keep != Keep::All || interval == 0 {
            return;
        }
        let known = Attestation::new(4 * MINUTE..6 * MINUTE)
            .series("a")
            .interval(interval);
        table.attest([known.source("vendor")]).expect("attested");
        let source = |_: &FetchRequest| Ok(Fetched::all([minutes(0, END), rows(&[(8 * MINUTE, -1.0)])]));
        let both = job(table, FetcherStrategy::new(source), interval).merge_within(END);
        let report = both.run().expect("a report");
        assert!(why(&report).contains("two different rows"), "{report:?}");
        let gaps = vec![(0, 4 * MINUTE), (6 * MINUTE, END)];
        assert_eq!((stored(table), missing(table, interval)), (vec![], gaps));
    });
}

#[test]
fn what_was_covered_inside_of_a_gap_since_it_was_planned_is_not_asked_for() {
    everywhere(|table, _, interval| {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (note, bars) = (Arc::clone(&asked), table.clone());
        let source = move |request: &FetchRequest| {
            match request.series.as_deref() {
                // Another worker, whose windows are smaller.
                Some("a") => {
                    let said = Attestation::new(4 * MINUTE..6 * MINUTE)
                        .series("b")
                        .interval(interval);
                    bars.attest([said.source("vendor")]).expect("attested");
                }
                _ => note.lock().expect("no panic").push((request.start, request.end)),
            }
            every_minute(request)
        };
        let both = table.backfill(FetcherStrategy::new(source)).range(0, END);
        let report = both.series(["a", "b"]).interval(interval).run();
        assert_eq!(report.expect("a report").count("filled"), 2);
        assert_eq!(
            *asked.lock().expect("no panic"),
            [(0, 4 * MINUTE), (6 * MINUTE, END)]
        );
        assert_eq!(stored(table).len(), 18);
    });
}
