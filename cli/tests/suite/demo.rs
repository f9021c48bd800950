//! `gapless demo`: it asserts its own numbers, so it is enough that it ends well and cleans up.

use crate::support::Place;

#[test]
fn the_demo_ends_well_and_its_numbers_are_those_of_the_fixtures() {
    let place = Place::new();
    let report = place.json("demo");
    assert_eq!(report["rows"], 336_776);
    assert_eq!(report["rows_at_snapshot"], 336_776 - 688);
    assert_eq!(report["weather_rows"], 26_115);
    assert_eq!(report["delay_by_origin"][0]["origin"], "EWR");
    assert_eq!(
        (&report["missing_hours"], &report["missing_hours_after_fill"]),
        (&78.into(), &75.into())
    );
    assert_eq!(report["directory"], serde_json::Value::Null);
}

#[test]
fn the_demo_keeps_its_database_where_it_is_told_and_only_in_an_empty_directory() {
    let place = Place::new();
    let told = place.ok("demo --keep kept");
    assert!(
        told.contains("$ gapless import demo.db flights flights.csv --series origin"),
        "{told}"
    );
    assert!(told.contains("336,776 rows"), "{told}");
    assert_eq!(place.rows("kept/demo.db", "flights"), 336_776);
    let error = place.fails(2, "demo --keep kept");
    assert!(error.contains("not empty"), "{error}");
    assert_eq!(place.rows("kept/demo.db", "flights"), 336_776);
}
