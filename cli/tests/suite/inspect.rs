//! `info`, `ls`, `schema` and `symbols`, as text and as JSON.

use crate::support::Place;

#[test]
fn info_tells_tables_partitions_domains_and_versions() {
    let place = Place::with_trades();
    let info = place.json("info db");
    assert_eq!(info["format_version"], "1.0");
    assert_eq!(info["database_id"].as_str().unwrap().len(), 32);
    assert_eq!(info["version"], 1);
    assert_eq!(info["rows"], 5);
    let table = &info["tables"][0];
    assert_eq!(
        (table["table"].as_str(), table["series"].as_str()),
        (Some("trade"), Some("sym"))
    );
    assert_eq!(table["partitions"]["day"], 3);
    assert_eq!(table["partitions"]["hour"], 0);
    assert_eq!(table["first_time"], "2026-11-18T14:30:00.000000000Z");
    assert_eq!(table["last_time"], "2026-11-20T14:59:59.500000000Z");
    let domains = info["symbol_domains"].as_array().unwrap();
    assert!(
        domains
            .iter()
            .any(|domain| domain["domain"] == "sym" && domain["symbols"] == 2)
    );
    let text = place.ok("info db");
    assert!(text.contains("3 days"), "{text}");
}

#[test]
fn ls_lists_tables_and_partitions_of_mixed_units() {
    let place = Place::with_trades();
    assert_eq!(place.json("ls db")["tables"][0]["rows"], 5);
    place.ok("import db trade trades.csv --partition hour");
    let partitions = place.json("ls db trade")["partitions"].clone();
    let listed: Vec<(String, u64)> = partitions
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["partition"].as_str().unwrap().to_owned(),
                line["rows"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("2026-11-18", 2),
        ("2026-11-18/14", 2),
        ("2026-11-19", 1),
        ("2026-11-19/09", 1),
        ("2026-11-20", 2),
        ("2026-11-20/13", 1),
        ("2026-11-20/14", 1),
    ];
    assert_eq!(
        listed,
        expected.map(|(partition, rows)| (partition.to_owned(), rows))
    );
    assert_eq!(partitions[1]["unit"], "hour");
    assert!(place.ok("ls db trade").contains("2026-11-20/13"));
}

#[test]
fn an_empty_database_and_an_empty_table_are_listed_without_rows() {
    let place = Place::new();
    place.file("empty.csv", "ts,price\n");
    place.ok("import db empty empty.csv --time ts --type price=f64 --type ts=timestamp(ns)");
    assert_eq!(place.rows("db", "empty"), 0);
    assert!(place.ok("ls db empty").contains("no rows"));
    assert!(place.ok("head db empty").contains("no rows"));
    assert_eq!(place.json("head db empty")["rows"], serde_json::json!([]));
    assert_eq!(place.json("tail db empty")["rows"], serde_json::json!([]));
}

#[test]
fn schema_tells_types_roles_attributes_and_domains() {
    let place = Place::new();
    place.file("trades.csv", crate::support::TRADES);
    place.ok("import db trade trades.csv --series sym --attribute size=grouped --symbol note=notes --partition month");
    let schema = place.json("schema db trade");
    assert_eq!(schema["partition"], "month");
    let column = |name: &str| {
        let columns = schema["columns"].as_array().unwrap();
        columns
            .iter()
            .find(|column| column["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(column("ts")["type"], "timestamp(ns, UTC)");
    assert_eq!(column("ts")["nullable"], false);
    assert_eq!(column("ts")["role"], "time");
    assert_eq!(column("sym")["attributes"], serde_json::json!(["parted"]));
    assert_eq!(column("size")["attributes"], serde_json::json!(["grouped"]));
    assert_eq!(column("note")["domain"], "notes");
    assert!(place.ok("schema db trade").contains("partitioned by month"));
}

#[test]
fn symbols_lists_domains_and_finds_symbols_with_their_codes() {
    let place = Place::with_trades();
    let domains = place.json("symbols db");
    let domains = domains["symbol_domains"].as_array().unwrap();
    let sym = domains.iter().find(|domain| domain["domain"] == "sym").unwrap();
    assert_eq!(sym["used_by"], serde_json::json!(["trade.sym"]));
    let symbols = place.json("symbols db sym");
    assert_eq!(symbols["count"], 2);
    assert_eq!(
        symbols["symbols"][0],
        serde_json::json!({"code": 0, "symbol": "AAPL"})
    );
    let found = place.json("symbols db sym --find SF");
    assert_eq!(
        found["symbols"],
        serde_json::json!([{"code": 1, "symbol": "MSFT"}])
    );
    let limited = place.json("symbols db sym --limit 1");
    assert_eq!(
        (
            limited["found"].as_u64(),
            limited["symbols"].as_array().unwrap().len()
        ),
        (Some(2), 1)
    );
    assert!(place.ok("symbols db sym --limit 1").contains("1 more"));
    assert!(
        place
            .fails(2, "symbols db nope")
            .contains("there is no symbol domain")
    );
}

#[test]
fn compact_shows_what_it_would_do_and_does_it() {
    let place = Place::with_trades();
    place.ok("import db trade trades.csv --partition hour");
    let before = place.json("info db")["tables"][0].clone();
    assert_eq!(before["segments_per_partition"]["max"], 1);
    let plan = place.json("compact db --dry-run");
    let tasks = plan["tasks"].as_array().unwrap();
    assert!(
        !tasks.is_empty() && tasks.iter().all(|task| task["kind"] == "build day"),
        "{plan}"
    );
    assert_eq!(
        place.json("info db")["tables"][0],
        before,
        "a dry run writes nothing"
    );
    assert!(
        place
            .ok("compact db trade --dry-run")
            .contains("would read and write")
    );
    let done = place.json("compact db trade");
    assert_eq!(done["done"], tasks.len());
    let after = place.json("info db")["tables"][0].clone();
    assert_eq!(
        (&after["rows"], &after["partitions"]["hour"]),
        (&before["rows"], &0.into())
    );
    assert_eq!(done["segments_after"], after["segments"]);
    assert!(place.ok("compact db").contains("there is nothing to do"));
    place.ok("check db");
}
