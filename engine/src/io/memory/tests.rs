//! Memory and a real directory must not be told apart: one random script runs on both.
//!
//! Once feared here: a protocol that passes every crash test in memory because memory forgives what Linux refuses.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::{
    DirEntry, EntryKind, FaultyStorage, FileLock, LockMode, MemoryStorage, Options, ReadableFile,
    RealStorage, RelPath, Storage, WritableFile,
};
use crate::error::{ErrorKind, Result};

#[derive(Clone, Debug)]
enum Step {
    Create(RelPath),
    AppendTo(RelPath),
    Append(Vec<u8>),
    WriteAt(u64, Vec<u8>),
    Truncate(u64),
    Sync,
    RefreshLen,
    Open(RelPath),
    ReadAt(u64, usize),
    Map,
    Read(RelPath, u64),
    Rename(RelPath, RelPath),
    RemoveFile(RelPath),
    RemoveDir(RelPath),
    CreateDir(RelPath),
    SyncDir(RelPath),
    List(RelPath),
    Stamp(RelPath),
    Lock(RelPath, LockMode),
    LockWrite(u64, Vec<u8>),
    LockPathIs,
    Retake(LockMode),
    Unlock,
}

/// Few names, so that they meet.
fn paths() -> impl Strategy<Value = RelPath> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
        .prop_map(|names| RelPath::new(&names.join("/")).expect("valid"))
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn steps() -> impl Strategy<Value = Step> {
    let mode = prop::sample::select(vec![LockMode::Exclusive, LockMode::Shared]);
    let retaken = mode.clone();
    let files = prop_oneof![
        4 => paths().prop_map(Step::Create),
        2 => paths().prop_map(Step::AppendTo),
        5 => bytes().prop_map(Step::Append),
        2 => (0u64..60, bytes()).prop_map(|(offset, bytes)| Step::WriteAt(offset, bytes)),
        1 => (0u64..60).prop_map(Step::Truncate),
        1 => Just(Step::Sync),
        1 => Just(Step::RefreshLen),
        2 => paths().prop_map(Step::Open),
        2 => (0u64..60, 0usize..40).prop_map(|(offset, len)| Step::ReadAt(offset, len)),
        2 => Just(Step::Map),
        2 => (paths(), 0u64..60).prop_map(|(path, limit)| Step::Read(path, limit)),
    ];
    let names = prop_oneof![
        4 => (paths(), paths()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => paths().prop_map(Step::RemoveFile),
        2 => paths().prop_map(Step::RemoveDir),
        4 => paths().prop_map(Step::CreateDir),
        1 => paths().prop_map(Step::SyncDir),
        1 => paths().prop_map(Step::List),
        2 => paths().prop_map(Step::Stamp),
        2 => (paths(), mode).prop_map(|(path, mode)| Step::Lock(path, mode)),
        1 => (0u64..20, bytes()).prop_map(|(offset, bytes)| Step::LockWrite(offset, bytes)),
        2 => Just(Step::LockPathIs),
        2 => retaken.prop_map(Step::Retake),
        1 => Just(Step::Unlock),
    ];
    prop_oneof![files, names]
}

/// What a caller can see of one step.
#[derive(Debug, PartialEq)]
enum Seen {
    Done,
    NoHandle,
    Len(u64),
    Bytes(Vec<u8>),
    Listed(Vec<DirEntry>),
    /// The length. Identities are compared elsewhere: a real disk may use an inode twice in one tick of its clock.
    Stamped(Option<u64>),
    Held(bool),
    Failed(ErrorKind),
}

/// A storage with the handles a script has open.
struct Player<'a> {
    storage: &'a dyn Storage,
    writable: Option<Box<dyn WritableFile>>,
    readable: Option<Arc<dyn ReadableFile>>,
    locks: Vec<Box<dyn FileLock>>,
}

impl<'a> Player<'a> {
    fn new(storage: &'a dyn Storage) -> Self {
        Self {
            storage,
            writable: None,
            readable: None,
            locks: Vec::new(),
        }
    }

    fn play(&mut self, step: &Step) -> Seen {
        self.try_play(step).unwrap_or_else(|error| {
            assert!(!error.message().is_empty());
            Seen::Failed(error.kind())
        })
    }

