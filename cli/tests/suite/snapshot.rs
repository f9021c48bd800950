//! `snapshot`: a name keeps a version, whatever is committed later.

use serde_json::json;

use crate::support::Place;

#[test]
fn a_snapshot_does_not_change_when_rows_are_added() {
    let place = Place::with_trades();
    assert_eq!(place.json("snapshot db create before")["version"], 1);
    place.ok("import db trade trades.csv");
    let count = |line: &str| place.json(line)["rows"].as_array().unwrap().len();
    assert_eq!(count("head db trade -n 100"), 10);
    assert_eq!(count("head db trade -n 100 --as-of before"), 5);
    assert_eq!(count("tail db trade -n 100 --as-of before"), 5);
    place.ok("export db trade --to before.csv --as-of before");
    assert_eq!(
        std::fs::read_to_string(place.path("before.csv"))
            .unwrap()
            .lines()
            .count(),
        6
    );
    assert_eq!(
        place.json("snapshot db list"),
        json!({"snapshots": [{"name": "before", "version": 1}]})
    );
    assert!(place.ok("snapshot db list").contains("before"));
}

#[test]
fn names_are_taken_once_and_can_be_dropped() {
    let place = Place::with_trades();
    place.ok("snapshot db create a");
    assert!(place.fails(4, "snapshot db create a").contains("exists already"));
    assert_eq!(place.json("snapshot db drop a"), json!({"dropped": "a"}));
    assert!(place.fails(2, "snapshot db drop a").contains("no snapshot"));
    assert!(place.fails(2, "head db trade --as-of a").contains("no snapshot"));
    assert!(place.ok("snapshot db list").contains("no snapshots"));
}

#[test]
fn a_snapshot_of_nothing_makes_no_database() {
    let place = Place::new();
    place.fails(2, "snapshot nothing create a");
    assert!(!place.has("nothing"));
}
