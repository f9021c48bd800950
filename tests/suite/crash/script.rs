//! The script that is interrupted, the model of what it has acknowledged, and what must hold after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gapless::io::{EntryKind, RelPath, Storage};
use gapless::{CoverageState, Database, EncodingPolicy, PartitionUnit, Result, WriteOptions};

use crate::common::{DAY, HOUR, Row, batch, rows, spec};

/// Rows by table, in order of arrival.
pub type Tables = BTreeMap<String, Vec<Row>>;

/// What the database holds after one acknowledged commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub tables: Tables,
    pub snapshots: BTreeMap<String, Tables>,
    /// What is known of ranges, by table: series, interval, start, end, state.
    pub coverage: BTreeMap<String, Vec<Said>>,
    pub calendars: Vec<String>,
}

/// What is known of a range; a series of `None` is every series, an interval of `None` every interval.
pub type Said = (Option<String>, Option<i64>, i64, i64, CoverageState);

/// What the script got done: the last acknowledged state, and the one that was under way.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub acknowledged: State,
    pub under_way: Option<State>,
}

/// One step: how it changes the model, and how it changes the database.
pub struct Step {
    pub name: &'static str,
    pub model: fn(&mut State),
    pub run: fn(&Database, &State) -> Result<()>,
}

/// What is interrupted, and how its database is opened.
#[derive(Clone, Copy)]
pub struct Script {
    pub steps: &'static [Step],
    /// Rows up to which a commit goes through the log.
    pub small_commit_rows: usize,
}

/// Every kind of commit through the manifest.
pub const BULK: Script = Script {
    steps: BULK_STEPS,
    small_commit_rows: 0,
};

impl Script {
    /// Opens whatever `storage` holds, with a manifest that is written anew after a few commits.
    pub fn open(&self, storage: &Arc<dyn Storage>) -> Result<Database> {
        Database::builder("faulty")
            .small_commit_rows(self.small_commit_rows)
            .maintenance(gapless::Maintenance::Manual)
            .storage(Arc::clone(storage))
            .log_bytes_min(600)
            .open()
    }

    /// Runs the script until the first error; the database too, if it could be opened.
    pub fn run(&self, storage: &Arc<dyn Storage>) -> (Progress, Result<()>, Option<Database>) {
        let mut progress = Progress {
            under_way: Some(State::default()),
            ..Progress::default()
        };
        match self.open(storage) {
            Ok(db) => {
                let outcome = steps(&db, self.steps, &mut progress);
                (progress, outcome, Some(db))
            }
            Err(error) => (progress, Err(error), None),
        }
    }
}

/// Rows that are told apart by `id`, over `days` days from `first`, with symbols that other calls have too.
pub fn rows_of(first: i64, days: i64, count: i64) -> Vec<Row> {
    (0..count)
        .map(|at| Row {
            ts: (at * 7 % days) * DAY + (at * 5 % 24) * HOUR,
            sym: (at % 5 != 4).then(|| format!("S{}", (first / 100 + at) % 6)),
            price: (at % 3 != 0).then_some(at as f64),
            id: first + at,
        })
        .collect()
}

pub fn extend(state: &mut State, table: &str, first: i64, days: i64, count: i64) {
    state
        .tables
        .entry(table.to_owned())
        .or_default()
        .extend(rows_of(first, days, count));
}

fn write(db: &Database, table: &str, first: i64, days: i64, count: i64) -> Result<()> {
    db.table(table)?
        .write([batch(&rows_of(first, days, count))])
        .map(|_| ())
}

