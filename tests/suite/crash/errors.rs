//! Every call that changes the disk fails once, or from then on: nothing acknowledged is lost, nothing is half there.
//!
//! Failed once: a sync of new symbols failed, the next commit synced them again and named them, and a power cut took
//! them away. A garbage collection after a durable drop made the drop look failed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gapless::io::{Fault, FaultPlan, FaultyStorage, RelPath, Storage};
use gapless::{Database, ErrorKind};

use super::live::LIVE;
use super::points::every_call;
use super::script::{BULK, Script, State, as_read, files, orphans, read, write_more};

/// Names the fault and its place in what went wrong.
fn explain<T>(what: &str, result: gapless::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error:?}"))
}

fn check_message(error: &gapless::Error) -> Result<(), String> {
    let says_what = error.to_string().contains("planned fault");
    if error.kind() != ErrorKind::Io || !says_what {
        return Err(format!("the error does not say what failed: {error:?}"));
    }
    Ok(())
}

fn is_poisoned(error: &gapless::Error) -> bool {
    let message = error.to_string();
    message.contains("commits nothing more") || message.contains("writes nothing more")
}

/// Files of segments that no version names.
fn abandoned(storage: &dyn Storage, db: &Database) -> Result<Vec<String>, String> {
    let left = explain("list", orphans(storage, db))?;
    Ok(left
        .into_iter()
        .filter(|path| path.starts_with("tables/") && !path.ends_with('/'))
        .collect())
}

/// Goes on with the handle that has seen the error.
///
/// A streamed commit is seen when it is in the log. If its sync fails, it is still seen here, and nobody was told that
/// it is durable.
fn go_on(db: &Database, acknowledged: &State, unsynced: Option<State>) -> Result<Option<State>, String> {
    let found = explain("read after the error", read(db))?;
    if found != *acknowledged && Some(&found) != unsynced.as_ref() {
        return Err(format!(
            "after the error: found {found:?}, acknowledged {acknowledged:?}"
        ));
    }
    match write_more(db, &found) {
        Ok(after) => Ok(Some(after)),
        Err(error) if is_poisoned(&error) => {
            let again = write_more(db, &found);
            if again.is_ok() {
                return Err("a poisoned database took another commit".to_owned());
            }
            explain("read when poisoned", read(db)).map(|_| None)
        }
        Err(error) => Err(format!("write after the error: {error:?}")),
    }
}

fn check(
    script: Script,
    call: u64,
    plan: FaultPlan,
    is_killed: bool,
    images: &AtomicUsize,
) -> Result<(), String> {
    let storage = FaultyStorage::new();
    storage.set_plan(Some(plan));
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let (progress, outcome, db) = script.run(&shared);
    let acknowledged = as_read(&progress.acknowledged);
    let mut allowed = vec![acknowledged.clone()];
    if let Err(error) = &outcome {
        check_message(error)?;
        allowed.extend(progress.under_way.as_ref().map(as_read));
        if let Some(db) = db.as_ref().filter(|_| !is_killed) {
            storage.set_plan(None);
            let log = storage.op_log();
            let struck = log
                .iter()
                .find(|line| line.contains("->"))
                .cloned()
                .unwrap_or_default();
            if !plan.is_lasting && struck.contains(" tables/") && !is_poisoned(error) {
                let left = abandoned(&*shared, db)?;
                if !left.is_empty() {
                    return Err(format!("a failed write left {left:?}"));
                }
            }
            // A row writer keeps what it could not write, and tries it again when it is dropped.
            let may_be_there = is_poisoned(error) || error.to_string().contains("row writer");
            let unsynced = progress.under_way.as_ref().filter(|_| may_be_there).map(as_read);
            if let Some(after) = go_on(db, &acknowledged, unsynced)? {
                allowed = vec![after];
            }
        }
    }
    drop(db);
    storage.set_plan(None);
    // The same machine, another process: the page cache still shows what the disk may not have.
    let db = explain("open again", script.open(&shared))?;
    let found = explain("read again", read(&db))?;
    if !allowed.contains(&found) {
        return Err(format!("opened again: found {found:?}\n  allowed {allowed:?}"));
    }
    explain("collect garbage", db.collect_garbage())?;
    let mut left = explain("list", orphans(&*shared, &db))?;
    // Pins are removed when their process ends, and by others; here both are the same process.
    left.retain(|path| !path.starts_with("readers/"));
    if !left.is_empty() {
        return Err(format!("files that nothing names: {left:?}"));
    }
    let mut last = found;
    if !last
        .tables
        .get("trade")
        .is_some_and(|rows| rows.iter().any(|row| row.id == 1_000_000))
    {
        last = explain("write again", write_more(&db, &last))?;
    }
    drop(db);
    if !storage.retried_syncs().is_empty() {
        return Err(format!("syncs were retried: {:?}", storage.retried_syncs()));
    }
    let log = storage.op_log();
    let at = usize::try_from(call).unwrap_or(0).min(log.len());
    let nearby = &log[at.saturating_sub(3)..(at + 40).min(log.len())];
    // All of it was acknowledged: no power cut may take it away.
    for image in storage.crashed_images(call, 4) {
        images.fetch_add(1, Ordering::Relaxed);
        let origin = image.origin().to_owned();
        let again: Arc<dyn Storage> = Arc::new(FaultyStorage::over(image));
        let found = script
            .open(&again)
            .and_then(|db| read(&db))
            .map_err(|error| format!("power cut: {error:?}\n  disk: {origin}\n{nearby:#?}"))?;
        if found != last {
            return Err(format!(
                "power cut: found {found:?}\n  acknowledged {last:?}\n  disk: {origin}\n{nearby:#?}"
            ));
        }
    }
    Ok(())
}