    fn try_play(&mut self, step: &Step) -> Result<Seen> {
        match step {
            Step::Append(_) | Step::WriteAt(..) | Step::Truncate(_) | Step::Sync | Step::RefreshLen => {
                self.write(step)
            }
            Step::ReadAt(..) | Step::Map => self.read(step),
            Step::Lock(..) | Step::LockWrite(..) | Step::LockPathIs | Step::Retake(_) | Step::Unlock => {
                self.play_lock(step)
            }
            _ => self.play_name(step),
        }
    }

    fn write(&mut self, step: &Step) -> Result<Seen> {
        let Some(file) = &mut self.writable else {
            return Ok(Seen::NoHandle);
        };
        match step {
            Step::Append(bytes) => file.append(bytes)?,
            Step::WriteAt(offset, bytes) => file.write_at(*offset, bytes)?,
            Step::Truncate(len) => file.truncate(*len)?,
            Step::Sync => file.sync()?,
            _ => assert_eq!(file.refresh_len()?, file.len()),
        }
        Ok(Seen::Len(file.len()))
    }

    fn read(&mut self, step: &Step) -> Result<Seen> {
        let Some(file) = &self.readable else {
            return Ok(Seen::NoHandle);
        };
        if let Step::ReadAt(offset, len) = step {
            let mut bytes = vec![0; *len];
            file.read_at(*offset, &mut bytes)?;
            return Ok(Seen::Bytes(bytes));
        }
        let region = file.map()?;
        assert_eq!(region.len() as u64, file.len());
        Ok(Seen::Bytes(region.to_vec()))
    }

    fn play_lock(&mut self, step: &Step) -> Result<Seen> {
        if let Step::Lock(path, mode) = step {
            let lock = self.storage.lock(path, *mode, false)?;
            let held = lock.is_some();
            self.locks.extend(lock);
            return Ok(Seen::Held(held));
        }
        let Some(lock) = self.locks.last() else {
            return Ok(Seen::NoHandle);
        };
        match step {
            Step::LockWrite(offset, bytes) => {
                lock.write_at(*offset, bytes)?;
                let mut all = vec![0; usize::try_from(lock.len()?).expect("small")];
                lock.read_at(0, &mut all)?;
                Ok(Seen::Bytes(all))
            }
            Step::LockPathIs => Ok(Seen::Held(self.storage.lock_path_is(lock.as_ref())?)),
            Step::Retake(mode) => {
                lock.release()?;
                let held = lock.acquire(*mode, false)?;
                if !held {
                    self.locks.pop();
                }
                Ok(Seen::Held(held))
            }
            _ => {
                self.locks.pop();
                Ok(Seen::Done)
            }
        }
    }

    fn play_name(&mut self, step: &Step) -> Result<Seen> {
        let storage = self.storage;
        match step {
            Step::Create(path) => self.writable = Some(storage.create(path)?),
            Step::AppendTo(path) => self.writable = Some(storage.append_to(path)?),
            Step::Open(path) => self.readable = Some(storage.open(path)?),
            Step::Read(path, limit) => return Ok(Seen::Bytes(storage.read(path, *limit)?)),
            Step::Rename(from, to) => storage.rename(from, to)?,
            Step::RemoveFile(path) => storage.remove_file(path)?,
            Step::RemoveDir(path) => storage.remove_dir(path)?,
            Step::CreateDir(path) => storage.create_dir(path)?,
            Step::SyncDir(path) => storage.sync_dir(path)?,
            Step::List(path) => return Ok(Seen::Listed(storage.list(path)?)),
            Step::Stamp(path) => {
                return Ok(Seen::Stamped(storage.stamp(path)?.map(|stamp| stamp.len)));
            }
            _ => unreachable!("the other steps have handles"),
        }
        Ok(Seen::Done)
    }

    fn sync_everything(&mut self) {
        self.storage.sync_dir(&RelPath::root()).expect("syncs");
        for (path, entry, _) in self.live_view() {
            let path = RelPath::new(&path).expect("valid");
            match entry.kind {
                EntryKind::Directory => self.storage.sync_dir(&path).expect("syncs"),
                _ => self
                    .storage
                    .append_to(&path)
                    .and_then(|mut f| f.sync())
                    .expect("syncs"),
            }
        }
    }