const BULK_STEPS: &[Step] = &[
    Step {
        name: "create trade",
        model: |state| extend(state, "trade", 0, 1, 0),
        run: |db, _| db.create_table(&spec("trade")).map(|_| ()),
    },
    Step {
        name: "create quote, which shares the symbols of trade",
        model: |state| extend(state, "quote", 0, 1, 0),
        run: |db, _| {
            db.create_table(&spec("quote").partition(PartitionUnit::Hour))
                .map(|_| ())
        },
    },
    Step {
        name: "create note, with symbols of its own",
        model: |state| extend(state, "note", 0, 1, 0),
        run: |db, _| {
            db.create_table(&spec("note").symbol("sym", "private"))
                .map(|_| ())
        },
    },
    Step {
        name: "write two days of trade",
        model: |state| extend(state, "trade", 100, 2, 9),
        run: |db, _| write(db, "trade", 100, 2, 9),
    },
    Step {
        name: "write an hour of quote and a day of note in one transaction",
        model: |state| {
            extend(state, "quote", 200, 1, 3);
            extend(state, "note", 300, 1, 4);
        },
        run: |db, _| {
            let mut change = db.transaction()?;
            let options = WriteOptions::default();
            change.write(
                "quote",
                [Ok::<_, gapless::Error>(batch(&rows_of(200, 1, 3)))],
                &options,
            )?;
            change.write(
                "note",
                [Ok::<_, gapless::Error>(batch(&rows_of(300, 1, 4)))],
                &options,
            )?;
            change.commit().map(|_| ())
        },
    },
    Step {
        name: "name a snapshot",
        model: |state| {
            let tables = state.tables.clone();
            state.snapshots.insert("first".to_owned(), tables);
        },
        run: |db, _| db.create_snapshot("first").map(|_| ()),
    },
    Step {
        name: "write trade by hours, sorted on disk",
        model: |state| extend(state, "trade", 400, 1, 6),
        run: |db, _| {
            let options = WriteOptions {
                partition: Some(PartitionUnit::Hour),
                memory_bytes: 0,
                encoding: EncodingPolicy::cold(),
            };
            let rows = rows_of(400, 1, 6);
            let batches = rows.chunks(3).map(|rows| Ok::<_, gapless::Error>(batch(rows)));
            db.table("trade")?.write_with(batches, &options).map(|_| ())
        },
    },
    Step {
        name: "a small commit",
        model: |state| extend(state, "note", 500, 1, 1),
        run: |db, _| write(db, "note", 500, 1, 1),
    },
    Step {
        name: "another small commit, with a new symbol",
        model: |state| extend(state, "note", 900, 1, 2),
        run: |db, _| write(db, "note", 900, 1, 2),
    },
    Step {
        name: "drop quote",
        model: |state| {
            state.tables.remove("quote");
        },
        run: |db, _| db.drop_table("quote"),
    },
    Step {
        name: "drop the snapshot, and with it the files of quote",
        model: |state| {
            state.snapshots.remove("first");
        },
        run: |db, _| db.drop_snapshot("first"),
    },
    Step {
        name: "name a second snapshot",
        model: |state| {
            let tables = state.tables.clone();
            state.snapshots.insert("second".to_owned(), tables);
        },
        run: |db, _| db.create_snapshot("second").map(|_| ()),
    },
    Step {
        name: "drop note, of which the snapshot keeps the files, and create quote anew",
        model: |state| {
            state.tables.remove("note");
            extend(state, "quote", 600, 1, 2);
        },
        run: |db, _| {
            let mut change = db.transaction()?;
            change.drop_table("note")?;
            change.create_table(&spec("quote"))?;
            let options = WriteOptions::default();
            change.write(
                "quote",
                [Ok::<_, gapless::Error>(batch(&rows_of(600, 1, 2)))],
                &options,
            )?;
            change.commit().map(|_| ())
        },
    },
    Step {
        name: "collect garbage",
        model: |_| (),
        run: |db, _| db.collect_garbage().map(|_| ()),
    },
    Step {
        name: "write trade once more",
        model: |state| extend(state, "trade", 700, 1, 2),
        run: |db, _| write(db, "trade", 700, 1, 2),
    },
    Step {
        name: "compact trade: hours and days of several commits become one segment each",
        model: |_| (),
        run: |db, _| db.compact("trade").map(|_| ()),
    },
    Step {
        name: "write trade after the compaction",
        model: |state| extend(state, "trade", 800, 2, 3),
        run: |db, _| write(db, "trade", 800, 2, 3),
    },
    Step {
        name: "fold the late rows in",
        model: |_| (),
        run: |db, _| {
            let policy = gapless::compact::Policy {
                settle_ns: i64::MIN,
                ..Default::default()
            };
            db.maintain(&policy, &Default::default()).map(|_| ())
        },
    },
    Step {
        name: "expire the first day of trade",
        model: |state| {
            if let Some(rows) = state.tables.get_mut("trade") {
                rows.retain(|row| row.ts >= DAY);
            }
            let expired = (None, None, i64::MIN, DAY, CoverageState::Expired);
            state.coverage.insert("trade".to_owned(), vec![expired]);
        },
        run: |db, _| db.table("trade")?.expire(DAY).map(|_| ()),
    },
];

/// Runs steps until the first error.
pub fn steps(db: &Database, steps: &[Step], progress: &mut Progress) -> Result<()> {
    for step in steps {
        let mut next = progress.acknowledged.clone();
        (step.model)(&mut next);
        progress.under_way = Some(next.clone());
        (step.run)(db, &progress.acknowledged).map_err(|error| error.context(step.name))?;
        progress.acknowledged = next;
        progress.under_way = None;
    }
    Ok(())
}

/// Rows in the order of a scan: by series as text, null last, then time, then arrival.
fn in_order(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| (row.sym.is_none(), row.sym.clone(), row.ts));
    rows
}

fn sorted(tables: &Tables) -> Tables {
    tables
        .iter()
        .map(|(name, rows)| (name.clone(), in_order(rows)))
        .collect()
}

