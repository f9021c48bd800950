//! The power goes, or the process is killed, at every call that changes the disk; and again while it starts.
//!
//! `GAPLESS_CRASH_IMAGES=n` tries n states of the disk for each call instead of the few of the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gapless::io::{Fault, FaultPlan, FaultyStorage, MemoryStorage, Storage};

use super::covering::{COVERING, COVERING_BULK};
use super::live::LIVE;
use super::script::{BULK, Progress, Script, State, as_read, orphans, read, write_more};

fn images_per_point() -> usize {
    std::env::var("GAPLESS_CRASH_IMAGES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(10)
}

/// What the database may be after the restart.
fn allowed(progress: &Progress) -> Vec<State> {
    std::iter::once(&progress.acknowledged)
        .chain(&progress.under_way)
        .map(as_read)
        .collect()
}

/// Restarts on one image and checks everything; the disk after it, for a second crash.
fn check(script: Script, image: MemoryStorage, progress: &Progress) -> Result<State, String> {
    let origin = image.origin().to_owned();
    check_storage(script, &FaultyStorage::over(image), &allowed(progress))
        .map_err(|error| format!("{error}\n  disk: {origin}"))
}

fn check_storage(script: Script, faulty: &FaultyStorage, allowed: &[State]) -> Result<State, String> {
    let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
    let fail = |what: &str, error: gapless::Error| format!("{what}: {error:?}");
    let db = script.open(&storage).map_err(|error| fail("open", error))?;
    let found = read(&db).map_err(|error| fail("read", error))?;
    if !allowed.contains(&found) {
        return Err(format!("found {found:?}\n  allowed {allowed:?}"));
    }
    let version = db.version().map_err(|error| fail("version", error))?.number();
    drop(db);
    let db = script.open(&storage).map_err(|error| fail("open again", error))?;
    let again = read(&db).map_err(|error| fail("read again", error))?;
    if again != found || db.version().map(|v| v.number()).ok() != Some(version) {
        return Err(format!("recovered once {found:?}, twice {again:?}"));
    }
    db.collect_garbage()
        .map_err(|error| fail("collect garbage", error))?;
    let left = orphans(&*storage, &db).map_err(|error| fail("list", error))?;
    if !left.is_empty() {
        return Err(format!("files that nothing names: {left:?}"));
    }
    let after = write_more(&db, &found).map_err(|error| fail("write again", error))?;
    let read_back = read(&db).map_err(|error| fail("read what was written", error))?;
    if read_back != after {
        return Err(format!(
            "after another write: found {read_back:?}, expected {after:?}"
        ));
    }
    Ok(found)
}

/// A second crash, at call `call` of the restart: what was recovered or written after it is whole.
fn check_twice(
    script: Script,
    image: &MemoryStorage,
    progress: &Progress,
    call: u64,
) -> Result<usize, String> {
    let storage = FaultyStorage::over(image.deep_copy());
    storage.set_plan(Some(FaultPlan::once(call, Fault::Crash)));
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let before = allowed(progress);
    let mut states = before.clone();
    let mut acknowledged = None;
    if let Ok(db) = script.open(&shared)
        && let Ok(found) = read(&db)
    {
        if !before.contains(&found) {
            return Err(format!("found {found:?}\n  allowed {before:?}"));
        }
        let after = write_more(&db, &found);
        // The table may have been made, and the row not written.
        let mut created = found.clone();
        created.tables.entry("trade".to_owned()).or_default();
        let mut written = created.clone();
        written.tables.insert("trade".to_owned(), expected_trade(&found));
        states = vec![found.clone(), created, written];
        if let Ok(after) = after {
            acknowledged = Some(after);
            let _ = db.collect_garbage();
        }
    }
    if let Some(after) = acknowledged {
        states = vec![after];
    }
    let mut images = 0;
    for second in storage.crashed_images(call, 4) {
        let origin = second.origin().to_owned();
        let again = FaultyStorage::over(second);
        check_storage_reading(script, &again, &states).map_err(|error| {
            format!(
                "second crash at call {call}: {error}\n  disk: {origin}\n  {:#?}",
                storage.op_log()
            )
        })?;
        images += 1;
    }
    Ok(images)
}

fn expected_trade(found: &State) -> Vec<crate::common::Row> {
    let mut rows = found.tables.get("trade").cloned().unwrap_or_default();
    rows.push(crate::common::Row {
        ts: 3 * crate::common::DAY,
        sym: Some("after the crash".to_owned()),
        price: None,
        id: 1_000_000,
    });
    rows.sort_by_key(|row| (row.sym.is_none(), row.sym.clone(), row.ts));
    rows
}

fn check_storage_reading(script: Script, faulty: &FaultyStorage, allowed: &[State]) -> Result<(), String> {
    let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
    let db = script
        .open(&storage)
        .map_err(|error| format!("open: {error:?}"))?;
    let found = read(&db).map_err(|error| format!("read: {error:?}"))?;
    if !allowed.contains(&found) {
        return Err(format!("found {found:?}\n  allowed {allowed:?}"));
    }
    db.collect_garbage()
        .map_err(|error| format!("collect garbage: {error:?}"))?;
    let left = orphans(&*storage, &db).map_err(|error| format!("list: {error:?}"))?;
    if !left.is_empty() {
        return Err(format!("files that nothing names: {left:?}"));
    }
    Ok(())
}

/// Runs `point` for every call of the script, on two threads; the first failures.
pub fn every_call(script: Script, point: impl Fn(u64) -> Result<(), String> + Sync) -> (u64, Vec<String>) {
    let whole = FaultyStorage::new();
    let shared: Arc<dyn Storage> = Arc::new(whole.clone());
    let (_, outcome, db) = script.run(&shared);
    drop(db);
    outcome.expect("the script works on a sound disk");
    let calls = whole.calls();
    let next = AtomicUsize::new(1);
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let call = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if call > calls {
                        return;
                    }
                    if let Err(error) = point(call) {
                        failures
                            .lock()
                            .expect("no panic")
                            .push(format!("call {call}: {error}"));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no panic");
    failures.sort();
    (calls, failures)
}

fn crash_at_every_call(script: Script) {
    let (images, twice) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let limit = images_per_point();
    let (points, failures) = every_call(script, |call| {
        let storage = FaultyStorage::new();
        storage.set_plan(Some(FaultPlan::once(call, Fault::Crash)));
        let shared: Arc<dyn Storage> = Arc::new(storage.clone());
        let (progress, _, db) = script.run(&shared);
        drop(db);
        if !storage.has_crashed() {
            return Ok(()); // The order of calls of several threads differs a little from run to run.
        }
        for (at, image) in storage.crashed_images(call, limit).enumerate() {
            let context = |error: String| {
                let log = storage.op_log();
                let last = &log[log.len().saturating_sub(12)..];
                format!("{error}\n  last calls: {last:#?}")
            };
            if (call as usize + at).is_multiple_of(9) {
                let second = 1 + (call * 31 + at as u64 * 17) % 60;
                twice.fetch_add(
                    check_twice(script, &image, &progress, second).map_err(context)?,
                    Ordering::Relaxed,
                );
            }
            check(script, image, &progress).map_err(context)?;
            images.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    println!(
        "{points} crash points, {} images, {} images of a second crash, {} failures",
        images.load(Ordering::Relaxed),
        twice.load(Ordering::Relaxed),
        failures.len()
    );
    assert!(
        failures.is_empty(),
        "{} points fail; the first: {}",
        failures.len(),
        failures[0]
    );
    assert!(points > 300 && images.load(Ordering::Relaxed) > 1000);
}

#[test]
fn a_crash_at_any_call_leaves_the_old_or_the_new_version_and_a_database_that_works() {
    crash_at_every_call(BULK);
}

#[test]
fn a_crash_at_any_call_of_the_live_half_loses_no_acknowledged_row_and_leaves_none_half() {
    crash_at_every_call(LIVE);
}

#[test]
fn a_crash_at_any_call_leaves_no_coverage_without_its_rows_and_no_rows_without_their_coverage() {
    crash_at_every_call(COVERING);
}

#[test]
fn a_crash_at_any_call_of_bulk_commits_leaves_coverage_and_rows_together() {
    crash_at_every_call(COVERING_BULK);
}
