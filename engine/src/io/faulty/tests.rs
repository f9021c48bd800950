//! Tests of the crash model itself: that it loses what a disk may lose, and nothing else.
//!
//! Once feared here: a crash test that passes because the simulated disk is kinder than a real one.

use std::collections::BTreeSet;

use super::super::{
    Fault, FaultPlan, FaultyStorage, LockMode, MemoryStorage, RelPath, Storage, WritableFile,
};
use crate::error::{ErrorKind, Result};

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("valid")
}

fn write(storage: &FaultyStorage, at: &str, bytes: &[u8]) -> Result<Box<dyn WritableFile>> {
    let mut file = storage.create(&path(at))?;
    file.append(bytes)?;
    Ok(file)
}

/// Everything there is, as one line of text per path.
fn show(storage: &dyn Storage) -> String {
    let (mut lines, mut directories) = (BTreeSet::new(), vec![RelPath::root()]);
    while let Some(directory) = directories.pop() {
        for entry in storage.list(&directory).expect("lists") {
            let path = directory.join(&entry.name).expect("valid");
            match storage.read(&path, u64::MAX) {
                Ok(bytes) => lines.insert(format!("{path}={}", bytes.escape_ascii())),
                Err(_) => {
                    directories.push(path.clone());
                    lines.insert(format!("{path}/"))
                }
            };
        }
    }
    lines.into_iter().collect::<Vec<_>>().join(" ")
}

fn states(storage: &FaultyStorage) -> BTreeSet<String> {
    storage
        .crashed_images(1, 10_000)
        .map(|image| show(&image))
        .collect()
}

fn set<const N: usize>(states: [&str; N]) -> BTreeSet<String> {
    states.iter().map(|state| (*state).to_owned()).collect()
}

#[test]
fn a_synced_file_without_a_synced_directory_may_have_no_name() -> Result<()> {
    let storage = FaultyStorage::new();
    write(&storage, "f", b"1")?.sync()?;
    assert_eq!(states(&storage), set(["", "f=1"]));
    storage.sync_dir(&RelPath::root())?;
    assert_eq!(states(&storage), set(["f=1"]));
    Ok(())
}

#[test]
fn a_synced_directory_without_a_synced_file_may_hold_it_empty_or_as_zeros() -> Result<()> {
    let storage = FaultyStorage::new();
    let mut file = write(&storage, "f", b"1")?;
    storage.sync_dir(&RelPath::root())?;
    assert_eq!(states(&storage), set(["f=", "f=\\x00", "f=1"]));
    file.sync()?;
    assert_eq!(states(&storage), set(["f=1"]));
    Ok(())
}

#[test]
fn a_new_directory_is_lost_with_all_it_holds_until_its_parent_is_synced() -> Result<()> {
    let storage = FaultyStorage::new();
    storage.create_dir(&path("d"))?;
    write(&storage, "d/f", b"1")?.sync()?;
    storage.sync_dir(&path("d"))?;
    assert_eq!(states(&storage), set(["", "d/ d/f=1"]));
    storage.sync_dir(&RelPath::root())?;
    assert_eq!(states(&storage), set(["d/ d/f=1"]));
    Ok(())
}

#[test]
fn a_rename_is_lost_or_done_and_never_half_done() -> Result<()> {
    let storage = FaultyStorage::new();
    write(&storage, "old", b"1")?.sync()?;
    write(&storage, "new", b"2")?.sync()?;
    storage.sync_dir(&RelPath::root())?;
    storage.rename(&path("new"), &path("old"))?;
    assert_eq!(states(&storage), set(["new=2 old=1", "old=2"]));
    storage.sync_dir(&RelPath::root())?;
    assert_eq!(states(&storage), set(["old=2"]));
    Ok(())
}

#[test]
fn a_rename_between_directories_is_durable_in_both_when_either_is_synced() -> Result<()> {
    for synced in ["a", "b"] {
        let storage = FaultyStorage::new();
        storage.create_dir(&path("a"))?;
        storage.create_dir(&path("b"))?;
        storage.sync_dir(&RelPath::root())?;
        write(&storage, "a/f", b"1")?.sync()?;
        storage.rename(&path("a/f"), &path("b/f"))?;
        let all = states(&storage);
        assert_eq!(
            all,
            set(["a/ b/", "a/ a/f=1 b/", "a/ b/ b/f=1"]),
            "before the sync"
        );
        storage.sync_dir(&path(synced))?;
        assert_eq!(states(&storage), set(["a/ b/ b/f=1"]), "{synced} was synced");
    }
    Ok(())
}

