//! What only a real directory can show: links, devices, maps, permissions, other processes' changes.
//!
//! Once feared here: a name inside a database that leads out of it; an open that hangs on a FIFO; a copy where a map
//! was promised.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::super::{
    Access, COPY_BYTES_MAX, EntryKind, LockMode, Options, REGION_ALIGNMENT, RealStorage, RelPath, Storage,
};
use crate::error::{ErrorKind, Result};

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("a valid path")
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

/// The same directory with `openat2`, and walked component by component.
fn both_ways(dir: &Path) -> [RealStorage; 2] {
    let open = || RealStorage::open(dir, Options::default()).expect("opens");
    [open(), open().without_openat2()]
}

fn put(storage: &dyn Storage, at: &str, bytes: &[u8]) {
    let mut file = storage.create(&path(at)).expect("creates");
    file.append(bytes).expect("appends");
    file.sync().expect("syncs");
}

#[test]
fn what_was_appended_patched_and_cut_is_read_back() {
    let dir = tempfile::tempdir().expect("tempdir");
    for (number, storage) in both_ways(dir.path()).iter().enumerate() {
        let home = format!("d{number}");
        storage.create_dir(&path(&home)).expect("creates");
        let file_path = path(&home).join("f").expect("valid");
        let mut file = storage.create(&file_path).expect("creates");
        file.append(b"....body").expect("appends");
        file.append(b"torn").expect("appends");
        file.write_at(0, b"head").expect("patches");
        file.truncate(8).expect("cuts");
        assert_eq!(kind(file.write_at(6, b"xyz")), ErrorKind::Invalid);
        assert_eq!(kind(file.truncate(9)), ErrorKind::Invalid);
        file.sync().expect("syncs");
        storage.sync_dir(&path(&home)).expect("syncs");
        assert_eq!(storage.read(&file_path, 8).expect("reads"), b"headbody");
        assert_eq!(kind(storage.read(&file_path, 7)), ErrorKind::Corrupt);
        let opened = storage.open(&file_path).expect("opens");
        let mut four = [0; 4];
        opened.read_at(4, &mut four).expect("reads");
        assert_eq!(&four, b"body");
        assert_eq!(kind(opened.read_at(5, &mut four)), ErrorKind::Corrupt);
        storage
            .append_to(&file_path)
            .expect("opens")
            .append(b"+")
            .expect("appends");
        assert_eq!(storage.read(&file_path, 99).expect("reads"), b"headbody+");
        assert_eq!(kind(storage.create(&file_path)), ErrorKind::Conflict);
    }
}

