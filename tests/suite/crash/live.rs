//! The script of the live half: streamed commits of two tables, flushes, late rows, and what comes between them.

use gapless::arrow::datatypes::DataType;
use gapless::{Database, Durability, Result, WriteOptions};

use super::script::{Script, State, Step, extend, rows_of};
use crate::common::{DAY, Row, batch, spec};

/// Every kind of commit through the log.
pub const LIVE: Script = Script {
    steps: STEPS,
    small_commit_rows: 100,
};

fn append(db: &Database, table: &str, first: i64, days: i64, count: i64) -> Result<()> {
    db.table(table)?
        .append(&batch(&rows_of(first, days, count)))
        .map(|_| ())
}

/// The rows that the deletion of the first day leaves.
fn kept_of(rows: &[Row]) -> Vec<Row> {
    rows.iter().filter(|row| row.ts >= DAY).cloned().collect()
}

fn replacement() -> Vec<Row> {
    let row = |id: i64| Row {
        ts: DAY + id,
        sym: Some("S1".to_owned()),
        price: None,
        id,
    };
    (3000..3003).map(row).collect()
}

const STEPS: &[Step] = &[
    Step {
        name: "create trade and quote, which share symbols",
        model: |state| {
            extend(state, "trade", 0, 1, 0);
            extend(state, "quote", 0, 1, 0);
        },
        run: |db, _| {
            let mut change = db.transaction()?;
            change.create_table(&spec("trade"))?;
            change.create_table(&spec("quote"))?;
            change.commit().map(|_| ())
        },
    },
    Step {
        name: "the first streamed commit, with new symbols",
        model: |state| extend(state, "trade", 100, 2, 5),
        run: |db, _| append(db, "trade", 100, 2, 5),
    },
    Step {
        name: "another one",
        model: |state| extend(state, "trade", 200, 1, 2),
        run: |db, _| append(db, "trade", 200, 1, 2),
    },
    Step {
        name: "a small transaction over both tables, with a new symbol",
        model: |state| {
            extend(state, "trade", 300, 1, 1);
            extend(state, "quote", 900, 3, 3);
        },
        run: |db, _| {
            let mut change = db.transaction()?;
            for (table, first, days, count) in [("trade", 300, 1, 1), ("quote", 900, 3, 3)] {
                let rows = [Ok::<_, gapless::Error>(batch(&rows_of(first, days, count)))];
                change.write(table, rows, &WriteOptions::default())?;
            }
            change.commit().map(|_| ())
        },
    },
    Step {
        name: "flush",
        model: |_| (),
        run: |db, _| db.flush(),
    },
    Step {
        name: "late rows into a flushed day",
        model: |state| extend(state, "trade", 400, 1, 2),
        run: |db, _| append(db, "trade", 400, 1, 2),
    },
    Step {
        name: "a bulk commit between streamed ones",
        model: |state| extend(state, "trade", 1000, 2, 120),
        run: |db, _| {
            db.table("trade")?
                .write([batch(&rows_of(1000, 2, 120))])
                .map(|_| ())
        },
    },
    Step {
        name: "a row for each table in one commit",
        model: |state| {
            extend(state, "quote", 500, 1, 1);
            extend(state, "trade", 600, 1, 1);
        },
        run: |db, _| {
            let mut change = db.transaction()?;
            for (table, first) in [("quote", 500), ("trade", 600)] {
                let rows = [Ok::<_, gapless::Error>(batch(&rows_of(first, 1, 1)))];
                change.write(table, rows, &WriteOptions::default())?;
            }
            change.commit().map(|_| ())
        },
    },
    Step {
        name: "flush again and collect garbage",
        model: |_| (),
        run: |db, _| {
            db.flush()?;
            db.collect_garbage().map(|_| ())
        },
    },
    Step {
        name: "delete a day of trade, of which rows are in segments and in the log",
        model: |state| {
            extend(state, "trade", 2000, 2, 4);
            let rows = state.tables.get_mut("trade").expect("trade is there");
            rows.retain(|row| row.ts >= DAY);
        },
        run: |db, _| {
            // One commit has to be first: without the deletion the rows are those of the step under way.
            let mut change = db.transaction()?;
            change.write(
                "trade",
                [Ok::<_, gapless::Error>(batch(&kept_of(&rows_of(2000, 2, 4))))],
                &WriteOptions::default(),
            )?;
            change.delete("trade", 0..DAY, None)?;
            change.commit().map(|_| ())
        },
    },
    Step {
        name: "replace a series of a range",
        model: |state| {
            let rows = state.tables.get_mut("trade").expect("trade is there");
            rows.retain(|row| row.sym.as_deref() != Some("S1"));
            rows.extend(replacement());
        },
        run: |db, _| {
            db.table("trade")?
                .replace(0..i64::MAX, Some(&["S1"]), [batch(&replacement())])
                .map(|_| ())
        },
    },
    Step {
        name: "add a column, which old rows do not have",
        model: |_| (),
        run: |db, _| db.table("trade")?.add_column("extra", DataType::Int32),
    },
    Step {
        name: "rows of the new schema",
        model: |state| extend(state, "trade", 2100, 2, 3),
        run: |db, _| append(db, "trade", 2100, 2, 3),
    },
    Step {
        name: "compact trade, with rows in the log",
        model: |_| (),
        run: |db, _| db.compact("trade").map(|_| ()),
    },
    Step {
        name: "flush, and compact once more",
        model: |_| (),
        run: |db, _| {
            db.flush()?;
            db.compact("trade").map(|_| ())
        },
    },
    Step {
        name: "a row through the row writer",
        model: |state| extend(state, "quote", 700, 1, 1),
        run: |db, _| {
            let mut writer = db.table("quote")?.writer_with(Some(Durability::Sync))?;
            for row in rows_of(700, 1, 1) {
                let begun = writer.row().ts(row.ts);
                let begun = match &row.sym {
                    Some(sym) => begun.sym(sym),
                    None => begun.null(),
                };
                let begun = match row.price {
                    Some(price) => begun.f64(price),
                    None => begun.null(),
                };
                begun.i64(row.id).end()?;
            }
            writer.flush()
        },
    },
    Step {
        name: "drop quote, of which rows are in the log",
        model: |state: &mut State| {
            state.tables.remove("quote");
        },
        run: |db, _| db.drop_table("quote"),
    },
    Step {
        name: "the last streamed commit",
        model: |state| extend(state, "trade", 800, 1, 1),
        run: |db, _| append(db, "trade", 800, 1, 1),
    },
];