/// Found by the random scripts: the rename was forgotten when its old name was used again, and the file was nowhere.
#[test]
fn a_new_file_under_a_name_that_a_rename_freed_implies_the_rename() -> Result<()> {
    let storage = FaultyStorage::new();
    write(&storage, "current", b"1")?.sync()?;
    storage.create_dir(&path("d"))?;
    storage.sync_dir(&RelPath::root())?;
    storage.rename(&path("current"), &path("old"))?;
    write(&storage, "current", b"2")?.sync()?;
    let all = states(&storage);
    assert_eq!(all, set(["current=1 d/", "d/ old=1", "current=2 d/ old=1"]));
    storage.rename(&path("current"), &path("d/f"))?;
    storage.sync_dir(&path("d"))?;
    assert_eq!(states(&storage), set(["d/ d/f=2 old=1"]));
    Ok(())
}

#[test]
fn a_removed_name_may_come_back_until_the_directory_is_synced() -> Result<()> {
    let storage = FaultyStorage::new();
    write(&storage, "f", b"1")?.sync()?;
    storage.create_dir(&path("d"))?;
    storage.sync_dir(&RelPath::root())?;
    storage.remove_file(&path("f"))?;
    storage.remove_dir(&path("d"))?;
    assert_eq!(states(&storage), set(["", "d/", "d/ f=1", "f=1"]));
    storage.sync_dir(&RelPath::root())?;
    assert_eq!(states(&storage), set([""]));
    Ok(())
}

#[test]
fn names_of_one_directory_reach_the_disk_in_any_combination() -> Result<()> {
    let storage = FaultyStorage::new();
    for name in ["a", "b"] {
        write(&storage, name, b"")?;
    }
    assert_eq!(states(&storage), set(["", "a=", "b=", "a= b="]));
    Ok(())
}

#[test]
fn a_write_is_torn_at_sectors_of_the_file_and_nowhere_else() -> Result<()> {
    let storage = FaultyStorage::new();
    let mut file = write(&storage, "f", &[b'_'; 500])?;
    file.sync()?;
    storage.sync_dir(&RelPath::root())?;
    file.append(&[b'x'; 24])?;
    // Byte 512 of the file lies in the middle of the write.
    let state = |tail: String| format!("f={}{tail}", "_".repeat(500));
    let (x, zero) = ("x".repeat(12), "\\x00".repeat(12));
    let expected = [
        String::new(),
        format!("{x}{x}"),
        format!("{zero}{zero}"),
        x.clone(),
        format!("{x}{zero}"),
        format!("{zero}{x}"),
    ];
    assert_eq!(states(&storage), expected.into_iter().map(state).collect());
    Ok(())
}

#[test]
fn a_cut_and_the_write_after_it_are_pending_apart() -> Result<()> {
    let storage = FaultyStorage::new();
    let mut file = write(&storage, "f", b"abcd")?;
    file.sync()?;
    storage.sync_dir(&RelPath::root())?;
    file.truncate(2)?;
    file.append(b"X")?;
    assert_eq!(
        states(&storage),
        set(["f=abcd", "f=ab", "f=abX", "f=abXd", "f=ab\\x00"])
    );
    file.sync()?;
    assert_eq!(states(&storage), set(["f=abX"]));
    Ok(())
}

#[test]
fn a_failed_sync_that_drops_its_data_shows_only_after_the_crash() -> Result<()> {
    let storage = FaultyStorage::new();
    let mut file = write(&storage, "f", b"1")?;
    file.sync()?;
    storage.sync_dir(&RelPath::root())?;
    file.append(b"2")?;
    storage.set_plan(Some(FaultPlan::once(storage.calls(), Fault::LostSync)));
    assert_eq!(file.sync().expect_err("planned").kind(), ErrorKind::Io);
    file.append(b"3")?;
    assert!(storage.retried_syncs().is_empty());
    file.sync().expect("the pages are clean");
    assert_eq!(storage.read(&path("f"), 9)?, b"123", "the page cache reads right");
    assert_eq!(
        states(&storage),
        set(["f=123", "f=1\\x003"]),
        "killed, and after a power cut"
    );
    assert_eq!(storage.retried_syncs(), ["sync f"]);
    Ok(())
}