#[test]
fn a_symbolic_link_is_followed_nowhere() {
    let outside = tempfile::tempdir().expect("tempdir");
    std::fs::write(outside.path().join("secret"), b"secret").expect("writes");
    std::fs::create_dir(outside.path().join("inner")).expect("creates");
    let dir = tempfile::tempdir().expect("tempdir");
    symlink(outside.path().join("secret"), dir.path().join("file")).expect("links");
    symlink(outside.path(), dir.path().join("dir")).expect("links");
    symlink(outside.path().join("missing"), dir.path().join("dangling")).expect("links");
    for storage in both_ways(dir.path()) {
        for name in ["file", "dangling", "dir/secret", "dir/inner/x"] {
            let name = &path(name);
            assert_eq!(kind(storage.open(name)), ErrorKind::Invalid, "{name}");
            assert_eq!(kind(storage.read(name, 99)), ErrorKind::Invalid, "{name}");
            assert_eq!(kind(storage.append_to(name)), ErrorKind::Invalid, "{name}");
            assert_eq!(kind(storage.stamp(name)), ErrorKind::Invalid, "{name}");
            assert_eq!(
                kind(storage.lock(name, LockMode::Shared, false)),
                ErrorKind::Invalid
            );
        }
        assert_eq!(kind(storage.create(&path("dir/new"))), ErrorKind::Invalid);
        assert_eq!(kind(storage.create_dir(&path("dir/new"))), ErrorKind::Invalid);
        assert_eq!(kind(storage.remove_file(&path("dir/secret"))), ErrorKind::Invalid);
        assert_eq!(kind(storage.remove_dir(&path("dir/inner"))), ErrorKind::Invalid);
        assert_eq!(
            kind(storage.rename(&path("dir/secret"), &path("x"))),
            ErrorKind::Invalid
        );
        assert_eq!(
            kind(storage.rename(&path("file"), &path("dir/x"))),
            ErrorKind::Invalid
        );
        assert_eq!(kind(storage.list(&path("dir"))), ErrorKind::Invalid);
        assert_eq!(kind(storage.sync_dir(&path("dir"))), ErrorKind::Invalid);
        assert_eq!(kind(storage.create(&path("dangling"))), ErrorKind::Conflict);
        let listed = storage.list(&RelPath::root()).expect("lists");
        assert!(
            listed
                .iter()
                .all(|entry| entry.kind == EntryKind::Other && entry.len == 0)
        );
        let error = storage.open(&path("file")).expect_err("a link");
        assert!(error.message().contains("symbolic link"), "{error}");
        assert!(
            error.message().contains(&dir.path().display().to_string()),
            "{error}"
        );
    }
    assert_eq!(
        std::fs::read(outside.path().join("secret")).expect("reads"),
        b"secret"
    );
    assert_eq!(std::fs::read_dir(outside.path()).expect("lists").count(), 2);
}

#[test]
fn a_fifo_a_device_and_a_directory_are_refused_at_once_where_a_file_must_be() {
    let dir = tempfile::tempdir().expect("tempdir");
    let node = |name: &str, file_type, device| {
        mknodat(
            CWD,
            dir.path().join(name),
            file_type,
            Mode::RUSR | Mode::WUSR,
            device,
        )
    };
    node("fifo", FileType::Fifo, 0).expect("makes a FIFO");
    let mut names = vec!["fifo", "directory", "socket"];
    match node("zero", FileType::CharacterDevice, rustix::fs::makedev(1, 5)) {
        Ok(()) => names.push("zero"),
        Err(error) => eprintln!("SKIPPED the device: mknod needs privileges here: {error}"),
    }
    std::fs::create_dir(dir.path().join("directory")).expect("creates");
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).expect("binds");
    for storage in both_ways(dir.path()) {
        for name in &names {
            let name = &path(name);
            assert_eq!(kind(storage.open(name)), ErrorKind::Invalid, "{name}");
            assert_eq!(kind(storage.read(name, 9)), ErrorKind::Invalid, "{name}");
            assert_eq!(kind(storage.append_to(name)), ErrorKind::Invalid, "{name}");
            assert_eq!(
                kind(storage.lock(name, LockMode::Exclusive, false)),
                ErrorKind::Invalid
            );
        }
        assert_eq!(kind(storage.stamp(&path("fifo"))), ErrorKind::Invalid);
    }
}

#[test]
fn a_file_with_a_second_name_is_not_written() {
    let dir = tempfile::tempdir().expect("tempdir");
    let [storage, _] = both_ways(dir.path());
    put(&storage, "f", b"1");
    std::fs::hard_link(dir.path().join("f"), dir.path().join("g")).expect("links");
    assert_eq!(kind(storage.append_to(&path("f"))), ErrorKind::Invalid);
    assert_eq!(
        kind(storage.lock(&path("f"), LockMode::Shared, true)),
        ErrorKind::Invalid
    );
    assert_eq!(storage.read(&path("f"), 9).expect("reads"), b"1");
}

