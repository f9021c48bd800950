//! `export`: what comes out goes back in as the same rows.

use crate::support::{Place, fixture};

#[test]
fn a_hive_tree_of_parquet_comes_back_as_the_same_rows() {
    let place = Place::new();
    place.ok(&format!(
        "import db f {} --series origin",
        fixture("flights.csv.zst").display()
    ));
    let report = place.json("export db f --to out --start 2013-06-01 --end 2013-06-04");
    let files = report["files"].as_array().unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!(files[0]["file"], "out/date=2013-06-01/part-000000.parquet");
    let names: Vec<&str> = files.iter().map(|file| file["file"].as_str().unwrap()).collect();
    place.ok(&format!("import again f {} --series origin", names.join(" ")));
    let rows = |database: &str| {
        place.ok(&format!(
            "head {database} f -n 9999 --start 2013-06-01 --end 2013-06-04 --format csv"
        ))
    };
    assert!(rows("db") == rows("again"));
    assert_eq!(place.rows("again", "f"), report["rows"].as_u64().unwrap());
}

#[test]
fn every_format_comes_back_as_the_same_rows() {
    let place = Place::with_trades();
    let expected = place.ok("head db trade --format csv");
    for name in [
        "t.csv",
        "t.csv.gz",
        "t.csv.zst",
        "t.jsonl",
        "t.parquet",
        "t.arrow",
    ] {
        let report = place.json(&format!("export db trade --to {name}"));
        assert_eq!(
            (report["rows"].as_u64(), report["files"].as_array().unwrap().len()),
            (Some(5), 1)
        );
        place.ok(&format!("import again {name} {name} --series sym"));
        assert_eq!(
            place.ok(&format!("head again {name} --format csv")),
            expected,
            "{name}"
        );
    }
}

#[test]
fn hours_and_one_file_for_all_can_be_asked_for() {
    let place = Place::with_trades();
    let report = place.json("export db trade --to hours --format csv --partition-by hour");
    let names: Vec<&str> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["file"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "hours/date=2026-11-18/hour=14/part-000000.csv",
            "hours/date=2026-11-19/hour=09/part-000000.csv",
            "hours/date=2026-11-20/hour=13/part-000000.csv",
            "hours/date=2026-11-20/hour=14/part-000000.csv",
        ]
    );
    let report = place.json("export db trade --to one --partition-by none --series AAPL --columns ts,price");
    assert_eq!(
        (report["rows"].as_u64(), report["files"][0]["file"].as_str()),
        (Some(3), Some("one/part-000000.parquet"))
    );
    assert!(
        place
            .ok("export db trade --to said --partition-by none")
            .contains("exported 5 rows of trade")
    );
}

#[test]
fn nothing_is_replaced_unless_asked_for() {
    let place = Place::with_trades();
    place.file("t.csv", "mine");
    let error = place.fails(2, "export db trade --to t.csv");
    assert!(error.contains("--overwrite"), "{error}");
    assert_eq!(std::fs::read_to_string(place.path("t.csv")).unwrap(), "mine");
    place.ok("export db trade --to t.csv --overwrite");
    place.ok("export db trade --to out");
    place.fails(2, "export db trade --to out");
    place.fails(2, "export db trade --to x.csv --partition-by day");
    place.fails(2, "export db trade --to x.csv --columns nope");
    place.fails(2, "export db trade --to x --format xml");
    assert!(!place.has("x.csv"));
}

#[test]
fn no_rows_make_a_file_with_the_columns_and_a_tree_without_files() {
    let place = Place::with_trades();
    place.ok("export db trade --to none.csv --start 2030-01-01");
    assert_eq!(
        std::fs::read_to_string(place.path("none.csv")).unwrap(),
        "ts,sym,price,size,note\n"
    );
    assert_eq!(
        place.json("export db trade --to none --start 2030-01-01")["files"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}