#[test]
fn a_planned_failure_strikes_its_call_once_or_for_ever_and_is_in_the_log() -> Result<()> {
    for (plan, failures) in [
        (FaultPlan::once(3, Fault::NoSpace), vec![3]),
        (FaultPlan::forever(3, Fault::Io), vec![3, 4, 5]),
    ] {
        let storage = FaultyStorage::new();
        storage.set_plan(Some(plan));
        let mut failed = Vec::new();
        for call in 1..=5u64 {
            let result = storage.create_dir(&path(&format!("d{call}")));
            if let Err(error) = result {
                assert_eq!(error.kind(), ErrorKind::Io);
                failed.push(call);
            }
        }
        assert_eq!(failed, failures);
        assert_eq!(storage.calls(), 5);
        assert_eq!(storage.list(&RelPath::root())?.len(), 5 - failures.len());
        let log = storage.op_log();
        assert_eq!(
            log.iter().filter(|line| line.contains("->")).count(),
            failures.len()
        );
        assert_eq!(log.first().map(String::as_str), Some("1 create directory d1"));
    }
    Ok(())
}

#[test]
fn a_failed_append_leaves_a_tail_that_a_cut_removes() -> Result<()> {
    let storage = FaultyStorage::new();
    let mut file = write(&storage, "f", b"1")?;
    storage.set_plan(Some(FaultPlan::once(3, Fault::NoSpace)));
    file.append(b"2345").expect_err("planned");
    assert_eq!((file.len(), storage.read(&path("f"), 9)?), (1, b"123".to_vec()));
    file.truncate(1)?;
    file.append(b"x")?;
    assert_eq!(storage.read(&path("f"), 9)?, b"1x");
    Ok(())
}

#[test]
fn after_the_power_cut_every_call_fails_and_the_struck_one_is_pending() -> Result<()> {
    let storage = FaultyStorage::new();
    let mut file = write(&storage, "f", b"1")?;
    file.sync()?;
    storage.sync_dir(&RelPath::root())?;
    let reader = storage.open(&path("f"))?;
    let lock = storage
        .lock(&path("f"), LockMode::Exclusive, true)?
        .expect("free");
    storage.set_plan(Some(FaultPlan::once(5, Fault::Crash)));
    file.append(b"2").expect_err("planned");
    assert!(storage.has_crashed());
    let calls = storage.calls();
    assert_eq!(
        storage.list(&RelPath::root()).expect_err("no power").kind(),
        ErrorKind::Io
    );
    assert_eq!(
        reader.read_at(0, &mut [0]).expect_err("no power").kind(),
        ErrorKind::Io
    );
    assert_eq!(
        lock.write_at(0, b"x").expect_err("no power").kind(),
        ErrorKind::Io
    );
    assert_eq!(file.sync().expect_err("no power").kind(), ErrorKind::Io);
    assert_eq!(
        storage.create(&path("g")).expect_err("no power").kind(),
        ErrorKind::Io
    );
    assert_eq!(storage.calls(), calls);
    assert_eq!(states(&storage), set(["f=1", "f=1\\x00", "f=12"]));
    for image in storage.crashed_images(1, 10) {
        let again = FaultyStorage::over(image);
        assert!(
            again.lock(&path("f"), LockMode::Exclusive, false)?.is_some(),
            "locks are gone"
        );
    }
    Ok(())
}

#[test]
fn the_content_of_a_lock_file_is_pending_like_any_other() -> Result<()> {
    let storage = FaultyStorage::new();
    let lock = storage
        .lock(&path("l"), LockMode::Exclusive, true)?
        .expect("free");
    lock.write_at(0, b"1")?;
    assert_eq!(states(&storage), set(["", "l=", "l=\\x00", "l=1"]));
    assert!(storage.lock(&path("l"), LockMode::Shared, false)?.is_none());
    assert!(storage.lock_path_is(lock.as_ref())?);
    storage.remove_file(&path("l"))?;
    drop(
        storage
            .lock(&path("l"), LockMode::Shared, false)?
            .expect("another file"),
    );
    assert!(!storage.lock_path_is(lock.as_ref())?);
    Ok(())
}

#[test]
fn the_first_images_are_the_killed_process_and_the_bare_disk() -> Result<()> {
    let storage = FaultyStorage::new();
    for name in ["a", "b", "c", "d"] {
        write(&storage, name, &[7; 3000])?;
    }
    let first: Vec<MemoryStorage> = storage.crashed_images(1, 2).collect();
    assert_eq!(first.len(), 2);
    assert_eq!(show(&first[0]), show(&storage));
    assert_eq!(show(&first[1]), "");
    assert!(first[0].origin().contains("killed"), "{}", first[0].origin());
    Ok(())
}