fn fail_every_call(script: Script) {
    let (runs, images) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // A process that can no longer write anything and goes is one that is killed; the machine runs on.
    // A plan for the n-th call, and whether the process is then killed.
    type Plan = (fn(u64) -> FaultPlan, bool);
    let plans: [Plan; 6] = [
        (|call| FaultPlan::once(call, Fault::Io), false),
        (|call| FaultPlan::once(call, Fault::NoSpace), false),
        (|call| FaultPlan::once(call, Fault::LostSync), false),
        (|call| FaultPlan::forever(call, Fault::NoSpace), false),
        (|call| FaultPlan::forever(call, Fault::LostSync), false),
        (|call| FaultPlan::forever(call, Fault::Io), true),
    ];
    let (points, failures) = every_call(script, |call| {
        for (plan, is_killed) in plans {
            runs.fetch_add(1, Ordering::Relaxed);
            check(script, call, plan(call), is_killed, &images)
                .map_err(|error| format!("{:?}, killed {is_killed}: {error}", plan(call)))?;
        }
        Ok(())
    });
    println!(
        "{points} calls failed {} ways each, {} runs, {} images, {} failures",
        plans.len(),
        runs.load(Ordering::Relaxed),
        images.load(Ordering::Relaxed),
        failures.len()
    );
    let first = &failures[..failures.len().min(4)];
    assert!(
        failures.is_empty(),
        "{} calls fail; the first: {first:#?}",
        failures.len()
    );
}

#[test]
fn an_error_of_any_call_loses_nothing_and_leaves_nothing_half() {
    fail_every_call(BULK);
}

#[test]
fn an_error_of_any_call_of_the_live_half_loses_nothing_and_leaves_nothing_half() {
    fail_every_call(LIVE);
}

#[test]
fn a_table_that_is_called_like_a_segment_survives_garbage_collection() {
    let storage = FaultyStorage::new();
    let shared: Arc<dyn Storage> = Arc::new(storage);
    let db = BULK.open(&shared).expect("a new database");
    let name = "s-00000001-000001";
    let table = db.create_table(&crate::common::spec(name)).expect("a table");
    let row = crate::common::Row {
        ts: 0,
        sym: None,
        price: None,
        id: 1,
    };
    table.write([crate::common::batch(&[row])]).expect("a row");
    db.collect_garbage().expect("nothing to collect");
    assert_eq!(table.rows().expect("the table"), 1);
    assert_eq!(table.scan().expect("a scan").count().expect("its file"), 1);
    let mut found = BTreeSet::new();
    files(&*shared, &RelPath::root(), &mut found).expect("a list");
    assert!(found.iter().any(|path| path.contains(name)));
}

#[test]
fn a_symbol_file_that_a_crash_left_empty_or_zeroed_is_made_anew() {
    for len in [0, 3, 47, 200] {
        let storage = FaultyStorage::new();
        let shared: Arc<dyn Storage> = Arc::new(storage.clone());
        let db = BULK.open(&shared).expect("a new database");
        let path = RelPath::new("symbols/sym.sym").expect("a path");
        let mut file = shared.create(&path).expect("a file");
        if len > 0 {
            file.append(&vec![0; len]).expect("zeros");
        }
        let after = write_more(&db, &State::default()).expect("a row");
        drop(db);
        let db = BULK.open(&shared).expect("the database");
        assert_eq!(read(&db).expect("rows"), after, "{len} bytes");
    }
}