    /// Every path with its entry and its bytes.
    fn live_view(&mut self) -> Vec<(String, DirEntry, Option<Vec<u8>>)> {
        let mut view = Vec::new();
        let mut directories = vec![RelPath::root()];
        while let Some(directory) = directories.pop() {
            for entry in self.storage.list(&directory).expect("lists") {
                let path = directory.join(&entry.name).expect("valid");
                let bytes = self.storage.read(&path, u64::MAX).ok();
                if bytes.is_none() {
                    directories.push(path.clone());
                }
                view.push((path.to_string(), entry, bytes));
            }
        }
        view
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]
    #[test]
    fn a_script_has_the_same_outcome_in_memory_and_in_a_real_directory(
        script in prop::collection::vec(steps(), 1..80),
        has_openat2 in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().expect("tempdir");
        let real = RealStorage::open(dir.path(), Options::default()).expect("opens");
        let real = if has_openat2 { real } else { real.without_openat2() };
        let (memory, faulty) = (MemoryStorage::new(), FaultyStorage::new());
        let mut on_disk = Player::new(&real);
        let (mut in_memory, mut on_faulty) = (Player::new(&memory), Player::new(&faulty));
        for (number, step) in script.iter().enumerate() {
            let seen = on_disk.play(step);
            prop_assert_eq!(&seen, &in_memory.play(step), "memory, step {} {:?}", number, step);
            prop_assert_eq!(&seen, &on_faulty.play(step), "faulty, step {} {:?}", number, step);
        }
        let view = on_disk.live_view();
        prop_assert_eq!(&view, &in_memory.live_view());
        prop_assert_eq!(&view, &on_faulty.live_view());
        // The crash model: what the process wrote is the first state, and the only one once all is synced.
        let killed = faulty.crashed_images(1, 1).next().expect("one image");
        prop_assert_eq!(&view, &Player::new(&killed).live_view());
        on_faulty.sync_everything();
        for image in faulty.crashed_images(1, 40) {
            prop_assert_eq!(&view, &Player::new(&image).live_view(), "{}", image.origin());
        }
    }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("valid")
}

#[test]
fn clones_share_the_tree_and_copies_do_not() {
    let storage = MemoryStorage::new();
    storage
        .create(&path("f"))
        .expect("creates")
        .append(b"1")
        .expect("appends");
    let lock = storage
        .lock(&path("f"), LockMode::Exclusive, true)
        .expect("locks");
    let copy = storage.deep_copy();
    storage
        .clone()
        .append_to(&path("f"))
        .expect("opens")
        .append(b"2")
        .expect("appends");
    assert_eq!(storage.read(&path("f"), 9).expect("reads"), b"12");
    assert_eq!(copy.read(&path("f"), 9).expect("reads"), b"1");
    assert_eq!(storage.clone().identity(), storage.identity());
    assert_ne!(copy.identity(), storage.identity());
    assert!(lock.is_some());
    assert!(
        copy.lock(&path("f"), LockMode::Exclusive, false)
            .expect("no error")
            .is_some()
    );
}

#[test]
fn a_read_only_view_refuses_changes_and_still_locks() {
    let storage = MemoryStorage::new();
    storage.create(&path("f")).expect("creates");
    let view = storage.read_only();
    assert!(view.is_read_only());
    assert_eq!(
        view.create(&path("g")).expect_err("read-only").kind(),
        ErrorKind::Invalid
    );
    assert_eq!(
        view.remove_file(&path("f")).expect_err("read-only").kind(),
        ErrorKind::Invalid
    );
    let missing = view.lock(&path("g"), LockMode::Shared, false);
    assert_eq!(missing.expect_err("missing").kind(), ErrorKind::NotFound);
    let lock = view
        .lock(&path("f"), LockMode::Exclusive, false)
        .expect("locks")
        .expect("free");
    assert_eq!(
        lock.write_at(0, b"1").expect_err("read-only").kind(),
        ErrorKind::Invalid
    );
    assert!(
        storage
            .lock(&path("f"), LockMode::Shared, false)
            .expect("no error")
            .is_none()
    );
}