#[test]
fn files_and_directories_are_for_their_owner_only() {
    let dir = tempfile::tempdir().expect("tempdir");
    let root = dir.path().join("db");
    let storage = RealStorage::create(&root).expect("creates");
    storage.create_dir(&path("d")).expect("creates");
    put(&storage, "d/f", b"");
    drop(
        storage
            .lock(&path("l"), LockMode::Exclusive, true)
            .expect("locks"),
    );
    let mode = |name: &str| {
        std::fs::metadata(root.join(name))
            .expect("stats")
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(mode("."), 0o700);
    assert_eq!(mode("d"), 0o700);
    assert_eq!(mode("d/f") & !0o600, 0);
    assert_eq!(mode("l") & !0o600, 0);
    assert!(
        RealStorage::create(&root).is_ok(),
        "an existing directory is opened"
    );
    assert_eq!(kind(RealStorage::create(root.join("a/b"))), ErrorKind::NotFound);
    assert_eq!(kind(RealStorage::create(root.join("d/f"))), ErrorKind::Invalid);
    assert_eq!(
        kind(RealStorage::open(root.join("no"), Options::default())),
        ErrorKind::NotFound
    );
}

#[test]
fn arrow_reads_a_large_file_out_of_the_map_itself() {
    let dir = tempfile::tempdir().expect("tempdir");
    let [storage, _] = both_ways(dir.path());
    let bytes: Vec<u8> = (0..200_000u32).map(|i| i as u8).collect();
    put(&storage, "large", &bytes);
    let file = storage.open(&path("large")).expect("opens");
    let region = file.map().expect("maps");
    drop(file);
    storage.remove_file(&path("large")).expect("removes");
    assert!(region.is_mapped());
    let body = region.buffer().slice(64);
    assert_eq!(body.as_ptr(), region.as_ptr().wrapping_add(64), "a copy was made");
    assert_eq!(region.as_ptr().align_offset(REGION_ALIGNMENT), 0);
    let maps = std::fs::read_to_string("/proc/self/maps").expect("reads");
    let start = format!("{:x}-", region.as_ptr() as usize);
    assert!(
        maps.lines()
            .any(|line| line.starts_with(&start) && line.contains("large")),
        "{maps}"
    );
    drop(region);
    assert_eq!(body.as_slice(), &bytes[64..], "the buffer keeps the map alive");
}

#[test]
fn small_files_and_untrusted_directories_are_copied() {
    let dir = tempfile::tempdir().expect("tempdir");
    let [storage, _] = both_ways(dir.path());
    let options = Options {
        access: Access::Copy,
        ..Options::default()
    };
    let copying = RealStorage::open(dir.path(), options).expect("opens");
    for (name, len, is_mapped) in [
        ("empty", 0, false),
        ("small", COPY_BYTES_MAX, false),
        ("first_mapped", COPY_BYTES_MAX + 1, true),
    ] {
        let bytes = vec![7; usize::try_from(len).expect("small")];
        put(&storage, name, &bytes);
        let map = |storage: &RealStorage| storage.open(&path(name)).and_then(|file| file.map());
        let region = map(&storage).expect("maps");
        assert_eq!(
            (&region[..], region.is_mapped()),
            (&bytes[..], is_mapped),
            "{name}"
        );
        let region = map(&copying).expect("copies");
        assert_eq!((&region[..], region.is_mapped()), (&bytes[..], false), "{name}");
    }
}

/// A cut *after* `map` cannot be an error in [`Access::Map`]: touching the lost pages raises SIGBUS. That is why
/// published files are never cut, and why directories others may write are opened with [`Access::Copy`].
#[test]
fn a_file_cut_between_open_and_map_is_corrupt_and_a_copy_survives_any_cut() {
    let dir = tempfile::tempdir().expect("tempdir");
    let options = Options {
        access: Access::Copy,
        ..Options::default()
    };
    let copying = RealStorage::open(dir.path(), options).expect("opens");
    let [mapping, walking] = both_ways(dir.path());
    for storage in [&mapping, &walking, &copying] {
        put(storage, "f", &[1; 100_000]);
        let file = storage.open(&path("f")).expect("opens");
        let copy = copying
            .open(&path("f"))
            .and_then(|file| file.map())
            .expect("copies");
        storage
            .append_to(&path("f"))
            .expect("opens")
            .truncate(50_000)
            .expect("cuts");
        assert_eq!(kind(file.map()), ErrorKind::Corrupt);
        assert_eq!(kind(file.read_at(50_000, &mut [0])), ErrorKind::Corrupt);
        assert_eq!(&copy[..], &[1; 100_000]);
        storage.remove_file(&path("f")).expect("removes");
    }
}

#[test]
fn a_read_only_storage_changes_nothing_and_still_locks() {
    let dir = tempfile::tempdir().expect("tempdir");
    let [writable, _] = both_ways(dir.path());
    put(&writable, "f", b"1");
    let options = Options {
        read_only: true,
        ..Options::default()
    };
    let storage = RealStorage::open(dir.path(), options).expect("opens");
    assert!(storage.is_read_only() && !writable.is_read_only());
    assert_eq!(storage.identity(), writable.identity());
    let (f, g) = (path("f"), path("g"));
    assert_eq!(kind(storage.create(&g)), ErrorKind::Invalid);
    assert_eq!(kind(storage.append_to(&f)), ErrorKind::Invalid);
    assert_eq!(kind(storage.rename(&f, &g)), ErrorKind::Invalid);
    assert_eq!(kind(storage.remove_file(&f)), ErrorKind::Invalid);
    assert_eq!(kind(storage.remove_dir(&g)), ErrorKind::Invalid);
    assert_eq!(kind(storage.create_dir(&g)), ErrorKind::Invalid);
    assert_eq!(kind(storage.sync_dir(&RelPath::root())), ErrorKind::Invalid);
    assert_eq!(
        kind(storage.lock(&g, LockMode::Shared, false)),
        ErrorKind::NotFound
    );
    let lock = storage
        .lock(&f, LockMode::Exclusive, false)
        .expect("locks")
        .expect("is free");
    assert_eq!(kind(lock.write_at(0, b"2")), ErrorKind::Invalid);
    assert!(
        writable
            .lock(&f, LockMode::Shared, false)
            .expect("no error")
            .is_none()
    );
    assert_eq!(storage.list(&RelPath::root()).expect("lists").len(), 1);
}

#[test]
fn a_waiting_lock_is_granted_when_the_holder_drops_it() {
    let dir = tempfile::tempdir().expect("tempdir");
    let storage: Arc<dyn Storage> = Arc::new(RealStorage::create(dir.path()).expect("opens"));
    let held = storage
        .lock(&path("l"), LockMode::Exclusive, true)
        .expect("locks");
    let other = Arc::clone(&storage);
    let waiter = std::thread::spawn(move || {
        let lock = other
            .lock(&path("l"), LockMode::Exclusive, true)?
            .expect("waited");
        let mut byte = [0];
        lock.read_at(0, &mut byte)?;
        Ok::<u8, crate::error::Error>(byte[0])
    });
    std::thread::sleep(Duration::from_millis(50));
    held.as_ref().expect("held").write_at(0, b"!").expect("writes");
    drop(held);
    assert_eq!(waiter.join().expect("no panic").expect("locks"), b'!');
}

#[test]
fn a_new_file_under_an_old_name_has_another_identity_even_with_the_same_inode() {
    let dir = tempfile::tempdir().expect("tempdir");
    let [storage, _] = both_ways(dir.path());
    let mut reused = 0;
    for _ in 0..20 {
        put(&storage, "f", b"1");
        let before = storage.stamp(&path("f")).expect("stats").expect("is there");
        let inode = std::fs::metadata(dir.path().join("f")).expect("stats").ino();
        storage.remove_file(&path("f")).expect("removes");
        assert_eq!(storage.stamp(&path("f")).expect("stats"), None);
        // Times of birth come in ticks of the kernel.
        std::thread::sleep(Duration::from_millis(12));
        put(&storage, "f", b"1");
        let after = storage.stamp(&path("f")).expect("stats").expect("is there");
        reused += u32::from(std::fs::metadata(dir.path().join("f")).expect("stats").ino() == inode);
        assert_ne!(before, after);
        storage.remove_file(&path("f")).expect("removes");
    }
    eprintln!("the inode was used again {reused} times of 20");
}

#[test]
fn a_rename_keeps_the_identity_and_a_replaced_file_has_another() {
    let dir = tempfile::tempdir().expect("tempdir");
    for storage in both_ways(dir.path()) {
        let stamp = |at: &str| storage.stamp(&path(at)).expect("stats").expect("is there");
        storage.create_dir(&path("d")).expect("creates");
        put(&storage, "d/old", b"1");
        put(&storage, "new", b"1");
        let (old, new) = (stamp("d/old"), stamp("new"));
        assert_ne!(old, new);
        storage.rename(&path("new"), &path("d/old")).expect("renames");
        assert_eq!(
            stamp("d/old"),
            new,
            "the same through the root and through a directory"
        );
        assert_eq!(storage.stamp(&path("d/none/f")).expect("stats"), None);
        storage.remove_file(&path("d/old")).expect("removes");
        storage.remove_dir(&path("d")).expect("removes");
    }
}

#[test]
fn a_name_that_is_not_utf8_is_listed_as_other_and_never_touched() {
    let dir = tempfile::tempdir().expect("tempdir");
    let [storage, _] = both_ways(dir.path());
    let name = CString::new(b"bad\xff".to_vec()).expect("no NUL");
    let odd = dir.path().join(std::ffi::OsStr::from_bytes(name.as_bytes()));
    std::fs::write(&odd, b"x").expect("writes");
    let listed = storage.list(&RelPath::root()).expect("lists");
    let entry = listed.first().expect("one entry");
    assert_eq!(
        (entry.name.as_str(), entry.kind, entry.len),
        ("bad\u{fffd}", EntryKind::Other, 0)
    );
}

/// Mounts a file system of 256 KiB; `None`, with a line on standard error, where mounting is not allowed.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("tempdir");
        let options = ["-t", "tmpfs", "-o", "size=256k", "tmpfs"];
        let status = std::process::Command::new("mount")
            .args(options)
            .arg(dir.path())
            .status();
        if status.is_ok_and(|status| status.success()) {
            return Some(Self(dir));
        }
        eprintln!("SKIPPED: cannot mount a small tmpfs here; the full disk was not tested");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_an_io_error_that_says_so_and_the_torn_tail_can_be_cut() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let storage = RealStorage::open(disk.0.path(), Options::default()).expect("opens");
    let mut file = storage.create(&path("f")).expect("creates");
    file.append(&[1; 1000]).expect("has room");
    let error = file.append(&vec![2; 1 << 20]).expect_err("has no room");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("free space"), "{error}");
    assert_eq!(file.len(), 1000);
    assert!(
        storage.stamp(&path("f")).expect("stats").expect("is there").len > 1000,
        "no tail"
    );
    file.truncate(1000).expect("cuts");
    file.append(b"after").expect("has room again");
    file.sync().expect("syncs");
    assert_eq!(storage.read(&path("f"), 2000).expect("reads").len(), 1005);
}

#[test]
fn many_regions_leave_no_descriptor_open() {
    let dir = tempfile::tempdir().expect("tempdir");
    let [storage, _] = both_ways(dir.path());
    put(&storage, "f", &[3; 100_000]);
    let regions: Vec<_> = (0..200)
        .map(|_| {
            storage
                .open(&path("f"))
                .and_then(|file| file.map())
                .expect("maps")
        })
        .collect();
    let open = std::fs::read_dir("/proc/self/fd")
        .expect("lists")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| target.starts_with(dir.path()) && target.ends_with("f"))
        .count();
    assert_eq!((regions.len(), open), (200, 0));
}
