//! Partition keys against a day-by-day calendar, over all of i64 nanoseconds; and file names.

use gapless_format::*;
use proptest::prelude::*;

const DAY_NS: i64 = 86_400_000_000_000;
const UNITS: [PartitionUnit; 4] = [
    PartitionUnit::Hour,
    PartitionUnit::Day,
    PartitionUnit::Month,
    PartitionUnit::Year,
];

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: usize) -> i64 {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
}

/// Counts every day from 1970-01-01 to both ends, as a person would.
#[test]
fn every_day_of_the_range_has_the_name_that_counting_gives() {
    let check = |day: i64, (year, month, of_month): (i64, usize, i64)| {
        let ts = day.saturating_mul(DAY_NS);
        let key = PartitionKey::containing(PartitionUnit::Day, ts);
        let path = format!("{year:04}-{month:02}-{of_month:02}");
        assert_eq!(key.path(), path);
        assert_eq!(PartitionKey::parse(&path), Some(key));
        let month_key = PartitionKey::containing(PartitionUnit::Month, ts);
        assert_eq!(month_key.path(), path[..7]);
        assert_eq!(
            PartitionKey::containing(PartitionUnit::Year, ts).path(),
            path[..4]
        );
    };
    let mut date = (1970, 1, 1);
    for day in 0..=106_751 {
        check(day, date);
        date = match date {
            (year, 12, 31) => (year + 1, 1, 1),
            (year, month, day) if day == days_of(year, month) => (year, month + 1, 1),
            (year, month, day) => (year, month, day + 1),
        };
    }
    let mut date = (1970, 1, 1);
    for day in (-106_752..=0).rev() {
        check(day, date);
        date = match date {
            (year, 1, 1) => (year - 1, 12, 31),
            (year, month, 1) => (year, month - 1, days_of(year, month - 1)),
            (year, month, day) => (year, month, day - 1),
        };
    }
}

#[test]
fn the_first_and_the_last_partition_of_a_unit_are_cut_at_the_ends_of_time() {
    for unit in UNITS {
        let first = PartitionKey::containing(unit, i64::MIN);
        assert_eq!(first.start, i64::MIN);
        assert_eq!(PartitionKey::containing(unit, first.end() - 1), first);
        assert_eq!(PartitionKey::parse(&first.path()), Some(first));
        let last = PartitionKey::containing(unit, i64::MAX);
        assert_eq!(last.end(), i64::MAX);
        assert!(last.contains(i64::MAX));
        assert_eq!(PartitionKey::parse(&last.path()), Some(last));
    }
    assert_eq!(
        PartitionKey::containing(PartitionUnit::Hour, i64::MIN).path(),
        "1677-09-21/00"
    );
    assert_eq!(
        PartitionKey::containing(PartitionUnit::Hour, i64::MAX).path(),
        "2262-04-11/23"
    );
}

#[test]
fn what_is_no_partition_path_is_refused() {
    let wrong = [
        "",
        "2026-",
        "2026-02-30",
        "2025-02-29",
        "2026-13",
        "2026-00",
        "2026-1-01",
        "2026-11-20/24",
        "2026-11-20/1",
        "2026-11-20T13",
        "+026",
        "1676",
        "2263",
        "2026-11-2é",
        "../2026-11-",
        "2026/11/20",
        "2026-11-20/-1",
    ];
    for path in wrong {
        assert_eq!(PartitionKey::parse(path), None, "{path:?}");
    }
}

#[test]
fn names_that_cannot_be_files_are_refused_with_what_to_do() {
    assert_eq!(file_name(""), Err(NameError::Empty));
    assert!(matches!(file_name("a\0b"), Err(NameError::Control { at: 1, .. })));
    assert!(matches!(
        file_name("a\u{85}"),
        Err(NameError::Control { at: 1, .. })
    ));
    assert_eq!(file_name(&"x".repeat(239)).map(|name| name.len()), Ok(239));
    let error = file_name(&"é".repeat(40)).unwrap_err();
    assert!(
        error.to_string().contains("240 bytes") && error.to_string().contains("shorten"),
        "{error}"
    );
}

#[test]
fn names_keep_to_safe_characters() {
    let pairs = [
        ("trade", "trade"),
        ("Bid.Size_1-x", "Bid.Size_1-x"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("a.", "a%2E"),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        ("é", "%C3%A9"),
        ("a b", "a%20b"),
    ];
    for (name, file) in pairs {
        assert_eq!(file_name(name).as_deref(), Ok(file));
        assert_eq!(decode_file_name(file).as_deref(), Some(name));
    }
    for file in [
        "%41", "%2e", "%", "%4", "a b", ".x", "x.", "%FF", "", "a/b", "%00",
    ] {
        assert_eq!(decode_file_name(file), None, "{file:?}");
    }
}

proptest! {
    #[test]
    fn a_time_lies_in_its_partition_and_the_next_one_follows(ts: i64, unit in prop::sample::select(&UNITS)) {
        let key = PartitionKey::containing(unit, ts);
        prop_assert!(key.start <= ts && (ts < key.end() || ts == i64::MAX));
        prop_assert!(key.contains(key.start) && key.is_valid());
        prop_assert_eq!(PartitionKey::parse(&key.path()), Some(key));
        if key.end() < i64::MAX {
            let next = PartitionKey::containing(unit, key.end());
            prop_assert_eq!(next.start, key.end());
            prop_assert!(next.path() > key.path());
        }
    }

    #[test]
    fn every_text_is_no_partition_or_its_own_path(path in "[0-9/-]{4,13}|\\PC{0,14}") {
        if let Some(key) = PartitionKey::parse(&path) {
            prop_assert_eq!(key.path(), path);
        }
    }

    #[test]
    fn every_name_comes_back_from_its_file_name(name in "\\PC{0,40}") {
        if let Ok(file) = file_name(&name) {
            prop_assert!(file.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.%".contains(&byte)));
            prop_assert!(!file.starts_with('.') && file.len() <= 239);
            prop_assert_eq!(decode_file_name(&file), Some(name));
        }
    }

    #[test]
    fn every_file_name_that_means_a_name_is_the_one_that_the_name_gets(file in "[A-Fa-f0-9%._-]{0,12}") {
        if let Some(name) = decode_file_name(&file) {
            prop_assert_eq!(file_name(&name), Ok(file));
        }
    }
}
