//! `import`: what it makes, what it decides, and what it reads.

use std::io::Write;

use serde_json::json;

use crate::support::{Place, TRADES, fixture};

#[test]
fn the_plan_is_shown_before_and_the_figures_after() {
    let place = Place::new();
    place.file("trades.csv", TRADES);
    let text = place.ok("import db trade trades.csv --series sym");
    assert!(
        text.contains("into new table trade: time ts, series sym, partitioned by day"),
        "{text}"
    );
    assert!(text.contains("all 4 sampled values are numbers"), "{text}");
    assert!(text.contains("imported 5 rows"), "{text}");
    assert!(
        text.contains("3 segments in 3 partitions, committed as version 1"),
        "{text}"
    );
    let report = place.json("import db trade trades.csv --partition hour");
    assert_eq!(report["created_table"], false);
    assert_eq!(report["created_database"], false);
    assert_eq!(
        (report["rows"].as_u64(), report["partitions"].as_u64()),
        (Some(5), Some(4))
    );
    assert_eq!(report["rejected_rows"], 0);
    assert_eq!(report["version"], 2);
    assert!(
        report["raw_bytes"].as_u64() > Some(100) && report["bytes"].as_u64() > report["raw_bytes"].as_u64()
    );
    assert_eq!(report["decisions"].as_array().unwrap().len(), 5);
}

#[test]
fn a_dry_run_shows_the_plan_and_makes_nothing() {
    let place = Place::new();
    place.file("trades.csv", TRADES);
    assert!(
        place
            .ok("import db trade trades.csv --dry-run")
            .contains("nothing was written")
    );
    let plan = place.json("import db trade trades.csv --dry-run");
    assert_eq!(
        (plan["dry_run"].as_bool(), plan["created_table"].as_bool()),
        (Some(true), Some(true))
    );
    assert_eq!(plan.get("rows"), None);
    assert!(!place.has("db"));
    place.ok("import db trade trades.csv");
    place.ok("import db trade trades.csv --dry-run");
    assert_eq!(place.rows("db", "trade"), 5);
}

#[test]
fn two_files_are_one_commit() {
    let place = Place::new();
    place.file("a.csv", "ts,v\n2026-01-02T00:00:00Z,2\n");
    place.file("b.csv", "ts,v\n2026-01-01T00:00:00Z,1.5\n");
    let report = place.json("import db t a.csv b.csv");
    assert_eq!(
        (report["rows"].as_u64(), report["version"].as_u64()),
        (Some(2), Some(1))
    );
    assert_eq!(place.ok("head db t --columns v --format csv"), "v\n1.5\n2.0\n");
}

#[test]
fn gzip_and_zstd_give_the_same_rows_as_plain_text() {
    let place = Place::with_trades();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(TRADES.as_bytes()).unwrap();
    place.file("t.csv.gz", gzip.finish().unwrap());
    place.file("t.csv.zst", zstd::encode_all(TRADES.as_bytes(), 1).unwrap());
    let plain = place.ok("head db trade --format csv");
    for name in ["gz", "zst"] {
        place.ok(&format!("import db {name} t.csv.{name} --series sym"));
        assert_eq!(place.ok(&format!("head db {name} --format csv")), plain);
    }
}

#[test]
fn json_lines_with_missing_keys_and_integer_times_are_read() {
    let place = Place::new();
    place.file(
        "t.jsonl",
        "{\"ts_ms\":1514764802610,\"sym\":\"XBT\",\"price\":13873}\n{\"ts_ms\":1514764806057,\"price\":13873.5}\n",
    );
    place.ok("import db t t.jsonl --series sym");
    assert_eq!(
        place.ok("head db t --format csv"),
        "ts_ms,sym,price\n2018-01-01T00:00:02.610000000Z,XBT,13873.0\n2018-01-01T00:00:06.057000000Z,,13873.5\n"
    );
}

