//! Gaps that are filled from rows that another table or a buffer still has.

use super::*;
use crate::Attestation;
use crate::backfill::{BackfillReport, LiveReplayStrategy, ReplaySource, Replayed};

const END: i64 = 10 * MINUTE;

fn run(bars: &Table, source: ReplaySource) -> BackfillReport {
    let job = bars.backfill(LiveReplayStrategy::new(source));
    job.range(0, END)
        .series(["a"])
        .interval("1m")
        .run()
        .expect("a report")
}

fn with_series(batch: RecordBatch, series: &str) -> RecordBatch {
    let names = vec![series; batch.num_rows()];
    let names: ArrayRef = Arc::new(arrow_array::StringArray::from(names));
    let schema = batch.schema();
    let columns = schema.fields().iter().map(|field| field.name().as_str());
    let all = columns
        .zip(batch.columns().iter().cloned())
        .chain([("node", names)]);
    RecordBatch::try_from_iter(all).expect("columns of one length")
}

#[test]
fn a_table_gives_its_rows_where_it_is_covered_and_no_word_elsewhere() {
    let (live, db) = (database(), database());
    let raw = numbers(&live, "raw", Keep::All, &["price", "other"]);
    let times: Vec<i64> = (0..8).map(|minute| minute * MINUTE).collect();
    let rows = batch(&times, &[("price", vec![1.5; 8]), ("other", vec![0.0; 8])]);
    let said = Attestation::new(2 * MINUTE..5 * MINUTE + 7)
        .series("feed a")
        .interval(MINUTE);
    raw.append_covering(&with_series(rows, "feed a"), [said], None)
        .expect("appended");
    let bars = bars(&db);
    let source = ReplaySource::table(&raw).series(|series| Some(format!("feed {series}")));
    let report = run(&bars, source);
    assert_eq!(report.count("partial"), 1, "{report:?}");
    let minutes: Vec<i64> = values(&bars, "price")
        .iter()
        .map(|(time, _)| time / MINUTE)
        .collect();
    assert_eq!(minutes, [2, 3, 4], "the sixth is covered in part only");
    assert_eq!(
        missing(&bars, "a", MINUTE, 0, END),
        [(0, 2 * MINUTE), (5 * MINUTE, END)]
    );
}

#[test]
fn a_live_session_is_believed_up_to_its_watermark() {
    let db = database();
    let (raw, bars) = (numbers(&db, "raw", Keep::All, &["price"]), bars(&db));
    let mut session = raw
        .session()
        .series("a")
        .interval("1m")
        .start(0)
        .open()
        .expect("a session");
    session
        .append(&with_series(minutes(0, 3 * MINUTE), "a"))
        .expect("appended");
    session.heartbeat(6 * MINUTE).expect("told");
    let report = run(&bars, ReplaySource::table(&raw));
    assert_eq!(report.rows().inserted, 3);
    assert_eq!(missing(&bars, "a", MINUTE, 0, END), [(6 * MINUTE, END)]);
}

#[test]
fn a_closure_says_itself_what_it_covers() {
    let db = database();
    let bars = bars(&db);
    let source = ReplaySource::rows(|series, interval, range| {
        assert_eq!((series, interval), (Some("a"), MINUTE));
        Ok(Replayed {
            batches: vec![minutes(range.start, range.end)],
            covered: vec![-MINUTE..3 * MINUTE, 5 * MINUTE..6 * MINUTE + 1],
        })
    });
    let report = run(&bars, source);
    assert_eq!(report.rows().inserted, 4);
    assert_eq!(
        missing(&bars, "a", MINUTE, 0, END),
        [(3 * MINUTE, 5 * MINUTE), (6 * MINUTE, END)]
    );
}

#[test]
fn a_series_that_the_source_does_not_have_stays_a_gap() {
    let db = database();
    let (raw, bars) = (numbers(&db, "raw", Keep::All, &["price"]), bars(&db));
    assert_eq!(
        run(&bars, ReplaySource::table(&raw).series(|_| None)).count("failed"),
        1
    );
    assert_eq!(run(&bars, ReplaySource::table(&raw)).count("failed"), 1);
    assert_eq!(missing(&bars, "a", MINUTE, 0, END), [(0, END)]);
}
