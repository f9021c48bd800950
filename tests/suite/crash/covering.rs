//! The script of coverage: rows and what they cover, streamed and in bulk, taken back, merged, filled under leases.

use gapless::backfill::{FetchError, FetchRequest, Fetched, FetcherStrategy};
use gapless::{Attestation, Calendar, CoverageState, Database, Result, WriteOptions};

use super::script::{Said, Script, State, Step, rows_of};
use crate::common::{DAY, HOUR, Row, batch, spec};

/// Statements go through the log.
pub const COVERING: Script = Script {
    steps: STEPS,
    small_commit_rows: 100,
};

/// Statements go through the manifest, in files of their own.
pub const COVERING_BULK: Script = Script {
    steps: STEPS,
    small_commit_rows: 0,
};

fn bar(hour: i64, sym: &str) -> Row {
    Row {
        ts: hour * HOUR,
        sym: Some(sym.to_owned()),
        price: Some(hour as f64),
        id: hour,
    }
}

fn said(series: &str, hours: std::ops::Range<i64>) -> Attestation {
    Attestation::new(hours.start * HOUR..hours.end * HOUR)
        .series(series)
        .interval(HOUR)
        .source("script")
}

fn known(series: Option<&str>, hours: std::ops::Range<i64>, state: CoverageState) -> Said {
    (
        series.map(str::to_owned),
        Some(HOUR),
        hours.start * HOUR,
        hours.end * HOUR,
        state,
    )
}

fn set(state: &mut State, said: Vec<Said>) {
    state.coverage.insert("trade".to_owned(), said);
}

fn append(db: &Database, rows: &[Row], said: Attestation) -> Result<()> {
    db.table("trade")?
        .append_covering(&batch(rows), [said], None)
        .map(|_| ())
}

use CoverageState::{Complete, Empty, Partial};