#[test]
fn a_table_that_exists_gives_time_series_and_types() {
    let place = Place::new();
    place.file(
        "a.csv",
        "at,when,sym,price\n2026-01-01T00:00:00Z,2025-01-01T00:00:00Z,A,1.5\n",
    );
    place.ok("import db t a.csv --time when --series sym --type price=f32");
    // Alone, this file would give integers and could not tell which column is the time.
    place.file(
        "b.csv",
        "sym,when,at,price\nB,2026-01-02T00:00:00Z,2026-01-02T00:00:00Z,2\n",
    );
    let report = place.json("import db t b.csv");
    assert_eq!(report["time"], "when");
    let price = report["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["column"] == "price")
        .unwrap();
    assert_eq!(price["decided"], "f32");
    assert_eq!(price["because"], "that is its type in the table");
    assert_eq!(
        place.ok("head db t --columns sym,price --format csv"),
        "sym,price\nA,1.5\nB,2.0\n"
    );
    // The same command line again is no contradiction.
    place.ok(
        "import db t a.csv --time when --series sym --type price=f32 --attribute sym=parted --symbol sym",
    );
}

#[test]
fn what_contradicts_the_table_is_refused() {
    let place = Place::with_trades();
    for (options, said) in [
        ("--time price", "--time"),
        ("--series note", "--series"),
        ("--attribute size=unique", "--attribute"),
        ("--symbol size", "--symbol"),
        ("--symbol sym=other", "--symbol"),
    ] {
        let error = place.fails(2, &format!("import db trade trades.csv {options}"));
        assert!(
            error.contains(said) && error.contains("table \"trade\" exists"),
            "{error}"
        );
    }
    place.file("more.csv", "ts,sym,venue\n2026-01-01T00:00:00Z,A,N\n");
    let error = place.fails(2, "import db trade more.csv");
    assert!(error.contains("venue") && error.contains("price"), "{error}");
    assert_eq!(place.rows("db", "trade"), 5);
}

#[test]
fn columns_that_the_files_leave_out_are_null_but_the_series_must_be_there() {
    let place = Place::with_trades();
    place.file("less.csv", "ts,sym,size\n2026-11-21T00:00:00Z,AAPL,3\n");
    place.ok("import db trade less.csv");
    assert_eq!(
        place.ok("tail db trade -n 1 --columns price,size,note --format csv"),
        "price,size,note\n,3,\n"
    );
    place.file("none.csv", "ts,size\n2026-11-21T00:00:00Z,3\n");
    assert!(place.fails(2, "import db trade none.csv").contains("\"sym\""));
    assert_eq!(place.rows("db", "trade"), 6);
}

#[test]
fn csv_is_read_as_the_options_say() {
    let place = Place::new();
    place.file("t.txt", "01.02.2026 10:00:00;NA;x\n01.02.2026 11:00:00;1,5;-\n");
    let words = [
        "import",
        "db",
        "t",
        "t.txt",
        "--no-header",
        "--columns",
        "ts,a,b",
        "--delimiter",
        ";",
        "--null",
        "NA",
        "--null",
        "-",
        "--time",
        "ts",
        "--time-format",
        "%d.%m.%Y %H:%M:%S",
        "--zone",
        "Europe/Paris",
        "--type",
        "a=utf8",
    ];
    let said = place.run_words(&words);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(
        place.ok("head db t --format csv"),
        "ts,a,b\n2026-02-01T09:00:00.000000000Z,,x\n2026-02-01T10:00:00.000000000Z,\"1,5\",\n"
    );
    assert_eq!(
        place.json("schema db t")["columns"][0]["type"],
        "timestamp(ns, Europe/Paris)"
    );
}

#[test]
fn rows_that_do_not_fit_into_memory_are_sorted_on_disk_and_are_the_same() {
    let place = Place::new();
    let flights = fixture("flights.csv.zst");
    place.ok(&format!(
        "import db a {} --series origin --partition year",
        flights.display()
    ));
    let small = place.json(&format!(
        "import db b {} --series origin --partition year --memory 4MiB",
        flights.display()
    ));
    assert!(small["spilled_bytes"].as_u64() > Some(0), "{small}");
    for end in ["head", "tail"] {
        let rows = |table: &str| place.ok(&format!("{end} db {table} -n 2000 --format csv"));
        assert!(rows("a") == rows("b"), "{end} differs");
    }
}

#[test]
fn the_flights_keep_every_row_and_local_times_need_their_zone() {
    let place = Place::new();
    let weather = fixture("weather.csv.zst");
    let line = format!(
        "import db weather {} --time time --series origin --partition month",
        weather.display()
    );
    let error = place.fails(2, &line);
    assert!(error.contains("--zone"), "{error}");
    assert!(!place.has("db"));
    let report = place.json(&format!("{line} --zone America/New_York"));
    assert_eq!(
        (report["rows"].as_u64(), report["ambiguous_times"].as_u64()),
        (Some(26_115), Some(6))
    );
    let rows = place.json("head db weather -n 30000");
    let moved = rows["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["time"] != row["time_hour"]);
    // The second of the two hours at the end of summer time, once for each airport.
    assert_eq!(moved.count(), 3);
}

#[test]
fn an_alias_that_hints_name_works() {
    let place = Place::new();
    place.file("rows", "ts,v\n2026-01-01T00:00:00Z,1\n");
    let error = place.fails(2, "import db t rows");
    assert!(error.contains("hint:"), "{error}");
    place.ok("import db t rows --input-format csv");
    assert_eq!(
        place.json("head db t")["rows"],
        json!([{"ts": "2026-01-01T00:00:00.000000000Z", "v": 1}])
    );
}

#[test]
fn a_second_import_of_a_table_with_a_key_corrects_rows_instead_of_adding_them() {
    let place = Place::new();
    place.file(
        "bars.csv",
        "ts,sym,venue,close\n2026-11-20T00:00:00Z,A,N,1\n2026-11-20T00:00:00Z,A,Q,2\n",
    );
    place.file("later.csv", "ts,sym,venue,close\n2026-11-20T00:00:00Z,A,Q,3\n");
    place.ok("import db bars bars.csv --series sym --key venue --keep last");
    place.ok("import db bars later.csv --key sym,venue --keep last");
    let head = place.ok("head db bars --format csv");
    assert!(
        head.contains("A,N,1") && head.contains("A,Q,3") && !head.contains("A,Q,2"),
        "{head}"
    );
    for (options, word) in [
        ("--keep first", "keeps the last row of a key"),
        ("--keep last --key close", "\"close\" is not part of its key"),
        ("--keep last --key sym", "\"venue\" is part of its key too"),
    ] {
        let error = place.fails(2, &format!("import db bars later.csv {options}"));
        assert!(error.contains(word), "{error}");
    }
}