#[test]
fn images_are_different_bounded_and_the_same_for_the_same_seed() -> Result<()> {
    let storage = FaultyStorage::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        write(&storage, name, &[7; 3000])?.append(&[8; 2000])?;
    }
    let draw = |seed| -> Vec<String> {
        storage
            .crashed_images(seed, 500)
            .map(|image| show(&image))
            .collect()
    };
    let images = draw(1);
    assert_eq!(images.len(), 500);
    assert_eq!(
        images.iter().collect::<BTreeSet<_>>().len(),
        500,
        "two images are alike"
    );
    assert_eq!(images, draw(1));
    assert_ne!(images, draw(2));
    Ok(())
}

/// Which step of the commit protocol is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutant {
    None,
    FileSync,
    DirSync,
}

/// Replaces `current` by `number`, written twice over two sectors; returned means durable.
fn commit(storage: &FaultyStorage, number: u8, mutant: Mutant) -> Result<()> {
    let mut file = write(storage, "next", &[number; 1024])?;
    if mutant != Mutant::FileSync {
        file.sync()?;
    }
    storage.rename(&path("next"), &path("current"))?;
    if mutant == Mutant::DirSync {
        Ok(())
    } else {
        storage.sync_dir(&RelPath::root())
    }
}

/// Commits until the power goes; the last number that was acknowledged.
fn run(storage: &FaultyStorage, mutant: Mutant) -> u8 {
    (1..=3)
        .take_while(|number| commit(storage, *number, mutant).is_ok())
        .last()
        .unwrap_or(0)
}

/// Cuts the power at every call; the number of images, and the first that lost something acknowledged or is torn.
fn crash_everywhere(mutant: Mutant) -> (usize, Option<String>) {
    let whole = FaultyStorage::new();
    run(&whole, mutant);
    let (mut images, mut violation) = (0, None);
    for call in 1..=whole.calls() + 1 {
        let storage = FaultyStorage::new();
        storage.set_plan(Some(FaultPlan::once(call, Fault::Crash)));
        let acknowledged = run(&storage, mutant);
        for image in storage.crashed_images(call, 1000) {
            images += 1;
            let current = image.read(&path("current"), 2000).unwrap_or_default();
            let number = current.first().copied().unwrap_or(0);
            let is_whole = current.is_empty() || current == [number; 1024] && number > 0;
            if !is_whole || number < acknowledged {
                let log = storage.op_log();
                violation.get_or_insert(format!("{acknowledged}: {}\n{log:?}", image.origin()));
            }
        }
    }
    (images, violation)
}

#[test]
fn the_commit_by_rename_survives_every_crash_and_no_step_of_it_can_be_left_out() {
    let (images, violation) = crash_everywhere(Mutant::None);
    assert_eq!(violation, None);
    assert!(images > 50, "only {images} images");
    for mutant in [Mutant::FileSync, Mutant::DirSync] {
        let (images, violation) = crash_everywhere(mutant);
        assert!(
            violation.is_some(),
            "{mutant:?} was not caught in {images} images"
        );
    }
}

#[test]
fn a_thread_that_waits_for_a_lock_does_not_stop_the_holder() -> Result<()> {
    let storage = FaultyStorage::new();
    let held = storage
        .lock(&path("l"), LockMode::Exclusive, true)?
        .expect("free");
    let waiting = storage.clone();
    let waiter = std::thread::spawn(move || {
        waiting
            .lock(&path("l"), LockMode::Shared, true)
            .map(|lock| lock.map(|lock| lock.len()))
    });
    std::thread::sleep(std::time::Duration::from_millis(20));
    write(&storage, "f", b"1")?.sync()?;
    held.write_at(0, b"12")?;
    drop(held);
    let len = waiter.join().expect("no panic")?.expect("waited")?;
    assert_eq!(len, 2);
    Ok(())
}

#[test]
fn a_second_crash_starts_from_what_the_first_one_left() -> Result<()> {
    let storage = FaultyStorage::new();
    write(&storage, "f", b"1")?;
    for image in storage.crashed_images(1, 10) {
        let before = show(&image);
        let again = FaultyStorage::over(image);
        again.create_dir(&path("d"))?;
        let expected = [before.clone(), format!("d/ {before}").trim_end().to_owned()];
        assert_eq!(
            states(&again),
            expected.into_iter().collect(),
            "{before:?} is on the disk now"
        );
    }
    Ok(())
}