const STEPS: &[Step] = &[
    Step {
        name: "create trade",
        model: |state| {
            state.tables.entry("trade".to_owned()).or_default();
        },
        run: |db, _| db.create_table(&spec("trade")).map(|_| ()),
    },
    Step {
        name: "rows and what they cover, of a new series",
        model: |state| {
            state
                .tables
                .entry("trade".to_owned())
                .or_default()
                .extend([bar(0, "A"), bar(1, "A")]);
            set(state, vec![known(Some("A"), 0..2, Complete)]);
        },
        run: |db, _| append(db, &[bar(0, "A"), bar(1, "A")], said("A", 0..2)),
    },
    Step {
        name: "a series of which only is known that it has nothing",
        model: |state| {
            set(
                state,
                vec![known(Some("A"), 0..2, Complete), known(Some("B"), 5..9, Empty)],
            )
        },
        run: |db, _| db.table("trade")?.attest([said("B", 5..9).state(Empty)]),
    },
    Step {
        name: "the next row, whose range joins",
        model: |state| {
            state
                .tables
                .entry("trade".to_owned())
                .or_default()
                .push(bar(2, "A"));
            set(
                state,
                vec![known(Some("A"), 0..3, Complete), known(Some("B"), 5..9, Empty)],
            );
        },
        run: |db, _| append(db, &[bar(2, "A")], said("A", 2..3)),
    },
    Step {
        name: "flush",
        model: |_| (),
        run: |db, _| db.flush(),
    },
    Step {
        name: "a bulk commit with what it covers, of every series",
        model: |state| {
            state
                .tables
                .entry("trade".to_owned())
                .or_default()
                .extend(rows_of(1000, 2, 120));
            set(
                state,
                vec![
                    known(None, 30..40, Complete),
                    known(Some("A"), 0..3, Complete),
                    known(Some("A"), 30..40, Complete),
                    known(Some("B"), 5..9, Empty),
                    known(Some("B"), 30..40, Complete),
                ],
            );
        },
        run: |db, _| {
            let mut change = db.transaction()?;
            let rows = [Ok::<_, gapless::Error>(batch(&rows_of(1000, 2, 120)))];
            change.write("trade", rows, &WriteOptions::default())?;
            let all = Attestation::new(30 * HOUR..40 * HOUR)
                .interval(HOUR)
                .source("script");
            change.attest("trade", all)?;
            change.commit().map(|_| ())
        },
    },
    Step {
        name: "a gap is filled under a lease",
        model: |state| {
            state
                .tables
                .entry("trade".to_owned())
                .or_default()
                .extend([bar(3, "A"), bar(4, "A")]);
            set(
                state,
                vec![
                    known(None, 30..40, Complete),
                    known(Some("A"), 0..5, Complete),
                    known(Some("A"), 30..40, Complete),
                    known(Some("B"), 5..9, Empty),
                    known(Some("B"), 30..40, Complete),
                ],
            );
        },
        run: |db, _| {
            let source = |request: &FetchRequest| -> std::result::Result<Fetched, FetchError> {
                let hours = request.start / HOUR..request.end / HOUR;
                let rows: Vec<Row> = hours.map(|hour| bar(hour, "A")).collect();
                Ok(Fetched::all([batch(&rows)]))
            };
            let report = db
                .table("trade")?
                .backfill(FetcherStrategy::new(source))
                .range(0, 5 * HOUR)
                .series(["A"])
                .interval(HOUR)
                .source("script")
                .retries(0)
                .run()?;
            match report.gaps.iter().find(|gap| !gap.outcome.is_closed()) {
                None => Ok(()),
                Some(gap) => Err(gapless::Error::io(format!("{:?}", gap.outcome))),
            }
        },
    },
    Step {
        name: "delete a part of what is covered",
        model: |state| {
            let rows = state.tables.get_mut("trade").expect("trade is there");
            rows.retain(|row| row.sym.as_deref() != Some("A") || !(HOUR..2 * HOUR).contains(&row.ts));
            set(
                state,
                vec![
                    known(None, 30..40, Complete),
                    known(Some("A"), 0..1, Complete),
                    known(Some("A"), 2..5, Complete),
                    known(Some("A"), 30..40, Complete),
                    known(Some("B"), 5..9, Empty),
                    known(Some("B"), 30..40, Complete),
                ],
            );
        },
        run: |db, _| db.table("trade")?.delete(HOUR..2 * HOUR, Some(&["A"])),
    },
    Step {
        name: "a calendar",
        model: |state| state.calendars.push("nyse".to_owned()),
        run: |db, _| db.set_calendar("nyse", &Calendar::always_open()),
    },
    Step {
        name: "flush, compact and collect garbage",
        model: |_| (),
        run: |db, _| {
            db.flush()?;
            db.compact("trade")?;
            db.collect_garbage().map(|_| ())
        },
    },
    Step {
        name: "say something else of a range",
        model: |state| {
            let said = state.coverage.get_mut("trade").expect("coverage of trade");
            said[4] = known(Some("B"), 5..7, Empty);
            said.insert(5, known(Some("B"), 7..8, Partial));
            said.insert(6, known(Some("B"), 8..9, Empty));
        },
        run: |db, _| db.table("trade")?.attest([said("B", 7..8).state(Partial)]),
    },
    Step {
        name: "expire the first day",
        model: |state| {
            let rows = state.tables.get_mut("trade").expect("trade is there");
            rows.retain(|row| row.ts >= DAY);
            let expired = |series: Option<&str>, interval| {
                (
                    series.map(str::to_owned),
                    interval,
                    i64::MIN,
                    DAY,
                    CoverageState::Expired,
                )
            };
            set(
                state,
                vec![
                    expired(None, None),
                    expired(None, Some(HOUR)),
                    known(None, 30..40, Complete),
                    expired(Some("A"), Some(HOUR)),
                    known(Some("A"), 30..40, Complete),
                    expired(Some("B"), Some(HOUR)),
                    known(Some("B"), 30..40, Complete),
                ],
            );
        },
        run: |db, _| {
            db.flush()?;
            db.table("trade")?.expire(DAY).map(|_| ())
        },
    },
];
