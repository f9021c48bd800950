//! Two processes with eight threads each that fill the same range at once.

use std::collections::BTreeMap;

use gapless::check::{CheckOptions, Severity, check_database};
use gapless::{Database, GapQuery, Keep, Maintenance};

use super::child::{SERIES, SLOTS, asked, series, start};
use super::fixture::{MINUTE, stored, table};

#[test]
fn sixteen_workers_of_two_processes_fill_a_range_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let open = || {
        let db = Database::builder(&path).maintenance(Maintenance::Manual).open();
        db.expect("the database opens")
    };
    for keep in [Keep::All, Keep::Last] {
        let db = open();
        let _ = db.drop_table("bars");
        drop(table(&db, keep));
        drop(db);
        let _ = std::fs::remove_file(asked(&path));
        let processes: Vec<_> = (0..2).map(|number| start(&path, number)).collect();
        let lines = processes.into_iter().flat_map(|process| process.rest());
        let inserted: i64 = lines.map(|rows| rows.parse::<i64>().expect("rows")).sum();
        assert_eq!(
            inserted,
            SERIES as i64 * SLOTS,
            "each row is inserted by one of them"
        );
        let db = open();
        let bars = db.table("bars").expect("the table");
        let slots = (0..SLOTS).map(|slot| (slot * MINUTE, slot as f64));
        let expected: Vec<(i64, f64)> = (0..SERIES).flat_map(|_| slots.clone()).collect();
        assert_eq!(stored(&bars), expected);
        let query = GapQuery::new(0, SLOTS * MINUTE).series(series()).interval("1m");
        assert!(bars.gaps(&query).expect("gaps").is_empty());
        let mut answers: BTreeMap<(String, i64), u32> = BTreeMap::new();
        for line in std::fs::read_to_string(asked(&path)).expect("answers").lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [series, start, end] = words.as_slice() else {
                panic!("a line {line:?}");
            };
            let (start, end): (i64, i64) = (start.parse().expect("a time"), end.parse().expect("a time"));
            for slot in (start..end).step_by(MINUTE as usize) {
                *answers.entry(((*series).to_owned(), slot)).or_default() += 1;
            }
        }
        assert_eq!(answers.len(), expected.len());
        assert!(answers.values().all(|answers| *answers == 1), "{answers:?}");
        drop(db);
    }
    let report = check_database(&path, &CheckOptions::default()).expect("a check");
    // Files that are left over, of the table that was dropped too, are a note.
    let damage: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .collect();
    assert!(damage.is_empty(), "{damage:#?}");
}