/// What a state looks like when it is read.
pub fn as_read(state: &State) -> State {
    State {
        tables: sorted(&state.tables),
        snapshots: state
            .snapshots
            .iter()
            .map(|(name, tables)| (name.clone(), sorted(tables)))
            .collect(),
        coverage: state.coverage.clone(),
        calendars: state.calendars.clone(),
    }
}

fn read_tables(snapshot: &gapless::Snapshot) -> Result<Tables> {
    let names: Vec<String> = snapshot.version().table_names().map(str::to_owned).collect();
    let read = |name: &String| {
        let scan = snapshot.scan(name)?;
        Ok((name.clone(), rows(&scan.collect()?)))
    };
    names.iter().map(read).collect()
}

/// Everything the database holds.
pub fn read(db: &Database) -> Result<State> {
    let mut state = State {
        tables: read_tables(&db.snapshot()?)?,
        ..State::default()
    };
    for (name, _) in db.snapshots()? {
        let tables = read_tables(&db.as_of(&name)?)?;
        state.snapshots.insert(name, tables);
    }
    // Of the same moment as the rows.
    let snapshot = db.snapshot()?;
    state.tables = read_tables(&snapshot)?;
    for name in state.tables.keys() {
        let said = snapshot.coverage(name)?.all_ranges(i64::MIN..i64::MAX);
        let said: Vec<Said> = said
            .into_iter()
            // What only takes others back may be forgotten sooner or later.
            .filter(|(series, interval, _)| series.is_none() || interval.is_some())
            .map(|(series, interval, range)| (series, interval, range.start, range.end, range.state))
            .collect();
        if !said.is_empty() {
            state.coverage.insert(name.clone(), said);
        }
    }
    state.calendars = db.calendars()?;
    Ok(state)
}

/// Writes a row to a table that may have to be made first; the state after it.
pub fn write_more(db: &Database, before: &State) -> Result<State> {
    let mut after = before.clone();
    let row = Row {
        ts: 3 * DAY,
        sym: Some("after the crash".to_owned()),
        price: None,
        id: 1_000_000,
    };
    let table = match db.table("trade") {
        Ok(table) => table,
        Err(_) => db.create_table(&spec("trade"))?,
    };
    table.write([batch(std::slice::from_ref(&row))])?;
    let rows = after.tables.entry("trade".to_owned()).or_default();
    rows.push(row);
    *rows = in_order(rows);
    Ok(after)
}

/// Every file of the storage, and every directory that is empty below `tables`.
pub fn files(storage: &dyn Storage, directory: &RelPath, found: &mut BTreeSet<String>) -> Result<()> {
    let entries = storage.list(directory)?;
    if entries.is_empty() && directory.components().count() > 1 {
        found.insert(format!("{directory}/"));
    }
    for entry in entries {
        let path = directory.join(&entry.name)?;
        match entry.kind {
            EntryKind::Directory => files(storage, &path, found)?,
            _ => {
                found.insert(path.to_string());
            }
        }
    }
    Ok(())
}

/// Files that nothing names, after a garbage collection.
pub fn orphans(storage: &dyn Storage, db: &Database) -> Result<Vec<String>> {
    let mut found = BTreeSet::new();
    files(storage, &RelPath::root(), &mut found)?;
    let version = db.version()?;
    let mut named: Vec<String> = Vec::new();
    for table in version.tables() {
        for segment in table.segments() {
            named.push(format!(
                "tables/{}/{}/{}/",
                table.meta().name,
                segment.partition.path(),
                segment.directory
            ));
        }
    }
    for table in version.tables() {
        let name = &table.meta().name;
        named.extend(
            table
                .coverage()
                .iter()
                .map(|file| format!("tables/{name}/coverage/{}", file.name)),
        );
    }
    for removed in version.removed_coverage() {
        named.push(format!(
            "tables/{}/coverage/{}",
            removed.table_name, removed.coverage.name
        ));
    }
    for removed in version.removed() {
        let segment = &removed.segment;
        named.push(format!(
            "tables/{}/{}/{}/",
            removed.table_name,
            segment.partition.path(),
            segment.directory
        ));
    }
    for (_, number) in version.snapshots() {
        named.push(format!("manifest/snapshot-{number:010}.ckpt"));
    }
    let log_count = found.iter().filter(|path| path.ends_with(".log")).count();
    let is_fixed = |path: &str| {
        ["GAPLESS", "manifest/CURRENT", "manifest/LOCK", "manifest/CREATE"].contains(&path)
            || path.starts_with("symbols/")
            || path.starts_with("leases/")
            || path.ends_with(".log") && log_count == 1
    };
    // The pin of this process is the only one that may be left.
    let pins = found.iter().filter(|path| path.starts_with("readers/")).count();
    Ok(found
        .into_iter()
        .filter(|path| !is_fixed(path) && !named.iter().any(|name| path.starts_with(name)))
        .filter(|path| !(path.starts_with("readers/") && pins == 1))
        .collect())
}
